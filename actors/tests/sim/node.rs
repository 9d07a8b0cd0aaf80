//! The GPU node's process: the actors' parts, each with a mailbox, so that they run in any order that real ones could.
//!
//! It is dropped at a crash and made again from what the disk has.

mod dispatcher;
mod feed;
mod mail;
mod session;
mod writer;

use crate::clock::{Actor, Event, Life, Timer};
use crate::env::Env;
use crate::net::{Chunk, ConnId, Ending, Way};
use dispatcher::Dispatcher;
use feed::{Batcher, Device, Interleaver};
use mail::{Mail, Message};
use session::Session;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use warcdl_actors::PartState;
use warcdl_actors::lease::{Archive, LeaseTable};
use warcdl_actors::results::{OpenError, Results};
use warcdl_actors::testkit::ModelDisk;
use writer::Writer;

/// How long a run that is stopped goes on scoring, and how long its last commit may take from then on.
const DRAIN: Duration = Duration::from_secs(6);
const LAST_COMMIT: Duration = Duration::from_secs(2);

/// Why the process ends by itself.
#[derive(Clone, Debug)]
pub enum Exit {
    /// The run is over, or was stopped.
    Finished,
    /// It cannot go on.
    Fault(String),
}

/// See the module.
pub struct Node {
    boot: Life,
    mail: Mail,
    sessions: BTreeMap<u64, Session>,
    dispatcher: Dispatcher,
    interleaver: Interleaver,
    batchers: Vec<Batcher>,
    devices: Vec<Device>,
    writer: Writer,
    /// The run is being stopped.
    pub draining: bool,
    /// Connections whose reader was killed by a record, or hangs at one.
    pub marked: BTreeSet<ConnId>,
}

impl Node {
    /// Starts from what the disk has.
    pub fn boot(env: &mut Env, disk: &ModelDisk, boot: Life) -> Result<Node, OpenError> {
        let identity = BTreeMap::from([("seed".to_owned(), "of the simulator".to_owned())]);
        let (results, recovered) = Results::open(Box::new(disk.clone()), identity, env.scenario.layout)?;
        env.oracle.recovered(&recovered);
        if recovered.torn_bytes > 0 {
            env.count("torn journal recovered");
        }
        if recovered.parts.len() > env.scenario.archives.len() {
            env.count("cut parts recovered");
        }
        let archives: Vec<Archive> = (0..)
            .zip(&env.scenario.archives)
            .map(|(i, archive): (u32, _)| Archive {
                name: i.to_string().into(),
                size: archive.size,
                etag: String::new(),
                named: None,
            })
            .collect();
        // Parts are committed as they change, so those that have not changed yet are not there.
        let mut parts = PartState::all_whole(archives.len());
        for state in recovered.parts {
            let index = state.part as usize;
            if index < parts.len() {
                parts[index] = state.resumed();
            } else {
                parts.push(state.resumed());
            }
        }
        if parts.iter().zip(0..).any(|(state, part)| state.part != part) {
            env.oracle.violated("the committed parts are not numbered without a gap");
        }
        let table = LeaseTable::new(archives, &parts, env.scenario.takeover);
        let mut node = Node {
            boot,
            mail: Mail::new(boot),
            sessions: BTreeMap::new(),
            dispatcher: Dispatcher::new(table),
            interleaver: Interleaver::default(),
            batchers: (0..env.scenario.devices)
                .map(|index| Batcher::new(index, env.scenario.batch))
                .collect(),
            devices: (0..env.scenario.devices).map(Device::new).collect(),
            writer: Writer::new(env, results, parts),
            draining: false,
            marked: BTreeSet::new(),
        };
        for timer in [Timer::Look, Timer::Retry, Timer::Rebalance] {
            env.clock.after(timer.period(env), Event::Tick { boot, timer });
        }
        let Node { batchers, devices, mail, dispatcher, .. } = &mut node;
        for (batcher, device) in batchers.iter_mut().zip(devices) {
            batcher.turn(env, mail, device);
        }
        dispatcher.settle(env, mail);
        Ok(node)
    }

    /// Why the process has ended, if it has.
    pub fn exit(&self) -> Option<&Exit> {
        self.mail.exit.as_ref()
    }

    /// A reader is connected.
    pub fn connect(&mut self, env: &mut Env, conn: ConnId) {
        let id = conn as u64;
        self.sessions.insert(id, Session::new(env, id));
        for timer in [Timer::Watch(id), Timer::Ping(id)] {
            env.clock.after(timer.period(env), Event::Tick { boot: self.boot, timer });
        }
    }

    /// Something arrives from a reader.
    pub fn arrive(&mut self, env: &mut Env, conn: ConnId, chunk: Chunk) {
        let id = conn as u64;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Err(reason) = session.arrive(env, &mut self.mail, chunk) {
            self.end_session(env, id, reason);
        }
        self.after(env);
    }

