//! The documents, the dashboard and the alerts say what the program does.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use prometheus::Registry;
use prometheus::proto::MetricType;
use serde_json::Value;
use warcdl::config::Config;
use warcdl::exit::Exit;
use warcdl::kind::Kind;
use warcdl::sink::{self, OutputFormat, OutputSettings};
use warcdl_actors::metrics::Metrics;
use warcdl_actors::results::names::QUARANTINE;
use warcdl_actors::wire::FrameType;
use warcdl_actors::{Exclusion, LegacyCounter, Listed, Lost, Meta, Position, Positive, RecordKey};

/// Documents whose words are checked.
const DOCUMENTS: [&str; 6] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "docs/exclusions.md",
    "docs/wire.md",
    "hadoop/README.md",
];

/// Tables of Hadoop's configuration that begin like one of ours.
const HADOOPS: [&str; 4] = ["yarn.http.", "yarn.nodemanager.", "yarn.resourcemanager.", "yarn.scheduler."];

/// Folders of code and of files for people; what a build or a run leaves lies elsewhere.
const FOLDERS: [&str; 9] =
    ["actors", "config", "docs", "examples", "hadoop", "ops", "scripts", "src", "tests"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: impl AsRef<Path>) -> String {
    let path = root().join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file under a folder of the repository, by its path from the root; none if there is no such folder.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn with_extension(folder: &str, extension: &str) -> Vec<PathBuf> {
    files(folder).into_iter().filter(|path| path.extension().is_some_and(|e| e == extension)).collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Cells of the rows of every Markdown table.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter_map(|line| {
        let cells = line.strip_prefix('|')?.strip_suffix('|')?;
        Some(cells.split('|').map(str::trim).collect())
    })
}

/// Fenced blocks in this language, with the line on which each begins.
fn blocks(text: &str, language: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        match &mut open {
            Some(_) if line == "```" => found.extend(open.take()),
            Some((_, block)) => *block += &format!("{line}\n"),
            None if line.strip_prefix("```") == Some(language) => open = Some((index + 1, String::new())),
            None => {}
        }
    }
    found
}

/// Names of metrics in `text`: words that begin with `warcdl_`, those of a histogram's series by its own name.
fn metrics_in(text: &str, histograms: &BTreeSet<String>) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("warcdl_"))
        .map(|word| {
            let series = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
            series.filter(|name| histograms.contains(*name)).unwrap_or(word).to_owned()
        })
        .collect()
}

#[test]
fn dashboard_and_alerts_know_the_metrics() {
    let registry = Registry::new();
    Metrics::register(&registry).unwrap();
    let families = registry.gather();
    let names: BTreeSet<String> = families.iter().map(|family| family.name().to_owned()).collect();
    let histograms = families
        .iter()
        .filter(|family| family.get_field_type() == MetricType::HISTOGRAM)
        .map(|family| family.name().to_owned())
        .collect();

    for file in files("ops") {
        let unknown: Vec<_> =
            metrics_in(&read(&file), &histograms).into_iter().filter(|name| !names.contains(name)).collect();
        assert!(unknown.is_empty(), "{} names metrics that do not exist: {unknown:?}", file.display());
    }
    let shown = metrics_in(&read("ops/grafana/warcdl.json"), &histograms);
    let hidden: Vec<_> = names.difference(&shown).collect();
    assert!(hidden.is_empty(), "the dashboard does not show {hidden:?}");
}

#[test]
fn the_dashboard_can_be_imported_anywhere() {
    let dashboard: Value = serde_json::from_str(&read("ops/grafana/warcdl.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "ids of panels are unique");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{}", panel["title"]);
    }
}

#[test]
fn alerts_name_reasons_that_exist_and_all_that_are_damage() {
    let names = |reasons: &mut dyn Iterator<Item = &Exclusion>| -> BTreeSet<&str> {
        reasons.map(|reason| reason.name()).collect()
    };
    let all = names(&mut Exclusion::ALL.iter());
    let damage = names(&mut Exclusion::ALL.iter().filter(|reason| reason.is_damage()));
    let text = read("ops/alerts.yml");
    let selectors: Vec<BTreeSet<&str>> = text
        .split("reason=")
        .skip(1)
        .map(|rest| rest.trim_start_matches('~').split('"').nth(1).unwrap().split('|').collect())
        .collect();
    for selector in &selectors {
        assert!(selector.is_subset(&all), "{selector:?}");
    }
    assert!(selectors.contains(&damage), "the alert on damaged archives counts {damage:?}");
}

