//! Reading archives, against FastWARC: CPU seconds for every record, HTTP headers parsed, bodies of pages read whole.
//!
//! Run by `make bench-read`, which installs the peer: `read PYTHON`. Pairs in turn, each in a process of its own; the last
//! line is JSON. A ratio above 1 says how many times as fast ours is.

#[expect(dead_code, reason = "tests need more of it")]
#[path = "../tests/archive.rs"]
mod archive;
#[path = "shared/cpu.rs"]
mod cpu;
#[path = "shared/pages.rs"]
mod pages;
#[path = "shared/pairs.rs"]
mod pairs;

use flate2::Compression;
use flate2::write::GzEncoder;
use libdeflater::Decompressor;
use pages::Author;
use pairs::{compare, figures, tell};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use warcdl::config::Config;
use warcdl::source::ArchiveReader;
use warcdl_actors::Position;

/// Captures of each archive.
const PAGES: usize = 2_000;
const SHORT_PAGES: usize = 20_000;

/// Writes records as crawlers do, a gzip member each, at gzip's own level; the length of all records.
fn write(path: &Path, records: impl Iterator<Item = Vec<u8>>) -> u64 {
    let mut file = File::create(path).expect("a file");
    let mut length = 0;
    for record in records {
        let mut member = GzEncoder::new(Vec::new(), Compression::new(6));
        member.write_all(&record).expect("memory");
        file.write_all(&member.finish().expect("memory")).expect("room on the disk");
        length += record.len() as u64;
    }
    length
}

/// A crawl in the shape of Common Crawl's: for each page its request, its response and what the crawler notes of it. One
/// capture in twelve is of a picture, which is not taken.
fn crawl(path: &Path) -> u64 {
    let mut author = Author::new(7);
    let mut random = fastrand::Rng::with_seed(8);
    let captures = (0..PAGES).flat_map(move |number| {
        let (url, page) = author.page(number);
        let response = if number % 12 == 11 {
            let picture: Vec<u8> = (0..author.about(20_000.0, 1.0)).map(|_| random.u8(..)).collect();
            archive::response(&url, "image/jpeg", &picture)
        } else {
            archive::response(&url, "text/html; charset=utf-8", page.as_bytes())
        };
        let request =
            b"GET / HTTP/1.1\r\nUser-Agent: benches\r\nAccept: text/html\r\nAccept-Encoding: gzip\r\n\r\n";
        let note = b"fetchTimeMs: 120\r\ncharset-detected: UTF-8\r\nlanguages-cld2: {\"reliable\":true}\r\n";
        [archive::record("request", &url, request), response, archive::record("metadata", &url, note)]
    });
    write(path, std::iter::once(archive::record("warcinfo", "", b"software: benches\r\n")).chain(captures))
}

/// Pages of half a kilobyte to two, where the records themselves are what costs.
fn short(path: &Path) -> u64 {
    let mut author = Author::new(9);
    let (_, page) = author.page(0);
    let captures = (0..SHORT_PAGES).flat_map(move |number| {
        let start = author.about(1_000.0, 0.4) % (page.len() / 2);
        let start = page.ceil_char_boundary(start);
        let end = page.ceil_char_boundary(start + author.about(1_000.0, 0.3));
        let url = format!("https://short.example/{number}");
        let response = archive::response(&url, "text/html", &page.as_bytes()[start..end]);
        [archive::record("request", &url, b"GET / HTTP/1.1\r\n\r\n"), response]
    });
    write(path, captures)
}

fn reader(path: &Path) -> ArchiveReader {
    let overrides = ["source.paths=[\"a\"]", "model.kind=passthrough", "record.min_body_bytes=0"];
    let config =
        Config::parse(Path::new("bench"), "", &overrides.map(str::to_owned)).expect("a configuration");
    let input = Box::new(File::open(path).expect("the archive"));
    ArchiveReader::new(input, "bench", Position::default(), &config.record, config.kind)
}

/// Reads the archive by our reader; the figures as the peer prints them.
fn ours(path: &Path) -> Value {
    let before = cpu::seconds();
    let mut reader = reader(path);
    let (mut records, mut pages, mut body_bytes) = (0u64, 0u64, 0);
    while let Some(entry) = reader.next().expect("the archive is whole") {
        records += 1;
        if let Ok(response) = entry.content {
            pages += 1;
            body_bytes += response.body.len() as u64;
        }
    }
    let seconds = cpu::seconds() - before;
    json!({ "records": records, "pages": pages, "body_bytes": body_bytes, "seconds": seconds })
}

/// Inflates each member of the archive, which lies in memory, and does nothing else.
fn floor(path: &Path) -> Value {
    let mut reader = reader(path);
    let mut members = Vec::new();
    while let Some(entry) = reader.next().expect("the archive is whole") {
        members.push(entry.at.offset as usize..entry.next.offset as usize);
    }
    let file = std::fs::read(path).expect("the archive");
    let mut target = vec![0; 64 << 20];
    let mut decompressor = Decompressor::new();
    let before = cpu::seconds();
    for member in members {
        decompressor.gzip_decompress(&file[member], &mut target).expect("a member");
    }
    json!({ "seconds": cpu::seconds() - before })
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let python = match &arguments[..] {
        [own, path] if own == "--ours" => return println!("{}", ours(Path::new(path))),
        [own, path] if own == "--floor" => return println!("{}", floor(Path::new(path))),
        [python] => python,
        _ => return println!("read: run by `make bench-read`, which installs what it is compared with"),
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = std::env::current_exe().expect("this program has a path");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/read_fastwarc.py");
    let counts = |figures: &Value| ["records", "pages", "body_bytes"].map(|key| figures[key].as_u64());
    let measure = |bench: &str, path: &Path, raw: u64| {
        let ratio = compare(
            bench,
            "seconds",
            "FastWARC",
            || figures(Command::new(&program).arg("--ours").arg(path)),
            || figures(Command::new(python).arg(script).arg(path)),
            |own, peer| counts(own) == counts(peer),
        );
        let mut floors: Vec<f64> = (0..5)
            .map(|_| {
                figures(Command::new(&program).arg("--floor").arg(path))["seconds"].as_f64().unwrap_or(0.0)
            })
            .collect();
        floors.sort_by(f64::total_cmp);
        let stored = path.metadata().map_or(0, |metadata| metadata.len());
        let own = ratio["own_s"].as_f64().unwrap_or(f64::NAN);
        let more = json!({
            "floor_s": (floors[2] * 1e3).round() / 1e3,
            "stored_bytes": stored,
            "raw_bytes": raw,
            "stored_mb_per_cpu_s": (stored as f64 / 1e6 / own).round(),
        });
        (ratio, more)
    };
    let path = folder.path().join("short.warc.gz");
    let raw = short(&path);
    let (ratio, more) = measure("read-short", &path, raw);
    tell(ratio, more);
    let path = folder.path().join("crawl.warc.gz");
    let raw = crawl(&path);
    let (ratio, more) = measure("read", &path, raw);
    tell(ratio, more);
}