    /// An actor takes its next message.
    pub fn turn(&mut self, env: &mut Env, actor: Actor) {
        let Some(message) = self.mail.take(env, actor) else { return };
        let Node { mail, dispatcher, interleaver, batchers, devices, writer, .. } = self;
        match actor {
            Actor::Writer => writer.handle(env, mail, message),
            Actor::Dispatcher => dispatcher.handle(env, mail, message),
            Actor::Interleaver => interleaver.handle(env, mail, message),
            Actor::Batcher(index) => batchers[index].handle(env, mail, &mut devices[index], message),
            Actor::Session(id) => {
                if let (Some(session), Message::Work(work)) = (self.sessions.get_mut(&id), message)
                    && let Err(reason) = session.work(env, mail, work)
                {
                    self.end_session(env, id, reason);
                }
            }
        }
        self.after(env);
    }

    /// A timer is due.
    pub fn tick(&mut self, env: &mut Env, timer: Timer) {
        let Node { boot, mail, sessions, dispatcher, batchers, devices, writer, .. } = self;
        let again = match timer {
            Timer::Look => {
                writer.look(env, mail);
                true
            }
            Timer::Retry => {
                writer.retry(env, mail);
                true
            }
            Timer::Rebalance => {
                dispatcher.rebalance(env, mail);
                true
            }
            Timer::Batch(index, number) => {
                if batchers[index].timer == number {
                    batchers[index].turn(env, mail, &mut devices[index]);
                }
                false
            }
            Timer::Device(index) => {
                devices[index].done(env, mail);
                false
            }
            Timer::Watch(id) => {
                if let Some(reason) = sessions.get_mut(&id).and_then(|session| session.watch(env)) {
                    self.end_session(env, id, reason);
                }
                self.sessions.contains_key(&id)
            }
            Timer::Grant(id) => {
                if let Some(session) = sessions.get_mut(&id) {
                    session.grant_due = false;
                    session.grant(env);
                }
                false
            }
            Timer::Ping(id) => sessions.get_mut(&id).is_some_and(|session| {
                session.ping(env);
                true
            }),
            Timer::StopWriter => {
                mail.send(env, Actor::Writer, Message::Stop);
                env.clock.after(LAST_COMMIT, Event::Tick { boot: *boot, timer: Timer::TooLate });
                false
            }
            Timer::TooLate => {
                mail.exit.get_or_insert(Exit::Fault("stuck stopping".into()));
                false
            }
        };
        if again {
            env.clock.after(timer.period(env), Event::Tick { boot: self.boot, timer });
        }
        self.after(env);
    }

    /// The run is to be stopped.
    pub fn drain(&mut self, env: &mut Env) {
        if std::mem::replace(&mut self.draining, true) {
            return;
        }
        self.mail.send(env, Actor::Dispatcher, Message::Drain);
        env.clock.after(DRAIN, Event::Tick { boot: self.boot, timer: Timer::StopWriter });
    }

    /// The reader of a connection is not needed any more.
    pub fn dismiss(&mut self, env: &mut Env, conn: usize) {
        self.mail.send(env, Actor::Dispatcher, Message::Dismiss(conn as u64));
    }

    /// The process is gone, and its connections end so.
    pub fn end(self, env: &mut Env, ending: Ending) {
        for &id in self.sessions.keys() {
            env.end(id as usize, Way::ToReader, ending);
        }
    }

    fn end_session(&mut self, env: &mut Env, id: u64, reason: String) {
        let Some(session) = self.sessions.remove(&id) else { return };
        env.say(|| format!("session {id} ends: {reason}"));
        if let Some(held) = session.gate.held()
            && !self.marked.contains(&(id as usize))
        {
            env.oracle.died(self.boot, held.part, held.frontier, session.attempted);
        }
        env.end(id as usize, Way::ToReader, Ending::Closed);
        self.mail.send(env, Actor::Dispatcher, Message::Gone { session: id, reason });
    }

    /// What must hold after every event; and credit that was freed is granted.
    fn after(&mut self, env: &mut Env) {
        let window = env.scenario.window;
        for (id, session) in &mut self.sessions {
            let in_use = session.issuer.in_use();
            if in_use > window {
                env.oracle
                    .violated(format!("session {id} has {in_use} bytes of its window of {window} in use"));
            }
            session.freed(env, self.boot);
        }
        if self.writer.done && !self.writer.stopped {
            for (id, session) in &self.sessions {
                if session.issuer.in_use() > 0 {
                    env.oracle.violated(format!("session {id} does not get all its credit back"));
                }
            }
        }
    }
}

impl Timer {
    fn period(self, env: &Env) -> Duration {
        match self {
            Timer::Look => Duration::from_millis(100),
            Timer::Ping(_) => Duration::from_secs(5),
            Timer::Watch(_) => env.scenario.patience / session::WATCHES,
            _ => Duration::from_secs(1),
        }
    }
}
