//! Healthy and damaged archives, in one piece and byte by byte.

use std::io::{Cursor, Read, Write};

use flate2::{Compression, write::GzEncoder};
use warcdl_actors::{Exclusion, Position};

use super::ArchiveReader;
use crate::kind::Kind;
use crate::source::RecordSettings;

struct OneByte(Cursor<Vec<u8>>);

impl Read for OneByte {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let one = buffer.len().min(1);
        self.0.read(&mut buffer[..one])
    }
}

type Outcome = Result<String, Exclusion>;

fn settings() -> RecordSettings {
    RecordSettings {
        min_body_bytes: 1,
        max_body_bytes: 100_000,
        http_status: Vec::new(),
        content_types: Vec::new(),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn record_with_length(name: &str, length: i64) -> Vec<u8> {
    let block = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>{name}</p>");
    let length = block.len() as i64 + length;
    format!(
        "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: <http://{name}/>\r\n\
         WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-000000000000>\r\nWARC-Date: 2024-01-01T00:00:00Z\r\n\
         Content-Length: {length}\r\n\r\n{block}\r\n\r\n"
    )
    .into_bytes()
}

fn record(name: &str) -> Vec<u8> {
    record_with_length(name, 0)
}

fn read(input: Box<dyn Read + Send>, start: Position) -> Vec<(Position, Position, Outcome)> {
    let mut reader = ArchiveReader::new(input, "test", start, &settings(), Kind::Text);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next().unwrap() {
        let content = entry.content.map(|response| {
            assert_eq!(entry.url, response.meta.url);
            String::from_utf8(response.body).unwrap()
        });
        entries.push((entry.at, entry.next, content));
        assert!(entries.len() < 1000, "no end");
    }
    entries
}

fn check(what: &str, file: &[u8], expected: &[Result<&str, Exclusion>]) {
    let entries = read(Box::new(Cursor::new(file.to_vec())), Position::default());
    let outcomes: Vec<_> = entries.iter().map(|entry| entry.2.clone()).collect();
    let expected: Vec<Outcome> =
        expected.iter().map(|page| page.map(|name| format!("<p>{name}</p>"))).collect();
    assert_eq!(outcomes, expected, "{what}");
    assert_eq!(
        read(Box::new(OneByte(Cursor::new(file.to_vec()))), Position::default()),
        entries,
        "{what}, by bytes"
    );
    for (index, entry) in entries.iter().enumerate() {
        let tail = file[entry.1.offset as usize..].to_vec();
        assert_eq!(
            read(Box::new(Cursor::new(tail)), entry.1),
            entries[index + 1..],
            "{what}, behind entry {index}"
        );
    }
}

#[test]
fn damage_costs_one_entry_each() {
    use Exclusion::{BadCrc, BadLength, CorruptMember, Garbage, Truncated};
    let (a, b, c) = (gzip(&record("a")), gzip(&record("b")), gzip(&record("c")));
    let plain = [record("a"), record("b"), record("c")].concat();
    let mut bad_crc = b.clone();
    let crc = bad_crc.len() - 8;
    bad_crc[crc] ^= 1;
    let mut corrupt = b.clone();
    corrupt[10] = 0xff;
    let all = [Ok("a"), Ok("b"), Ok("c")];
    check("healthy", &[a.clone(), b.clone(), c.clone()].concat(), &all);
    check("one member", &gzip(&plain), &all);
    check("plain", &plain, &all);
    check("empty member", &[a.clone(), gzip(b""), b.clone(), c.clone()].concat(), &all);
    check("zeros at the end", &[a.clone(), b.clone(), c.clone(), vec![0; 600]].concat(), &all);
    check("garbage", &[&a[..], b"garbage", &b, &c].concat(), &[Ok("a"), Err(Garbage), Ok("b"), Ok("c")]);
    check("zeros between", &[a.clone(), vec![0; 512], b.clone()].concat(), &[Ok("a"), Err(Garbage), Ok("b")]);
    check("wrong CRC", &[a.clone(), bad_crc, c.clone()].concat(), &[Ok("a"), Err(BadCrc), Ok("c")]);
    check("corrupt", &[a.clone(), corrupt, c.clone()].concat(), &[Ok("a"), Err(CorruptMember), Ok("c")]);
    check("cut", &[&a[..], &b[..b.len() / 2]].concat(), &[Ok("a"), Err(Truncated)]);
    check("cut in the gzip header", &[&a[..], &b[..6]].concat(), &[Ok("a"), Err(Truncated)]);
    let long = gzip(&record_with_length("b", 500));
    check("length too long", &[a.clone(), long, c.clone()].concat(), &[Ok("a"), Err(BadLength), Ok("c")]);
    let short = record_with_length("b", -6);
    let damaged = [Ok("a"), Err(BadLength), Ok("c")];
    check("length too short", &[a.clone(), gzip(&short), c.clone()].concat(), &damaged);
    check("length too short, plain", &[record("a"), short, record("c")].concat(), &damaged);
    let negative = record_with_length("b", -5000);
    check("negative length", &[a, gzip(&negative), c].concat(), &damaged);
    check("no archive", b"<?xml version=\"1.0\"?><Error/>", &[Err(Exclusion::NoRecordHeaders)]);
    check("empty", b"", &[]);
}
