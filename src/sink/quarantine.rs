//! A line of `quarantine.jsonl`: a damaged piece of an archive, or a record that was passed over.

use serde::Serialize;
use warcdl_actors::results::{self, names::List};
use warcdl_actors::{Exclusion, Listed};

/// Its columns. Those that results have too bear the same names.
#[derive(Debug, Serialize)]
struct Row<'a> {
    warc_filename: &'a str,
    warc_record_offset: u64,
    warc_record_ordinal: u32,
    /// Bytes of the stored file to where reading went on; 0 if that is in the same member.
    length: u64,
    reason: Exclusion,
}

/// The line of a place.
pub(super) fn row(Listed { warc_filename, lost }: &Listed) -> Result<results::Row, serde_json::Error> {
    let mut line = serde_json::to_vec(&Row {
        warc_filename,
        warc_record_offset: lost.at.offset,
        warc_record_ordinal: lost.at.ordinal,
        length: lost.length,
        reason: lost.reason,
    })?;
    line.push(b'\n');
    Ok(results::Row { list: List::Quarantine, line, file: None })
}
