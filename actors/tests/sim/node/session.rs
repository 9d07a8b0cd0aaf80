//! The part of `session.rs`.

use super::mail::{Ending, Mail, Message, Work};
use crate::clock::{Actor, Event, Life, Timer};
use crate::env::Env;
use crate::net::{Chunk, MAX_FRAME, Way};
use bytes::BytesMut;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;
use tokio_util::codec::Decoder;
use warcdl_actors::Accepted;
use warcdl_actors::credit::{Issuer, ReturnsWatch};
use warcdl_actors::gate::{Gate, Held, Passed};
use warcdl_actors::message::Admitted;
use warcdl_actors::metrics::ReaderFigure;
use warcdl_actors::patience::Patience;
use warcdl_actors::wire::codec::Received;
use warcdl_actors::wire::{Frame, FrameCodec, Lease};

/// Looks after a reader within the node's patience.
pub const WATCHES: u32 = 4;
const GRANT_EVERY: Duration = Duration::from_millis(20);

/// A connected reader.
pub struct Session {
    id: u64,
    codec: FrameCodec,
    inbox: BytesMut,
    /// Its window.
    pub issuer: Issuer,
    watch: ReturnsWatch,
    /// A grant is to be made soon.
    pub grant_due: bool,
    /// Its lease.
    pub gate: Gate,
    /// Whether its reader is in the middle of a record that it has announced.
    pub attempted: bool,
    patience: Patience,
    /// Looks after it at which it neither had a lease, nor asked for one, nor waited for credit.
    unemployed: u32,
    asked: bool,
    finishing: bool,
}

impl Session {
    /// A session that begins now.
    pub fn new(env: &Env, id: u64) -> Session {
        let mut codec = FrameCodec::new();
        codec.set_limit(MAX_FRAME);
        let issuer = Issuer::new(env.scenario.window);
        Session {
            id,
            codec,
            inbox: BytesMut::new(),
            watch: issuer.watch(),
            issuer,
            grant_due: false,
            gate: Gate::default(),
            attempted: false,
            patience: Patience::new(env.scenario.patience, env.now()),
            unemployed: 0,
            asked: false,
            finishing: false,
        }
    }

    /// Takes what arrives; an error ends the session.
    pub fn arrive(&mut self, env: &mut Env, mail: &mut Mail, chunk: Chunk) -> Result<(), String> {
        let Chunk::Bytes(bytes) = chunk else {
            return Err(if self.finishing { "finished" } else { "the reader closed the connection" }.into());
        };
        self.inbox.extend_from_slice(&bytes);
        loop {
            let received = match self.codec.decode(&mut self.inbox) {
                Ok(Some(received)) => self.receive(env, mail, received),
                Ok(None) => return Ok(()),
                Err(error) => Err(error.to_string()),
            };
            // The readers here do nothing wrong.
            if let Err(error) = received {
                env.oracle.violated(format!("session {} does not take a frame: {error}", self.id));
                return Err(error);
            }
        }
    }

