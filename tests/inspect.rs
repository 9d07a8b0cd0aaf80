//! `inspect`: what it counts is what is there.

use crate::archive::{page, record, response, write_gz};
use crate::node::{Folder, inspect, stderr};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The JSON of an inspection that ends with `code`.
fn look(archives: &[&Path], more: &[&str], code: i32) -> Value {
    let output = inspect(archives, &[&["--json"], more].concat());
    assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The tables of the same, with single spaces.
fn tables(archives: &[&Path]) -> String {
    let output = inspect(archives, &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

/// Eight records, one of them damaged, and garbage behind them.
fn damaged_archive(folder: &Folder) -> PathBuf {
    let path = folder.path("a.warc.gz");
    let url = "http://a.example.org/";
    let german =
        "<p>Der Zug fuhr langsam durch das Tal, und die Kinder winkten aus den Fenstern.</p>".repeat(4);
    let gone = b"HTTP/1.1 404 Not Found\r\nContent-Type: Text/HTML\r\n\r\n";
    let mut records = vec![
        record("warcinfo", "", b"software: tests\r\n"),
        record("request", url, b"GET / HTTP/1.1\r\n\r\n"),
        record("Wrong\u{1b}[2J", url, b"x"),
        response(url, "text/html; charset=utf-8", page("trains", 5).as_bytes()),
        response(url, "text/html; charset=iso-8859-1", german.as_bytes()),
        response(url, "image/\u{1b}[2Jpng", b"no picture"),
        record("response", url, gone),
        record("response", url, b"no HTTP"),
    ];
    write_gz(&path, &records);
    let whole = std::fs::read(&path).unwrap();
    records.truncate(7);
    write_gz(&path, &records);
    let last = std::fs::read(&path).unwrap().len();
    // The checksum of the member before the last.
    let mut damaged = whole;
    damaged[last - 8] ^= 1;
    damaged.extend_from_slice(b"garbage");
    std::fs::write(&path, damaged).unwrap();
    path
}

#[test]
fn what_is_in_a_damaged_archive_is_told() {
    let folder = Folder::new();
    let path = damaged_archive(&folder);
    let mut told = look(&[&path], &[], 0);
    let bytes = std::fs::metadata(&path).unwrap().len();
    let inflated = told["bytes_inflated"].as_u64().unwrap();
    assert!(inflated > 2_000, "{inflated}");
    for figure in ["seconds", "records_per_second", "version", "bytes_inflated"] {
        assert!(!told.as_object_mut().unwrap().remove(figure).unwrap().is_null());
    }
    let Value::Array(places) = told["damaged_places"].take() else { panic!("no places in {told}") };
    let place = |index: usize, name: &str| places[index][name].as_u64().unwrap();
    assert_eq!((&places[0]["reason"], &places[1]["reason"]), (&json!("bad_crc"), &json!("garbage")));
    assert_eq!((place(1, "warc_record_offset"), place(1, "length"), places.len()), (bytes - 7, 7, 2));
    assert!(place(0, "warc_record_offset") + place(0, "length") < bytes - 7, "a whole member lies between");
    let expected = json!({
        "archives": 1, "failed": [], "limit": null, "seen": 9,
        "records": { "warcinfo": 1, "request": 1, "response": 5, "other": 1 },
        "http_status": { "2xx": 3, "4xx": 1, "(none)": 1 },
        "mime_types": { "text/html": 3, "image/\u{1b}[2jpng": 1, "(none)": 1 },
        "pages": 2, "pages_sampled": 2,
        "charsets": { "UTF-8": 1, "windows-1252": 1 },
        "languages": { "eng": 1, "deu": 1 },
        "damaged": 2, "damage": { "bad_crc": 1, "garbage": 1 },
        "damaged_places": null, "damaged_unlisted": 0,
        "bytes": bytes, "bytes_read": bytes,
    });
    assert_eq!(told, expected);

    let tables = tables(&[&path]);
    for line in [
        "response 5 62.5 %",
        "other 1 12.5 %",
        "2xx 3 60.0 %",
        "text/html 3 60.0 %",
        "image/\\u{1b}[2jpng 1 20.0 %",
        "windows-1252 1 50.0 %",
        "deu 1 50.0 %",
        "bad_crc 1 50.0 %",
        "garbage 1 50.0 %",
        &format!("{} {} 0 7 garbage", path.display(), bytes - 7),
    ] {
        assert!(tables.contains(&format!("\n{line}\n")), "{line} is not in\n{tables}");
    }
    assert!(!tables.contains('\u{1b}'), "{tables}");
}

#[test]
fn texts_and_files_without_http_are_told_too() {
    let folder = Folder::new();
    let path = folder.path("a.warc.wet.gz");
    let text = |kind: &str, mime: &str, block: &str| {
        let whole = record(kind, "http://a/", block.as_bytes());
        String::from_utf8(whole).unwrap().replace("application/http; msgtype=response", mime).into_bytes()
    };
    let german = "Der Zug fuhr langsam durch das Tal, und die Kinder winkten. ".repeat(5);
    let records = [
        text("conversion", "text/plain", &german),
        text("resource", "image/png", "no picture"),
        record("revisit", "http://a/", b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    ];
    write_gz(&path, &records);
    // Found in their folder, by the name that Common Crawl gives them.
    let told = look(&[&folder.path("")], &[], 0);
    assert_eq!(told["records"], json!({ "conversion": 1, "resource": 1, "revisit": 1 }));
    assert_eq!(told["mime_types"], json!({ "text/plain": 1, "image/png": 1 }));
    assert_eq!((&told["languages"], &told["http_status"]), (&json!({ "deu": 1 }), &json!({})));
}

#[test]
fn a_limit_holds_for_each_archive() {
    let folder = Folder::new();
    let first = damaged_archive(&folder);
    let second = folder.path("b.warc.gz");
    std::fs::copy(&first, &second).unwrap();
    let told = look(&[&folder.path("*.warc.gz")], &["--limit", "2"], 0);
    assert_eq!(told["records"], json!({ "warcinfo": 2, "request": 2 }));
    assert_eq!((&told["archives"], &told["limit"]), (&json!(2), &json!(2)));
    assert!(told["bytes_read"].as_u64() < told["bytes"].as_u64());
}

#[test]
fn what_cannot_be_read_decides_the_exit_code() {
    let folder = Folder::new();
    let (notes, empty) = (folder.path("notes.txt"), folder.path("empty.warc"));
    std::fs::write(&notes, "no archive at all\n").unwrap();
    std::fs::write(&empty, "").unwrap();
    let told = look(&[&notes], &[], 3);
    assert_eq!((&told["records"], &told["damaged"]), (&json!({}), &json!(1)));
    let told = stderr(&inspect(&[&notes], &[]));
    assert!(told.contains("no WARC record that can be read in /") && told.contains("/notes.txt"), "{told}");
    assert_eq!(look(&[&empty], &[], 0)["seen"], 0);
    assert_eq!(look(&[&damaged_archive(&folder), &notes], &[], 0)["damaged"], 3);

    for (name, part) in [("missing.warc.gz", "missing.warc.gz"), ("*.zip", "no archives in")] {
        let output = inspect(&[&folder.path(name)], &[]);
        assert_eq!(output.status.code(), Some(3));
        assert!(stderr(&output).contains(part), "{}", stderr(&output));
        assert!(output.stdout.is_empty());
    }
    // One that has nothing is told beside others.
    let output = inspect(&[&empty, &folder.path("*.zip")], &[]);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    for part in ["no archives in", "*.zip: ", "name the files, or --set source.suffixes"] {
        assert!(told.contains(part), "{told}");
    }
    let wrong = inspect(&[&notes], &["--set", "source.sufixes=[]"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("source.suffixes"), "{}", stderr(&wrong));
    // Of an archive that an index names it would tell more than the index names.
    let index = inspect(&[&notes], &["--set", "source.index=[\"i.cdxj\"]"]);
    assert_eq!(index.status.code(), Some(2));
    assert!(stderr(&index).contains("--set source.index"), "{}", stderr(&index));
}

#[test]
fn the_sample_holds_what_its_script_put_there() {
    let expected: Value =
        serde_json::from_slice(&std::fs::read("examples/sample/expected.json").unwrap()).unwrap();
    let told = look(&[Path::new("examples/sample/sample.warc.gz")], &[], 0);
    assert_eq!(told["records"], expected["records"]);
    let demo = &expected["demo-text"];
    assert_eq!(told["seen"], demo["seen"]);
    for (reason, n) in told["damage"].as_object().unwrap() {
        assert_eq!(n, &demo["excluded"][reason], "{reason}");
    }
    assert_eq!(told["damaged"], 6);

    // Each page is in one of ten languages; a few pages more are errors and redirects.
    let mut languages = BTreeMap::new();
    for page in expected["pages"].as_object().unwrap().values() {
        *languages.entry(page["language"].as_str().unwrap()).or_insert(0) += 1;
    }
    assert_eq!(told["languages"]["jpn"], languages["ja"]);
    assert_eq!(told["languages"]["rus"], languages["ru"]);
}
