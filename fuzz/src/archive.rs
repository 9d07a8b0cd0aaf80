use std::io::{Cursor, Read, Write};

use flate2::{Compression, write::GzEncoder};
use warcdl::kind::Kind;
use warcdl::source::{ArchiveReader, RecordSettings, RecordType};
use warcdl_actors::{Exclusion, Position};

use crate::shipped;

/// Longest body: small, so that bombs of the fuzzer's size go beyond it.
pub const MAX_BODY: u64 = 64 << 10;
/// Bytes that a reader may hold beside the file and the entries: its windows of stored and inflated bytes, twice for those
/// that grow or are copied, and the windows of its decoders.
const READER: usize = 24 << 20;
/// Entries behind which reading is taken up again.
const RESUMED: usize = 12;

/// An entry: where it starts, where the next one does, and the body or why there is none.
pub type Wanted = (Position, Position, Result<Vec<u8>, Exclusion>);

/// Gives its bytes one at a time.
struct Bytes(Cursor<Vec<u8>>);

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let one = buffer.len().min(1);
        self.0.read(&mut buffer[..one])
    }
}

fn settings() -> RecordSettings {
    RecordSettings {
        types: vec![RecordType::Response, RecordType::Resource, RecordType::Conversion],
        min_body_bytes: 0,
        max_body_bytes: MAX_BODY,
        ..shipped("record")
    }
}

/// The entries of `file` from `start` on, or the first error, which only a broken dictionary of zstd frames gives.
pub fn read(file: &[u8], start: Position, by_bytes: bool) -> Result<Vec<Wanted>, String> {
    let tail = Cursor::new(file[start.offset as usize..].to_vec());
    let input: Box<dyn Read + Send> = if by_bytes { Box::new(Bytes(tail)) } else { Box::new(tail) };
    let head = file.to_vec();
    let mut reader = ArchiveReader::new(input, "fuzz", start, &settings(), Kind::Text)
        .with_head(move || Ok(Box::new(Cursor::new(head))));
    let mut entries = Vec::new();
    let mut reached = start;
    while let Some(entry) = reader.next().map_err(|error| error.to_string())? {
        assert!(entry.at >= reached, "{:?} comes behind {reached:?}", entry.at);
        assert!(entry.next > entry.at, "{:?} ends at {:?}", entry.at, entry.next);
        assert!(entry.next.offset <= file.len() as u64, "{:?} is behind the file", entry.next);
        assert!(entry.bytes_read <= file.len() as u64, "{} read", entry.bytes_read);
        reached = entry.next;
        let content = entry.content.map(|response| response.body);
        if let Ok(body) = &content {
            assert!(body.len() as u64 <= MAX_BODY, "a body of {} bytes", body.len());
        }
        entries.push((entry.at, entry.next, content));
    }
    assert_eq!(reader.bytes_read(), file.len() as u64, "the whole file was read");
    Ok(entries)
}

/// The entries of any file: they lie one behind the other, all of the file is read, no body is too long, and no more memory is
/// held than is fit. They are the same byte by byte; and behind each of them, the rest is.
pub fn check_archive(file: &[u8]) -> Vec<Wanted> {
    let start = Position::default();
    let most = READER + 8 * file.len() + 16 * MAX_BODY as usize;
    let Ok(entries) = crate::within(most, || read(file, start, false)) else { return Vec::new() };
    assert_eq!(read(file, start, true).as_ref(), Ok(&entries), "byte by byte");
    let step = entries.len().div_ceil(RESUMED).max(1);
    for (index, (_, next, _)) in entries.iter().enumerate().step_by(step) {
        assert_eq!(read(file, *next, false).as_deref(), Ok(&entries[index + 1..]), "behind entry {index}");
    }
    entries
}

/// One member of gzip, stored as it is, so that the fuzzer's bytes are found in it.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut member = GzEncoder::new(Vec::new(), Compression::none());
    member.write_all(bytes).expect("into memory");
    member.finish().expect("into memory")
}