#[test]
fn the_protocol_page_lists_every_frame() {
    let page = read("docs/wire.md");
    let told: Vec<(String, String, bool)> = rows(&page)
        .filter(|cells| cells[0].starts_with("`0x"))
        .map(|cells| (cells[0].trim_matches('`').to_owned(), cells[1].to_owned(), cells[3] == "yes"))
        .collect();
    let real: Vec<(String, String, bool)> = FrameType::ALL
        .iter()
        .map(|&frame| (format!("{:#04x}", frame as u8), frame.name().to_owned(), frame.is_data()))
        .collect();
    assert_eq!(told, real);
}

#[test]
fn the_page_of_exclusions_is_the_list() {
    let page = read("docs/exclusions.md");
    let told: Vec<Vec<&str>> = rows(&page).filter(|cells| cells[0].parse::<u8>().is_ok()).collect();
    let real: Vec<[String; 4]> = Exclusion::ALL
        .iter()
        .map(|&reason| {
            let legacy = reason.legacy().map_or(String::new(), |counter| format!("`{}`", counter.name()));
            [(reason as u8).to_string(), format!("`{}`", reason.name()), reason.help().to_owned(), legacy]
        })
        .collect();
    assert_eq!(told, real);
}

#[test]
fn the_readme_tells_exit_codes_and_the_ancestors_counters() {
    let readme = read("README.md");
    let codes: Vec<(&str, &str)> = rows(&readme)
        .filter(|cells| cells.len() == 2 && cells[0].parse::<u8>().is_ok())
        .map(|cells| (cells[0], cells[1]))
        .collect();
    assert_eq!(codes.len(), Exit::ALL.len(), "{codes:?}");
    for (exit, (code, meaning)) in Exit::ALL.into_iter().zip(codes) {
        assert_eq!(code, exit.code().to_string());
        assert!(meaning.starts_with(exit.help()), "{code}: {meaning}");
    }
    for counter in LegacyCounter::ALL {
        assert!(quoted(&readme).any(|word| word == counter.name()), "{}", counter.name());
    }
}

#[test]
fn the_readme_tells_every_column_of_the_results() {
    let readme = read("README.md");
    let positive = Positive {
        warc_filename: Arc::from("a.warc.gz"),
        key: RecordKey { warc: 0, position: Position::default() },
        meta: Meta::default(),
        keep: Bytes::from_static(b"k"),
        score: 1.0,
        label: Arc::from("l"),
    };
    let lost = Lost { at: Position::default(), length: 1, reason: Exclusion::Garbage };
    let listed = Listed { warc_filename: Arc::from("a.warc.gz"), lost };
    for (kind, format, file) in [
        (Kind::Text, OutputFormat::Jsonl, "part-00000.jsonl"),
        (Kind::Text, OutputFormat::Files, "index.jsonl"),
        (Kind::Image, OutputFormat::Jsonl, "part-00000.jsonl"),
        (Kind::Image, OutputFormat::Files, "index.jsonl"),
    ] {
        let made = tempfile::tempdir().unwrap();
        let path = made.path().join("results");
        let settings = OutputSettings {
            path: path.clone(),
            format,
            overwrite: true,
            part_bytes: 1 << 20,
            commit_ms: 1000,
            commit_bytes: 1 << 20,
            full_disk_s: 1,
        };
        let mut folder = sink::open(&settings, kind, Default::default()).unwrap();
        folder.sink.put(&positive).unwrap();
        folder.sink.list(&listed).unwrap();
        folder.sink.finish(&[]).unwrap();
        for file in [file, QUARANTINE] {
            let line = fs::read_to_string(path.join(file)).unwrap();
            let row: serde_json::Map<String, Value> = serde_json::from_str(&line).unwrap();
            for column in row.keys() {
                assert!(quoted(&readme).any(|word| word == column), "{kind:?}, {format:?}: {column}");
            }
        }
    }
}

#[test]
fn every_configuration_that_is_shown_loads() {
    let check = |name: &Path, text: &str, overrides: &[String]| {
        if let Err(error) = Config::parse(name, text, overrides) {
            panic!("{}: {error}", name.display());
        }
    };
    // The two things that have no default; an excerpt leaves them out.
    let needed = ["source.paths=[\"crawl\"]", "model.path=model"].map(str::to_owned);
    for file in with_extension("config", "toml").into_iter().chain(with_extension("examples", "toml")) {
        let text = read(&file);
        let is_complete = text != warcdl::config::DEFAULTS;
        check(&file, &text, if is_complete { &[] } else { &needed });
    }
    let readme = blocks(&read("README.md"), "toml");
    assert!(!readme.is_empty());
    for (line, block) in readme {
        check(Path::new(&format!("README.md:{line}")), &block, &needed);
    }
}

