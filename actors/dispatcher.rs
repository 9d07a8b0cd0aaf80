//! The dispatcher: hands archives to sessions that ask, takes them back from those that go, and knows when all is read.
//!
//! The rules are [`LeaseTable`]'s; the actor keeps the sessions that wait, and the funnel's figures.

use crate::exit::{FaultSender, Vital};
use crate::interleaver::Interleaver;
use crate::lease::{Interruption, LeaseTable, Offer, Returned, SessionId, Takeover};
use crate::message::{Accepted, EndOfStream, RecordKey, WarcId};
use crate::metrics::DispatcherMetrics;
use crate::part::PartId;
use crate::wire::Lease;
use crate::writer::{Close, Cut, Writer};
use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, MessageResult, Recipient};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it is looked whether idle readers could take over work of others.
const REBALANCE_EVERY: Duration = Duration::from_secs(1);

/// What a session is told to do.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub enum Work {
    /// Have this read, of that archive.
    Lease(WarcId, Lease),
    /// Take the lease back.
    #[allow(missing_docs)]
    Revoke { part: PartId, epoch: u32 },
    /// Nothing is left.
    Finish,
}

/// A session's reader wants work.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Ready {
    /// The session.
    pub session: SessionId,
    /// The reader's name for itself.
    pub name: Arc<str>,
    /// Where the answer goes.
    pub answer: Recipient<Work>,
}

/// A session accepted a frame of its lease.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Advanced {
    /// The session.
    pub session: SessionId,
    /// What was accepted.
    pub accepted: Accepted,
    /// What else the frame said.
    pub ending: Ending,
}

/// See [`Advanced::ending`].
#[derive(Debug)]
pub enum Ending {
    /// Nothing.
    None,
    /// The reader begins the next record.
    Attempt,
    /// The lease is over, as its part cannot be read on, for this reason.
    Failed(String),
}

/// A session gave its lease back, as it was told to.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Yielded {
    /// The session.
    pub session: SessionId,
    /// The part.
    pub part: PartId,
    /// Epoch of the lease.
    pub epoch: u32,
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

/// Hand out no more work, take back what is out, and end the stream.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Drain;

/// Take back what the reader of this name has, and let it go: it is not needed any more.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Dismiss(pub String);

/// How everything stands.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Reading")]
pub struct Report;

/// What the dispatcher has to tell at the end.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Leases that ended before their archive did: the first thousand.
    pub interruptions: Vec<Interruption>,
    /// How many there were.
    pub interrupted: u64,
    /// Records that were passed over because they killed their readers: the first thousand.
    pub quarantined: Vec<RecordKey>,
}

/// The actor.
pub struct Dispatcher {
    table: LeaseTable,
    start: Instant,
    /// When it last looked at the clock.
    looked: Duration,
    /// Every session that has asked for work.
    sessions: BTreeMap<SessionId, (Arc<str>, Recipient<Work>)>,
    /// Names of readers that are not needed any more. One may be on its way yet, and none is given twice.
    dismissed: BTreeSet<String>,
    /// Those that got nothing yet.
    waiting: Vec<SessionId>,
    interleaver: Addr<Interleaver>,
    writer: Addr<Writer>,
    metrics: DispatcherMetrics,
    end_sent: bool,
    _vital: Vital,
}

impl Dispatcher {
    /// A dispatcher of these leases.
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
            start: Instant::now(),
            looked: Duration::ZERO,
            sessions: BTreeMap::new(),
            dismissed: BTreeSet::new(),
            waiting: Vec::new(),
            interleaver,
            writer,
            metrics,
            end_sent: false,
            _vital: vital,
        }
    }

    /// Time since the start, without that for which this node stood still: nobody was heard then, so nobody was slow.
    fn now(&mut self) -> Duration {
        let elapsed = self.start.elapsed();
        let stood_still = elapsed.saturating_sub(self.looked + 2 * REBALANCE_EVERY);
        self.start += stood_still;
        self.looked = elapsed - stood_still;
        self.looked
    }

    /// Offers work to every session that waits, and announces the end once.
    fn settle(&mut self) {
        self.metrics.archives_over.set(self.table.archives_over() as i64);
        let now = self.now();
        let Dispatcher { table, sessions, waiting, .. } = self;
        waiting.retain(|session| {
            let Some((_, answer)) = sessions.get(session) else { return false };
            match table.ready(*session, now) {
                Offer::Wait => return true,
                Offer::Lease(warc, lease) => {
                    if lease.pass_over {
                        let (archive, offset) = (&lease.name, lease.start.offset);
                        tracing::warn!(
                            archive,
                            offset,
                            "this record has killed its readers: it is passed over"
                        );
                    }
                    answer.do_send(Work::Lease(warc, lease));
                }
                Offer::Finish => answer.do_send(Work::Finish),
            }
            false
        });
        if self.table.finished() && !self.end_sent {
            self.end_sent = true;
            let end = EndOfStream { delivered: self.table.delivered() };
            self.interleaver.do_send(end);
            self.writer.do_send(end);
        }
    }

    fn revoke(&self, Takeover { session, part, epoch }: Takeover) {
        if let Some((_, address)) = self.sessions.get(&session) {
            address.do_send(Work::Revoke { part, epoch });
        }
    }

    /// Gives sessions that wait some of what others hold.
    fn rebalance(&mut self) {
        let now = self.now();
        while let Some(takeover) = self.table.rebalance(&self.waiting, now) {
            let Takeover { session, part, .. } = takeover;
            tracing::info!(session, part, "others have nothing to do: its work is shared out anew");
            self.metrics.takeovers.inc();
            self.revoke(takeover);
        }
    }

    /// A part came back.
    fn returned(&mut self, part: PartId, returned: Returned, reason: &str) {
        match returned {
            Returned::Pending => {}
            Returned::Cut(new) => self.writer.do_send(Cut { part, new }),
            Returned::GivenUp(epoch) => {
                tracing::error!(part, "given up, the rest of it is not read: {reason}");
                self.writer.do_send(Close { part, epoch, reason: reason.to_owned() });
            }
        }
        self.settle();
    }
}

