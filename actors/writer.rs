//! The writer: turns scores into verdicts, positives into results, and commits.
//!
//! Verdicts come in any order; the [`Books`] release them in the order of each part. A positive that is released waits for
//! the next commit, and its credit is given back. Every so often ([`CommitRules`]) the [`Committer`] makes them durable,
//! together with how far each part has come: after a crash the run goes on exactly there. Meanwhile the next ones gather.
//!
//! When as many bytes have gathered as a commit may have, and the last one is still under way, the writer stops, and so, by
//! their credit, the readers. So does a full disk: it is tried again until the budget for that is used up.

mod pending;

use crate::Exclusion;
use crate::books::Books;
use crate::committer::{Commit, Committed, Committer};
use crate::exit::{Fault, FaultSender, Vital};
use crate::frontier::{Stale, Verdict};
use crate::lease::Archive;
use crate::message::{Accepted, Admitted, EndOfStream, Scored};
use crate::metrics::{DispatcherMetrics, WriterMetrics};
use crate::part::{PartId, PartState};
use crate::port::{Positive, Sink, SinkError};
use actix::{Actor, AsyncContext, Context, Handler, Message};
use pending::{Kept, Pending};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// When the writer commits.
#[derive(Clone, Copy, Debug)]
pub struct CommitRules {
    /// So long after the last commit, if anything has changed.
    pub every: Duration,
    /// As soon as so many bytes wait.
    pub bytes: u64,
    /// How long a full disk is waited for before the run ends.
    pub full_disk: Duration,
}

/// How often a full disk is tried again.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether a commit is due.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a score means.
#[derive(Clone, Debug)]
pub struct Decision {
    /// A record is positive if its score is greater.
    pub threshold: f32,
    /// The label whose score it is.
    pub label: Arc<str>,
}

impl Decision {
    /// Whether the score is a positive; one that is no number is neither.
    pub fn positive(&self, score: f32) -> Result<bool, Exclusion> {
        if score.is_nan() { Err(Exclusion::ScoreNan) } else { Ok(score > self.threshold) }
    }
}

/// The books as they were committed last, at the end of a run.
#[derive(Debug)]
pub struct Written {
    /// Every part.
    pub parts: Vec<PartState>,
}

/// A part was cut in two.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Cut {
    /// The part, which ends where the new one begins.
    pub part: PartId,
    /// The new one.
    pub new: PartState,
}

/// The rest of a part was given up.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Close {
    /// The part.
    pub part: PartId,
    /// Its epoch.
    pub epoch: u32,
    /// Why.
    pub reason: String,
}

/// Commit what has its verdict by now and end.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// What the writer is made of.
pub struct WriterParts {
    /// Where positives go.
    pub sink: Box<dyn Sink>,
    /// What a score means.
    pub decision: Decision,
    /// When to commit.
    pub commit: CommitRules,
    /// The archives of the run, by number.
    pub archives: Arc<[Archive]>,
    /// The parts as they are committed.
    pub parts: Vec<PartState>,
    /// Its figures.
    pub metrics: WriterMetrics,
    /// Where exclusions are counted.
    pub funnel: DispatcherMetrics,
    /// Where faults go.
    pub faults: FaultSender,
    /// Told once, at the end.
    pub written: oneshot::Sender<Written>,
}

/// A commit that is under way.
#[derive(Clone, Copy, Debug)]
struct UnderWay {
    since: Instant,
    last: bool,
    /// It found the disk full, and will be tried again.
    full: bool,
}

/// The actor.
pub struct Writer {
    /// Until the actor has started.
    sink: Option<Box<dyn Sink>>,
    committer: Option<Committer>,
    decision: Decision,
    rules: CommitRules,
    archives: Arc<[Archive]>,
    metrics: WriterMetrics,
    funnel: DispatcherMetrics,
    faults: FaultSender,
    books: Books<Kept>,
    /// What was released, for the next commit.
    pending: Pending,
    under_way: Option<UnderWay>,
    last_commit: Instant,
    /// The books as they are committed.
    committed: Vec<PartState>,
    /// What arrived while the disk did not keep up; bounded by the readers' credit.
    backlog: VecDeque<Scored>,
    settled: u64,
    expected: Option<u64>,
    stopping: bool,
    written: Option<oneshot::Sender<Written>>,
    _vital: Vital,
}

