//! The pipeline of the GPU node: the one place that knows the order of the actors.
//!
//! Spawned last to first, so that each is made with the address of its successor:
//!
//! ```text
//! listener ─▶ session* ─▶ interleaver ─▶ batcher* ─▶ inference* ─▶ writer
//!                 ├──── what was accepted ───────────────────────────▶ writer
//!                 └────▶ dispatcher ── end of the stream ──▶ interleaver, writer
//! ```

use crate::batch::BatchRules;
use crate::batcher::Batcher;
use crate::deadline::within;
use crate::dispatcher::{Dismiss, Dispatcher, Drain, Reading, Report};
use crate::estate::Estate;
use crate::exit::{Fault, FaultSender};
use crate::inference::Inference;
use crate::interleaver::Interleaver;
use crate::lease::{Archive, Interruption, LeaseTable, TakeoverRules};
use crate::ledger::{Account, Imbalance};
use crate::listener::{LinkLimits, Listener};
use crate::message::RecordKey;
use crate::metrics::Metrics;
use crate::part::{PartOver, PartState};
use crate::port::{Model, Sink};
use crate::session::SessionContext;
use crate::wire::{JobSecret, RECORD_COST};
use crate::writer::{CommitRules, Decision, Stop, Writer, WriterParts, Written};
use actix::{Actor, Addr};
use actix_rt::{Arbiter, ArbiterHandle};
use bytes::Bytes;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Threads that receive and decode frames.
const SESSION_THREADS: usize = 2;
/// How long readers that were told to finish may take to close.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long a run that is stopped goes on scoring what has arrived.
const DRAIN: Duration = Duration::from_secs(5);
/// How long its last commit may take from then on.
const LAST_COMMIT: Duration = Duration::from_secs(2);

/// What a run is made of.
pub struct Plan {
    /// The archives, in the order in which they are handed out.
    pub archives: Vec<Archive>,
    /// Their parts as they stand; [`PartState::all_whole`] for a run that begins.
    pub parts: Vec<PartState>,
    /// When idle readers take over work of others.
    pub takeover: TakeoverRules,
    /// One a device.
    pub models: Vec<Box<dyn Model>>,
    /// Where positives go.
    pub sink: Box<dyn Sink>,
    /// What a score means.
    pub decision: Decision,
    /// When results are committed.
    pub commit: CommitRules,
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
    archives: Vec<Archive>,
    stopped: watch::Sender<bool>,
}

/// How an archive stands at the end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveState {
    /// Every record has its verdict.
    Done,
    /// Given up before its end, for this reason.
    Failed(String),
    /// The run was stopped before.
    Unfinished,
}

/// One archive at the end of a run.
#[derive(Clone, Debug)]
pub struct ArchiveOutcome {
    /// The archive.
    pub archive: Archive,
    /// Read to its end, given up, or cut off by the end of the run.
    pub state: ArchiveState,
    /// Bytes of the stored file that were read.
    pub bytes_read: u64,
    /// What became of its records; committed.
    pub account: Account,
}

/// What a run left.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Every archive.
    pub archives: Vec<ArchiveOutcome>,
    /// The sum of their accounts.
    pub total: Account,
    /// Places of damage and of records that were passed over that are listed in the results.
    pub listed: u64,
    /// Leases that ended before their archive did: the first thousand.
    pub interruptions: Vec<Interruption>,
    /// How many there were.
    pub interrupted: u64,
    /// Records that were passed over because they killed their readers: the first thousand of this run.
    pub quarantined: Vec<RecordKey>,
}

impl Outcome {
    /// How these archives stand by their committed parts.
    pub fn of(archives: Vec<Archive>, parts: &[PartState]) -> Outcome {
        let mut archives: Vec<ArchiveOutcome> = archives
            .into_iter()
            .map(|archive| ArchiveOutcome {
                archive,
                state: ArchiveState::Done,
                bytes_read: 0,
                account: Account::default(),
            })
            .collect();
        for part in parts {
            let archive = &mut archives[part.warc as usize];
            archive.account += &part.account;
            archive.bytes_read += part.bytes_passed();
            archive.state = match (&archive.state, &part.over) {
                (ArchiveState::Failed(reason), _) => ArchiveState::Failed(reason.clone()),
                (_, Some(PartOver::Failed(reason))) => ArchiveState::Failed(reason.clone()),
                (_, None) => ArchiveState::Unfinished,
                (state, Some(PartOver::Done)) => state.clone(),
            };
        }
        let mut total = Account::default();
        archives.iter().for_each(|archive| total += &archive.account);
        let (interruptions, quarantined) = (Vec::new(), Vec::new());
        let listed = parts.iter().map(|part| part.listed).sum();
        Outcome { archives, total, listed, interruptions, interrupted: 0, quarantined }
    }

    /// Archives that were read to their end.
    pub fn archives_done(&self) -> usize {
        self.archives.iter().filter(|archive| archive.state == ArchiveState::Done).count()
    }

