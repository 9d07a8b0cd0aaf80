//! The dispatcher: hands archives to sessions that ask, takes them back from those that go, and knows when all is read.
//!
//! The rules are [`LeaseTable`]'s; the actor keeps the sessions that wait, and the funnel's figures.

use crate::exit::{FaultSender, Vital};
use crate::interleaver::Interleaver;
use crate::lease::{ArchiveReport, Interruption, LeaseTable, Offer, SessionId};
use crate::message::{EndOfStream, WarcId};
use crate::metrics::DispatcherMetrics;
use crate::wire::{Lease, Progress};
use crate::writer::Writer;
use actix::{Actor, Addr, Context, Handler, Message, MessageResult, Recipient};
use std::collections::BTreeMap;

/// What a session is told to do.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub enum Work {
    /// Have this read.
    Lease(Lease),
    /// Nothing is left.
    Finish,
}

/// A session's reader wants work.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Ready {
    /// The session.
    pub session: SessionId,
    /// Where the answer goes.
    pub answer: Recipient<Work>,
}

/// A session accepted a frame of its lease.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Advanced {
    /// The session.
    pub session: SessionId,
    /// The archive.
    pub warc: WarcId,
    /// Epoch of the lease.
    pub epoch: u32,
    /// How far it has come.
    pub progress: Progress,
    /// Records that were passed on with it.
    pub delivered: u64,
    /// Whether the lease is over, and if it ended early, why.
    pub ended: Option<Option<String>>,
}

/// A session is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Gone {
    /// The session.
    pub session: SessionId,
    /// Why.
    pub reason: String,
}

/// How everything stands.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Reading")]
pub struct Report;

/// The readers' part of the books.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Every archive.
    pub archives: Vec<ArchiveReport>,
    /// Leases that ended before their archive did: the first thousand.
    pub interruptions: Vec<Interruption>,
    /// How many there were.
    pub interrupted: u64,
}

/// The actor.
pub struct Dispatcher {
    table: LeaseTable,
    /// Sessions that asked and got nothing yet.
    waiting: BTreeMap<SessionId, Recipient<Work>>,
    interleaver: Addr<Interleaver>,
    writer: Addr<Writer>,
    metrics: DispatcherMetrics,
    end_sent: bool,
    _vital: Vital,
}

impl Dispatcher {
    /// A dispatcher of these archives.
    pub fn new(
        table: LeaseTable,
        interleaver: Addr<Interleaver>,
        writer: Addr<Writer>,
        metrics: DispatcherMetrics,
        faults: &FaultSender,
    ) -> Dispatcher {
        let vital = faults.vital("dispatcher");
        Dispatcher {
            table,
            waiting: BTreeMap::new(),
            interleaver,
            writer,
            metrics,
            end_sent: false,
            _vital: vital,
        }
    }

    /// Offers work to every session that waits, and announces the end once.
    fn settle(&mut self) {
        self.metrics.archives_over.set(self.table.archives_over() as i64);
        let table = &mut self.table;
        self.waiting.retain(|&session, answer| match table.ready(session) {
            Offer::Wait => true,
            Offer::Lease(lease) => {
                answer.do_send(Work::Lease(lease));
                false
            }
            Offer::Finish => {
                answer.do_send(Work::Finish);
                false
            }
        });
        if self.table.finished() && !self.end_sent {
            self.end_sent = true;
            let end = EndOfStream { delivered: self.table.delivered() };
            self.interleaver.do_send(end);
            self.writer.do_send(end);
        }
    }
}

impl Actor for Dispatcher {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        self.settle();
    }
}

impl Handler<Ready> for Dispatcher {
    type Result = ();

    fn handle(&mut self, Ready { session, answer }: Ready, _: &mut Context<Self>) {
        self.waiting.insert(session, answer);
        self.settle();
    }
}

impl Handler<Advanced> for Dispatcher {
    type Result = ();

    fn handle(&mut self, advanced: Advanced, _: &mut Context<Self>) {
        let Advanced { session, warc, epoch, progress, delivered, ended } = advanced;
        match self.table.advance(session, warc, epoch, &progress, delivered) {
            Ok(newly) => {
                self.metrics.bytes_read.inc_by(newly);
                self.metrics.delivered.inc_by(delivered);
                self.metrics.seen.inc_by(delivered);
                for (reason, n) in progress.excluded {
                    self.metrics.seen.inc_by(n.into());
                    self.metrics.excluded.with_label_values(&[reason.name()]).inc_by(n.into());
                }
            }
            // The session checks every frame against its lease, and is the only one to give it back.
            Err(fenced) => unreachable!("{fenced}"),
        }
        if let Some(failure) = ended {
            if let Some(reason) = &failure {
                self.metrics.interruptions.inc();
                tracing::warn!(session, warc, "lease ended early: {reason}");
            }
            let ended = self.table.end(session, warc, epoch, failure);
            debug_assert_eq!(ended, Ok(()), "the lease was held a line above");
            self.settle();
        }
    }
}

impl Handler<Gone> for Dispatcher {
    type Result = ();

    fn handle(&mut self, Gone { session, reason }: Gone, _: &mut Context<Self>) {
        self.waiting.remove(&session);
        if let Some(warc) = self.table.gone(session, &reason) {
            self.metrics.interruptions.inc();
            tracing::warn!(session, warc, "reader lost while it read, its work goes to another: {reason}");
        }
        self.settle();
    }
}

impl Handler<Report> for Dispatcher {
    type Result = MessageResult<Report>;

    fn handle(&mut self, _: Report, _: &mut Context<Self>) -> MessageResult<Report> {
        let (interruptions, interrupted) = self.table.interruptions();
        MessageResult(Reading {
            archives: self.table.report(),
            interruptions: interruptions.to_vec(),
            interrupted,
        })
    }
}
