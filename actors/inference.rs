//! Inference: one device, its model, and the OS thread on which the model runs.
//!
//! The thread takes one batch ahead, so that the device never waits for a message. Only scores come back. The batcher
//! counts what is under way and sends at most [`IN_FLIGHT`] batches, so handing one over never waits.

use crate::exit::{Fault, FaultSender, Vital};
use crate::message::{Batch, BatchDone, Scored};
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
        let device = DeviceThread { model, queue, writer, metrics, writer_metrics, faults: faults.clone() };
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

struct DeviceThread {
    model: Box<dyn Model>,
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
            let scores = {
                let inputs: Vec<_> = records.iter().map(|record| &record.prepared.input).collect();
                catch_unwind(AssertUnwindSafe(|| self.model.score(&inputs)))
            };
            idle_since = Instant::now();
            let seconds = (idle_since - start).as_secs_f64();
            self.metrics.seconds.observe(seconds);
            self.metrics.busy.inc_by(seconds);
            match scores {
                Ok(Ok(scores)) if scores.len() == records.len() => {
                    self.writer_metrics.waiting.inc();
                    self.writer.do_send(Scored { records, scores });
                    done.do_send(BatchDone);
                }
                Ok(Ok(scores)) => {
                    let fault = Fault::ScoreCount { scores: scores.len(), records: records.len() };
                    return self.faults.report(fault);
                }
                Ok(Err(source)) => {
                    return self.faults.report(Fault::Model { records: records.len(), source });
                }
                Err(_) => return self.faults.report(Fault::Panicked { actor: "model" }),
            }
        }
    }
}
