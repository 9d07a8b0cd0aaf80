//! A run under fire: its processes are killed, stopped and drained, and started again, until it has come to its end.

use crate::job::{Figures, Job};
use crate::process::{Process, tick};
use fastrand::Rng;
use std::collections::HashSet;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

const READERS: usize = 3;
/// What lasts longer without a commit, or is longer about its end, hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// A worker that has worked for so long since it opened its archive is past the first record of its lease.
const UNDERWAY: Duration = Duration::from_millis(60);
/// Mean time between two blows, in milliseconds; drawn anew for each run.
const PAUSE_MS: Range<u64> = 150..400;
/// How long a reader is stopped: longer than its lease lasts.
const STOP_MS: Range<u64> = 2_500..4_000;
/// Looks at the processes between two looks at the figures.
const TICKS: u32 = 5;
/// Blows that wait for a takeover wait no longer.
const TAKEN_OVER: Duration = Duration::from_secs(12);
/// A commit is waited for no longer.
const COMMIT: Duration = Duration::from_millis(300);
/// Within so many milliseconds after its start a GPU node recovers what was committed.
const RECOVERY_MS: Range<u64> = 0..300;
/// Within so many milliseconds after the last archive was read a GPU node is writing the last results.
const ENDING_MS: Range<u64> = 0..60;

/// When the first blow falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onset {
    AtOnce,
    /// When a lease was taken over for want of work, so that there are parts that were cut in two.
    AfterTakeover,
}

/// What was done to processes, and how long they took to recover.
#[derive(Debug, Default)]
pub struct Blows {
    pub gpu_kills: u64,
    pub reader_kills: u64,
    pub stops: u64,
    pub intruders: u64,
    /// Kills of GPU nodes that had nothing left to read.
    pub end_kills: u64,
    /// Leases taken over for want of work, as far as they were seen.
    pub takeovers: u64,
    /// From the start of a GPU node that goes on to its first score.
    pub first_score: Vec<Duration>,
    /// From SIGTERM to the end of the GPU node.
    pub drain: Vec<Duration>,
}

impl Blows {
    pub fn kills(&self) -> u64 {
        self.gpu_kills + self.reader_kills
    }
}

/// One thing that can happen.
#[derive(Clone, Copy)]
enum Blow {
    Reader,
    Gpu,
    /// While it commits.
    GpuCommitting,
    /// And again while it recovers.
    GpuTwice,
    Everybody,
    /// A reader stands still for longer than its lease lasts.
    Stop,
    Drain,
}

/// How many of a hundred.
const MIX: [(Blow, u32); 7] = [
    (Blow::Reader, 52),
    (Blow::Gpu, 10),
    (Blow::GpuCommitting, 10),
    (Blow::GpuTwice, 6),
    (Blow::Everybody, 6),
    (Blow::Stop, 10),
    (Blow::Drain, 6),
];

struct Reader {
    process: Process,
    /// The archive that it has open, and how long its worker had worked when that was first seen.
    reading: Option<(PathBuf, Duration)>,
    stopped_until: Option<Instant>,
}

pub struct Run<'a> {
    job: &'a Job,
    rng: &'a mut Rng,
    blows: &'a mut Blows,
    /// Kills in all after which no more blows fall.
    kills: u64,
    mean: Duration,
    gpu: Process,
    started: Instant,
    restarted: bool,
    onset: Onset,
    figures: Figures,
    ticks: u32,
    again_at: Option<Instant>,
    /// The end was struck at.
    end_struck: bool,
    intruded: bool,
    readers: Vec<Reader>,
    /// Archives in which a reader died since the GPU node was started. A record whose readers die three times is
    /// quarantined, as it should be; so the next reader of such an archive is spared until it is past its first record.
    suspected: HashSet<PathBuf>,
    /// Length and time of the journal, and since when it has them.
    committed: (Option<(u64, SystemTime)>, Instant),
}

