//! Where records come from: listings, stored files, members, WARC and HTTP.

mod arc;
pub mod archive;
mod body;
mod http;
pub mod listing;
mod member;
pub mod response;
pub mod settings;
pub mod store;
mod warc_type;

pub use archive::{ArchiveReader, Entry, ReadError};
pub use listing::{Archive, list};
pub use response::Response;
pub use settings::{RecordSettings, RecordType, S3Settings, Secret, SourceSettings};
pub use store::{SourceError, Store};
pub use warc_type::WarcType;
