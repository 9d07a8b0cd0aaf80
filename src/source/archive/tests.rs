//! Healthy and damaged archives, in one piece and byte by byte.

use std::io::{Cursor, Read, Write};

use flate2::{Compression, write::GzEncoder};
use warcdl_actors::{Exclusion, Position};

use super::ArchiveReader;
use crate::kind::Kind;
use crate::source::{RecordSettings, RecordType};

mod damages;
mod formats;

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
        types: vec![RecordType::Response],
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

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd_with(bytes, &[])
}

/// A frame with a checksum.
fn zstd_with(bytes: &[u8], dictionary: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::with_dictionary(Vec::new(), 3, dictionary).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn skippable(magic: u8, content: &[u8]) -> Vec<u8> {
    [&[magic, 0x2a, 0x4d, 0x18][..], &(content.len() as u32).to_le_bytes(), content].concat()
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

fn arc_record(name: &str) -> Vec<u8> {
    let block = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>{name}</p>");
    format!("http://{name}/ 1.2.3.4 20010203040506 text/html {}\n{block}\n", block.len()).into_bytes()
}

/// Opens the file at an offset.
fn open_at(file: &[u8]) -> impl Fn(u64) -> std::io::Result<Box<dyn Read + Send>> + Send + 'static {
    let file = file.to_vec();
    move |offset| Ok(Box::new(Cursor::new(file[offset as usize..].to_vec())))
}

/// What a reader makes of a file that is read from `start`, piece by piece as `input` gives it.
fn read(input: Box<dyn Read + Send>, file: &[u8], start: Position) -> Vec<(Position, Position, Outcome)> {
    let head = Cursor::new(file.to_vec());
    let mut reader = ArchiveReader::new(input, "test", start, &settings(), Kind::Text)
        .sized(file.len() as u64)
        .with_head(move || Ok(Box::new(head)))
        .with_open_at(open_at(file));
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
    let entries = read(Box::new(Cursor::new(file.to_vec())), file, Position::default());
    let outcomes: Vec<_> = entries.iter().map(|entry| entry.2.clone()).collect();
    let expected: Vec<Outcome> =
        expected.iter().map(|page| page.map(|name| format!("<p>{name}</p>"))).collect();
    assert_eq!(outcomes, expected, "{what}");
    assert_eq!(
        read(Box::new(OneByte(Cursor::new(file.to_vec()))), file, Position::default()),
        entries,
        "{what}, by bytes"
    );
    for (index, entry) in entries.iter().enumerate() {
        let tail = file[entry.1.offset as usize..].to_vec();
        assert_eq!(
            read(Box::new(Cursor::new(tail)), file, entry.1),
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
    // Version, names of fields and types of records are not case-sensitive; the HTTP block stays as it is.
    let cased = |name: &str, case: fn(&[u8]) -> Vec<u8>| {
        let record = record(name);
        let version_and_type = record.windows(2).position(|w| w == b"\r\n").and_then(|first| {
            record[first + 2..].windows(2).position(|w| w == b"\r\n").map(|second| first + 2 + second)
        });
        let (head, rest) = record.split_at(version_and_type.unwrap());
        [case(head), rest.to_vec()].concat()
    };
    let (lower, upper) = (cased("b", <[u8]>::to_ascii_lowercase), cased("c", <[u8]>::to_ascii_uppercase));
    assert!(lower.starts_with(b"warc/"));
    check("any case", &[record("a"), lower.clone(), upper.clone()].concat(), &all);
    check("any case, first", &[lower.clone(), record("c")].concat(), &[Ok("b"), Ok("c")]);
    check("any case, compressed", &[a.clone(), gzip(&lower), gzip(&upper)].concat(), &all);
    check(
        "any case, behind garbage",
        &[&a[..], b"garbage", &gzip(&lower)].concat(),
        &[Ok("a"), Err(Garbage), Ok("b")],
    );
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
    let negative = gzip(&record_with_length("b", -5000));
    check("negative length", &[&a[..], &negative, &c].concat(), &all);
    let two = gzip(&[record_with_length("b", -5000), record("c")].concat());
    check("negative length, two a member", &[&a[..], &two].concat(), &damaged);
    let long = [record("a"), record_with_length("b", 300), record("c")].concat();
    check("length too long, plain", &long, &damaged);
    let long = [record("a"), record_with_length("b", 9000), record("c")].concat();
    check("length past the end, plain", &long, &damaged);
    let other = String::from_utf8(record_with_length("b", 9000)).unwrap().replace("response", "request");
    check("length of a request too long", &[&record("a"), other.as_bytes(), &record("c")].concat(), &damaged);
    check("no archive", b"<?xml version=\"1.0\"?><Error/>", &[Err(Exclusion::NoRecordHeaders)]);
    check("empty", b"", &[]);
}

#[test]
fn damage_to_zstd_costs_one_entry_each() {
    use Exclusion::{BadCrc, BadLength, CorruptMember, Garbage, NoRecordHeaders, Truncated};
    let (a, b, c) = (zstd(&record("a")), zstd(&record("b")), zstd(&record("c")));
    let plain = [record("a"), record("b"), record("c")].concat();
    let skipped = skippable(0x50, b"a note");
    let all = [Ok("a"), Ok("b"), Ok("c")];
    check("a frame a record", &[&a[..], &b, &c].concat(), &all);
    check("one frame", &zstd(&plain), &all);
    check("two a frame", &[&zstd(&[record("a"), record("b")].concat())[..], &c].concat(), &all);
    check(
        "a record over two frames",
        &[zstd(&plain[..100]), zstd(&plain[100..])].concat(),
        &[Err(NoRecordHeaders), Err(NoRecordHeaders), Ok("b"), Ok("c")],
    );
    check("without a checksum", &zstd::encode_all(&plain[..], 19).unwrap(), &all);
    check("empty frame", &[&a[..], &zstd(b""), &b, &c].concat(), &all);
    check("skippable frames", &[&skipped[..], &a, &skipped, &skipped, &b, &c, &skipped].concat(), &all);
    check("zeros at the end", &[&a[..], &b, &c, &[0; 600]].concat(), &all);
    check("garbage", &[&a[..], b"garbage", &b, &c].concat(), &[Ok("a"), Err(Garbage), Ok("b"), Ok("c")]);
    let zeros = [&a[..], &[0; 512], &b].concat();
    check("zeros between", &zeros, &[Ok("a"), Err(Garbage), Ok("b")]);
    check("cut", &[&a[..], &b[..b.len() / 2]].concat(), &[Ok("a"), Err(Truncated)]);
    check("cut in the frame's header", &[&a[..], &b[..5]].concat(), &[Ok("a"), Err(Truncated)]);
    check("cut in the checksum", &[&a[..], &b[..b.len() - 2]].concat(), &[Ok("a"), Err(Truncated)]);
    check("cut in a skippable frame", &[&a[..], &skipped[..10]].concat(), &[Ok("a"), Err(Truncated)]);
    let mut lying = skipped.clone();
    let passed = [Ok("a"), Err(Garbage), Ok("b"), Ok("c")];
    for length in [4, 20, 0x7fff_ffff_u32] {
        lying[4..8].copy_from_slice(&length.to_le_bytes());
        check(&format!("a skippable frame of length {length}"), &[&a[..], &lying, &b, &c].concat(), &passed);
    }
    check("zeros behind a skippable frame", &[&a[..], &skippable(0x5f, b""), &[0; 9]].concat(), &[Ok("a")]);
    let flip = |frame: &[u8], at: usize| {
        let mut frame = frame.to_vec();
        frame[at] ^= 0xff;
        frame
    };
    let last = b.len() - 1;
    check("wrong checksum", &[&a[..], &flip(&b, last), &c].concat(), &[Ok("a"), Err(BadCrc), Ok("c")]);
    check("corrupt", &[&a[..], &flip(&b, 8), &c].concat(), &[Ok("a"), Err(CorruptMember), Ok("c")]);
    let two = zstd(&[record("a"), record("b")].concat());
    let wrong = flip(&two, two.len() - 1);
    check("wrong checksum of two", &[&wrong[..], &c].concat(), &[Ok("a"), Err(BadCrc), Ok("c")]);
    // Incompressible, so that damage in a late block leaves the blocks before it whole.
    let mut random = Random(3);
    let long: String = (0..90_000).map(|_| char::from(b'a' + random.below(26) as u8)).collect();
    let pages: Vec<u8> = (0..4).flat_map(|_| record(&long)).collect();
    let frame = zstd(&pages);
    let broken = flip(&frame, frame.len() - 1);
    check(
        "long frame, wrong checksum",
        &[&broken[..], &c].concat(),
        &[Ok(&long), Ok(&long), Ok(&long), Err(BadCrc), Ok("c")],
    );
    let long = zstd(&record_with_length("b", 500));
    check("length too long", &[&a[..], &long, &c].concat(), &[Ok("a"), Err(BadLength), Ok("c")]);
    let short = zstd(&record_with_length("b", -6));
    check("length too short", &[&a[..], &short, &c].concat(), &[Ok("a"), Err(BadLength), Ok("c")]);
}

#[test]
fn windows_over_the_limit_are_refused() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(28).unwrap();
    encoder.write_all(&record("b")).unwrap();
    let wide = encoder.finish().unwrap();
    let file = [zstd(&record("a")), wide, zstd(&record("c"))].concat();
    check("window", &file, &[Ok("a"), Err(Exclusion::CorruptMember), Ok("c")]);
}

#[test]
fn frames_are_read_with_the_dictionary_of_the_file() {
    let samples: Vec<Vec<u8>> = (0..500).map(|number| record(&format!("site-{number}"))).collect();
    let dictionary = zstd::dict::from_samples(&samples, 4096).unwrap();
    let raw = samples[..20].concat();
    for (what, dictionary) in [("trained", &dictionary), ("raw", &raw)] {
        let frames: Vec<Vec<u8>> =
            ["a", "b", "c"].iter().map(|name| zstd_with(&record(name), dictionary)).collect();
        let all = [Ok("a"), Ok("b"), Ok("c")];
        let head = skippable(0x5d, dictionary);
        check(what, &[&head, &frames.concat()[..]].concat(), &all);
        let compressed = skippable(0x5d, &zstd(dictionary));
        check(&format!("{what}, compressed"), &[&compressed, &frames.concat()[..]].concat(), &all);
        let mut hit = frames[1].clone();
        hit[12..20].fill(0xff);
        let damaged = read(
            Box::new(Cursor::new([&head, &frames[0], &hit, &frames[2]].map(Vec::as_slice).concat())),
            &[],
            Position::default(),
        );
        let whole: Vec<_> = damaged.into_iter().filter_map(|entry| entry.2.ok()).collect();
        assert_eq!(whole, ["<p>a</p>", "<p>c</p>"], "{what}, damaged");
    }
}

#[test]
fn a_dictionary_that_cannot_be_used_is_an_error() {
    let trained = [&[0x37, 0xa4, 0x30, 0xec][..], &[0xff; 100]].concat();
    let mut long = skippable(0x5d, b"");
    long[4..8].copy_from_slice(&((16 << 20) + 1_u32).to_le_bytes());
    let broken = [&zstd(&trained)[..20], b"broken"].concat();
    for (head, reason) in [
        (long, "has 16777217 bytes"),
        (skippable(0x5d, &zstd(&vec![0; (16 << 20) + 1])), "decompresses to more than"),
        (skippable(0x5d, &broken), "cannot be decompressed"),
        (skippable(0x5d, &trained), "dictionary is corrupt"),
        (skippable(0x5d, &trained)[..50].to_vec(), "is cut short"),
    ] {
        let frame = zstd(&record("a"));
        let start = Position { offset: head.len() as u64, ordinal: 0 };
        let whole = [&head[..], if reason.contains("cut") { b"" } else { &frame }].concat();
        for (from, start) in [(0, Position::default()), (head.len(), start)] {
            let head = Cursor::new(whole.clone());
            let tail = if from == 0 { whole.clone() } else { frame.clone() };
            let error =
                ArchiveReader::new(Box::new(Cursor::new(tail)), "x.warc.zst", start, &settings(), Kind::Text)
                    .with_head(move || Ok(Box::new(head)))
                    .next()
                    .unwrap_err()
                    .to_string();
            assert!(error.contains("x.warc.zst") && error.contains(reason), "{error}: no {reason}");
        }
    }
}

#[test]
fn undamaged_records_survive_any_damage() {
    survive(gzip);
    survive(zstd);
}

fn survive(compress: fn(&[u8]) -> Vec<u8>) {
    // Incompressible pages, of which one is longer than the reader's pieces.
    let mut random = Random(7);
    let pages: Vec<String> = (0..12)
        .map(|number| {
            let length = if number == 5 { 40_000 } else { 200 + random.below(2000) };
            (0..length).map(|_| char::from(b'a' + random.below(26) as u8)).collect()
        })
        .collect();
    let members: Vec<Vec<u8>> = pages.iter().map(|page| compress(&record(page))).collect();
    for _ in 0..200 {
        let hit = random.below(members.len());
        let mut file = members.clone();
        let member = &mut file[hit];
        let at = random.below(member.len());
        match random.below(3) {
            0 => member[at] ^= 1 << random.below(8),
            1 => member.truncate(at),
            _ => {
                let end = member.len().min(at + 1 + random.below(64));
                member[at..end].fill(0);
            }
        }
        let what = format!("member {hit} of {} bytes at {at}", members[hit].len());
        let file = file.concat();
        let entries = read(Box::new(Cursor::new(file.clone())), &file, Position::default());
        let found: Vec<String> = entries.into_iter().filter_map(|entry| entry.2.ok()).collect();
        let mut expected: Vec<String> = pages.iter().map(|page| format!("<p>{page}</p>")).collect();
        // Damage to a header's unused byte or to nothing at all costs not even the member.
        if found.len() < expected.len() {
            expected.remove(hit);
        }
        assert!(found == expected, "{what}: {} of {} records", found.len(), expected.len());
    }
}

/// A linear congruential generator: the same damage in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

#[test]
fn agrees_with_the_strict_reader_of_the_warc_crate() {
    use warc::{RecordType, WarcHeader, WarcReader};
    let mut file = Vec::new();
    let mut members = Vec::new();
    for number in 0..120 {
        let text = String::from_utf8(record(&format!("page-{number}"))).unwrap();
        let kind = ["response", "request", "metadata", "warcinfo", "resource", "conversion"][number % 6];
        let member = gzip(text.replace("response", kind).as_bytes());
        members.push(member.clone());
        file.extend_from_slice(&member);
    }
    let mut reader =
        ArchiveReader::new(Box::new(Cursor::new(file)), "test", Position::default(), &settings(), Kind::Text);
    for member in members {
        let strict = WarcReader::new(std::io::BufReader::new(flate2::read::GzDecoder::new(&member[..])))
            .iter_records()
            .next()
            .unwrap()
            .unwrap();
        let entry = reader.next().unwrap().unwrap();
        if *strict.warc_type() == RecordType::Response {
            let response = entry.content.unwrap();
            let uri = strict.header(WarcHeader::TargetURI).unwrap();
            assert_eq!(response.meta.url, uri.trim_matches(['<', '>']));
            assert_eq!(response.meta.warc_record_id, strict.warc_id().trim_matches(['<', '>']));
            assert_eq!(response.meta.warc_record_length, member.len() as u64);
            assert!(strict.body().ends_with(&response.body) && !response.body.is_empty());
        } else {
            assert_eq!(entry.content, Err(Exclusion::WrongWarcType));
        }
    }
    assert!(reader.next().unwrap().is_none());
}

#[test]
fn arc_is_read_too() {
    let about = b"filedesc://x.arc 0.0.0.0 20010203040506 text/plain 15\n1 0 Tests\nURL \n\n".to_vec();
    let name_server = b"dns:a 1.2.3.4 20010203040506 text/dns 4\nA 1\n\n".to_vec();
    let records = [about, arc_record("a"), name_server, arc_record("b"), arc_record("c")];
    let not_http = Err(Exclusion::WrongWarcType);
    let expected = [not_http, Ok("a"), not_http, Ok("b"), Ok("c")];
    check("plain", &records.concat(), &expected);
    let members: Vec<Vec<u8>> = records.iter().map(|record| gzip(record)).collect();
    check("a member each", &members.concat(), &expected);
    check("one member", &gzip(&records.concat()), &expected);
    let mut damaged = members.clone();
    let middle = damaged[1].len() / 2;
    damaged[1][middle..middle + 4].fill(0xff);
    let outcomes = [not_http, Err(Exclusion::CorruptMember), not_http, Ok("b"), Ok("c")];
    check("a damaged member", &damaged.concat(), &outcomes);
}

#[test]
fn texts_and_files_without_http_are_taken_if_asked_for() {
    let other = |warc_type: &str, mime: &str, block: &str| {
        format!(
            "WARC/1.0\r\nWARC-Type: {warc_type}\r\nWARC-Target-URI: http://a/\r\nContent-Type: {mime}\r\n\
             Content-Length: {}\r\n\r\n{block}\r\n\r\n",
            block.len()
        )
        .into_bytes()
    };
    let file = [
        record("a"),
        other("conversion", "text/plain", "a text"),
        other("resource", "Text/HTML; charset=utf-8", "<p>a file</p>"),
        other("resource", "image/png", "\u{89}PNG"),
        other("conversion", "text/plain", ""),
    ]
    .concat();
    let read = |types: &[RecordType]| -> Vec<Outcome> {
        let settings = RecordSettings { types: types.to_vec(), ..settings() };
        let input = Box::new(Cursor::new(file.clone()));
        let mut reader = ArchiveReader::new(input, "test", Position::default(), &settings, Kind::Text);
        std::iter::from_fn(|| reader.next().unwrap())
            .map(|entry| entry.content.map(|response| String::from_utf8(response.body).unwrap()))
            .collect()
    };
    let (wrong_type, wrong_content) = (Err(Exclusion::WrongWarcType), Err(Exclusion::WrongContentType));
    let page = Ok("<p>a</p>".to_owned());
    assert_eq!(
        read(&[RecordType::Response]),
        [page.clone(), wrong_type.clone(), wrong_type.clone(), wrong_type.clone(), wrong_type.clone()]
    );
    assert_eq!(
        read(&[RecordType::Response, RecordType::Conversion, RecordType::Resource]),
        [page, Ok("a text".into()), Ok("<p>a file</p>".into()), wrong_content, Err(Exclusion::BodyTooShort)]
    );
    assert_eq!(read(&[RecordType::Conversion])[..2], [wrong_type, Ok("a text".into())]);
}

/// Found by fuzzing: who went on behind the record took the rest for an archive of its own format.
#[test]
fn the_format_is_that_of_the_file_wherever_reading_goes_on() {
    let a = gzip(&record("a"));
    for garbage in [&b"no member"[..], b"WARC/1.0 or so", b"a frame \x28\xb5\x2f\xfd", &skippable(0x50, b"x")]
    {
        let file = [&a[..], &[0; 30], garbage].concat();
        check("garbage at the end of gzip", &file, &[Ok("a"), Err(Exclusion::Garbage)]);
    }
    let file = [&zstd(&record("a"))[..], b"WARC/1.0 or so"].concat();
    check("garbage at the end of zstd", &file, &[Ok("a"), Err(Exclusion::Garbage)]);
}

/// A search at each of them to the end of what is at hand would take time by the square.
#[test]
fn headers_of_gzip_without_an_end_are_passed() {
    let (a, c) = (gzip(&record("a")), gzip(&record("c")));
    let headers = [0x1f, 0x8b, 8, 8].repeat(100_000);
    check(
        "names without an end",
        &[&a[..], &headers, &c].concat(),
        &[Ok("a"), Err(Exclusion::Truncated), Ok("c")],
    );
}
