//! Breaks a run off at every call to the disk, and damages its journal at every bit of the last lines.
//!
//! Pass: what is recovered is the last commit, or the one that was under way; and a run that goes on from there ends with
//! the same bytes in the same files as one that nothing happened to.
//!
//! `cargo test -p warcdl-actors --features testkit --test crash`; what it did is the last line, as JSON.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::process::ExitCode;
use warcdl_actors::PartState;
use warcdl_actors::results::OpenError;
use warcdl_actors::results::names::{JOURNAL, UNFINISHED};
use warcdl_actors::testkit::script::{self, COMMITS, commits, open, run};
use warcdl_actors::testkit::{Fault, ModelDisk, Survival};

/// Failures that are told.
const TOLD: usize = 10;
/// Lines of the journal that are damaged.
const DAMAGED_LINES: usize = 3;
/// So many calls after it was full the disk stops.
const FULL_BEFORE: [u64; 6] = [1, 2, 3, 5, 8, 13];
/// Commits after which the journal is damaged.
const DAMAGED_AFTER: [u64; 3] = [14, 27, COMMITS];

fn main() -> ExitCode {
    let mut suite = Suite::new();
    suite.crashes();
    suite.crashes_on_a_full_disk();
    suite.restarts_on_a_failing_disk();
    suite.journal_damage();
    let Suite {
        points,
        recovery_points,
        full_points,
        failing_points,
        journal_cuts,
        journal_flips,
        failed,
        ..
    } = suite;
    println!(
        "{{\"points\":{points},\"recovery_points\":{recovery_points},\"full_points\":{full_points},\
         \"failing_points\":{failing_points},\
         \"journal_cuts\":{journal_cuts},\"journal_flips\":{journal_flips},\"failed\":{failed}}}"
    );
    ExitCode::from(u8::from(failed > 0))
}

/// The files of a folder, without the journal: where that was rewritten depends on where it was cut.
fn results(disk: &ModelDisk) -> BTreeMap<String, Vec<u8>> {
    let mut files = disk.files();
    files.remove(JOURNAL);
    files
}

struct Suite {
    /// State of the parts and number of rows after each commit, from 0 on.
    history: Vec<(Vec<PartState>, u64)>,
    /// What a run leaves that nothing happens to.
    calm: BTreeMap<String, Vec<u8>>,
    /// Calls to the disk of that run.
    calls: u64,
    points: u64,
    recovery_points: u64,
    full_points: u64,
    failing_points: u64,
    journal_cuts: u64,
    journal_flips: u64,
    failed: usize,
}

impl Suite {
    fn new() -> Suite {
        let disk = ModelDisk::default();
        let mut history = Vec::new();
        run(&disk, COMMITS, |parts, rows| history.push((parts.to_vec(), rows)))
            .expect("nothing happens to it");
        let calls = disk.calls();
        disk.crash(Survival::Nothing);
        let calm = results(&disk);

        assert_eq!(history.len() as u64, COMMITS + 1);
        let lines = calm.keys().filter(|path| path.starts_with("part-")).count();
        assert!(lines >= 5 && calm.len() >= lines + 20, "{:?}", calm.keys());
        assert!(calm.keys().all(|path| !path.ends_with(UNFINISHED)), "{:?}", calm.keys());
        let journal = disk.files()[JOURNAL].iter().filter(|&&byte| byte == b'\n').count() as u64;
        assert!(journal < COMMITS, "the journal is rewritten at least once, but has {journal} lines");

        Suite {
            history,
            calm,
            calls,
            points: 0,
            recovery_points: 0,
            full_points: 0,
            failing_points: 0,
            journal_cuts: 0,
            journal_flips: 0,
            failed: 0,
        }
    }

    fn judge(&mut self, what: impl FnOnce() -> String, verdict: Result<(), String>) {
        if let Err(difference) = verdict {
            self.failed += 1;
            if self.failed <= TOLD {
                println!("{}: {difference}", what());
            }
        }
    }

    /// The run is broken off at every call, and what was not synced survives in several ways.
    fn crashes(&mut self) {
        for call in 0..self.calls {
            let stopped = ModelDisk::default();
            stopped.fail_at(call, Fault::Crash);
            // What the program knows to be committed; the folder itself is not, before it was opened once.
            let mut acknowledged = 0;
            let ended = run(&stopped, COMMITS, |parts, _| acknowledged = commits(parts));
            assert!(ended.is_err() && stopped.is_stopped(), "call {call} of {}", self.calls);

            let seeds = [2 * call, 2 * call + 1].map(Survival::Random);
            for survival in [Survival::Nothing, Survival::Everything, seeds[0], seeds[1]] {
                self.points += 1;
                let disk = stopped.fork();
                disk.crash(survival);
                let verdict = self.goes_on(&disk, acknowledged..=acknowledged + 1);
                self.judge(|| format!("broken off at call {call}, {survival:?}"), verdict);
            }
            self.crashes_in_recovery(call, &stopped, acknowledged);
        }
    }

