//! Pages that bring HTML parsers down, against limits: half a second and 256 MB for each, from the archive to the text.
//!
//! Run by `make bench-hostile`. Each page is read as a reader reads it, in a process of its own, five times; its slowest
//! time and its largest memory count. The last line is JSON. The ratio says how many times the worst page is within the
//! limit; it fails below 1, or if a page does not end as it should.

#[expect(dead_code, reason = "tests need more of it")]
#[path = "../tests/archive.rs"]
mod archive;
#[path = "shared/lease.rs"]
mod lease;
#[expect(dead_code, reason = "other benchmarks compare two programs")]
#[path = "shared/pairs.rs"]
mod pairs;

use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, ExitCode};

const LIMIT_S: f64 = 0.5;
const LIMIT_MB: f64 = 256.0;
const TIMES: usize = 5;

/// Name, what becomes of it, and what is in its body.
fn pages() -> Vec<(&'static str, &'static str, String)> {
    let attributes: String = (0..100_000).map(|number| format!(" a{number}=x")).collect();
    let links: String =
        (0..200_000).map(|number| format!("<a href=\"/page/{number}\">link {number}</a>\n")).collect();
    let sentence =
        "<p>The weather is fine today, and the harbour is full of small boats from the islands.</p>\n";
    let open: String = (0..480).map(|number| format!("<x{number}>")).collect();
    let bold: String = (0..1_000).map(|number| format!("<b id={number}>")).collect::<String>();
    let bold = format!("<p>{bold}");
    vec![
        ("100,000 nested div", "ok", "<div>".repeat(100_000) + "text" + &"</div>".repeat(100_000)),
        ("20,000 unclosed links in blocks", "ok", "<div><a href=x>text".repeat(20_000)),
        ("one tag with 100,000 attributes", "ok", format!("<div{attributes}>text</div>")),
        ("5,000 nested tables", "ok", "<table><tr><td>".repeat(5_000) + "text"),
        ("20,000 nested span", "ok", "<span>".repeat(20_000) + "text" + &"</span>".repeat(20_000)),
        ("200,000 links", "ok", links),
        ("1,000,000 br", "html_limits", "<br>".repeat(1_000_000) + "text"),
        ("990,000 br", "ok", "<br>".repeat(990_000) + "text"),
        ("990,000 links of one letter", "ok", "<a>x</a>".repeat(990_000)),
        ("20 MB of paragraphs", "ok", sentence.repeat(20_000_000 / sentence.len())),
        ("1,000 bold letters opened again and again", "html_limits", bold + &"<p>x".repeat(980_000)),
        ("660,000 end tags, 480 open elements", "ok", open + &"</y480>".repeat(660_000)),
    ]
}

/// Reads the archive as a reader does; what became of its page, and what that took.
fn read(path: &Path) -> Value {
    let settings = ["record.max_body_bytes=64000000"];
    let mut outcomes = Vec::new();
    let mut figures = lease::read(lease::job(&settings, None), 1, path, |step| {
        outcomes.push(step.outcome.map_or_else(|reason| reason.name(), |_| "ok"));
    });
    figures["outcomes"] = json!(outcomes);
    figures["mb"] = (warcdl::process::figures().1 as f64 / 1e6).into();
    figures
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [path] = &arguments[..] {
        println!("{}", read(Path::new(path)));
        return ExitCode::SUCCESS;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("page.warc.gz");
    let program = std::env::current_exe().expect("this program has a path");
    let (mut slowest, mut largest, mut all_right) = (0f64, 0f64, true);
    let pages = pages();
    for (name, expected, body) in &pages {
        let page = format!("<html><head><title>hostile</title></head><body>{body}</body></html>");
        archive::write_gz(
            &path,
            &[archive::response("http://a/", "text/html; charset=utf-8", page.as_bytes())],
        );
        let told: Vec<Value> =
            (0..TIMES).map(|_| pairs::figures(Command::new(&program).arg(&path))).collect();
        let most =
            |what: &str| told.iter().map(|told| told[what].as_f64().expect("a number")).fold(0.0, f64::max);
        let (seconds, mb) = (most("seconds"), most("mb"));
        let right = told.iter().all(|told| told["outcomes"] == json!([expected]));
        println!(
            "{name}: {:.1} MB, {seconds:.3} s, {mb:.0} MB of memory, {}{}",
            page.len() as f64 / 1e6,
            told[0]["outcomes"],
            if right { "" } else { "  WRONG" }
        );
        (slowest, largest, all_right) = (slowest.max(seconds), largest.max(mb), all_right && right);
    }
    let ratio = (LIMIT_S / slowest).min(LIMIT_MB / largest);
    println!(
        "{}",
        json!({
            "bench": "hostile", "ratio": (ratio * 1e3).round() / 1e3, "pages": pages.len(),
            "slowest_s": slowest, "limit_s": LIMIT_S, "largest_mb": largest, "limit_mb": LIMIT_MB,
            "same_output": all_right,
        })
    );
    if all_right && ratio >= 1.0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
