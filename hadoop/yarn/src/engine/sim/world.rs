//! The world around the engine: time, the network, the GPU node, faults; and the oracle that watches.

mod faults;
mod network;
mod oracle;

use super::cluster::{Cluster, Life, Node, READER, node_id, token};
use super::rng::Rng;
use crate::engine::*;
use oracle::Ending;
pub use oracle::Seen;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const TICK: Duration = Duration::from_millis(500);
/// Faults happen until then.
const CHAOS: Duration = Duration::from_secs(120);
/// And then there is peace until then, in which all is to be as it should.
const PEACE: Duration = Duration::from_secs(270);
/// The end may take so long.
const END: Duration = Duration::from_secs(200);
/// What was under way at the exit is over so long after it.
const AFTER: Duration = Duration::from_secs(20);

/// What happens.
enum Happening {
    Tick,
    /// The engine of this life is told.
    Tell(u32, Event),
    /// A request of this life arrives at the ResourceManager.
    AtManager(u32, Action),
    /// A request of this life arrives at a node.
    AtNode(u32, Action),
    ReaderEnds(i64, i32),
    NodeBack(usize),
    ManagerBack,
    MasterBack,
    /// The link to the GPU node is made.
    GpuJoins(u32),
    Preempt(i64),
    Fault,
    Retarget,
    Progress,
    Peace,
    End,
}

/// The world.
pub struct World {
    now: Duration,
    made: u64,
    agenda: BTreeMap<(Duration, u64), Box<Happening>>,
    rng: Rng,
    cluster: Cluster,
    engine: Option<Engine>,
    life: u32,
    target: u32,
    delivered: u64,
    peace: bool,
    ending: Ending,
    /// YARN starts attempts. Otherwise there is but one in truth, which changes nothing for those of the model.
    managed: bool,
    /// It left its readers to the next one.
    left: bool,
    /// A request to the ResourceManager has no answer yet.
    outstanding: bool,
    /// The heartbeat that was said last.
    said: Option<AllocateRequest>,
    ended: BTreeSet<ContainerId>,
    tokens_taken: BTreeSet<u8>,
    /// Containers of earlier attempts that this one knows of.
    adopted: BTreeSet<ContainerId>,
    /// The answer to the registration was lost that named them and brought tokens for their nodes. YARN says it only once.
    blind: bool,
    exited: Option<(Duration, u8, FinalStatus)>,
    trace: bool,
    seen: Seen,
}

/// Runs a seed to its end.
pub fn run(seed: u64, trace: bool) -> Seen {
    let mut rng = Rng::new(seed);
    let count = rng.within(3, 8) as usize;
    let nodes: Vec<_> = (0..count)
        .map(|node| Node { up: true, bad: node == 0 && rng.one_in(3), slots: rng.within(2, 4) as usize })
        .collect();
    // What is left when a third of the nodes is listed.
    let sure = (count - count / 3) as u64 * 2;
    let target = rng.within(1, sure) as u32;
    let ending = rng.pick(&[
        Ending::Finish,
        Ending::Finish,
        Ending::Drain,
        Ending::Kill,
        Ending::GpuLost,
        Ending::AttemptForgotten,
        Ending::ManagerLost,
    ]);
    let managed = !rng.one_in(3);
    let mut world = World {
        now: Duration::ZERO,
        made: 0,
        agenda: BTreeMap::new(),
        rng,
        cluster: Cluster::new(nodes),
        engine: None,
        life: 0,
        target,
        delivered: 0,
        peace: false,
        ending,
        managed,
        left: false,
        outstanding: false,
        said: None,
        ended: BTreeSet::new(),
        tokens_taken: BTreeSet::new(),
        adopted: BTreeSet::new(),
        blind: false,
        exited: None,
        trace,
        seen: Seen::default(),
    };
    world.begin_attempt();
    world.after(TICK, Happening::Tick);
    world.after(TICK, Happening::Progress);
    world.after(TICK, Happening::Fault);
    world.after(CHAOS, Happening::Peace);
    for _ in 0..3 {
        let at = world.rng.millis(1000, 100_000);
        world.after(at, Happening::Retarget);
    }
    world.after(PEACE, Happening::End);
    while let Some(((at, _), happening)) = world.agenda.pop_first() {
        world.now = at;
        let over = world.exited.is_some_and(|(exit, ..)| at > exit + AFTER);
        if over || at > PEACE + END {
            break;
        }
        world.happen(*happening, sure as u32);
    }
    world.judge()
}

impl World {
    fn after(&mut self, wait: Duration, happening: Happening) {
        self.made += 1;
        self.agenda.insert((self.now + wait, self.made), Box::new(happening));
    }

    fn settings(&self) -> Settings {
        let seconds = Duration::from_secs;
        Settings {
            managed: self.managed,
            gpu_grace: seconds(30),
            rm_patience: seconds(60),
            unregister_patience: seconds(60),
            stable_after: seconds(20),
            preemption_hold: seconds(10),
            start_patience: seconds(20),
            allocated_patience: seconds(60),
            max_starts: 4,
            ..Settings::new(READER)
        }
    }

    fn begin_attempt(&mut self) {
        self.life += 1;
        self.engine = Some(Engine::new(self.settings(), self.now));
        self.outstanding = false;
        self.ended.clear();
        self.tokens_taken.clear();
        self.adopted.clear();
        self.blind = false;
        // What the dead attempt had asked to end and still runs is the new one's; if it was told so.
        self.cluster.containers.values_mut().for_each(|held| held.leaving = true);
        let wait = self.rng.millis(100, 2000);
        self.after(wait, Happening::GpuJoins(self.life));
    }