    /// The program dies and the machine does not; then recovery is broken off at each of its calls, this time by the
    /// machine.
    fn crashes_in_recovery(&mut self, call: u64, stopped: &ModelDisk, acknowledged: u64) {
        stopped.restart();
        let begin = stopped.calls();
        let whole = stopped.fork();
        let found = match open(&whole) {
            Ok((_, recovered)) => commits(&recovered.parts),
            Err(error) => {
                return self.judge(|| format!("program died at call {call}"), Err(error.to_string()));
            }
        };
        // What was told to the program holds.
        let calls = whole.calls() - begin;
        whole.crash(Survival::Nothing);
        let verdict = self.goes_on(&whole, found..=found);
        self.judge(|| format!("program died at call {call}, machine right after recovery"), verdict);
        for more in 1..=2 {
            let disk = stopped.fork();
            let until = (found + more).min(COMMITS);
            let verdict = match run(&disk, until, |_, _| {}) {
                Err(error) => Err(error.to_string()),
                Ok(()) => {
                    disk.crash(Survival::Nothing);
                    self.goes_on(&disk, until..=until)
                }
            };
            self.judge(|| format!("program died at call {call}, machine after {more} more commits"), verdict);
        }

        for inner in 0..calls {
            self.recovery_points += 1;
            let disk = stopped.fork();
            disk.fail_at(begin + inner, Fault::Crash);
            let survival =
                if inner % 2 == 0 { Survival::Nothing } else { Survival::Random(call * 1000 + inner) };
            let verdict = match open(&disk) {
                Ok(_) => Err("the fault did not come".to_owned()),
                Err(_) => {
                    disk.crash(survival);
                    if (call + inner).is_multiple_of(4) {
                        self.goes_on(&disk, acknowledged..=acknowledged + 1)
                    } else {
                        self.recovers(&disk, acknowledged..=acknowledged + 1)
                    }
                }
            };
            let what =
                || format!("program died at call {call}, machine at call {inner} of recovery, {survival:?}");
            self.judge(what, verdict);
        }
    }

    /// At every call the disk is full once, and the machine stops while the commit is tried again.
    fn crashes_on_a_full_disk(&mut self) {
        for call in 0..self.calls {
            for after in FULL_BEFORE {
                self.full_points += 1;
                let disk = ModelDisk::default();
                disk.fail_at(call, Fault::Full);
                disk.fail_at(call + after, Fault::Crash);
                let mut acknowledged = 0;
                let ended = run(&disk, COMMITS, |parts, _| acknowledged = commits(parts));
                // A folder that is full while it is opened ends the run at once, and trying again may end it in time.
                assert!(ended.is_ok() || disk.is_stopped() || acknowledged == 0, "{ended:?}");
                let survival = match call % 3 {
                    0 => Survival::Nothing,
                    1 => Survival::Everything,
                    _ => Survival::Random(call),
                };
                disk.crash(survival);
                let verdict = self.goes_on(&disk, acknowledged..=acknowledged + 1);
                let what = || format!("full at call {call}, broken off {after} calls later, {survival:?}");
                self.judge(what, verdict);
            }
        }
    }

    /// At every call the disk fails once, after which a sync does nothing for what was written before. The program ends and
    /// is started again, and then the machine stops: what was told to the program holds.
    fn restarts_on_a_failing_disk(&mut self) {
        for call in 0..self.calls {
            self.failing_points += 1;
            let disk = ModelDisk::default();
            disk.fail_at(call, Fault::Io);
            let mut acknowledged = 0;
            let ended = run(&disk, COMMITS, |parts, _| acknowledged = commits(parts));
            assert!(ended.is_err(), "call {call} of {}", self.calls);
            disk.restart();
            let verdict = match open(&disk) {
                Err(error) => Err(error.to_string()),
                Ok((_, recovered)) => {
                    let found = commits(&recovered.parts);
                    let known =
                        self.is_among(&recovered.parts, recovered.rows, acknowledged..=acknowledged + 1);
                    disk.crash(Survival::Nothing);
                    known.and_then(|()| self.goes_on(&disk, found..=found))
                }
            };
            self.judge(|| format!("the disk failed at call {call}"), verdict);
        }
    }

