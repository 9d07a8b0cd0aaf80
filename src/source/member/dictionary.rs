//! The dictionary of an archive of zstd frames: a skippable frame at the head of the file, whose content is the
//! dictionary, itself a zstd frame or not (IIPC, "WARC file compression with Zstandard").

use std::io::{self, Read};

use super::frame::{self, SKIPPABLE_HEADER};
use super::stored::Stored;

const MAGIC: &[u8] = &[0x5d, 0x2a, 0x4d, 0x18];
/// Longest dictionary, compressed and not; those in use have at most a few MiB.
const MAX_LENGTH: u64 = 16 << 20;

/// Reads the dictionary at the head of a file; `None`, and nothing taken, if the file starts otherwise.
pub(super) fn read(head: &mut Stored) -> io::Result<Option<Vec<u8>>> {
    if !head.ensure(SKIPPABLE_HEADER)? || !head.bytes().starts_with(MAGIC) {
        return Ok(None);
    }
    let length = frame::skippable_len(head.bytes()) - SKIPPABLE_HEADER as u64;
    let broken = |reason: String| {
        io::Error::new(io::ErrorKind::InvalidData, format!("the archive's zstd dictionary {reason}"))
    };
    if length > MAX_LENGTH {
        return Err(broken(format!("has {length} bytes, more than {MAX_LENGTH}")));
    }
    head.start += SKIPPABLE_HEADER;
    let mut content = Vec::new();
    if !head.pass(length, |piece| content.extend_from_slice(piece))? {
        return Err(broken("is cut short".to_owned()));
    }
    if !content.starts_with(frame::MAGIC) {
        return Ok(Some(content));
    }
    let mut dictionary = Vec::new();
    let decoder = zstd::stream::read::Decoder::new(content.as_slice())?;
    decoder
        .take(MAX_LENGTH + 1)
        .read_to_end(&mut dictionary)
        .map_err(|error| broken(format!("cannot be decompressed: {error}")))?;
    if dictionary.len() as u64 > MAX_LENGTH {
        return Err(broken(format!("decompresses to more than {MAX_LENGTH} bytes")));
    }
    Ok(Some(dictionary))
}
