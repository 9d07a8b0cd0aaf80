//! The pipeline of the GPU node: the one place that knows the order of the actors.
//!
//! Spawned last to first, so that each is made with the address of its successor:
//!
//! ```text
//! listener ─▶ session* ─▶ interleaver ─▶ batcher* ─▶ inference* ─▶ writer
//!                 └────▶ dispatcher ── end of the stream ──▶ interleaver, writer
//! ```

use crate::batch::BatchRules;
use crate::batcher::Batcher;
use crate::dispatcher::{Dispatcher, Reading, Report};
use crate::exit::{Fault, FaultSender};
use crate::inference::Inference;
use crate::interleaver::Interleaver;
use crate::lease::{Archive, Interruption, LeaseTable, State};
use crate::ledger::{Account, Imbalance};
use crate::listener::{LinkLimits, Listener};
use crate::metrics::Metrics;
use crate::port::{Model, Sink};
use crate::wire::JobSecret;
use crate::writer::{Decision, Stop, Verdicts, Writer, WriterParts, Written};
use actix::{Actor, Addr};
use actix_rt::{Arbiter, ArbiterHandle};
use bytes::Bytes;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Threads that receive and decode frames.
const SESSION_THREADS: usize = 2;
/// How long readers that were told to finish may take to close.
const FAREWELL: Duration = Duration::from_secs(5);

/// What a run is made of.
pub struct Plan {
    /// The archives, in the order in which they are handed out.
    pub archives: Vec<Archive>,
    /// One a device.
    pub models: Vec<Box<dyn Model>>,
    /// Where positives go.
    pub sink: Box<dyn Sink>,
    /// What a score means.
    pub decision: Decision,
    /// When batches close.
    pub batch: BatchRules,
    /// Limits of the readers' connections.
    pub limits: LinkLimits,
    /// The bound data port.
    pub socket: TcpListener,
    /// The job's secret.
    pub secret: JobSecret,
    /// The job's description for the readers.
    pub job: Bytes,
    /// Figures.
    pub metrics: Metrics,
}

/// A pipeline that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The operating system refused a thread or the socket.
    #[error("cannot start the pipeline: {0}")]
    Io(#[from] std::io::Error),
}

/// A running pipeline. Must be made and used within an actix system.
pub struct Pipeline {
    address: SocketAddr,
    dispatcher: Addr<Dispatcher>,
    writer: Addr<Writer>,
    listener: JoinHandle<()>,
    written: oneshot::Receiver<Written>,
    faults: mpsc::Receiver<Fault>,
    arbiters: Vec<Arbiter>,
    /// Closed when the last session is gone.
    sessions: mpsc::Receiver<Infallible>,
}

/// One archive at the end of a run.
#[derive(Clone, Debug)]
pub struct ArchiveOutcome {
    /// The archive.
    pub archive: Archive,
    /// Read to its end, given up, or cut off by the end of the run.
    pub state: State,
    /// Bytes of the stored file that were read.
    pub bytes_read: u64,
    /// What became of its records.
    pub account: Account,
    /// Records that were sent and have no verdict, because the run was stopped.
    pub unscored: u64,
}

/// What a run left.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Every archive.
    pub archives: Vec<ArchiveOutcome>,
    /// The sum of their accounts.
    pub total: Account,
    /// Records without a verdict.
    pub unscored: u64,
    /// Leases that ended before their archive did: the first thousand.
    pub interruptions: Vec<Interruption>,
    /// How many there were.
    pub interrupted: u64,
}

impl Outcome {
    /// Whether every archive was read to its end and every record has its verdict.
    pub fn complete(&self) -> bool {
        self.unscored == 0 && self.archives.iter().all(|archive| archive.state == State::Done)
    }

    /// Checks the conservation law for every archive. Records without a verdict count on the right side.
    pub fn check(&self) -> Result<(), Imbalance> {
        for archive in &self.archives {
            let mut account = archive.account.clone();
            account.seen -= archive.unscored;
            account.check()?;
        }
        Ok(())
    }
}

