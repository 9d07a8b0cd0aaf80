//! A folder of archives of which each has one thing wrong between two good pages, or eight pages in an odd container: what
//! comes out of each, and what is listed as lost.
//!
//! `cargo test --test edge -- FOLDER`, a folder with `cases.json` (an object with a key for each archive); the folder is not
//! part of this repository. The last line is a JSON object with the number of cases and of those that failed.

#[path = "node.rs"]
#[allow(dead_code)]
mod node;

use node::{Folder, gpu};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

/// What comes out of an archive.
#[derive(Debug, Default, PartialEq)]
struct Out {
    /// Pages, and how many of them are undamaged ones, whose URLs say so.
    texts: usize,
    good: usize,
    images: usize,
    /// What is listed in `quarantine.jsonl`.
    lost: Vec<String>,
}

impl Out {
    fn new(texts: usize, good: usize, images: usize, lost: &[&str]) -> Out {
        Out { texts, good, images, lost: lost.iter().map(|&reason| reason.to_owned()).collect() }
    }

    /// By the archive's name; nothing for one that is not known here.
    fn expected(case: &str) -> Option<Out> {
        let name = case.split('.').next().unwrap_or(case);
        Some(match name {
            // The record in the middle is left out, or lost where its length says so.
            "wrong-length-short" | "wrong-length-long" | "wrong-length-short-plain" => {
                Out::new(2, 2, 0, &["bad_length"])
            }
            "no-warc-type" | "bad-status-line" | "no-http-headers" | "no-blank-line" | "empty-block"
            | "no-content-type" | "long-header" | "many-headers" | "bomb-gzip-body" | "bomb-record"
            | "over-max-length" | "other-types" | "image-empty" | "image-truncated" | "image-bomb"
            | "image-1x1" | "image-as-html" | "html-as-image" => Out::new(2, 2, 0, &[]),
            // It is odd, but a page.
            "no-content-length" | "negative-length" | "huge-length" | "no-target-uri"
            | "two-content-types" | "ce-double" | "te-broken" | "deep-nesting" => Out::new(3, 2, 0, &[]),
            "angle-uri" | "lf-only" | "lower-case-headers" | "folded-header" | "warc11" | "http2-status"
            | "latin1-header" | "ce-gzip" | "ce-deflate-zlib" | "ce-deflate-raw" | "ce-br" | "ce-zstd"
            | "ce-lie" | "te-chunked" | "te-chunked-gzip" | "te-lie" | "nul-bytes" | "utf16-bom"
            | "wrong-charset" | "sjis-no-label" => Out::new(3, 3, 0, &[]),
            "image-png" | "image-jpeg" | "image-gif" | "image-bmp" | "image-webp" => Out::new(2, 2, 1, &[]),
            // Eight pages.
            "gzip-whole-file"
            | "gzip-two-per-member"
            | "gzip-extra-fname"
            | "gzip-empty-member"
            | "not-gzip"
            | "zstd-per-record"
            | "zstd-dictionary" => Out::new(8, 8, 0, &[]),
            "gzip-trailing-garbage" | "gzip-zero-padding" => Out::new(8, 8, 0, &["garbage"]),
            "gzip-corrupt-member" | "gzip-bad-crc" => Out::new(7, 7, 0, &["bad_crc"]),
            "gzip-truncated" => Out::new(7, 7, 0, &["truncated"]),
            "empty" => Out::default(),
            "random-bytes" => Out::new(0, 0, 0, &["no_record_headers"]),
            _ => return None,
        })
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [cases] = arguments.as_slice() else {
        eprintln!("which folder? cargo test --test edge -- FOLDER");
        return ExitCode::FAILURE;
    };
    let cases = Path::new(cases);
    let list = std::fs::read(cases.join("cases.json")).expect("the folder has a cases.json");
    let names: BTreeMap<String, Value> = serde_json::from_slice(&list).expect("cases.json is an object");
    let mut found: BTreeMap<&str, Out> = names.keys().map(|name| (name.as_str(), Out::default())).collect();
    for kind in ["text", "image"] {
        read(cases, kind, &mut found);
    }
    let mut failed = 0;
    for (name, found) in &found {
        let expected = Out::expected(name);
        if expected.as_ref() == Some(found) {
            println!("{name}: {found:?}");
        } else {
            failed += 1;
            println!("{name}: FAILED: {found:?}, expected {expected:?}; the case: {}", names[*name]);
        }
    }
    println!("{}", json!({ "cases": found.len(), "failed": failed }));
    if failed == 0 && !found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A run over all of them that takes every record of this kind for a positive.
fn read(cases: &Path, kind: &str, found: &mut BTreeMap<&str, Out>) {
    let folder = Folder::new();
    let config = folder.path("job.toml");
    let job = format!(
        "kind = {kind:?}\nsource.paths = [{cases:?}]\nmodel.kind = \"passthrough\"\noutput.path = {:?}\n",
        folder.path("results")
    );
    std::fs::write(&config, job).unwrap();
    let run = gpu(&config, &[]);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    for row in folder.rows() {
        let out = out_of(&row, found);
        match kind {
            "text" => out.texts += 1,
            _ => out.images += 1,
        }
        out.good += usize::from(row["url"].as_str().unwrap().contains("/good-"));
    }
    // Damage is the same whatever is looked for.
    if kind == "text" {
        for place in folder.places() {
            out_of(&place, found).lost.push(place["reason"].as_str().unwrap().to_owned());
        }
    }
}

/// What is found in the archive that a line of results is about.
fn out_of<'a>(line: &Value, found: &'a mut BTreeMap<&str, Out>) -> &'a mut Out {
    let archive = Path::new(line["warc_filename"].as_str().unwrap());
    let name = archive.file_name().unwrap().to_str().unwrap();
    found.get_mut(name).unwrap_or_else(|| panic!("{name} is not in cases.json"))
}