    fn target_event(&mut self) -> Event {
        let running = self.cluster.running();
        let idle = running.into_iter().filter(|_| self.rng.one_in(3)).collect::<Vec<_>>();
        let idle = idle.into_iter().map(|id| self.cluster.id_of(id)).collect();
        Event::TargetSet { readers: self.target, idle }
    }

    fn happen(&mut self, happening: Happening, sure: u32) {
        match happening {
            Happening::Tick => {
                self.tell(Event::Tick);
                self.after(if self.peace { TICK * 2 } else { TICK }, Happening::Tick);
            }
            Happening::Tell(life, event) if life == self.life => {
                self.tell(event);
            }
            Happening::Tell(..) => {}
            Happening::AtManager(life, action) => self.at_manager(life, action),
            Happening::AtNode(life, action) => self.at_node(life, action),
            Happening::ReaderEnds(id, status) => {
                if self.cluster.containers[&id].life == Life::Running {
                    self.cluster.end(id, status);
                }
            }
            Happening::NodeBack(node) => self.cluster.nodes[node].up = true,
            Happening::ManagerBack => {
                self.cluster.restart(&mut self.rng);
                self.blind = false;
            }
            Happening::MasterBack => {
                self.cluster.next_attempt();
                self.seen.restarts += 1;
                self.begin_attempt();
            }
            Happening::GpuJoins(life) => {
                if life == self.life {
                    self.tell(Event::GpuBack);
                    let event = self.target_event();
                    self.tell(event);
                }
            }
            Happening::Preempt(id) => {
                if self.cluster.containers[&id].life == Life::Running {
                    self.cluster.end(id, -102);
                }
            }
            Happening::Fault if self.peace => {}
            Happening::Fault => {
                self.fault();
                let wait = self.rng.millis(200, 8000);
                self.after(wait, Happening::Fault);
            }
            Happening::Retarget => {
                self.target = self.rng.within(0, u64::from(sure)) as u32;
                let event = self.target_event();
                self.tell(event);
            }
            Happening::Progress => {
                self.delivered += self.cluster.running().len() as u64;
                self.tell(Event::Progress { done: 0.5, delivered: self.delivered });
                self.after(Duration::from_secs(5), Happening::Progress);
            }
            Happening::Peace => {
                self.peace = true;
                self.cluster.nodes.iter_mut().for_each(|node| node.bad = false);
                if self.target == 0 {
                    self.target = 1;
                }
                self.tell(Event::GpuBack);
                let event = self.target_event();
                self.tell(event);
            }
            Happening::End => self.end(),
        }
    }

    /// Tells the engine, and sees to it that what it wants done is done.
    fn tell(&mut self, event: Event) {
        let answers = matches!(
            event,
            Event::Registered(_)
                | Event::RegisterFailed(_)
                | Event::Allocated(_)
                | Event::AllocateFailed(_)
                | Event::Unregistered { .. }
                | Event::UnregisterFailed(_)
        );
        if answers {
            self.outstanding = false;
        }
        let adopted = match &event {
            Event::Registered(registered) => registered.previous.clone(),
            Event::Allocated(reply) => reply.previous.clone(),
            _ => Vec::new(),
        };
        for container in adopted {
            let held = self.cluster.containers.get_mut(&container.id.id).unwrap();
            if held.attempt < self.cluster.attempt && self.adopted.insert(container.id) {
                held.leaving = false;
                self.seen.adopted += 1;
            }
        }
        let Some(engine) = &mut self.engine else { return };
        if self.trace && !matches!(event, Event::Tick) {
            println!("{:9.3} -> {event:?}", self.now.as_secs_f64());
        }
        let actions = engine.handle(self.now, event);
        for action in actions {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        assert!(self.exited.is_none(), "{action:?} after the exit");
        if self.trace {
            println!("{:9.3} <- {action:?}", self.now.as_secs_f64());
        }
        let life = self.life;
        let wait = self.rng.millis(5, 150);
        match action {
            Action::Register | Action::Allocate(_) | Action::Unregister { .. } => {
                assert!(!std::mem::replace(&mut self.outstanding, true), "two requests: {action:?}");
                if let Action::Allocate(request) = &action {
                    self.check_asks(request);
                    for id in &request.releases {
                        self.cluster.containers.get_mut(&id.id).expect("it was given").leaving = true;
                    }
                }
                self.after(wait, Happening::AtManager(life, action));
            }
            Action::UseToken(token) => {
                assert!(self.tokens_taken.insert(token.password[0]), "a token is taken once");
            }
            Action::Start { ref container, ref nm_token } => {
                let node = self.cluster.containers[&container.id.id].node;
                assert_eq!(*nm_token, token("NMToken", node as u8), "for {node}");
                let held = self.cluster.containers.get_mut(&container.id.id).unwrap();
                assert!(!held.asked && !held.leaving, "{} is started twice, or after all", container.id);
                held.asked = true;
                self.seen.started += 1;
                self.check_overshoot();
                self.after(wait, Happening::AtNode(life, action));
            }
            Action::Drain { container, .. } => {
                self.leave(container);
                if !self.rng.one_in(8) {
                    let wait = self.rng.millis(200, 9000);
                    self.after(wait, Happening::ReaderEnds(container.id, 0));
                }
            }
            Action::Stop { container, ref node, .. } => {
                self.leave(container);
                assert_eq!(*node, node_id(self.cluster.containers[&container.id].node));
                self.after(wait, Happening::AtNode(life, action));
            }
            Action::Report(report) => self.hear(report),
            Action::Exit { code, status, diagnostics } => {
                self.exited = Some((self.now, code, status));
                self.seen.given_up = self.now < PEACE;
                assert!(!diagnostics.is_empty());
            }
        }
    }

    fn leave(&mut self, id: ContainerId) {
        self.cluster.containers.get_mut(&id.id).expect("it was given").leaving = true;
    }
}
