//! Main texts of the gold pages of scrapinghub's article-extraction-benchmark, for its own script to judge.
//!
//! Run by `make bench-gold GOLD=FOLDER`, where the folder is a copy of that project: reads `html/*.html.gz`, writes
//! `output/warcdl.json`. The rest is `evaluate.py`'s.

use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use warcdl::config::Config;
use warcdl::prepare::texts;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let Some(folder) = arguments.next().map(PathBuf::from) else {
        return println!("GOLD=… must name a copy of scrapinghub's article-extraction-benchmark");
    };
    let settings = ["source.paths=[\"a\"]", "model.kind=passthrough"].map(str::to_owned);
    let config = Config::parse(Path::new("bench"), "", &settings).expect("a configuration");
    let mut output = serde_json::Map::new();
    for entry in fs::read_dir(folder.join("html")).expect("the folder html") {
        let path = entry.expect("a file").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(id) = name.strip_suffix(".html.gz") else { continue };
        let mut html = String::new();
        let file = fs::File::open(&path).expect("a page");
        MultiGzDecoder::new(file).read_to_string(&mut html).expect("a page in UTF-8");
        let text = texts(&html, &config.text).map_or(Value::Null, |texts| texts.kept.into());
        output.insert(id.to_owned(), json!({ "articleBody": text }));
    }
    let pages = output.len();
    let path = folder.join("output/warcdl.json");
    fs::write(&path, Value::Object(output).to_string()).expect("the folder output");
    println!("{pages} pages in {}", path.display());
}