impl Writer {
    /// A writer that goes on with these parts.
    pub fn new(parts: WriterParts) -> Writer {
        let WriterParts { sink, decision, commit, archives, parts, metrics, funnel, faults, written } = parts;
        Writer {
            sink: Some(sink),
            committer: None,
            decision,
            rules: commit,
            archives: Arc::clone(&archives),
            metrics,
            funnel,
            books: Books::new(parts.clone()),
            pending: Pending::new(archives),
            under_way: None,
            last_commit: Instant::now(),
            committed: parts,
            backlog: VecDeque::new(),
            settled: 0,
            expected: None,
            stopping: false,
            written: Some(written),
            _vital: faults.vital("writer"),
            faults,
        }
    }

    /// Ends the run; nothing is written any more.
    fn fail(&mut self, fault: Fault) {
        self.written = None;
        self.faults.report(fault);
    }

    fn decide(&mut self, record: Admitted, score: Result<f32, Exclusion>) -> Result<(), Stale> {
        let Admitted { part, key, prepared, credit } = record;
        self.metrics.scored.inc();
        let decided = score.and_then(|score| self.decision.positive(score).map(|positive| (positive, score)));
        let verdict = match decided {
            Err(reason) => {
                self.funnel.excluded.with_label_values(&[reason.name()]).inc();
                Verdict::Excluded(reason)
            }
            Ok((false, _)) => {
                self.metrics.negatives.inc();
                Verdict::Negative
            }
            Ok((true, score)) => {
                self.metrics.positives.inc();
                let positive = Positive {
                    warc_filename: Arc::clone(&self.archives[key.warc as usize].name),
                    key,
                    meta: prepared.meta,
                    keep: prepared.keep,
                    score,
                    label: Arc::clone(&self.decision.label),
                };
                // Its credit is held until its turn comes, so that waiting for those before it is paid for.
                Verdict::Positive(Box::new((positive, credit)))
            }
        };
        self.settled += 1;
        let pending = &mut self.pending;
        self.books.settle(part, key.position, verdict, |released| pending.keep(released))
    }

    /// Whether so much has gathered that the commit under way has to be waited for.
    fn is_full(&self) -> bool {
        self.under_way.is_some() && self.pending.bytes >= self.rules.bytes
    }

    /// Settles what arrived, as far as the disk keeps up.
    fn work(&mut self) {
        while !self.is_full()
            && self.written.is_some()
            && let Some(scored) = self.backlog.pop_front()
        {
            self.metrics.waiting.dec();
            for (record, score) in scored.records.into_iter().zip(scored.scores) {
                if let Err(stale) = self.decide(record, score) {
                    return self.fail(stale.into());
                }
            }
            self.commit_if_due();
        }
        self.metrics.pending_bytes.set(self.pending.bytes as i64);
        self.finish_if_done();
    }

    fn commit_if_due(&mut self) {
        let due = self.last_commit.elapsed() >= self.rules.every && self.books.is_changed();
        if due || self.pending.bytes >= self.rules.bytes {
            self.commit(false);
        }
    }

    /// Begins a commit, unless one is under way: everything released by now, and the parts as they stand.
    fn commit(&mut self, last: bool) {
        if self.under_way.is_some() || self.written.is_none() {
            return;
        }
        let Some(committer) = &self.committer else { return };
        let (positives, listed) = self.pending.take();
        let commit = Commit { positives, listed, parts: self.books.take_changed(), last };
        self.under_way = Some(UnderWay { since: Instant::now(), last, full: false });
        committer.commit(commit);
    }

    /// A commit is over, or found the disk full.
    fn done(&mut self, Committed { result, took }: Committed) {
        self.metrics.commit_seconds.observe(took.as_secs_f64());
        let Some(under_way) = self.under_way.take() else { return };
        match result {
            Ok(parts) => {
                if self.metrics.disk_full.get() == 1 {
                    self.metrics.disk_full.set(0);
                    tracing::info!("there is room on the disk again, the run goes on");
                }
                self.acknowledge(parts);
                self.last_commit = Instant::now();
                if under_way.last {
                    return self.end();
                }
                self.work();
                self.commit_if_due();
            }
            Err(SinkError::Full { path }) if under_way.since.elapsed() < self.rules.full_disk => {
                self.under_way = Some(UnderWay { full: true, ..under_way });
                if self.metrics.disk_full.get() == 0 {
                    self.metrics.disk_full.set(1);
                    let budget = self.rules.full_disk.as_secs();
                    let path = path.display();
                    tracing::error!(
                        "no room on the disk to write {path}: the run waits for {budget} s (output.full_disk_s)"
                    );
                }
            }
            Err(error) => self.fail(error.into()),
        }
    }

