//! What an archive may look like and still be read whole: one test a format.

use std::io::Cursor;

use warcdl_actors::{Exclusion, Position};

use super::super::ArchiveReader;
use super::{
    arc_record, check, gzip, read, record, record_with_length, settings, skippable, zstd, zstd_with,
};
use crate::kind::Kind;
use crate::source::{RecordSettings, RecordType, WarcType};

const ALL: [Result<&str, Exclusion>; 3] = [Ok("a"), Ok("b"), Ok("c")];

fn records() -> [Vec<u8>; 3] {
    ["a", "b", "c"].map(record)
}

/// The records with every piece of text replaced by another.
fn rewritten(what: &str, from: &str, to: &str) {
    let records = records().map(|record| {
        let text = String::from_utf8(record).unwrap();
        assert!(text.contains(from), "{what}");
        text.replacen(from, to, 1).into_bytes()
    });
    check(what, &records.concat(), &ALL);
    check(&format!("{what}, compressed"), &records.map(|record| gzip(&record)).concat(), &ALL);
}

#[test]
fn warc_gz_of_a_member_a_record() {
    check("a member a record", &records().map(|record| gzip(&record)).concat(), &ALL);
}

#[test]
fn warc_gz_of_one_member() {
    check("one member", &gzip(&records().concat()), &ALL);
}

#[test]
fn warc_zst_without_a_dictionary() {
    check("a frame a record", &records().map(|record| zstd(&record)).concat(), &ALL);
    check("one frame", &zstd(&records().concat()), &ALL);
}

#[test]
fn warc_zst_with_a_dictionary() {
    let dictionary = records().concat();
    let frames = records().map(|record| zstd_with(&record, &dictionary));
    check("a dictionary", &[skippable(0x5d, &dictionary), frames.concat()].concat(), &ALL);
}

#[test]
fn plain_warc() {
    check("plain", &records().concat(), &ALL);
}

#[test]
fn arc_version_1_plain_and_gz() {
    let about = b"filedesc://x.arc 0.0.0.0 20010203040506 text/plain 15\n1 0 Tests\nURL \n\n".to_vec();
    let pieces = [about, arc_record("a"), arc_record("b")];
    let expected = [Err(Exclusion::WrongWarcType), Ok("a"), Ok("b")];
    check("plain", &pieces.concat(), &expected);
    check("gz", &pieces.map(|piece| gzip(&piece)).concat(), &expected);
}

#[test]
fn arc_whose_lines_are_wrong() {
    let check_first = |what: &str, first: &str, expected: Exclusion| {
        let file = [first.as_bytes(), &arc_record("a"), &arc_record("b")].concat();
        check(what, &file, &[Err(expected), Ok("a"), Ok("b")]);
    };
    let block = "1 0 Tests\nURL \n\n";
    let (wrong_type, bad_length) = (Exclusion::WrongWarcType, Exclusion::BadLength);
    check_first("dashes", &format!("filedesc:// - - - 15\n{block}"), wrong_type);
    check_first(
        "no length",
        &format!("filedesc://x 0.0.0.0 20010203040506 text/plain -1\n{block}"),
        bad_length,
    );
    check_first("nonsense", &format!("filedesc://a|\\\\b c.d yesterday gif\\x one\n{block}"), bad_length);
    // Lengths that lie, and a line that is none.
    let lie = |length: i64| {
        let record = String::from_utf8(arc_record("b")).unwrap();
        let (line, block) = record.split_once('\n').unwrap();
        let (fields, digits) = line.rsplit_once(' ').unwrap();
        format!("{fields} {}\n{block}", digits.parse::<i64>().unwrap() + length).into_bytes()
    };
    let damaged = [Ok("a"), Err(bad_length), Ok("c")];
    for length in [-7, 9, 60, 9000] {
        let file = [arc_record("a"), lie(length), arc_record("c")].concat();
        check(&format!("plain, {length}"), &file, &damaged);
        check(&format!("one member, {length}"), &gzip(&file), &damaged);
    }
    let garbage = [arc_record("a"), b"\n\nno line of a record\n".to_vec(), arc_record("c")].concat();
    check("garbage", &garbage, &[Ok("a"), Err(Exclusion::Garbage), Ok("c")]);
}

#[test]
fn warc_0_17_and_1_0_and_1_1() {
    for version in ["WARC/0.17", "WARC/1.0", "WARC/1.1"] {
        rewritten(version, "WARC/1.0", version);
    }
}

#[test]
fn header_names_in_any_case() {
    rewritten("lower", "WARC-Type", "warc-type");
    rewritten("upper", "Content-Length", "CONTENT-LENGTH");
    rewritten("version", "WARC/1.0", "warc/1.0");
}

