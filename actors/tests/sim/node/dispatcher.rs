//! The part of `dispatcher.rs`.

use super::mail::{Ending, Mail, Message, Work};
use crate::clock::Actor;
use crate::env::Env;
use std::collections::BTreeSet;
use warcdl_actors::lease::{Fenced, LeaseTable, Offer, Returned, SessionId, Takeover};
use warcdl_actors::{PartId, Position};

/// See the module.
pub struct Dispatcher {
    table: LeaseTable,
    sessions: BTreeSet<SessionId>,
    waiting: Vec<SessionId>,
    end_sent: bool,
}

impl Dispatcher {
    /// A dispatcher of these leases.
    pub fn new(table: LeaseTable) -> Dispatcher {
        Dispatcher { table, sessions: BTreeSet::new(), waiting: Vec::new(), end_sent: false }
    }

    /// Offers work to every session that waits, and announces the end once.
    pub fn settle(&mut self, env: &mut Env, mail: &mut Mail) {
        let Dispatcher { table, sessions, waiting, .. } = self;
        waiting.retain(|&session| {
            if !sessions.contains(&session) {
                return false;
            }
            let work = match table.ready(session, env.now()) {
                Offer::Wait => return true,
                Offer::Lease(warc, lease) => Work::Lease(warc, lease),
                Offer::Finish => Work::Finish,
            };
            mail.send(env, Actor::Session(session), Message::Work(work));
            false
        });
        if self.table.finished() && !self.end_sent {
            self.end_sent = true;
            let delivered = self.table.delivered();
            mail.send(env, Actor::Interleaver, Message::EndOfStream(delivered));
            mail.send(env, Actor::Writer, Message::EndOfStream(delivered));
        }
    }

    /// Gives sessions that wait some of what others hold.
    pub fn rebalance(&mut self, env: &mut Env, mail: &mut Mail) {
        while let Some(takeover) = self.table.rebalance(&self.waiting, env.now()) {
            env.say(|| format!("{takeover:?}"));
            env.count("takeover");
            self.revoke(env, mail, takeover);
        }
    }

    fn revoke(&self, env: &mut Env, mail: &mut Mail, Takeover { session, part, epoch }: Takeover) {
        if self.sessions.contains(&session) {
            mail.send(env, Actor::Session(session), Message::Work(Work::Revoke { part, epoch }));
        }
    }

    fn returned(&mut self, env: &mut Env, mail: &mut Mail, part: PartId, returned: Returned, reason: &str) {
        env.say(|| format!("part {part}: {returned:?}"));
        env.count(match returned {
            Returned::Pending => "part came back",
            Returned::Cut(_) => "part cut in two",
            Returned::GivenUp(_) => "part given up",
        });
        match returned {
            Returned::Pending => {}
            Returned::Cut(new) => mail.send(env, Actor::Writer, Message::Cut { part, new }),
            Returned::GivenUp(epoch) => {
                let at = self.table.interruptions().0.last().map_or(Position::default(), |last| last.at);
                env.oracle.given_up(mail.boot(), part, at);
                mail.send(env, Actor::Writer, Message::Close { part, epoch, reason: reason.to_owned() });
            }
        }
        self.settle(env, mail);
    }

    /// Takes a message.
    pub fn handle(&mut self, env: &mut Env, mail: &mut Mail, message: Message) {
        let handled = self.try_handle(env, mail, message);
        // The session checks every frame against its lease, and is the only one to give it back.
        if let Err(fenced) = handled {
            env.oracle.violated(fenced.to_string());
        }
    }

    fn try_handle(&mut self, env: &mut Env, mail: &mut Mail, message: Message) -> Result<(), Fenced> {
        let now = env.now();
        match message {
            Message::Ready(session) => {
                self.sessions.insert(session);
                if !self.waiting.contains(&session) {
                    self.waiting.push(session);
                }
                self.settle(env, mail);
            }
            Message::Advanced { session, accepted, ending } => {
                let attempt = matches!(ending, Ending::Attempt);
                self.table.accept(session, &accepted, attempt, now)?;
                if let Ending::Failed(reason) = ending {
                    let returned = self.table.failed(session, accepted.part, accepted.epoch, &reason, now)?;
                    self.returned(env, mail, accepted.part, returned, &reason);
                } else if accepted.over.is_some() {
                    self.settle(env, mail);
                }
            }
            Message::Yielded { session, part, epoch } => {
                let returned = self.table.revoked(session, part, epoch, now)?;
                self.returned(env, mail, part, returned, "");
            }
            Message::Gone { session, reason } => {
                self.sessions.remove(&session);
                self.waiting.retain(|&waiting| waiting != session);
                match self.table.gone(session, &reason, now) {
                    Some((part, returned)) => self.returned(env, mail, part, returned, &reason),
                    None => self.settle(env, mail),
                }
            }
            Message::Drain => {
                for takeover in self.table.drain() {
                    self.revoke(env, mail, takeover);
                }
                self.settle(env, mail);
            }
            Message::Dismiss(session) => {
                if self.sessions.contains(&session)
                    && let Some(lease) = self.table.dismiss(session)
                {
                    self.revoke(env, mail, lease);
                }
                self.settle(env, mail);
            }
            other => unreachable!("not for the dispatcher: {other:?}"),
        }
        Ok(())
    }
}
