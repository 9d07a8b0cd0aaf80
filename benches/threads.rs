//! Two threads in a reader against one: the time on the clock for the same archive of pages, main text taken.
//!
//! Run by `make bench-threads`, on a machine that does nothing else. Pairs in turn, each in a process of its own; the last
//! line is JSON. A ratio of 2 says that the second thread is worth as much as the first. How much two processes of one thread
//! get done at once, which share nothing but the machine, is its `limit`.

#[expect(dead_code, reason = "tests need more of it")]
#[path = "../tests/archive.rs"]
mod archive;
#[path = "shared/lease.rs"]
mod lease;
#[path = "shared/pages.rs"]
mod pages;
#[path = "shared/pairs.rs"]
mod pairs;

use pages::Author;
use pairs::{compare, figures, tell};
use serde_json::{Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::process::Command;

const PAGES: usize = 4_000;
/// Rounds in which the machine's limit is measured.
const ROUNDS: usize = 7;

fn crawl(path: &Path) {
    let mut author = Author::new(7);
    let captures = (0..PAGES).flat_map(|number| {
        let (url, page) = author.page(number);
        let response = archive::response(&url, "text/html; charset=utf-8", page.as_bytes());
        [archive::record("request", &url, b"GET / HTTP/1.1\r\n\r\n"), response]
    });
    archive::write_gz(path, &captures.collect::<Vec<_>>());
}

/// Reads the archive on so many threads. What every step tells, in their order, is in `told`.
fn read(threads: usize, path: &Path) -> Value {
    let (mut told, mut texts) = (DefaultHasher::new(), 0u64);
    let mut figures = lease::read(lease::job(&[], None), threads, path, |step| {
        (step.at, step.next).hash(&mut told);
        match step.outcome {
            Ok(prepared) => {
                prepared.keep.hash(&mut told);
                texts += 1;
            }
            Err(reason) => format!("{reason:?}").hash(&mut told),
        }
    });
    figures["told"] = told.finish().into();
    figures["texts"] = texts.into();
    figures
}

/// How many times as much two processes get done at once as one alone.
fn limit(reading: impl Fn() -> Command + Sync) -> f64 {
    let took = |figures: Value| figures["wall_seconds"].as_f64().expect("a number");
    let mut ratios: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let alone = took(figures(&mut reading()));
            let both = std::thread::scope(|scope| {
                let other = scope.spawn(|| took(figures(&mut reading())));
                took(figures(&mut reading())).max(other.join().expect("its process ends well"))
            });
            2.0 * alone / both
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    (ratios[ROUNDS / 2] * 1e3).round() / 1e3
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [threads, path] = &arguments[..]
        && let Ok(threads) = threads.parse()
    {
        println!("{}", read(threads, Path::new(path)));
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("crawl.warc.gz");
    crawl(&path);
    let program = std::env::current_exe().expect("this program has a path");
    let reading = |threads: &str| {
        let mut command = Command::new(&program);
        command.arg(threads).arg(&path);
        command
    };
    let on = |threads: &str| figures(&mut reading(threads));
    let ratio = compare(
        "threads",
        "wall_seconds",
        "one thread",
        || on("2"),
        || on("1"),
        |two, one| two["told"] == one["told"] && one["texts"] == two["texts"],
    );
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    tell(ratio, json!({ "pages": PAGES, "cores": cores, "limit": limit(|| reading("1")) }));
}