#[test]
fn lines_that_end_with_lf_alone() {
    let lf = |record: Vec<u8>| {
        let text = String::from_utf8(record).unwrap();
        let (head, block) = text.split_once("\r\n\r\n").unwrap();
        let block = block.strip_suffix("\r\n\r\n").unwrap();
        format!("{}\n\n{block}\n\n", head.replace("\r\n", "\n")).into_bytes()
    };
    check("LF", &records().map(lf).concat(), &ALL);
    check("LF, compressed", &records().map(|record| gzip(&lf(record))).concat(), &ALL);
}

#[test]
fn folded_lines() {
    rewritten(
        "folded",
        "WARC-Type: response",
        "X-Note: a long\r\n  one\r\n\tindeed\r\nWARC-Type:\r\n response",
    );
}

#[test]
fn angle_brackets_round_the_uri() {
    // `read` compares the URI of the entry with that of the page, so both are without.
    rewritten("none", "<http://", "http://");
    let mut reader = reader(&record("a"), &[RecordType::Response]);
    assert_eq!(reader.next().unwrap().unwrap().url, "http://a/");
}

#[test]
fn a_content_length_that_is_missing() {
    let missing = |name: &str| {
        let text = String::from_utf8(record(name)).unwrap();
        text.replacen("Content-Length", "X-Length", 1).into_bytes()
    };
    let file = [gzip(&record("a")), gzip(&missing("b")), gzip(&record("c"))].concat();
    check("in a member of its own", &file, &ALL);
    let lost = [Ok("a"), Err(Exclusion::BadLength), Ok("c")];
    check("plain", &[record("a"), missing("b"), record("c")].concat(), &lost);
    check("one member", &gzip(&[record("a"), missing("b"), record("c")].concat()), &lost);
    check("the last", &[record("a"), missing("b")].concat(), &lost[..2]);
    // It is left out as others are.
    let alone = gzip(&missing("b"));
    let not_taken = reader(&alone, &[RecordType::Conversion]).next().unwrap().unwrap();
    assert_eq!(not_taken.content.unwrap_err(), Exclusion::WrongWarcType);
    let passed_over = reader(&alone, &[RecordType::Response]).pass_over().unwrap().unwrap();
    assert_eq!(passed_over.content.unwrap_err(), Exclusion::Quarantined);
}

#[test]
fn a_content_length_that_is_missing_where_there_is_no_response() {
    let missing = |record: Vec<u8>| {
        gzip(String::from_utf8(record).unwrap().replacen("Content-Length", "X-Length", 1).as_bytes())
    };
    let file = [
        missing(bare("request", "application/http", "GET / HTTP/1.1")),
        missing(bare("revisit", "application/http", "HTTP/1.1 304 Not Modified")),
        missing(bare("conversion", "text/plain", "a text")),
        missing(bare("resource", "image/png", "a picture")),
        gzip(&record("a")),
    ];
    let outcomes = outcomes(&file.concat(), &[RecordType::Response, RecordType::Conversion]);
    let expected = [
        (Some(WarcType::Request), Err(Exclusion::WrongWarcType)),
        (Some(WarcType::Revisit), Err(Exclusion::Revisit)),
        (Some(WarcType::Conversion), Ok("a text".to_owned())),
        (Some(WarcType::Resource), Err(Exclusion::WrongWarcType)),
        (Some(WarcType::Response), Ok("<p>a</p>".to_owned())),
    ];
    assert_eq!(outcomes, expected);
}

#[test]
fn a_content_length_that_is_wrong() {
    let lost = [Ok("a"), Err(Exclusion::BadLength), Ok("c")];
    for length in [-9, 9, 900, 90_000] {
        let file = [record("a"), record_with_length("b", length), record("c")];
        check(&format!("plain, {length}"), &file.concat(), &lost);
        check(&format!("one member, {length}"), &gzip(&file.concat()), &lost);
        check(&format!("one frame, {length}"), &zstd(&file.concat()), &lost);
        check(&format!("a member each, {length}"), &file.map(|record| gzip(&record)).concat(), &lost);
    }
}