impl<'a> Run<'a> {
    pub fn start(job: &'a Job, rng: &'a mut Rng, blows: &'a mut Blows, kills: u64, onset: Onset) -> Run<'a> {
        Run {
            gpu: job.gpu(),
            readers: (0..READERS).map(|_| Reader::start(job)).collect(),
            job,
            mean: Duration::from_millis(rng.u64(PAUSE_MS)),
            rng,
            blows,
            kills,
            started: Instant::now(),
            restarted: false,
            onset,
            figures: Figures::default(),
            ticks: 0,
            again_at: None,
            end_struck: false,
            intruded: false,
            suspected: HashSet::new(),
            committed: (None, Instant::now()),
        }
    }

    /// To the end; an error is what a process should not have done.
    pub fn play(mut self) -> Result<(), String> {
        let mut next = Instant::now() + self.pause();
        loop {
            tick();
            if let Some(status) = self.gpu.ended() {
                self.blows.takeovers += self.figures.takeovers;
                let wrong = || format!("the GPU node ended with {status}");
                return if status.success() { Ok(()) } else { Err(wrong()) };
            }
            for reader in &mut self.readers {
                reader.tend(self.job)?;
            }
            self.watch()?;
            if self.blows.kills() >= self.kills || self.is_awaited() {
                continue;
            }
            if self.has_scored() && !self.intruded {
                self.intrude()?;
            }
            if self.nothing_is_left() && !self.end_struck {
                self.end_struck = true;
                self.blows.end_kills += 1;
                self.again_at = Some(self.within(ENDING_MS));
            }
            if self.again_at.is_some_and(|at| Instant::now() >= at) {
                self.kill_gpu();
            } else if Instant::now() >= next {
                self.strike()?;
                next = Instant::now() + self.pause();
            }
        }
    }

    /// Whether the time for blows has not come.
    fn is_awaited(&mut self) -> bool {
        if self.figures.takeovers > 0 || self.started.elapsed() > TAKEN_OVER {
            self.onset = Onset::AtOnce;
        }
        self.onset == Onset::AfterTakeover
    }

    fn has_scored(&self) -> bool {
        self.figures.scored > 0
    }

    fn nothing_is_left(&self) -> bool {
        self.figures.archives > 0 && self.figures.archives_over == self.figures.archives
    }

    fn within(&mut self, millis: Range<u64>) -> Instant {
        Instant::now() + Duration::from_millis(self.rng.u64(millis))
    }

    /// Exponentially distributed, so that blows are independent of each other.
    fn pause(&mut self) -> Duration {
        self.mean.mul_f64(-(1.0 - self.rng.f64()).ln())
    }

    fn watch(&mut self) -> Result<(), String> {
        self.ticks += 1;
        let had_scored = self.has_scored();
        let is_ending = self.figures.archives_over + 1 >= self.figures.archives;
        if !had_scored || is_ending || self.ticks.is_multiple_of(TICKS) {
            self.figures = self.job.figures().unwrap_or(self.figures);
        }
        if self.has_scored() && !had_scored && self.restarted {
            self.blows.first_score.push(self.started.elapsed());
        }
        let journal = fs::metadata(self.job.results().join("journal")).ok();
        let journal = journal.and_then(|journal| Some((journal.len(), journal.modified().ok()?)));
        if self.committed.0 != journal {
            self.committed = (journal, Instant::now());
        }
        let hangs = self.committed.1.elapsed() > PATIENCE;
        if hangs { Err(format!("no commit for {} s", PATIENCE.as_secs())) } else { Ok(()) }
    }

    fn intrude(&mut self) -> Result<(), String> {
        let mut intruder = self.job.intruder();
        let status = intruder.wait(PATIENCE);
        if self.gpu.ended().is_some() {
            // It came too late.
            return Ok(());
        }
        self.intruded = true;
        self.blows.intruders += 1;
        match status.map(|status| status.code()) {
            Some(Some(73)) => Ok(()),
            _ => Err(format!("a second GPU node on the same folder: {status:?} instead of exit code 73")),
        }
    }

    fn strike(&mut self) -> Result<(), String> {
        let all: u32 = MIX.iter().map(|&(_, share)| share).sum();
        let mut drawn = self.rng.u32(..all);
        let blow = MIX.into_iter().find_map(|(blow, share)| {
            let hit = drawn < share;
            drawn = drawn.saturating_sub(share);
            hit.then_some(blow)
        });
        let victim = self.rng.usize(..READERS);
        match blow.unwrap_or(Blow::Reader) {
            Blow::Reader => self.kill_reader(victim),
            Blow::Gpu => self.kill_gpu(),
            Blow::GpuCommitting => {
                self.wait_for_a_commit();
                self.kill_gpu();
            }
            Blow::GpuTwice => {
                self.kill_gpu();
                self.again_at = Some(self.within(RECOVERY_MS));
            }
            Blow::Everybody => {
                // With the GPU node ends what it holds against records.
                self.kill_gpu();
                for reader in &mut self.readers {
                    self.blows.reader_kills += u64::from(reader.process.kill());
                    *reader = Reader::start(self.job);
                }
            }
            Blow::Stop => self.stop_reader(victim),
            Blow::Drain => self.drain()?,
        }
        Ok(())
    }

    /// Until rows are written that the journal may not know yet.
    fn wait_for_a_commit(&self) {
        let written = || {
            let files = fs::read_dir(self.job.results()).into_iter().flatten().flatten();
            let unfinished = files.filter(|file| file.file_name().to_string_lossy().ends_with(".tmp"));
            unfinished.filter_map(|file| Some(file.metadata().ok()?.len())).sum::<u64>()
        };
        let (before, start) = (written(), Instant::now());
        // Without a pause: the next moment would be too late.
        while written() <= before && start.elapsed() < COMMIT {}
    }

    fn kill_gpu(&mut self) {
        self.again_at = None;
        if self.gpu.kill() {
            self.blows.gpu_kills += 1;
            self.start_gpu();
        }
    }

    fn start_gpu(&mut self) {
        self.blows.takeovers += std::mem::take(&mut self.figures).takeovers;
        self.gpu = self.job.gpu();
        self.started = Instant::now();
        self.restarted = true;
        self.suspected.clear();
        // Those that were told that nothing is left: there may be again.
        for reader in &mut self.readers {
            if reader.process.ended().is_some() {
                *reader = Reader::start(self.job);
            }
        }
    }

    fn drain(&mut self) -> Result<(), String> {
        if !self.has_scored() {
            return Ok(());
        }
        let start = Instant::now();
        self.gpu.signal("TERM");
        match self.gpu.wait(PATIENCE).map(|status| status.code()) {
            Some(Some(130)) => {
                self.blows.drain.push(start.elapsed());
                self.start_gpu();
                Ok(())
            }
            // It was done before.
            Some(Some(0)) => Ok(()),
            Some(_) => Err("the GPU node did not end with exit code 130 when it was to drain".to_owned()),
            None => Err(format!("the GPU node did not drain within {} s", PATIENCE.as_secs())),
        }
    }

    fn kill_reader(&mut self, victim: usize) {
        if self.halt(victim) {
            let reader = &mut self.readers[victim];
            if reader.process.kill() {
                self.blows.reader_kills += 1;
            }
            *reader = Reader::start(self.job);
        }
    }

    fn stop_reader(&mut self, victim: usize) {
        if self.readers[victim].stopped_until.is_none() && self.halt(victim) {
            self.blows.stops += 1;
            self.readers[victim].stopped_until = Some(self.within(STOP_MS));
        }
    }

    /// Stops a reader, so that what it does is not past when it is looked at. `false`, and it goes on, if it must not die
    /// now.
    fn halt(&mut self, victim: usize) -> bool {
        let reader = &mut self.readers[victim];
        reader.process.signal("STOP");
        let archive = reader.process.archive();
        let is_underway = || {
            let (seen, before) = reader.reading.as_ref()?;
            let worked = reader.process.worker_time()?.checked_sub(*before)?;
            Some(archive.as_ref() == Some(seen) && worked >= UNDERWAY)
        };
        let spared = archive.as_ref().is_some_and(|archive| self.suspected.contains(archive));
        if spared && is_underway() != Some(true) {
            if reader.stopped_until.is_none() {
                reader.process.signal("CONT");
            }
            return false;
        }
        self.suspected.extend(archive);
        true
    }
}

impl Reader {
    fn start(job: &Job) -> Reader {
        Reader { process: job.reader(), reading: None, stopped_until: None }
    }

    /// Starts another one if it ended, unless it was told that nothing is left.
    fn tend(&mut self, job: &Job) -> Result<(), String> {
        if let Some(status) = self.process.ended() {
            match status.code() {
                Some(0) => return Ok(()),
                // The GPU node was away, or gave it up.
                Some(7) => *self = Reader::start(job),
                _ => return Err(format!("a reader ended with {status}")),
            }
        }
        if self.stopped_until.is_some_and(|until| Instant::now() >= until) {
            self.process.signal("CONT");
            self.stopped_until = None;
        }
        let archive = self.process.archive();
        if self.reading.as_ref().map(|(archive, _)| archive) != archive.as_ref() {
            self.reading = archive.zip(self.process.worker_time());
        }
        Ok(())
    }
}
