//! Real processes under `kill -9`, SIGSTOP and SIGTERM, at random moments: whatever happens to them, the results in the
//! end are those of a run that nothing happened to.
//!
//! `cargo test --test kill -- [--kills N] [--seed N]`; the last line is a JSON object with what was done and found.

mod archive;
#[path = "kill/job.rs"]
mod job;
#[path = "kill/process.rs"]
mod process;
#[path = "kill/results.rs"]
mod results;
#[path = "kill/resume.rs"]
mod resume;
#[path = "kill/run.rs"]
mod run;

use archive::{crawl, write_gz};
use fastrand::Rng;
use job::{Job, Ports};
use results::Results;
use resume::{End, resume_time};
use run::{Blows, Run};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Copies of the sample archive, which has every kind of damage and exclusion.
const SAMPLES: usize = 3;
/// Pages of the generated archives.
const CRAWLS: [usize; 6] = [2400, 1200, 600, 300, 40, 0];
/// Pages of the archive whose readers end.
const RESUMED_PAGES: usize = 20_000;
/// A lease whose reader is gone is read on within this.
const RESUMED_WITHIN: Duration = Duration::from_secs(15);

struct Options {
    kills: u64,
    seed: u64,
}

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options { kills: 200, seed: fastrand::u64(..1_000_000) };
        let mut arguments = arguments;
        while let Some(name) = arguments.next() {
            let option = match name.as_str() {
                "--kills" => &mut options.kills,
                "--seed" => &mut options.seed,
                _ => return Err(format!("unknown argument {name}; there are --kills N and --seed N")),
            };
            let number = arguments.next().and_then(|value| value.parse().ok());
            *option = number.ok_or_else(|| format!("{name} needs a number"))?;
        }
        Ok(options)
    }
}

/// What the suite found.
#[derive(Default)]
struct Findings {
    runs: u64,
    rows: usize,
    lost: usize,
    doubled: usize,
    /// In words; empty if all is well.
    wrong: Vec<String>,
}

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    // Kept where anything is wrong, panics of the suite included.
    let folder = tempfile::Builder::new().prefix("warcdl-kill-").tempdir().unwrap().keep();
    println!("kill: {} kills, seed {}, in {}", options.kills, options.seed, folder.display());
    let start = Instant::now();
    let mut rng = Rng::with_seed(options.seed);
    let (mut blows, mut findings) = (Blows::default(), Findings::default());
    let archives = make_archives(&folder.join("archives"));
    under_fire(&folder, &archives, options.kills, &mut rng, &mut blows, &mut findings);
    let [killed, stopped] = [End::Killed, End::Stopped].map(|end| resume(&folder, end, &mut findings));

    let mut first: Vec<f64> = blows.first_score.iter().map(Duration::as_secs_f64).collect();
    first.sort_by(f64::total_cmp);
    let report = json!({
        "kills": blows.kills(),
        "gpu_kills": blows.gpu_kills,
        "reader_kills": blows.reader_kills,
        "stops": blows.stops,
        "drains": blows.drains,
        "intruders": blows.intruders,
        "takeovers": blows.takeovers,
        "runs": findings.runs,
        "records": findings.rows,
        "lost": findings.lost,
        "doubled": findings.doubled,
        "equal": findings.wrong.is_empty(),
        "gpu_first_batch_s": { "median": first.get(first.len() / 2), "max": first.last(), "restarts": first.len() },
        "reader_resume_s": { "killed": killed, "stopped": stopped },
        "seconds": start.elapsed().as_secs_f64(),
    });
    if findings.wrong.is_empty() {
        fs::remove_dir_all(&folder).unwrap();
        println!("{report}");
        return ExitCode::SUCCESS;
    }
    for wrong in &findings.wrong {
        println!("wrong: {wrong}");
    }
    println!("seed {}; all files are kept in {}", options.seed, folder.display());
    println!("{report}");
    ExitCode::FAILURE
}

/// Writes them, and gives their glob.
fn make_archives(folder: &Path) -> PathBuf {
    fs::create_dir(folder).unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/sample/sample.warc.gz");
    for i in 0..SAMPLES {
        fs::copy(&sample, folder.join(format!("sample-{i}.warc.gz"))).unwrap();
    }
    for pages in CRAWLS {
        let name = format!("crawl-{pages}");
        write_gz(&folder.join(format!("{name}.warc.gz")), &crawl(&name, pages));
    }
    folder.join("*.warc.gz")
}

/// A calm run, then runs under fire until there were enough kills, or one went wrong.
fn under_fire(
    folder: &Path,
    archives: &Path,
    kills: u64,
    rng: &mut Rng,
    blows: &mut Blows,
    findings: &mut Findings,
) {
    let ports = Ports::free();
    let calm = {
        let job = Job::new(folder.join("calm"), ports, archives, &settings(rng));
        let start = Instant::now();
        if let Err(wrong) = Run::start(&job, rng, blows, 0).play() {
            return findings.wrong.push(format!("calm run: {wrong}"));
        }
        println!("calm run: {:.1} s", start.elapsed().as_secs_f64());
        Results::read(&job.results())
    };
    while blows.kills() < kills && findings.wrong.is_empty() {
        findings.runs += 1;
        let name = format!("run-{}", findings.runs);
        let job = Job::new(folder.join(&name), ports, archives, &settings(rng));
        let (start, before) = (Instant::now(), blows.kills());
        let played = Run::start(&job, rng, blows, kills).play();
        println!("{name}: {} kills, {:.1} s", blows.kills() - before, start.elapsed().as_secs_f64());
        if let Err(wrong) = played {
            findings.wrong.push(format!("{name}: {wrong}"));
            return;
        }
        let results = Results::read(&job.results());
        let difference = results.compare(&calm);
        findings.rows += results.rows();
        findings.lost += difference.lost;
        findings.doubled += difference.doubled;
        findings.wrong.extend(difference.told.into_iter().map(|told| format!("{name}: {told}")));
        if findings.wrong.is_empty() {
            fs::remove_dir_all(folder.join(&name)).unwrap();
        }
    }
}

/// Leases that are soon given up, parts that are cut in two, files of lines that are often closed.
fn settings(rng: &mut Rng) -> String {
    format!(
        "transport.progress_timeout_s = 2\ntransport.split_bytes = 65536\noutput.commit_ms = {}\n\
         output.part_bytes = {}",
        rng.u64(50..200),
        rng.u64(100_000..1_000_000)
    )
}

/// See [`resume_time`]; in seconds.
fn resume(folder: &Path, end: End, findings: &mut Findings) -> Option<f64> {
    let name = format!("{end:?}").to_lowercase();
    let archive = folder.join("resumed.warc.gz");
    if !archive.exists() {
        write_gz(&archive, &crawl("resumed", RESUMED_PAGES));
    }
    let job = Job::new(folder.join(&name), Ports::free(), &archive, "");
    match resume_time(&job, end) {
        Ok(time) => {
            if time > RESUMED_WITHIN {
                findings.wrong.push(format!("{name}: work is resumed after {:.1} s", time.as_secs_f64()));
            }
            Some(time.as_secs_f64())
        }
        Err(wrong) => {
            findings.wrong.push(format!("{name}: {wrong}"));
            None
        }
    }
}
