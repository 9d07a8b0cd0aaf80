//! Whole jobs on a real Hadoop, and what can befall them there: whatever it is, the results are those of a run with local
//! readers, readers are back at their number, and nothing is left behind.
//!
//! `cargo test --test yarn-cluster -- [--short] [--faults F1,F2,...] [--program FILE]`; the last line is a JSON object with
//! what was done and found. Needs JDK 17, Maven and Python, see `hadoop/local/README.md`.

mod archive;
#[path = "yarn_cluster/cluster.rs"]
mod cluster;
#[path = "yarn_cluster/container.rs"]
mod container;
#[path = "yarn_cluster/fault.rs"]
mod fault;
#[path = "kill/http.rs"]
mod http;
#[path = "kill/metrics.rs"]
mod metrics;
#[path = "kill/port.rs"]
mod port;
#[path = "kill/process.rs"]
mod process;
#[path = "kill/results.rs"]
mod results;
#[path = "yarn_cluster/run.rs"]
mod run;
mod s3_server;
#[path = "yarn_cluster/stage.rs"]
mod stage;
#[path = "yarn_cluster/until.rs"]
mod until;
#[path = "yarn_cluster/way.rs"]
mod way;

use fault::{FAULTS, Fault};
use serde_json::json;
use stage::{Crawl, Stage};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// What the command line asks for.
struct Choice {
    faults: Vec<&'static Fault>,
    /// What runs on the cluster, if it is not what was built with the suite.
    program: PathBuf,
}

impl Choice {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Choice, String> {
        let mut faults: Vec<_> = FAULTS.iter().collect();
        let mut program = env!("CARGO_BIN_EXE_warcdl-node").into();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--short" => faults.retain(|fault| fault.is_short),
                "--faults" => {
                    let names = arguments.next().ok_or("--faults needs names with commas between them")?;
                    let find = |name: &str| FAULTS.iter().find(|fault| fault.name == name);
                    let found = names.split(',').map(|name| find(name).ok_or_else(|| unknown(name)));
                    faults = found.collect::<Result<_, _>>()?;
                }
                "--program" => program = arguments.next().ok_or("--program needs a path")?.into(),
                _ => {
                    return Err(format!(
                        "unknown argument {argument}; there are --short, --faults F1,F2,... and --program FILE"
                    ));
                }
            }
        }
        Ok(Choice { faults, program })
    }
}

fn unknown(name: &str) -> String {
    format!("there is no fault {name}; there are {}", FAULTS.map(|fault| fault.name).join(", "))
}

fn main() -> ExitCode {
    let Choice { faults, program } = match Choice::parse(std::env::args().skip(1)) {
        Ok(choice) => choice,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    // Kept where anything is wrong, panics of the suite included.
    let folder = tempfile::Builder::new().prefix("warcdl-yarn-").tempdir().unwrap().keep();
    println!("yarn: {} faults, in {}", faults.len(), folder.display());
    let start = Instant::now();
    let mut seconds = serde_json::Map::new();
    let mut failed = Vec::new();
    let played = Stage::new(folder.clone(), Fault::need(&faults), &program).and_then(|mut stage| {
        let rows = stage.local(Crawl::Many)?.rows();
        println!("a cluster, and a local run of {rows} rows: {:.1} s", start.elapsed().as_secs_f64());
        for fault in &faults {
            let start = Instant::now();
            let played = (fault.play)(&stage);
            let took = start.elapsed().as_secs_f64();
            seconds.insert(fault.name.to_owned(), json!((took * 10.0).round() / 10.0));
            let verdict = if played.is_ok() { "as it should be" } else { "WRONG" };
            println!("{}: {}: {verdict}, {took:.1} s", fault.name, fault.what);
            if let Err(wrong) = played {
                println!("wrong: {}: {wrong}", fault.name);
                failed.push(fault.name);
                stage.renew()?;
            }
        }
        Ok((rows, stage.compared.get()))
    });
    // What was not compared is neither equal nor not.
    let compared = played.as_ref().is_ok_and(|&(_, compared)| compared > 0);
    let report = json!({
        "faults": seconds.len(),
        "failed": failed.len(),
        "equal": compared.then_some(failed.is_empty()),
        "failures": failed,
        "rows": played.as_ref().ok().map(|(rows, _)| rows),
        "seconds_of": seconds,
        "seconds": start.elapsed().as_secs_f64(),
    });
    if played.is_ok() && failed.is_empty() {
        fs::remove_dir_all(&folder).unwrap();
        println!("{report}");
        return ExitCode::SUCCESS;
    }
    if let Err(wrong) = played {
        println!("wrong: {wrong}");
    }
    println!("all files are kept in {}", folder.display());
    println!("{report}");
    ExitCode::FAILURE
}