/// Longer than what is kept of a block to go back to.
#[test]
fn a_content_length_that_covers_many_records() {
    let name = |number: usize| format!("{number}-{}", "x".repeat(900));
    let many: Vec<String> = (0..400).map(name).collect();
    let records = |names: &[String]| names.iter().flat_map(|name| record(name)).collect::<Vec<u8>>();
    let (before, behind) = (records(&many[..3]), records(&many[4..]));
    let expected = many.iter().enumerate().map(|(number, name)| match number {
        3 => Err(Exclusion::BadLength),
        _ => Ok(name.as_str()),
    });
    let expected: Vec<_> = expected.collect();
    for length in [150_000, 300_000, 1_000_000_000] {
        for warc_type in ["response", "request"] {
            let lying = String::from_utf8(record_with_length(&many[3], length)).unwrap();
            let lying = lying.replacen("response", warc_type, 1).into_bytes();
            let file = [&before[..], &lying, &behind].concat();
            for (what, file) in
                [("plain", file.clone()), ("one member", gzip(&file)), ("one frame", zstd(&file))]
            {
                let found = read(Box::new(Cursor::new(file.clone())), &file, Position::default());
                let found: Vec<_> = found.into_iter().map(|entry| entry.2).collect();
                let page = |name: &&str| format!("<p>{name}</p>");
                let expected: Vec<_> = expected
                    .iter()
                    .map(|outcome| outcome.as_ref().map(page).map_err(|reason| *reason))
                    .collect();
                assert!(found == expected, "{what}, a {warc_type}, {length}: {}", found.len());
            }
            // Two in a member, and the first one lies.
            let each = [gzip(&[lying, record("b")].concat()), gzip(&record("c"))].concat();
            check("two a member", &each, &[Err(Exclusion::BadLength), Ok("b"), Ok("c")]);
        }
    }
    // All of them, which is bounded: the file is not read over and over.
    let lying: Vec<u8> = many.iter().flat_map(|name| record_with_length(name, 1_000_000_000)).collect();
    for file in [gzip(&lying), lying] {
        let found = read(Box::new(Cursor::new(file.clone())), &file, Position::default());
        assert!(found.iter().all(|entry| entry.2.is_err()));
        assert_eq!(found.last().unwrap().1.offset, file.len() as u64);
    }
}

#[test]
fn records_that_are_cut_off_where_the_next_one_begins() {
    let whole = record("b");
    let at = |text: &str| whole.windows(text.len()).position(|part| part == text.as_bytes()).unwrap();
    for (what, end, reason) in [
        ("in the version", 2, Exclusion::Garbage),
        ("behind the version's dot", 6, Exclusion::NoRecordHeaders),
        ("behind the version", 10, Exclusion::NoRecordHeaders),
        ("in a field", at("Record-ID"), Exclusion::NoRecordHeaders),
        ("in the HTTP headers", at("text/html"), Exclusion::BadLength),
        ("in the body", at("</p>"), Exclusion::BadLength),
    ] {
        let file = [&record("a"), &whole[..end], &record("c")].concat();
        check(&format!("{what}, plain"), &file, &[Ok("a"), Err(reason), Ok("c")]);
        check(&format!("{what}, one member"), &gzip(&file), &[Ok("a"), Err(reason), Ok("c")]);
    }
}

/// A server may send what looks like a record, and an address may end like one's first line.
#[test]
fn what_looks_like_a_record_inside_another_one_is_part_of_it() {
    let response = |uri: &str, headers: &str, name: &str| {
        let block = format!("HTTP/1.1 200 OK\r\n{headers}Content-Type: text/html\r\n\r\n<p>{name}</p>");
        let length = block.len();
        let http = "Content-Type: application/http";
        let id = "WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-000000000000>";
        let fields =
            [uri, "WARC-Type: response", "WARC-Date: 2024-01-01T00:00:00Z", id, http].map(str::to_owned);
        [0, 1].map(|first| {
            let mut fields = fields.clone();
            // Some writers begin with the URI, most with the type.
            fields[..2].rotate_left(first);
            let fields = fields.join("\r\n");
            format!("WARC/1.0\r\n{fields}\r\nContent-Length: {length}\r\n\r\n{block}\r\n\r\n").into_bytes()
        })
    };
    let uri = "WARC-Target-URI: http://b/";
    let forged =
        "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://victim/\r\nContent-Length: 4\r\n";
    for (what, uri, headers) in [
        ("an address", "WARC-Target-URI: http://b/WARC/1.0", ""),
        ("an address in brackets", "WARC-Target-URI: <http://b/WARC/1.0>", ""),
        ("a server", uri, "Server: WARC/1.0\r\n"),
        ("headers", uri, &format!("Server: {forged}")),
        ("headers at a line", uri, &format!("Server: x\r\n{forged}")),
    ] {
        for record_b in response(uri, headers, "b") {
            let records = [record("a"), record_b, record("c")];
            let each = records.clone().map(|record| gzip(&record));
            check(&format!("{what}, a member each"), &each.concat(), &ALL);
            check(&format!("{what}, one member"), &gzip(&records.concat()), &ALL);
            check(&format!("{what}, plain"), &records.concat(), &ALL);
        }
    }
}

