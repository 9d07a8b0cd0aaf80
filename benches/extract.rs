//! From archives to token ids, against Resiliparse: the whole path of a text, as the ancestor WARC-DL has it.
//!
//! Read, decode, both main texts, language, tokenise; CPU seconds of one core. Run by `make bench-extract`, which installs
//! the peer: `extract PYTHON [FOLDER]`. Pairs in turn, each in a process of its own; the last line is JSON. A ratio above
//! 1 says how many times as fast ours is. The input is made here, of the texts that the sample archive is made of, unless
//! a folder with archives is given.

#[expect(dead_code, reason = "tests need more of it")]
#[path = "../tests/archive.rs"]
mod archive;
#[path = "extract/page.rs"]
mod page;
#[path = "shared/pairs.rs"]
#[expect(dead_code, reason = "other benchmarks use the rest of it")]
mod pairs;

use pairs::{PAIRS, Pairs, figures, number};
use serde_json::{Value, json};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::Command;
use warcdl::config::Config;
use warcdl::prepare::{TextPreparer, texts};
use warcdl::source::{ArchiveReader, Response};
use warcdl_actors::{Input, Position};

const PAGES: usize = 600;
const MAX_TOKENS: usize = 512;
/// How many times as many tokens, and characters of texts, one side may make as the other: they choose main texts by rules of
/// their own. Tokens alone would tell little, as all texts of the pages made here are cut at [`MAX_TOKENS`]. Of characters ours has
/// 0.79 of what Resiliparse has.
const LIKE: f64 = 1.5;
/// Pages for the texts alone.
const TEXTS: usize = 2_000;
const TOKENIZER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/sample/models/recipe/tokenizer.json");

fn config() -> Config {
    let overrides = [
        "source.paths=[\"a\"]",
        "model.kind=passthrough",
        "record.min_body_bytes=0",
        "record.max_body_bytes=64000000",
    ];
    Config::parse(Path::new("bench"), "", &overrides.map(str::to_owned)).expect("a configuration")
}

/// Pages of an archive, in turn.
fn pages(path: &Path, config: &Config, mut each: impl FnMut(Response)) {
    let input = Box::new(BufReader::new(File::open(path).expect("an archive")));
    let mut reader = ArchiveReader::new(input, "bench", Position::default(), &config.record, config.kind);
    while let Some(entry) = reader.next().expect("the archive is whole") {
        if let Ok(response) = entry.content {
            each(response);
        }
    }
}

/// Prepares the pages of all archives; the figures as the peer prints them.
fn ours(archives: &[PathBuf]) -> Value {
    let config = config();
    let cpu = || warcdl::process::figures().0;
    let tokenizer = std::fs::read(TOKENIZER).expect("a tokenizer");
    let mut preparer =
        TextPreparer::new(&config.text, &config.filter, Some(&tokenizer), MAX_TOKENS).expect("a preparer");
    let begin = cpu();
    let (mut count, mut tokens, mut excluded) = (0_u64, 0, 0);
    for path in archives {
        pages(path, &config, |response| {
            count += 1;
            match preparer.prepare(response).map(|prepared| prepared.input) {
                Ok(Input::Tokens(ids)) => tokens += ids.len() / 4,
                _ => excluded += 1,
            }
        });
    }
    let seconds = (cpu() - begin).as_secs_f64();
    let mut html = Vec::new();
    for path in archives {
        pages(path, &config, |response| {
            if html.len() < TEXTS {
                html.push(String::from_utf8_lossy(&response.body).into_owned());
            }
        });
    }
    let begin = cpu();
    for page in &html {
        std::hint::black_box(texts(page, &config.text).ok());
    }
    let texts_ms = (cpu() - begin).as_secs_f64() * 1e3 / html.len().max(1) as f64;
    let chars: usize = html
        .iter()
        .filter_map(|page| texts(page, &config.text).ok())
        .map(|texts| texts.model.chars().count())
        .sum();
    json!({
        "pages": count, "tokens": tokens, "excluded": excluded, "chars": chars,
        "seconds": seconds, "texts_ms": texts_ms,
    })
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [own, archives @ ..] = &arguments[..]
        && own == "--ours"
    {
        println!("{}", ours(&archives.iter().map(PathBuf::from).collect::<Vec<_>>()));
        return;
    }
    let (python, folder) = match &arguments[..] {
        [python] => (python, None),
        [python, folder] => (python, Some(PathBuf::from(folder))),
        _ => {
            println!("extract: run by `make bench-extract`, which installs what it is compared with");
            return;
        }
    };
    let made = tempfile::tempdir().expect("a temporary folder");
    if folder.is_none() {
        let records: Vec<_> = (0..PAGES).map(page::record).collect();
        archive::write_gz(&made.path().join("pages.warc.gz"), &records);
    }
    let mut archives: Vec<PathBuf> = std::fs::read_dir(folder.as_deref().unwrap_or(made.path()))
        .expect("the folder can be read")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with(".warc.gz"))
        .collect();
    archives.sort();
    let program = std::env::current_exe().expect("this program has a path");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/extract_resiliparse.py");
    let one = || figures(Command::new(&program).arg("--ours").args(&archives));
    let other = || figures(Command::new(python).arg(script).arg(TOKENIZER).args(&archives));
    let pairs = Pairs::measure(one, other, |pair, own, peer| {
        let [seconds, texts] =
            ["seconds", "texts_ms"].map(|what| [own, peer].map(|figures| number(figures, what)));
        println!(
            "pair {pair}: {:.2} CPU s, Resiliparse {:.2}; both texts {:.3} ms a page, Resiliparse {:.3}",
            seconds[0], seconds[1], texts[0], texts[1]
        );
    });
    let is_like = |own: &Value, peer: &Value, what: &str| {
        let factor = number(own, what) / number(peer, what);
        (1.0 / LIKE..=LIKE).contains(&factor)
    };
    let same_output = pairs.all(|own, peer| {
        own["pages"] == peer["pages"]
            && own["excluded"] == 0
            && is_like(own, peer, "tokens")
            && is_like(own, peer, "chars")
    });
    let [chars, peer_chars] = pairs.medians(|figures| number(figures, "chars"));
    // By the page: in a folder of one's own the two may not take the same records for pages.
    let [ratio, low, high] = pairs.ratio(|figures| number(figures, "seconds") / number(figures, "pages"));
    let texts = |figures: &Value| number(figures, "texts_ms");
    let [texts_ratio, texts_low, texts_high] = pairs.ratio(texts);
    let [texts_ms, peer_texts_ms] = pairs.medians(texts);
    let [pages, _] = pairs.medians(|figures| number(figures, "pages"));
    println!(
        "{}",
        json!({
            "bench": "extract",
            "ratio": ratio,
            "low": low,
            "high": high,
            "texts_ratio": texts_ratio,
            "texts_low": texts_low,
            "texts_high": texts_high,
            "texts_ms": texts_ms,
            "peer_texts_ms": peer_texts_ms,
            "chars": chars,
            "peer_chars": peer_chars,
            "pairs": PAIRS,
            "pages": pages,
            "same_output": same_output,
        })
    );
    assert!(same_output || folder.is_some(), "the two do not make the same of the pages");
}