#[test]
fn documents_name_only_keys_that_exist() {
    let defaults: toml::Table = warcdl::config::DEFAULTS.parse().unwrap();
    for document in DOCUMENTS {
        for word in quoted(&read(document)) {
            let key = word.split([' ', '=']).next().unwrap_or_default();
            if [".onnx", ".rs", ".toml"].iter().any(|end| key.ends_with(end))
                || HADOOPS.iter().any(|begin| key.starts_with(begin))
            {
                continue;
            }
            let mut parts = key.split('.');
            // A name of a table with something behind it: `record.*` stands for all of it.
            let Some(toml::Value::Table(table)) = parts.next().and_then(|first| defaults.get(first)) else {
                continue;
            };
            let mut value = None;
            for part in parts.filter(|&part| part != "*") {
                let table = match value {
                    None => Some(table),
                    Some(value) => toml::Value::as_table(value),
                };
                value = table.and_then(|table| table.get(part));
                assert!(value.is_some(), "{document}: there is no key `{key}`");
            }
        }
    }
}

#[test]
fn the_code_map_is_complete() {
    let map = read("ARCHITECTURE.md");
    let named: BTreeSet<&str> = quoted(&map).collect();
    for folder in ["actors", "src"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let listed = if path.is_dir() { format!("{folder}/{name}/") } else { format!("{folder}/{name}") };
            if path.is_dir() || name.ends_with(".rs") {
                assert!(named.contains(&*listed), "ARCHITECTURE.md does not say what {listed} is");
            }
        }
    }
}

#[test]
fn documents_name_only_files_that_exist() {
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        let text = read(document);
        let beside = root().join(document).parent().unwrap().to_owned();
        let is_path = |word: &&str| {
            let starts = |folder: &str| word.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
            !word.contains([' ', '*', '<']) && FOLDERS.into_iter().any(starts)
        };
        for path in quoted(&text).filter(is_path).filter(|path| !root().join(path).exists()) {
            missing.push(format!("{document}: there is no {path}"));
        }
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let leads = match link.strip_prefix('#') {
                Some(anchor) => {
                    let headings = text.lines().filter_map(|line| line.strip_prefix("## "));
                    headings.map(anchor_of).any(|heading| heading == anchor)
                }
                None => link.contains("://") || beside.join(link).exists(),
            };
            if !leads {
                missing.push(format!("{document}: {link} leads nowhere"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The anchor that a heading gets.
fn anchor_of(heading: &str) -> String {
    let kept = heading.chars().filter(|&c| c.is_alphanumeric() || matches!(c, ' ' | '-'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[test]
fn files_are_named_after_what_they_hold() {
    const NAMELESS: [&str; 7] = ["mod", "util", "utils", "helper", "helpers", "common", "misc"];
    let markers = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    for file in FOLDERS.into_iter().flat_map(|folder| with_extension(folder, "rs")) {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        assert!(!NAMELESS.contains(&stem), "{}", file.display());
        for (index, line) in read(&file).lines().enumerate() {
            let marker = markers.iter().find(|marker| line.contains(**marker));
            assert!(marker.is_none(), "{}:{}: {line}", file.display(), index + 1);
        }
    }
}

/// What an image is built from is little of the repository, but all that the manifest speaks of: cargo misses any other.
#[test]
fn an_image_gets_what_the_manifest_names() {
    let ignore = read(".dockerignore");
    let sent: Vec<&str> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let texts = |value: &toml::Value| value.as_str().map(str::to_owned);
    let mut named: Vec<String> =
        manifest["workspace"]["members"].as_array().unwrap().iter().filter_map(texts).collect();
    for kind in ["bin", "test", "bench", "example"] {
        for target in manifest[kind].as_array().unwrap() {
            let folder = if kind == "bench" { "benches" } else { "src" };
            let usual = format!("{folder}/{}.rs", target["name"].as_str().unwrap());
            named.push(target.get("path").and_then(texts).unwrap_or(usual));
        }
    }
    assert!(named.len() > 10, "{named:?}");
    for path in named.iter().filter(|path| *path != ".") {
        assert!(root().join(path).exists(), "{path}");
        assert!(sent.iter().any(|sent| Path::new(path).starts_with(sent)), "{path} is not sent");
    }
}
