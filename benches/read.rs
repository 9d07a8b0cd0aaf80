//! Reading archives, against FastWARC: CPU seconds for every record, HTTP headers parsed, bodies of pages read whole.
//!
//! Run by `make bench-read`, which installs the peer: `read PYTHON`. Pairs in turn, each in a process of its own; the last
//! line is JSON. A ratio above 1 says how many times as fast ours is.

#[expect(dead_code, reason = "tests need more of it")]
#[path = "../tests/archive.rs"]
mod archive;

use serde_json::{Value, json};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::Command;
use warcdl::config::Config;
use warcdl::source::ArchiveReader;
use warcdl_actors::Position;

/// Pairs that are measured, after one that is not.
const PAIRS: usize = 7;
const PAGES: usize = 8_000;
/// Words that pages are made of, so that they compress as pages do, about four to one.
const VOCABULARY: usize = 4_000;

/// A crawl of pages of 2 to 40 KB, each with its request.
fn crawl() -> Vec<Vec<u8>> {
    let mut random = fastrand::Rng::with_seed(7);
    let word = |random: &mut fastrand::Rng| -> String {
        (0..random.usize(2..10)).map(|_| random.lowercase()).collect()
    };
    let words: Vec<String> = (0..VOCABULARY).map(|_| word(&mut random)).collect();
    let mut records = vec![archive::record("warcinfo", "", b"software: benches\r\n")];
    for number in 0..PAGES {
        let url = format!("http://example.org/{}/page-{number}.html", words[number % VOCABULARY]);
        let mut page = format!("<html><head><title>{number}</title></head><body>");
        for _ in 0..random.usize(5..100) {
            page += "<p class=\"text\">";
            for _ in 0..60 {
                page += &words[random.usize(..VOCABULARY)];
                page.push(' ');
            }
            page += "</p>\n";
        }
        records.push(archive::record("request", &url, b"GET / HTTP/1.1\r\n\r\n"));
        records.push(archive::response(&url, "text/html; charset=utf-8", page.as_bytes()));
    }
    records
}

/// Reads the archive by our reader; the figures as the peer prints them.
fn ours(path: &Path) -> Value {
    let overrides = ["source.paths=[\"a\"]", "model.kind=passthrough", "record.min_body_bytes=0"];
    let config =
        Config::parse(Path::new("bench"), "", &overrides.map(str::to_owned)).expect("a configuration");
    let (before, _) = warcdl::process::figures();
    let input = Box::new(BufReader::new(File::open(path).expect("the archive")));
    let mut reader = ArchiveReader::new(input, "bench", Position::default(), &config.record, config.kind);
    let (mut records, mut pages, mut body_bytes) = (0u64, 0u64, 0);
    while let Some(entry) = reader.next().expect("the archive is whole") {
        records += 1;
        if let Ok(response) = entry.content {
            pages += 1;
            body_bytes += response.body.len() as u64;
        }
    }
    let seconds = (warcdl::process::figures().0 - before).as_secs_f64();
    json!({ "records": records, "pages": pages, "body_bytes": body_bytes, "seconds": seconds })
}

/// What a process prints in its last line.
fn figures(command: &mut Command) -> Value {
    let output = command.output().expect("the process starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
    last.unwrap_or_else(|| panic!("{}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr)))
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [own, path] = &arguments[..]
        && own == "--ours"
    {
        println!("{}", ours(Path::new(path)));
        return;
    }
    let [python] = &arguments[..] else {
        println!("read: run by `make bench-read`, which installs what it is compared with");
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("crawl.warc.gz");
    archive::write_gz(&path, &crawl());
    let program = std::env::current_exe().expect("this program has a path");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/read_fastwarc.py");
    let one = || figures(Command::new(&program).arg("--ours").arg(&path));
    let other = || figures(Command::new(python).arg(script).arg(&path));
    let seconds = |figures: &Value| figures["seconds"].as_f64().expect("a number");
    let counts = |figures: &Value| ["records", "pages", "body_bytes"].map(|key| figures[key].as_u64());
    let mut same = counts(&one()) == counts(&other());
    let mut ratios = Vec::new();
    for pair in 0..PAIRS {
        // Which one is first alternates, so that what drifts meets both.
        let (own, peer) = if pair % 2 == 0 {
            let own = one();
            (own, other())
        } else {
            let peer = other();
            (one(), peer)
        };
        same &= counts(&own) == counts(&peer);
        println!("pair {pair}: {:.2} CPU s, FastWARC {:.2}", seconds(&own), seconds(&peer));
        ratios.push(seconds(&peer) / seconds(&own));
    }
    ratios.sort_by(f64::total_cmp);
    let rounded = |ratio: f64| (ratio * 1e3).round() / 1e3;
    // The second smallest and the second largest of seven bound the median with 87.5 % confidence (binomial).
    println!(
        "{}",
        json!({
            "bench": "read",
            "ratio": rounded(ratios[PAIRS / 2]),
            "low": rounded(ratios[1]),
            "high": rounded(ratios[PAIRS - 2]),
            "pairs": PAIRS,
            "records": 2 * PAGES + 1,
            "same_output": same,
        })
    );
    assert!(same, "the two do not read the same");
}