/// The format of a file is told by its head, wherever reading begins.
#[test]
fn a_member_behind_an_uncompressed_archive() {
    let file = [record("a"), gzip(&record("b"))].concat();
    check("a member of gzip", &file, &[Ok("a"), Err(Exclusion::Garbage)]);
}

#[test]
fn garbage_between_records_costs_none() {
    let file = [record("a"), b"no record at all".to_vec(), record("b"), b"\0\0nor here".to_vec()];
    let expected = [Ok("a"), Err(Exclusion::Garbage), Ok("b"), Err(Exclusion::Garbage)];
    check("plain", &file.concat(), &expected);
    check("one member", &gzip(&file.concat()), &expected);
    check("one frame", &zstd(&file.concat()), &expected);
}

#[test]
fn lines_that_end_with_two_cr() {
    let mangled = String::from_utf8(record("a")).unwrap().replace("\r\n", "\r\r\n");
    let mut reader = reader(mangled.as_bytes(), &[RecordType::Response]);
    let entry = reader.next().unwrap().unwrap();
    assert_eq!((entry.warc_type, entry.url.as_str()), (Some(WarcType::Response), "http://a/"));
}

fn reader(file: &[u8], types: &[RecordType]) -> ArchiveReader {
    let settings = RecordSettings { types: types.to_vec(), ..settings() };
    let input = Box::new(Cursor::new(file.to_vec()));
    ArchiveReader::new(input, "test", Position::default(), &settings, Kind::Text).sized(file.len() as u64)
}

/// A record without HTTP headers.
fn bare(warc_type: &str, mime: &str, block: &str) -> Vec<u8> {
    let length = block.len();
    format!(
        "WARC/1.0\r\nWARC-Type: {warc_type}\r\nWARC-Target-URI: http://a/\r\nContent-Type: {mime}\r\n\
         Content-Length: {length}\r\n\r\n{block}\r\n\r\n"
    )
    .into_bytes()
}

/// Types and outcomes, in short.
fn outcomes(file: &[u8], types: &[RecordType]) -> Vec<(Option<WarcType>, Result<String, Exclusion>)> {
    let mut reader = reader(file, types);
    let entries = std::iter::from_fn(|| reader.next().unwrap());
    let text = |body: Vec<u8>| String::from_utf8(body).unwrap();
    entries.map(|entry| (entry.warc_type, entry.content.map(|response| text(response.body)))).collect()
}

#[test]
fn wet_and_resource_and_response() {
    let file = [
        bare("warcinfo", "application/warc-fields", "software: tests"),
        bare("conversion", "text/plain", "a text"),
        bare("resource", "text/html", "<p>a file</p>"),
        record("a"),
    ];
    let expected = [
        (Some(WarcType::Warcinfo), Err(Exclusion::WrongWarcType)),
        (Some(WarcType::Conversion), Ok("a text".to_owned())),
        (Some(WarcType::Resource), Ok("<p>a file</p>".to_owned())),
        (Some(WarcType::Response), Ok("<p>a</p>".to_owned())),
    ];
    let types = [RecordType::Response, RecordType::Resource, RecordType::Conversion];
    assert_eq!(outcomes(&file.concat(), &types), expected);
    assert_eq!(outcomes(&file.map(|record| gzip(&record)).concat(), &types), expected);
}

#[test]
fn revisits_are_counted_as_such() {
    let file =
        [record("a"), bare("revisit", "application/http", "HTTP/1.1 304 Not Modified\r\n\r\n"), record("b")];
    let found = outcomes(&file.map(|record| gzip(&record)).concat(), &[RecordType::Response]);
    assert_eq!(found[1], (Some(WarcType::Revisit), Err(Exclusion::Revisit)));
    assert_eq!(found.len(), 3);
}

#[test]
fn a_file_that_is_not_as_long_as_listed_is_an_error() {
    let file = record("a");
    for (listed, fails) in [(file.len() as u64, false), (file.len() as u64 + 1, true), (0, false)] {
        let input = Box::new(Cursor::new(file.clone()));
        let mut reader =
            ArchiveReader::new(input, "a.warc", Position::default(), &settings(), Kind::Text).sized(listed);
        assert!(reader.next().unwrap().unwrap().content.is_ok());
        match reader.next() {
            Err(error) => assert!(fails && error.to_string().contains("in the listing"), "{error}"),
            Ok(entry) => assert!(!fails && entry.is_none(), "{listed}"),
        }
    }
}
