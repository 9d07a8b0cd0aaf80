//! The writer: turns scores into verdicts and hands positives to the sink.
//!
//! Runs on a thread of its own, since the sink waits for the disk. A record's credit is given back when its verdict is
//! stored, so a slow disk slows the readers and fills no memory.

use crate::Exclusion;
use crate::exit::{Fault, FaultSender, Vital};
use crate::lease::Archive;
use crate::ledger::Account;
use crate::message::{Admitted, EndOfStream, Scored, WarcId};
use crate::metrics::{DispatcherMetrics, WriterMetrics};
use crate::port::{Positive, Sink};
use actix::{Actor, Context, Handler, Message};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;

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

/// The writer's part of the books: positives, negatives and exclusions by archive. `seen` counts its verdicts.
pub type Verdicts = HashMap<WarcId, Account>;

/// Everything is scored and stored, or the run was stopped. See [`Stop`].
#[derive(Debug)]
pub struct Written {
    /// The books.
    pub verdicts: Verdicts,
    /// Whether every delivered record got its verdict.
    pub complete: bool,
}

/// Store what is scored so far and end.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// What the writer is made of.
pub struct WriterParts {
    /// Where positives go.
    pub sink: Box<dyn Sink>,
    /// What a score means.
    pub decision: Decision,
    /// The archives of the run, by number.
    pub archives: Arc<[Archive]>,
    /// Its figures.
    pub metrics: WriterMetrics,
    /// Where exclusions are counted.
    pub funnel: DispatcherMetrics,
    /// Where faults go.
    pub faults: FaultSender,
    /// Told once, at the end.
    pub written: oneshot::Sender<Written>,
}

/// The actor.
pub struct Writer {
    parts: WriterParts,
    verdicts: Verdicts,
    scored: u64,
    expected: Option<u64>,
    written: Option<oneshot::Sender<Written>>,
    _vital: Vital,
}

impl Writer {
    /// A writer that has seen nothing.
    pub fn new(mut parts: WriterParts) -> Writer {
        let (never, _) = oneshot::channel();
        let written = std::mem::replace(&mut parts.written, never);
        let vital = parts.faults.vital("writer");
        Writer {
            parts,
            verdicts: Verdicts::new(),
            scored: 0,
            expected: None,
            written: Some(written),
            _vital: vital,
        }
    }

    fn decide(&mut self, record: Admitted, score: Result<f32, Exclusion>) -> Result<(), Fault> {
        let Admitted { key, prepared, credit } = record;
        let metrics = &self.parts.metrics;
        let account = self.verdicts.entry(key.warc).or_default();
        account.seen += 1;
        metrics.scored.inc();
        match score.and_then(|score| self.parts.decision.positive(score).map(|positive| (positive, score))) {
            Err(reason) => {
                account.excluded.add(reason, 1);
                self.parts.funnel.excluded.with_label_values(&[reason.name()]).inc();
            }
            Ok((false, _)) => {
                account.negatives += 1;
                metrics.negatives.inc();
            }
            Ok((true, score)) => {
                let positive = Positive {
                    warc_filename: Arc::clone(&self.parts.archives[key.warc as usize].name),
                    key,
                    meta: prepared.meta,
                    keep: prepared.keep,
                    score,
                    label: Arc::clone(&self.parts.decision.label),
                };
                let start = Instant::now();
                self.parts.sink.put(&positive)?;
                metrics.write_seconds.inc_by(start.elapsed().as_secs_f64());
                account.positives += 1;
                metrics.positives.inc();
            }
        }
        drop(credit);
        Ok(())
    }

    fn finish(&mut self, complete: bool) {
        let Some(written) = self.written.take() else { return };
        match self.parts.sink.finish() {
            // When the pipeline is gone, nobody is left to be told.
            Ok(()) => drop(written.send(Written { verdicts: std::mem::take(&mut self.verdicts), complete })),
            Err(error) => self.parts.faults.report(error.into()),
        }
    }

    fn finish_if_done(&mut self) {
        if self.expected == Some(self.scored) {
            self.finish(true);
        }
    }
}

impl Actor for Writer {
    type Context = Context<Self>;
}

impl Handler<Scored> for Writer {
    type Result = ();

    fn handle(&mut self, scored: Scored, _: &mut Context<Self>) {
        self.parts.metrics.waiting.dec();
        if self.written.is_none() {
            return;
        }
        for (record, score) in scored.records.into_iter().zip(scored.scores) {
            if let Err(fault) = self.decide(record, score) {
                self.written = None;
                self.parts.faults.report(fault);
                return;
            }
            self.scored += 1;
        }
        self.finish_if_done();
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
        self.finish(false);
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
