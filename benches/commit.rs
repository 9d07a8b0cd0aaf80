//! What the promise costs: a run that commits as configured against one that commits once, at its end.
//!
//! Pairs of whole runs over the same archives, with the cheapest text pipeline and a model that takes everything, so that
//! every record is a positive that is written. Run by `make bench-commit`; the last line is JSON.

#[path = "../tests/archive.rs"]
mod archive;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::process::{Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_warcdl-node");
/// Pairs that are measured, after one that is not.
const PAIRS: usize = 7;
const ARCHIVES: usize = 8;
const PAGES: usize = 12_000;
const READERS: usize = 2;

/// One run: records a second, its commits, and what it left.
struct Run {
    rate: f64,
    cpu: f64,
    output: String,
}

fn run(folder: &Path, commit: bool) -> Run {
    let results = folder.join("results");
    let config = folder.join("job.toml");
    let never = "output.commit_ms = 86400000\noutput.commit_bytes = 1000000000000\n";
    let text = format!(
        "source.paths = [{:?}]\nmodel.kind = \"passthrough\"\ntext.extractor = \"plain\"\noutput.path = {results:?}\n\
         readers = {READERS}\n{}",
        folder.join("*.warc.gz"),
        if commit { "" } else { never }
    );
    std::fs::write(&config, text).expect("the folder can be written to");
    let status = Command::new(PROGRAM)
        .args(["--role", "gpu", "-qq", "--overwrite", "--config"])
        .arg(&config)
        .stdout(Stdio::null())
        .status()
        .expect("the program starts");
    assert!(status.success(), "{status}");
    let summary: Value =
        serde_json::from_slice(&std::fs::read(results.join("summary.json")).expect("a summary"))
            .expect("JSON");
    let number = |value: &Value| value.as_f64().expect("a number");
    let mut rows: Vec<Vec<u8>> = std::fs::read_dir(&results)
        .expect("results")
        .filter_map(Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "jsonl"))
        .flat_map(|entry| {
            let bytes = std::fs::read(entry.path()).expect("lines");
            bytes.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>()
        })
        .collect();
    rows.sort_unstable();
    let mut hash = Sha256::new();
    rows.iter().for_each(|row| hash.update(row));
    let processes = &summary["processes"];
    Run {
        rate: number(&summary["records"]["seen"]) / number(&summary["seconds"]),
        cpu: number(&processes["gpu_node_cpu_seconds"]) + number(&processes["readers_cpu_seconds"]),
        output: format!("{} rows, sha256 {:x}", rows.len(), hash.finalize()),
    }
}

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for i in 0..ARCHIVES {
        let name = format!("a{i}");
        archive::write_gz(&folder.path().join(format!("{name}.warc.gz")), &archive::crawl(&name, PAGES));
    }
    run(folder.path(), true);
    let (mut ratios, mut cpus, mut same) = (Vec::new(), Vec::new(), true);
    for pair in 0..PAIRS {
        // Which one is first alternates, so that what drifts meets both.
        let first = run(folder.path(), pair % 2 == 0);
        let second = run(folder.path(), pair % 2 == 1);
        let (with, without) = if pair % 2 == 0 { (first, second) } else { (second, first) };
        same &= with.output == without.output;
        println!(
            "pair {pair}: {:.0} records/s with commits, {:.0} without; {:.1} and {:.1} CPU s",
            with.rate, without.rate, with.cpu, without.cpu
        );
        ratios.push(with.rate / without.rate);
        cpus.push(with.cpu / without.cpu);
    }
    let sorted = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.iter().map(|value| (value * 1e4).round() / 1e4).collect::<Vec<f64>>()
    };
    let (ratios, cpus) = (sorted(ratios), sorted(cpus));
    // The second smallest and the second largest of seven bound the median with 87.5 % confidence (binomial).
    println!(
        "{}",
        json!({
            "bench": "commit",
            "ratio": ratios[PAIRS / 2],
            "low": ratios[1],
            "high": ratios[PAIRS - 2],
            "cpu_ratio": cpus[PAIRS / 2],
            "pairs": PAIRS,
            "records": ARCHIVES * PAGES,
            "same_output": same,
        })
    );
    assert!(same, "the two leave different results");
}
