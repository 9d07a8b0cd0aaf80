//! Where records come from: listings, stored files, members, WARC and HTTP.

pub mod response;
pub mod settings;

pub use response::Response;
pub use settings::{RecordSettings, S3Settings, SourceSettings};