impl Actor for Dispatcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.settle();
        ctx.run_interval(REBALANCE_EVERY, |dispatcher, _| dispatcher.rebalance());
    }
}

impl Handler<Ready> for Dispatcher {
    type Result = ();

    fn handle(&mut self, Ready { session, name, answer }: Ready, _: &mut Context<Self>) {
        if self.dismissed.contains(&*name) {
            // It has nothing, or is about to give it back.
            self.table.dismiss(session);
        }
        self.sessions.insert(session, (name, answer));
        if !self.waiting.contains(&session) {
            self.waiting.push(session);
        }
        self.settle();
    }
}

impl Handler<Advanced> for Dispatcher {
    type Result = ();

    fn handle(&mut self, Advanced { session, accepted, ending }: Advanced, _: &mut Context<Self>) {
        let attempt = matches!(ending, Ending::Attempt);
        let now = self.now();
        match self.table.accept(session, &accepted, attempt, now) {
            Ok(newly) => {
                let delivered = u64::from(accepted.record.is_some());
                self.metrics.bytes_read.inc_by(newly);
                self.metrics.delivered.inc_by(delivered);
                self.metrics.seen.inc_by(delivered);
                for &(reason, n) in &accepted.progress.excluded {
                    self.metrics.seen.inc_by(n.into());
                    self.metrics.excluded.with_label_values(&[reason.name()]).inc_by(n.into());
                }
            }
            // The session checks every frame against its lease, and is the only one to give it back.
            Err(fenced) => unreachable!("{fenced}"),
        }
        if let Ending::Failed(reason) = ending {
            self.metrics.interruptions.inc();
            let Accepted { part, epoch, .. } = accepted;
            tracing::warn!(session, part, "lease ended early: {reason}");
            let now = self.now();
            match self.table.failed(session, part, epoch, &reason, now) {
                Ok(returned) => self.returned(part, returned, &reason),
                Err(fenced) => unreachable!("{fenced}"),
            }
        } else if accepted.over.is_some() {
            self.settle();
        }
    }
}

impl Handler<Yielded> for Dispatcher {
    type Result = ();

    fn handle(&mut self, Yielded { session, part, epoch }: Yielded, _: &mut Context<Self>) {
        let now = self.now();
        match self.table.revoked(session, part, epoch, now) {
            Ok(returned) => self.returned(part, returned, ""),
            Err(fenced) => unreachable!("{fenced}"),
        }
    }
}

impl Handler<Gone> for Dispatcher {
    type Result = ();

    fn handle(&mut self, Gone { session, reason }: Gone, _: &mut Context<Self>) {
        self.sessions.remove(&session);
        self.waiting.retain(|&waiting| waiting != session);
        let now = self.now();
        match self.table.gone(session, &reason, now) {
            Some((part, returned)) => {
                self.metrics.interruptions.inc();
                tracing::warn!(
                    session,
                    part,
                    "reader lost while it read, its work goes to another: {reason}"
                );
                self.returned(part, returned, &reason);
            }
            None => self.settle(),
        }
    }
}

impl Handler<Drain> for Dispatcher {
    type Result = ();

    fn handle(&mut self, _: Drain, _: &mut Context<Self>) {
        for takeover in self.table.drain() {
            self.revoke(takeover);
        }
        self.settle();
    }
}

impl Handler<Dismiss> for Dispatcher {
    type Result = ();

    fn handle(&mut self, Dismiss(reader): Dismiss, _: &mut Context<Self>) {
        let sessions = self.sessions.iter().filter(|(_, (name, _))| **name == *reader);
        for session in sessions.map(|(&session, _)| session).collect::<Vec<_>>() {
            tracing::info!(session, reader, "not needed any more: its work goes to others");
            if let Some(lease) = self.table.dismiss(session) {
                self.revoke(lease);
            }
        }
        self.dismissed.insert(reader);
        self.settle();
    }
}

impl Handler<Report> for Dispatcher {
    type Result = MessageResult<Report>;

    fn handle(&mut self, _: Report, _: &mut Context<Self>) -> MessageResult<Report> {
        let (interruptions, interrupted) = self.table.interruptions();
        MessageResult(Reading {
            quarantined: self.table.quarantined().to_vec(),
            interruptions: interruptions.to_vec(),
            interrupted,
        })
    }
}
