//! The simulator of the promise: every record of every listed archive gets exactly one committed verdict, whatever process
//! is killed, at any instant, any number of times.
//!
//! The rules are the program's: leases, suspicion, gate, credit, fair queue, batches, books, patience, and the transactional
//! results over a disk that forgets. What is simulated is the rest: actors are mailboxes, time is virtual, the network is
//! pipes of bytes, readers are machines of states; and all of it fails. A seed decides everything, and says it again.
//!
//! ```text
//! sim [--seeds N] [--from N] [--threads N] [--no-mutants]    run so many seeds, then each planted bug until it is noticed
//! sim --seed N [--trace] [--mutant NAME]                     run one
//! ```

mod clock;
mod env;
mod faults;
mod net;
mod node;
mod oracle;
mod reader;
mod rng;
mod scenario;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use warcdl_actors::mutant::{Mutant, plant};
use world::Verdict;

/// Seeds within which each planted bug must be noticed.
const MUTANT_SEEDS: u64 = 3000;

struct Arguments {
    seeds: u64,
    from: u64,
    seed: Option<u64>,
    trace: bool,
    threads: usize,
    mutant: Option<Mutant>,
    mutants: bool,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
        let mut arguments = Arguments {
            seeds: 500,
            from: 0,
            seed: None,
            trace: false,
            threads: 2,
            mutant: None,
            mutants: true,
        };
        while let Some(word) = words.next() {
            let mut number = || {
                let value = words.next().ok_or_else(|| format!("{word} needs a number"))?;
                value.parse().map_err(|_| format!("{word} {value}: not a number"))
            };
            match word.as_str() {
                "--seeds" => arguments.seeds = number()?,
                "--from" => arguments.from = number()?,
                "--seed" => arguments.seed = Some(number()?),
                "--threads" => arguments.threads = number()?.clamp(1, 64) as usize,
                "--trace" => arguments.trace = true,
                "--no-mutants" => arguments.mutants = false,
                "--mutant" => {
                    let name = words.next().unwrap_or_default();
                    let mutant = Mutant::ALL.into_iter().find(|mutant| format!("{mutant:?}") == name);
                    arguments.mutant =
                        Some(mutant.ok_or_else(|| format!("--mutant {name}: none of {:?}", Mutant::ALL))?);
                }
                // What test runners say to all.
                "--nocapture" | "--quiet" | "-q" | "--test-threads=1" => {}
                _ => return Err(format!("{word} is not known; see the head of tests/sim/main.rs")),
            }
        }
        Ok(arguments)
    }
}

/// Runs a seed; a panic is a violation too.
fn run(seed: u64, trace: bool) -> Verdict {
    catch_unwind(AssertUnwindSafe(|| world::run(seed, trace))).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("");
        Verdict { violation: Some(format!("panicked: {said}")), ..Verdict::default() }
    })
}

#[derive(Default)]
struct Total {
    seeds: u64,
    faults: u64,
    records: u64,
    lost: u64,
    doubled: u64,
    failed: u64,
    seconds: f64,
    seen: BTreeMap<&'static str, u64>,
}

impl Total {
    fn add(&mut self, seed: u64, verdict: Verdict) {
        let Verdict { violation, faults, records, lost, doubled, time, seen } = verdict;
        seen.into_iter().for_each(|(what, n)| *self.seen.entry(what).or_default() += n);
        self.seeds += 1;
        self.faults += faults;
        self.records += records;
        self.lost += lost;
        self.doubled += doubled;
        self.seconds += time.as_secs_f64();
        if let Some(what) = violation {
            self.failed += 1;
            println!("seed {seed}: {what}");
        }
    }
}

/// Runs many seeds.
fn run_all(arguments: &Arguments) -> Total {
    let (next, total) = (AtomicU64::new(arguments.from), Mutex::new(Total::default()));
    let end = arguments.from + arguments.seeds;
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(|| {
                plant(arguments.mutant);
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let verdict = run(seed, false);
                    total.lock().unwrap_or_else(PoisonError::into_inner).add(seed, verdict);
                }
            });
        }
    });
    total.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The first seed by which each planted bug is noticed, and how.
fn run_mutants(threads: usize) -> Vec<(Mutant, Option<(u64, String)>)> {
    let (next, found) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(&mutant) = Mutant::ALL.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    plant(Some(mutant));
                    let noticed =
                        (0..MUTANT_SEEDS).find_map(|seed| Some((seed, run(seed, false).violation?)));
                    found.lock().unwrap_or_else(PoisonError::into_inner).push((mutant, noticed));
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    // A panic is told as the violation that it is.
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(seed) = arguments.seed {
        plant(arguments.mutant);
        let verdict = run(seed, arguments.trace);
        println!("{verdict:?}");
        return ExitCode::from(u8::from(verdict.violation.is_some()));
    }
    let Total { seeds, faults, records, lost, doubled, failed, seconds, seen } = run_all(&arguments);
    seen.iter().for_each(|(what, n)| println!("{n:>9} {what}"));
    let mutants = if arguments.mutants { run_mutants(arguments.threads) } else { Vec::new() };
    for (mutant, noticed) in &mutants {
        match noticed {
            Some((seed, what)) => println!("{mutant:?} is noticed by seed {seed}: {what:.200}"),
            None => println!("{mutant:?} is not noticed by {MUTANT_SEEDS} seeds"),
        }
    }
    let caught = mutants.iter().filter(|(_, noticed)| noticed.is_some()).count();
    println!(
        "{{\"seeds\":{seeds},\"faults\":{faults},\"records\":{records},\"lost\":{lost},\"doubled\":{doubled},\
         \"failed\":{failed},\"mutants\":{},\"mutants_caught\":{caught},\"simulated_seconds\":{seconds:.0}}}",
        mutants.len()
    );
    ExitCode::from(u8::from(failed > 0 || caught < mutants.len()))
}