impl Pipeline {
    /// Starts every actor and listens.
    pub fn start(plan: Plan) -> Result<Pipeline, StartError> {
        let Plan { archives, models, sink, decision, batch, limits, socket, secret, job, metrics } = plan;
        let address = socket.local_addr()?;
        let (faults, fault_receiver) = FaultSender::channel();
        let (written, written_receiver) = oneshot::channel();
        metrics.dispatcher.archives.set(archives.len() as i64);
        metrics.dispatcher.archive_bytes.set(archives.iter().map(|archive| archive.size).sum::<u64>() as i64);

        let writer_thread = Arbiter::new();
        let writer = {
            let parts = WriterParts {
                sink,
                decision,
                archives: archives.clone().into(),
                metrics: metrics.writer.clone(),
                funnel: metrics.dispatcher.clone(),
                faults: faults.clone(),
                written,
            };
            Writer::start_in_arbiter(&writer_thread.handle(), |_| Writer::new(parts))
        };
        let interleaver = Interleaver::new(metrics.interleaver.clone(), &faults).start();
        for (index, model) in models.into_iter().enumerate() {
            let inference = Inference::new(
                index,
                model,
                writer.clone(),
                metrics.inference.clone(),
                metrics.writer.clone(),
                faults.clone(),
            )?
            .start();
            Batcher::new(index, batch, interleaver.clone(), inference, metrics.batcher.clone(), &faults)
                .start();
        }
        let table = LeaseTable::new(archives);
        let dispatcher =
            Dispatcher::new(table, interleaver.clone(), writer.clone(), metrics.dispatcher.clone(), &faults)
                .start();
        let session_threads: Vec<Arbiter> = (0..SESSION_THREADS).map(|_| Arbiter::new()).collect();
        let (alive, sessions) = mpsc::channel(1);
        let listener = Listener {
            socket,
            alive,
            secret,
            job,
            limits,
            arbiters: session_threads.iter().map(Arbiter::handle).collect::<Vec<ArbiterHandle>>(),
            interleaver,
            dispatcher: dispatcher.clone(),
            metrics: metrics.session.clone(),
            reader_metrics: metrics.reader,
            faults,
        };
        let listener = tokio::task::spawn_local(listener.run());
        let mut arbiters = session_threads;
        arbiters.push(writer_thread);
        Ok(Pipeline {
            address,
            dispatcher,
            writer,
            listener,
            written: written_receiver,
            faults: fault_receiver,
            arbiters,
            sessions,
        })
    }

    /// The address of the data port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A handle that ends the run early: what is scored is stored, the rest is told.
    pub fn stopper(&self) -> Stopper {
        Stopper { writer: self.writer.clone() }
    }

    /// Runs to the end: of the archives, by [`Stopper`], or by a fault. Sessions are closed when it returns.
    pub async fn wait(mut self) -> Result<Outcome, Fault> {
        let ended = tokio::select! {
            biased;
            Some(fault) = self.faults.recv() => Err(fault),
            written = &mut self.written => match written {
                Ok(written) => Ok(written),
                // The writer dropped its end: it has reported why, or panicked.
                Err(_) => Err(self.faults.recv().await.unwrap_or(Fault::Panicked { actor: "writer" })),
            },
        };
        let report = self.dispatcher.send(Report).await;
        self.listener.abort();
        if ended.as_ref().is_ok_and(|written| written.complete) {
            // Readers have been told to finish; one that hangs must not hold up the end of the run.
            let _ = tokio::time::timeout(FAREWELL, self.sessions.recv()).await;
        }
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
        let written = ended?;
        let reading = report.map_err(|_| Fault::Panicked { actor: "dispatcher" })?;
        Ok(outcome(reading, written))
    }
}

/// See [`Pipeline::stopper`].
#[derive(Clone)]
pub struct Stopper {
    writer: Addr<Writer>,
}

impl Stopper {
    /// Ends the run.
    pub fn stop(&self) {
        self.writer.do_send(Stop);
    }
}

/// Joins the readers' books with the writer's.
fn outcome(reading: Reading, written: Written) -> Outcome {
    let Reading { archives, interruptions, interrupted } = reading;
    let mut verdicts: Verdicts = written.verdicts;
    let archives: Vec<ArchiveOutcome> = archives
        .into_iter()
        .zip(0..)
        .map(|(report, warc)| {
            let scored = verdicts.remove(&warc).unwrap_or_default();
            let delivered = report.account.seen - report.account.excluded.total();
            let mut account = report.account;
            account.positives = scored.positives;
            account.negatives = scored.negatives;
            account.excluded += &scored.excluded;
            ArchiveOutcome {
                archive: report.archive,
                state: report.state,
                bytes_read: report.bytes_read,
                account,
                unscored: delivered - scored.seen,
            }
        })
        .collect();
    let mut total = Account::default();
    archives.iter().for_each(|archive| total += &archive.account);
    let unscored = archives.iter().map(|archive| archive.unscored).sum();
    Outcome { archives, total, unscored, interruptions, interrupted }
}
