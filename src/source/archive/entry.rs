//! What reading an archive gives.

use std::io;

use thiserror::Error;
use warcdl_actors::{Exclusion, Lost, Position};

use super::super::{Response, WarcType};

/// The stored file cannot be read on.
#[derive(Debug, Error)]
#[error("cannot read {name} at byte {offset}: {source}")]
pub struct ReadError {
    /// The archive.
    pub name: String,
    /// Where in the stored file.
    pub offset: u64,
    /// What the source reports.
    pub source: io::Error,
}

/// One record, or one damaged piece.
#[derive(Debug)]
pub struct Entry {
    /// Where it starts.
    pub at: Position,
    /// Where reading resumes behind it.
    pub next: Position,
    /// Bytes of the stored file read so far, absolute.
    pub bytes_read: u64,
    /// Target URI of a `response`; else empty.
    pub url: String,
    /// Its type; `None` if no WARC header could be read.
    pub warc_type: Option<WarcType>,
    /// HTTP status of a `response`, whether it is taken or not; `None` if no HTTP headers could be read.
    pub http_status: Option<u16>,
    /// The response, or why there is none.
    pub content: Result<Response, Exclusion>,
}

impl Entry {
    /// Its place, as it is listed for this reason.
    pub fn lost(&self, reason: Exclusion) -> Lost {
        Lost { at: self.at, length: self.next.offset.saturating_sub(self.at.offset), reason }
    }
}
