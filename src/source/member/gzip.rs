//! The header of a gzip member (RFC 1952, section 2.3).

/// The magic, and the only method there is.
pub(super) const MAGIC: &[u8] = &[0x1f, 0x8b, 8];
/// Length of the trailer: checksum and length.
pub(super) const TRAILER: usize = 8;
/// Longest gzip header; more is corrupt.
pub(super) const MAX_HEADER: usize = 128 << 10;

/// Longest name or comment. A longer search at each of the bytes that look like a header, of a file that is made of them, would not
/// come to an end.
const MAX_NAME: usize = 4 << 10;

/// Length of the gzip header at the start of `bytes`, once it is there in full (RFC 1952, section 2.3).
pub(in super::super) fn gzip_header_len(bytes: &[u8]) -> Option<usize> {
    let flags = *bytes.get(3)?;
    let mut at = 10;
    if flags & 4 != 0 {
        at += 2 + u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]) as usize;
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let rest = bytes.get(at..)?;
            at += memchr::memchr(0, &rest[..rest.len().min(MAX_NAME)])? + 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    (bytes.len() >= at).then_some(at)
}