    /// What is recovered is one of the commits `among`.
    fn recovers(&self, disk: &ModelDisk, among: RangeInclusive<u64>) -> Result<(), String> {
        let (_, recovered) = open(disk).map_err(|error| error.to_string())?;
        self.is_among(&recovered.parts, recovered.rows, among)
    }

    fn is_among(&self, parts: &[PartState], rows: u64, among: RangeInclusive<u64>) -> Result<(), String> {
        let commit = commits(parts);
        if !among.contains(&commit) {
            return Err(format!("the state after commit {commit} was found, not of one in {among:?}"));
        }
        match self.history.get(commit as usize) {
            Some((known, count)) if known == parts && *count == rows => Ok(()),
            _ => Err(format!("not the state after commit {commit}, with {rows} rows: {parts:?}")),
        }
    }

    /// [`Suite::recovers`], and the run from there to its end leaves what it must.
    fn goes_on(&self, disk: &ModelDisk, among: RangeInclusive<u64>) -> Result<(), String> {
        let mut found = None;
        let ended = run(disk, COMMITS, |parts, rows| {
            found.get_or_insert_with(|| self.is_among(parts, rows, among.clone()));
        });
        ended.map_err(|error| error.to_string())?;
        found.unwrap_or_else(|| Err("no state was found".to_owned()))?;
        // What has its name is durable, too.
        disk.crash(Survival::Nothing);
        let left = results(disk);
        if left == self.calm {
            return Ok(());
        }
        let differs = |path: &&String| left.get(*path) != self.calm.get(*path);
        let paths: Vec<_> = left.keys().chain(self.calm.keys()).filter(differs).collect();
        Err(format!("at the end these differ, are missing, or should not be there: {paths:?}"))
    }

    fn journal_damage(&mut self) {
        for commit in DAMAGED_AFTER {
            let disk = ModelDisk::default();
            run(&disk, commit, |_, _| {}).expect("nothing happens to it");
            let journal = disk.files()[JOURNAL].clone();
            let ends = journal.iter().enumerate().filter(|&(_, &byte)| byte == b'\n').map(|(end, _)| end + 1);
            let ends: Vec<usize> = ends.collect();
            // The two lines at the beginning are not cut.
            assert!(ends.len() > DAMAGED_LINES + 2, "commit {commit}: {} lines", ends.len());
            let ends = &ends[ends.len() - DAMAGED_LINES - 1..];
            for byte in ends[0]..journal.len() {
                let behind = ends.iter().filter(|&&end| end > byte).count() as u64;
                self.cut(&disk, &journal, byte, commit - behind);
                for bit in 0..8 {
                    self.flip(&disk, &journal, byte, bit, (behind == 1).then_some(commit - 1));
                }
            }
        }
    }

    /// A journal that ends at `byte` gives the state after commit `expected`.
    fn cut(&mut self, disk: &ModelDisk, journal: &[u8], byte: usize, expected: u64) {
        self.journal_cuts += 1;
        let disk = disk.fork();
        disk.place(JOURNAL, &journal[..byte]).expect("the folder exists");
        let verdict = if byte.is_multiple_of(8) {
            self.goes_on(&disk, expected..=expected)
        } else {
            self.recovers(&disk, expected..=expected)
        };
        self.judge(|| format!("the journal ends at byte {byte}, in commit {}", expected + 1), verdict);
    }

    /// A flipped bit gives the state after commit `expected`, or that the folder is refused and left as it is.
    fn flip(&mut self, disk: &ModelDisk, journal: &[u8], byte: usize, bit: u32, expected: Option<u64>) {
        self.journal_flips += 1;
        let disk = disk.fork();
        let mut journal = journal.to_vec();
        journal[byte] ^= 1 << bit;
        disk.place(JOURNAL, &journal).expect("the folder exists");
        let verdict = match expected {
            Some(commit) => self.recovers(&disk, commit..=commit),
            None => {
                let before = disk.files();
                match script::open(&disk) {
                    Err(OpenError::Journal { .. }) if disk.files() == before => Ok(()),
                    Err(error) => Err(format!("not refused for its journal, or changed: {error}")),
                    Ok((_, recovered)) => {
                        Err(format!("taken, with the state after commit {}", commits(&recovered.parts)))
                    }
                }
            }
        };
        self.judge(|| format!("bit {bit} of the journal's byte {byte} is flipped"), verdict);
    }
}