    fn acknowledge(&mut self, parts: Vec<PartState>) {
        for state in parts {
            let index = state.part as usize;
            let before = self.committed.get(index).map_or(0, |state| state.account.seen);
            self.metrics.committed.inc_by(state.account.seen - before);
            // A cut gives the next number, and a part is committed with the one that it was cut from.
            match self.committed.get_mut(index) {
                Some(committed) => *committed = state,
                None => self.committed.push(state),
            }
        }
    }

    fn finish_if_done(&mut self) {
        let done = self.expected == Some(self.settled) && self.books.waiting() == 0;
        if done || self.stopping {
            self.commit(true);
        }
    }

    fn end(&mut self) {
        let Some(written) = self.written.take() else { return };
        // When the pipeline is gone, nobody is left to be told.
        let _ = written.send(Written { parts: std::mem::take(&mut self.committed) });
    }
}

impl From<Stale> for Fault {
    fn from(stale: Stale) -> Fault {
        Fault::Stale(stale)
    }
}

impl Actor for Writer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if let Some(sink) = self.sink.take() {
            match Committer::start(sink, ctx.address().recipient(), &self.faults) {
                Ok(committer) => self.committer = Some(committer),
                Err(error) => self.fail(Fault::Thread(error)),
            }
        }
        ctx.run_interval(LOOK_EVERY, |writer, _| writer.commit_if_due());
        ctx.run_interval(RETRY_EVERY, |writer, _| {
            if let (Some(under_way), Some(committer)) = (&mut writer.under_way, &writer.committer)
                && under_way.full
            {
                under_way.full = false;
                committer.again();
            }
        });
    }
}

impl Handler<Committed> for Writer {
    type Result = ();

    fn handle(&mut self, committed: Committed, _: &mut Context<Self>) {
        self.done(committed);
    }
}

impl Handler<Accepted> for Writer {
    type Result = ();

    fn handle(&mut self, accepted: Accepted, _: &mut Context<Self>) {
        if self.written.is_none() {
            return;
        }
        let pending = &mut self.pending;
        if let Err(stale) = self.books.accept(&accepted, |released| pending.keep(released)) {
            self.fail(stale.into());
        }
    }
}

impl Handler<Cut> for Writer {
    type Result = ();

    fn handle(&mut self, Cut { part, new }: Cut, _: &mut Context<Self>) {
        self.books.cut(part, new);
    }
}

impl Handler<Close> for Writer {
    type Result = ();

    fn handle(&mut self, Close { part, epoch, reason }: Close, _: &mut Context<Self>) {
        let pending = &mut self.pending;
        self.books.give_up(part, epoch, &reason, |released| pending.keep(released));
    }
}

impl Handler<Scored> for Writer {
    type Result = ();

    fn handle(&mut self, scored: Scored, _: &mut Context<Self>) {
        self.backlog.push_back(scored);
        self.work();
    }
}

impl Handler<EndOfStream> for Writer {
    type Result = ();

    fn handle(&mut self, end: EndOfStream, _: &mut Context<Self>) {
        self.expected = Some(end.delivered);
        self.finish_if_done();
    }
}

impl Handler<Stop> for Writer {
    type Result = ();

    fn handle(&mut self, _: Stop, _: &mut Context<Self>) {
        self.stopping = true;
        self.finish_if_done();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_must_be_greater_than_the_threshold_and_a_number() {
        let decision = Decision { threshold: 0.9, label: "RECIPE".into() };
        let cases = [
            (0.9, Ok(false)),
            (0.900_001, Ok(true)),
            (f32::NAN, Err(Exclusion::ScoreNan)),
            (f32::INFINITY, Ok(true)),
            (f32::NEG_INFINITY, Ok(false)),
        ];
        for (score, positive) in cases {
            assert_eq!(decision.positive(score), positive, "{score}");
        }
    }
}
