//! Where records come from: listings, stored files, members, WARC and HTTP.

pub mod archive;
mod body;
mod http;
mod member;
pub mod response;
pub mod settings;

pub use archive::{ArchiveReader, Entry, ReadError};
pub use response::Response;
pub use settings::{RecordSettings, S3Settings, Secret, SourceSettings};
