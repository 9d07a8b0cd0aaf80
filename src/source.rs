//! Where records come from: listings, stored files, members, WARC and HTTP.

mod arc;
pub mod archive;
mod body;
pub mod common_crawl;
#[cfg(feature = "node")]
mod error;
mod http;
#[cfg(feature = "node")]
mod index;
#[cfg(feature = "node")]
pub mod listing;
mod member;
pub mod response;
pub mod settings;
#[cfg(feature = "node")]
pub mod store;
mod warc_type;

pub use archive::{ArchiveReader, Entry, ReadError};
pub use common_crawl::{CommonCrawlSettings, Sample};
#[cfg(feature = "node")]
pub use error::SourceError;
#[cfg(feature = "node")]
pub use listing::{Archive, list};
pub use response::Response;
pub use settings::{RecordSettings, RecordType, S3Settings, Secret, SourceSettings, Waits};
#[cfg(feature = "node")]
pub use store::{Access, Keys, Store};
pub use warc_type::WarcType;