    /// Whether every archive was read to its end and every record has its verdict.
    pub fn complete(&self) -> bool {
        self.archives.iter().all(|archive| archive.state == ArchiveState::Done)
    }

    /// Checks the conservation law for every archive.
    pub fn check(&self) -> Result<(), Imbalance> {
        self.archives.iter().try_for_each(|archive| archive.account.check())
    }
}

impl Pipeline {
    /// Starts every actor and listens.
    pub fn start(plan: Plan) -> Result<Pipeline, StartError> {
        let Plan { archives, parts, takeover, models, sink, decision, commit, batch, limits, .. } = plan;
        let Plan { socket, secret, job, metrics, .. } = plan;
        let address = socket.local_addr()?;
        let (faults, fault_receiver) = FaultSender::channel();
        let (written, written_receiver) = oneshot::channel();
        metrics.dispatcher.archives.set(archives.len() as i64);
        let size: u64 = archives.iter().map(|archive| archive.size).sum();
        let read: u64 = parts.iter().map(PartState::bytes_passed).sum();
        metrics.dispatcher.archive_bytes.set(size.saturating_sub(read) as i64);

        let writer_thread = Arbiter::new();
        let writer = {
            let parts = WriterParts {
                sink,
                decision,
                commit,
                archives: archives.clone().into(),
                parts: parts.clone(),
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
        let table = LeaseTable::new(archives.clone(), &parts, takeover);
        let dispatcher =
            Dispatcher::new(table, interleaver.clone(), writer.clone(), metrics.dispatcher.clone(), &faults)
                .start();
        let session_threads: Vec<Arbiter> = (0..SESSION_THREADS).map(|_| Arbiter::new()).collect();
        let (alive, sessions) = mpsc::channel(1);
        let listener = Listener {
            socket,
            secret,
            job,
            limits,
            arbiters: session_threads.iter().map(Arbiter::handle).collect::<Vec<ArbiterHandle>>(),
            sessions: SessionContext {
                window: limits.window,
                max_cost: u64::from(limits.max_record) + RECORD_COST,
                patience: limits.patience,
                estate: Arc::new(Estate::new(limits.window)),
                interleaver,
                writer: writer.clone(),
                dispatcher: dispatcher.clone(),
                metrics: metrics.session,
                reader_metrics: metrics.reader,
                faults,
                alive,
            },
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
            archives,
            stopped: watch::Sender::new(false),
        })
    }

    /// The address of the data port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A handle that ends the run, or the work of a reader, early.
    pub fn stopper(&self) -> Stopper {
        Stopper { dispatcher: self.dispatcher.clone(), stopped: self.stopped.clone() }
    }

    /// Runs to the end: of the archives, by [`Stopper`], or by a fault. Sessions are closed when it returns.
    pub async fn wait(mut self) -> Result<Outcome, Fault> {
        let writer = self.writer.clone();
        let mut stopped = self.stopped.subscribe();
        let too_late = async {
            if stopped.wait_for(|&stopped| stopped).await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(DRAIN).await;
            writer.do_send(Stop);
            tokio::time::sleep(LAST_COMMIT).await;
        };
        let ended = tokio::select! {
            biased;
            Some(fault) = self.faults.recv() => Err(fault),
            written = &mut self.written => match written {
                Ok(written) => Ok(written),
                // The writer dropped its end: it has reported why, or panicked.
                Err(_) => Err(self.faults.recv().await.unwrap_or(Fault::Panicked { actor: "writer" })),
            },
            () = too_late => Err(Fault::StuckStopping),
        };
        let report = self.dispatcher.send(Report).await;
        self.listener.abort();
        if ended.is_ok() {
            // Readers have been told to finish; one that hangs must not hold up the end of the run.
            let patience = if *self.stopped.borrow() { LAST_COMMIT } else { FAREWELL };
            within(patience, self.sessions.recv()).await;
        }
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
        let written = ended?;
        let reading = report.map_err(|_| Fault::Panicked { actor: "dispatcher" })?;
        let Reading { interruptions, interrupted, quarantined } = reading;
        let outcome = Outcome::of(self.archives, &written.parts);
        Ok(Outcome { interruptions, interrupted, quarantined, ..outcome })
    }
}

/// See [`Pipeline::stopper`].
#[derive(Clone, Debug)]
pub struct Stopper {
    dispatcher: Addr<Dispatcher>,
    stopped: watch::Sender<bool>,
}

impl Stopper {
    /// Ends the run: no more work is handed out, what has arrived is scored as far as time allows, and committed.
    pub fn stop(&self) {
        self.dispatcher.do_send(Drain);
        self.stopped.send_replace(true);
    }

    /// Takes back what the reader of this name has in hand, for others to go on with, and tells it that it has finished. What it
    /// delivered counts, and nothing of it is an interruption. A name that no reader goes by is passed over.
    pub fn dismiss(&self, reader: &str) {
        self.dispatcher.do_send(Dismiss(reader.to_owned()));
    }
}
