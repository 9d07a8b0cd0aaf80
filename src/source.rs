//! Where records come from: listings, stored files, members, WARC and HTTP.

pub mod response;

pub use response::Response;