    fn receive(&mut self, env: &mut Env, mail: &mut Mail, received: Received) -> Result<(), String> {
        let Received { frame, cost } = received;
        let now = env.now();
        self.patience.heard(now);
        let credit = match frame.frame_type().is_data() {
            true => Some(self.issuer.receive(cost).map_err(|overdrawn| overdrawn.to_string())?),
            false => None,
        };
        let session = self.id;
        let passed = self.gate.receive(frame).map_err(|error| error.to_string())?;
        if !matches!(passed, Passed::Ready | Passed::Stats(_) | Passed::Fenced) {
            self.patience.moved(now);
            self.attempted = matches!(passed, Passed::Attempt(_));
        }
        match passed {
            Passed::Ready => {
                self.asked = true;
                mail.send(env, Actor::Dispatcher, Message::Ready(session));
            }
            Passed::Stats(stats) => {
                let pulse = stats.0.get(ReaderFigure::Pulse as usize).copied().unwrap_or(0);
                self.patience.pulse(pulse, now);
            }
            Passed::Record(accepted, key, prepared) => {
                let Some(credit) = credit else { return Err("a record without credit".into()) };
                mail.send(env, Actor::Writer, Message::Accepted(accepted.clone()));
                let record = Admitted { part: accepted.part, key, prepared: *prepared, credit };
                mail.send(env, Actor::Interleaver, Message::Arrived { session, record });
                self.tell(env, mail, accepted, Ending::None);
            }
            Passed::Progress(accepted) => {
                mail.send(env, Actor::Writer, Message::Accepted(accepted.clone()));
                self.tell(env, mail, accepted, Ending::None);
            }
            Passed::Attempt(accepted) => {
                mail.send(env, Actor::Writer, Message::Accepted(accepted.clone()));
                self.tell(env, mail, accepted, Ending::Attempt);
                self.say(env, Frame::Go);
            }
            Passed::Failed(accepted, reason) => {
                env.oracle.failed(mail.boot(), accepted.part, accepted.progress.next);
                mail.send(env, Actor::Writer, Message::Accepted(accepted.clone()));
                self.tell(env, mail, accepted, Ending::Failed(reason));
            }
            Passed::Fenced => env.count("frame fenced"),
        }
        Ok(())
    }

    fn tell(&self, env: &mut Env, mail: &mut Mail, accepted: Accepted, ending: Ending) {
        mail.send(env, Actor::Dispatcher, Message::Advanced { session: self.id, accepted, ending });
    }

    /// Does what the dispatcher says.
    pub fn work(&mut self, env: &mut Env, mail: &mut Mail, work: Work) -> Result<(), String> {
        match work {
            Work::Lease(warc, lease) => {
                let Lease { part, epoch, start: frontier, .. } = lease;
                self.gate.lease(Held { warc, part, epoch, frontier });
                self.attempted = false;
                self.asked = false;
                self.patience.moved(env.now());
                self.say(env, Frame::Lease(lease));
            }
            Work::Revoke { part, epoch } => {
                if self.gate.fence(part, epoch) {
                    let session = self.id;
                    mail.send(env, Actor::Dispatcher, Message::Yielded { session, part, epoch });
                    self.say(env, Frame::Fence { part, epoch });
                }
            }
            Work::Finish => {
                self.finishing = true;
                self.say(env, Frame::Finish);
            }
        }
        Ok(())
    }

    fn say(&mut self, env: &mut Env, frame: Frame) {
        env.send(self.id as usize, Way::ToReader, frame);
        self.grant(env);
    }

    /// The node's heartbeat.
    pub fn ping(&mut self, env: &mut Env) {
        self.say(env, Frame::Ping);
    }

    /// Grants what was freed.
    pub fn grant(&mut self, env: &mut Env) {
        if let Some(granted) = self.issuer.next_grant() {
            env.send(self.id as usize, Way::ToReader, Frame::Grant { granted });
        }
    }

    /// Grants at once if a quarter of the window was freed, and soon if anything was.
    pub fn freed(&mut self, env: &mut Env, boot: Life) {
        let quarter =
            pin!(self.watch.quarter_free()).poll(&mut Context::from_waker(Waker::noop())).is_ready();
        if quarter {
            self.grant(env);
        } else if !self.grant_due && self.issuer.in_use() + self.issuer.available() != env.scenario.window {
            self.grant_due = true;
            env.clock.after(GRANT_EVERY, Event::Tick { boot, timer: Timer::Grant(self.id) });
        }
    }

    /// Why the reader is given up, if it is.
    pub fn watch(&mut self, env: &mut Env) -> Option<String> {
        let may_send = self.issuer.available() >= env.scenario.max_record;
        let given_up = self.patience.check(env.now(), self.gate.is_busy(), may_send);
        self.unemployed += 1;
        if self.gate.held().is_some() || self.asked || !may_send {
            self.unemployed = 0;
        } else if given_up.is_none() && self.unemployed > 3 * WATCHES {
            env.oracle.violated(format!("session {} neither works nor waits for work", self.id));
        }
        let given_up = given_up?;
        env.count("reader given up");
        Some(format!("{given_up:?}"))
    }
}
