//! Mailboxes: each in order, and between them any order.

use super::Exit;
use crate::clock::{Actor, Event, Life};
use crate::env::Env;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use warcdl_actors::lease::SessionId;
use warcdl_actors::message::Admitted;
use warcdl_actors::wire::Lease;
use warcdl_actors::{Accepted, Exclusion, PartId, PartState, WarcId};

/// What actors tell each other.
#[derive(Debug)]
#[allow(missing_docs, clippy::large_enum_variant)]
pub enum Message {
    // To the writer.
    Accepted(Accepted),
    Cut {
        part: PartId,
        new: PartState,
    },
    Close {
        part: PartId,
        epoch: u32,
        reason: String,
    },
    Scored {
        records: Vec<Admitted>,
        scores: Vec<Result<f32, Exclusion>>,
    },
    Stop,
    // To the dispatcher.
    Ready(SessionId),
    Advanced {
        session: SessionId,
        accepted: Accepted,
        ending: Ending,
    },
    Yielded {
        session: SessionId,
        part: PartId,
        epoch: u32,
    },
    Gone {
        session: SessionId,
        reason: String,
    },
    Drain,
    Dismiss(SessionId),
    // To the interleaver.
    Arrived {
        session: SessionId,
        record: Admitted,
    },
    Demand {
        batcher: usize,
        records: usize,
    },
    // To a batcher.
    Supply(Vec<Admitted>),
    BatchDone,
    // To a session.
    Work(Work),
    /// To the interleaver, the batchers and the writer: so many records were delivered, and no more will be.
    EndOfStream(u64),
}

/// What else a frame said.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Ending {
    None,
    Attempt,
    Failed(String),
}

/// What a session is told to do.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Work {
    Lease(WarcId, Lease),
    Revoke { part: PartId, epoch: u32 },
    Finish,
}

#[derive(Default)]
struct Mailbox {
    queue: VecDeque<Message>,
    /// When the last message is taken.
    due: Duration,
    /// Its actor is at work until then.
    busy: Duration,
}

/// All mailboxes of a node.
pub struct Mail {
    boot: Life,
    boxes: BTreeMap<Actor, Mailbox>,
    /// Set when the process ends.
    pub exit: Option<Exit>,
}

impl Mail {
    /// Empty mailboxes.
    pub fn new(boot: Life) -> Mail {
        Mail { boot, boxes: BTreeMap::new(), exit: None }
    }

    /// The process.
    pub fn boot(&self) -> Life {
        self.boot
    }

    /// Puts a message into a mailbox.
    pub fn send(&mut self, env: &mut Env, actor: Actor, message: Message) {
        let wait = if env.rng.one_in(50) { env.rng.micros(50, 5000) } else { env.rng.micros(0, 20) };
        let mailbox = self.boxes.entry(actor).or_default();
        mailbox.due = mailbox.due.max(env.clock.now() + wait);
        mailbox.queue.push_back(message);
        env.clock.at(mailbox.due, Event::Turn { boot: self.boot, actor });
    }

    /// The next message of an actor, unless it is at work; then it will take it later.
    pub fn take(&mut self, env: &mut Env, actor: Actor) -> Option<Message> {
        let mailbox = self.boxes.get_mut(&actor)?;
        if mailbox.busy > env.now() {
            env.clock.at(mailbox.busy, Event::Turn { boot: self.boot, actor });
            return None;
        }
        mailbox.queue.pop_front()
    }

    /// An actor is at work for some time.
    pub fn busy(&mut self, env: &Env, actor: Actor, time: Duration) {
        self.boxes.entry(actor).or_default().busy = env.now() + time;
    }
}
