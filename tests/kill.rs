//! Real processes under `kill -9`, SIGSTOP and SIGTERM, at random moments: whatever happens to them, the results in the
//! end are those of a run that nothing happened to.
//!
//! `cargo test --test kill -- [--kills N] [--seed N]`; the last line is a JSON object with what was done and found. The
//! seed decides what is done and when; where that hits a process, the machine decides.

mod archive;
#[path = "kill/http.rs"]
mod http;
#[path = "kill/job.rs"]
mod job;
#[path = "kill/metrics.rs"]
mod metrics;
#[path = "kill/port.rs"]
mod port;
#[path = "kill/process.rs"]
mod process;
#[path = "kill/reading.rs"]
mod reading;
#[path = "kill/results.rs"]
mod results;
#[path = "kill/resume.rs"]
mod resume;
#[path = "kill/run.rs"]
mod run;

use archive::{crawl, write_gz};
use fastrand::Rng;
use job::{Job, Ports};
use results::{Difference, Results};
use resume::{End, resume_time};
use run::{Blows, Onset, Run};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Copies of the sample archive, which has every kind of damage and exclusion.
const SAMPLES: usize = 3;
/// Pages of the generated archives.
const CRAWLS: [usize; 6] = [2400, 1200, 600, 300, 40, 0];
/// Pages of an archive of which a lease lasts long enough to be taken over.
const LONG_PAGES: usize = 20_000;
/// One of so many runs is over that archive.
const LONG_EVERY: u64 = 5;
/// A lease whose reader is gone is read on within 15 seconds; four times that is no busy machine any more.
const RESUMED_WITHIN: Duration = Duration::from_secs(60);

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
    let mut suite = Suite {
        folder: folder.clone(),
        ports: Ports::free(),
        rng: Rng::with_seed(options.seed),
        blows: Blows::default(),
        findings: Findings::default(),
    };
    if let Err(wrong) = suite.play(options.kills) {
        suite.findings.wrong.push(wrong);
    }
    let [killed, stopped] = [End::Killed, End::Stopped].map(|end| suite.resume(end));
    let Suite { blows, findings, .. } = suite;

    let report = json!({
        "kills": blows.kills(),
        "gpu_kills": blows.gpu_kills,
        "reader_kills": blows.reader_kills,
        "stops": blows.stops,
        "drains": blows.drain.len(),
        "end_kills": blows.end_kills,
        "intruders": blows.intruders,
        "takeovers": blows.takeovers,
        "runs": findings.runs,
        "records": findings.rows,
        "lost": findings.lost,
        "doubled": findings.doubled,
        "equal": findings.wrong.is_empty(),
        "gpu_first_batch_s": spread(&blows.first_score),
        "drain_s": spread(&blows.drain),
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

/// Median and maximum in seconds.
fn spread(times: &[Duration]) -> serde_json::Value {
    let mut seconds: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
    seconds.sort_by(f64::total_cmp);
    json!({ "median": seconds.get(seconds.len() / 2), "max": seconds.last() })
}

/// Archives, and what a calm run makes of them.
struct Crawls {
    archives: PathBuf,
    calm: Results,
    onset: Onset,
}

struct Suite {
    folder: PathBuf,
    ports: Ports,
    rng: Rng,
    blows: Blows,
    findings: Findings,
}

impl Suite {
    /// Calm runs, then runs under fire until there were enough kills, or one went wrong.
    fn play(&mut self, kills: u64) -> Result<(), String> {
        let (many, long) = (self.folder.join("many"), self.folder.join("long"));
        make_many(&many);
        fs::create_dir(&long).unwrap();
        write_gz(&long.join("long.warc.gz"), &crawl("long", LONG_PAGES));
        let many = self.calm(&many, Onset::AtOnce)?;
        let long = self.calm(&long, Onset::AfterTakeover)?;
        while self.blows.kills() < kills && self.findings.wrong.is_empty() {
            self.findings.runs += 1;
            let crawls = if self.findings.runs % LONG_EVERY == 2 { &long } else { &many };
            self.run(crawls, kills)?;
        }
        Ok(())
    }

    fn calm(&mut self, folder: &Path, onset: Onset) -> Result<Crawls, String> {
        let archives = folder.join("*.warc.gz");
        let job = Job::new(folder.join("calm"), self.ports, &archives, &settings(&mut self.rng));
        let start = Instant::now();
        Run::start(&job, &mut self.rng, &mut Blows::default(), 0, onset)
            .play()
            .map_err(|wrong| format!("{}: {wrong}", folder.display()))?;
        let calm = Results::read(&job.results());
        println!("calm: {} rows, {:.1} s", calm.rows(), start.elapsed().as_secs_f64());
        // Doubled rows and unfinished files are wrong by themselves.
        self.note("calm", calm.compare(&calm));
        Ok(Crawls { archives, calm, onset })
    }

    fn run(&mut self, crawls: &Crawls, kills: u64) -> Result<(), String> {
        let name = format!("run-{}", self.findings.runs);
        let job = Job::new(self.folder.join(&name), self.ports, &crawls.archives, &settings(&mut self.rng));
        let (start, before) = (Instant::now(), self.blows.kills());
        let played = Run::start(&job, &mut self.rng, &mut self.blows, kills, crawls.onset).play();
        println!("{name}: {} kills, {:.1} s", self.blows.kills() - before, start.elapsed().as_secs_f64());
        played.map_err(|wrong| format!("{name}: {wrong}"))?;
        let results = Results::read(&job.results());
        self.findings.rows += results.rows();
        self.note(&name, results.compare(&crawls.calm));
        if self.findings.wrong.is_empty() {
            fs::remove_dir_all(self.folder.join(&name)).unwrap();
        }
        Ok(())
    }

    fn note(&mut self, run: &str, Difference { lost, doubled, told }: Difference) {
        self.findings.lost += lost;
        self.findings.doubled += doubled;
        self.findings.wrong.extend(told.into_iter().map(|told| format!("{run}: {told}")));
    }

    /// See [`resume_time`]; in seconds.
    fn resume(&mut self, end: End) -> Option<f64> {
        if !self.findings.wrong.is_empty() {
            return None;
        }
        let name = format!("{end:?}").to_lowercase();
        let job = Job::new(self.folder.join(&name), self.ports, &self.folder.join("long/*.warc.gz"), "");
        let time = resume_time(&job, end).and_then(|time| {
            let seconds = time.as_secs_f64();
            if time > RESUMED_WITHIN {
                Err(format!("work goes on after {seconds:.1} s"))
            } else {
                Ok(seconds)
            }
        });
        time.map_err(|wrong| self.findings.wrong.push(format!("{name}: {wrong}"))).ok()
    }
}

/// Archives of different sizes.
fn make_many(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/sample/sample.warc.gz");
    for i in 0..SAMPLES {
        fs::copy(&sample, folder.join(format!("sample-{i}.warc.gz"))).unwrap();
    }
    for pages in CRAWLS {
        let name = format!("crawl-{pages}");
        write_gz(&folder.join(format!("{name}.warc.gz")), &crawl(&name, pages));
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
