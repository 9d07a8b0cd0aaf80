//! Inference: one device, its model, and the OS thread on which the model runs.
//!
//! The thread takes one batch ahead, so that the device never waits for a message. Only scores come back. The batcher
//! counts what is under way and sends at most [`IN_FLIGHT`] batches, so handing one over never waits.
//!
//! A batch on which the model fails is halved until the records are found on which it fails alone: they are excluded, the
//! others scored. A model that fails on one record after the other is broken, and ends the run.

use crate::Exclusion;
use crate::exit::{Fault, FaultSender, Vital};
use crate::message::{Admitted, Batch, BatchDone, RecordKey, Scored};
use crate::metrics::{InferenceMetrics, WriterMetrics};
use crate::port::Model;
use crate::writer::Writer;
use actix::{Actor, Addr, Context, Handler};
use crossbeam::channel::{Receiver, Sender, bounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Instant;

/// Batches that a device has at once: one that it works on, and the next.
pub const IN_FLIGHT: usize = 2;

/// Records in a row on which a model may fail before it is taken to be broken.
const GIVE_UP_AFTER: usize = 8;

/// The actor: the mailbox side of the thread.
pub struct Inference {
    batches: Sender<Batch>,
    faults: FaultSender,
    _vital: Vital,
}

impl Inference {
    /// Starts the thread `inference-{index}` with its model. The thread ends when the actor does.
    pub fn new(
        index: usize,
        model: Box<dyn Model>,
        writer: Addr<Writer>,
        metrics: InferenceMetrics,
        writer_metrics: WriterMetrics,
        faults: FaultSender,
    ) -> std::io::Result<Inference> {
        let (batches, queue) = bounded(IN_FLIGHT);
        let scorer = Scorer { model, failed_in_a_row: 0 };
        let device = DeviceThread { scorer, queue, writer, metrics, writer_metrics, faults: faults.clone() };
        thread::Builder::new().name(format!("inference-{index}")).spawn(move || device.run())?;
        let vital = faults.vital("inference");
        Ok(Inference { batches, faults, _vital: vital })
    }
}

impl Actor for Inference {
    type Context = Context<Self>;
}

impl Handler<Batch> for Inference {
    type Result = ();

    fn handle(&mut self, batch: Batch, _: &mut Context<Self>) {
        if self.batches.try_send(batch).is_err() {
            // Either the thread is gone, or the batcher has miscounted: both would lose records.
            self.faults.report(Fault::Panicked { actor: "inference thread" });
        }
    }
}

/// A model, and for how many records in a row it has failed.
struct Scorer {
    model: Box<dyn Model>,
    failed_in_a_row: usize,
}

impl Scorer {
    /// Appends a score or a reason for each record.
    fn score(&mut self, records: &[Admitted], out: &mut Vec<Result<f32, Exclusion>>) -> Result<(), Fault> {
        let inputs: Vec<_> = records.iter().map(|record| &record.prepared.input).collect();
        match self.model.score(&inputs) {
            Ok(scores) if scores.len() == records.len() => {
                self.failed_in_a_row = 0;
                out.extend(scores.into_iter().map(Ok));
                Ok(())
            }
            Ok(scores) => Err(Fault::ScoreCount { scores: scores.len(), records: records.len() }),
            Err(_) if records.len() > 1 => {
                let (first, second) = records.split_at(records.len() / 2);
                self.score(first, out)?;
                self.score(second, out)
            }
            Err(source) => {
                self.failed_in_a_row += 1;
                if self.failed_in_a_row >= GIVE_UP_AFTER {
                    return Err(Fault::Model { records: self.failed_in_a_row, source });
                }
                for record in records {
                    let RecordKey { warc, position } = record.key;
                    tracing::warn!(
                        warc,
                        offset = position.offset,
                        "the model fails on this record: {source}"
                    );
                }
                out.push(Err(Exclusion::ModelError));
                Ok(())
            }
        }
    }
}

struct DeviceThread {
    scorer: Scorer,
    queue: Receiver<Batch>,
    writer: Addr<Writer>,
    metrics: InferenceMetrics,
    writer_metrics: WriterMetrics,
    faults: FaultSender,
}

impl DeviceThread {
    fn run(mut self) {
        let _vital = self.faults.vital("inference thread");
        let mut idle_since = Instant::now();
        while let Ok(Batch { records, done }) = self.queue.recv() {
            let start = Instant::now();
            self.metrics.starved.inc_by((start - idle_since).as_secs_f64());
            let scores = catch_unwind(AssertUnwindSafe(|| {
                let mut scores = Vec::with_capacity(records.len());
                self.scorer.score(&records, &mut scores).map(|()| scores)
            }));
            idle_since = Instant::now();
            let seconds = (idle_since - start).as_secs_f64();
            self.metrics.seconds.observe(seconds);
            self.metrics.busy.inc_by(seconds);
            match scores {
                Ok(Ok(scores)) => {
                    self.writer_metrics.waiting.inc();
                    self.writer.do_send(Scored { records, scores });
                    done.do_send(BatchDone);
                }
                Ok(Err(fault)) => return self.faults.report(fault),
                Err(_) => return self.faults.report(Fault::Panicked { actor: "model" }),
            }
        }
    }
}
