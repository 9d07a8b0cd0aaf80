//! A seed's world, from its beginning to its end.

use crate::clock::{Clock, Event, Life, Wake};
use crate::env::Env;
use crate::faults::{Fault, Plan};
use crate::net::{Ending, Net, Way};
use crate::node::{Exit, Node};
use crate::oracle::Oracle;
use crate::reader::{Fortune, Reader};
use crate::rng::Rng;
use crate::scenario::{LIVENESS, Scenario};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use warcdl_actors::results::OpenError;
use warcdl_actors::testkit::{Fault as DiskFault, ModelDisk, Survival};

/// Every so many seeds, faults cease and the end must come soon.
const LIVENESS_EVERY: u64 = 4;
/// How long the others may take once their faults are over.
const PATIENCE: Duration = Duration::from_secs(600);
/// Events after which a seed is taken to go round in circles.
const MAX_EVENTS: u64 = 5_000_000;

/// How a seed ended.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// What was wrong.
    pub violation: Option<String>,
    /// Faults that came to pass.
    pub faults: u64,
    /// Records of the archives.
    pub records: u64,
    /// Records without a verdict, or with more than one.
    pub lost: u64,
    /// See [`Verdict::lost`].
    pub doubled: u64,
    /// Virtual time.
    pub time: Duration,
    /// How often what came to pass.
    pub seen: BTreeMap<&'static str, u64>,
}

struct World {
    env: Env,
    disk: ModelDisk,
    node: Option<Node>,
    boot: Life,
    readers: Vec<Reader>,
    plan: Plan,
    faults: u64,
    /// The node's process stands still until then.
    paused: Duration,
    over: bool,
}

/// Runs a seed.
pub fn run(seed: u64, trace: bool) -> Verdict {
    let mut rng = Rng::new(seed);
    let scenario = Rc::new(Scenario::draw(&mut rng, seed.is_multiple_of(LIVENESS_EVERY)));
    let plan = Plan::draw(&mut rng, &scenario);
    let mut world = World::new(rng, scenario, plan, trace);
    world.run();
    let World { env, faults, .. } = world;
    Verdict {
        violation: env.oracle.violation().map(str::to_owned),
        faults,
        records: env.scenario.records(),
        lost: env.oracle.lost,
        doubled: env.oracle.doubled,
        time: env.now(),
        seen: env.seen,
    }
}

impl World {
    fn new(rng: Rng, scenario: Rc<Scenario>, plan: Plan, trace: bool) -> World {
        let mut clock = Clock::default();
        let readers: Vec<Reader> =
            scenario.readers.iter().enumerate().map(|(id, &time)| Reader::new(id, time)).collect();
        clock.at(Duration::ZERO, Event::StartNode { boot: 1 });
        for reader in 0..readers.len() {
            clock.at(Duration::ZERO, Event::Reader { reader, life: 0, wake: Wake::Connect });
        }
        for (index, (at, _)) in plan.faults.iter().enumerate() {
            clock.at(*at, Event::Fault(index));
        }
        clock.at(plan.over, Event::Cease);
        let net = Net::new(readers.len(), scenario.delay);
        let oracle = Oracle::new(Rc::clone(&scenario));
        let env = Env { scenario, clock, rng, net, oracle, seen: BTreeMap::new(), trace };
        env.say(|| format!("{:?} with {} records", env.scenario, env.scenario.records()));
        World {
            env,
            disk: ModelDisk::default(),
            node: None,
            boot: 1,
            readers,
            plan,
            faults: 0,
            paused: Duration::ZERO,
            over: false,
        }
    }

    fn run(&mut self) {
        let allowed = if self.env.scenario.liveness { LIVENESS } else { PATIENCE };
        let deadline = self.plan.over + allowed;
        let mut events = 0;
        while !self.over && self.env.oracle.violation().is_none() {
            let Some(event) = self.env.clock.next() else {
                return self.env.oracle.violated("nothing is left to happen, and it is not over");
            };
            events += 1;
            if self.env.now() > deadline || events > MAX_EVENTS {
                return self.env.oracle.violated("it does not come to its end");
            }
            self.handle(event);
            self.look_after_node();
        }
    }

    fn handle(&mut self, event: Event) {
        let World { env, node, readers, boot, .. } = self;
        match event {
            event @ (Event::Turn { .. } | Event::Tick { .. }) if self.paused > env.now() => {
                env.clock.at(self.paused, event);
            }
            Event::Turn { boot: of, actor } if of == *boot => {
                if let Some(node) = node {
                    node.turn(env, actor);
                }
            }
            Event::Tick { boot: of, timer } if of == *boot => {
                if let Some(node) = node {
                    node.tick(env, timer);
                }
            }
            Event::Turn { .. } | Event::Tick { .. } => {}
            Event::StartNode { boot } => self.start_node(boot),
            Event::Arrive { conn, way: Way::ToNode } if self.paused > env.now() => {
                env.clock.at(self.paused, Event::Arrive { conn, way: Way::ToNode });
            }
            Event::Arrive { conn, way: Way::ToNode } => {
                let Some(chunk) = env.net.arrive(&mut env.clock, conn, Way::ToNode) else { return };
                let Some(node) = node else { return };
                if env.net.conns[conn].boot == *boot {
                    node.arrive(env, conn, chunk);
                } else {
                    // It knows nothing of this connection, and says so.
                    env.end(conn, Way::ToReader, Ending::Closed);
                }
            }
            Event::Arrive { conn, way } => {
                let reader = &mut readers[env.net.conns[conn].reader];
                if reader.paused > env.now() {
                    env.clock.at(reader.paused, Event::Arrive { conn, way });
                } else if let Some(chunk) = env.net.arrive(&mut env.clock, conn, way)
                    && env.net.conns[conn].life == reader.life
                {
                    let fortune = reader.arrive(env, chunk);
                    let id = reader.id;
                    self.look_after_reader(id, fortune);
                }
            }
            Event::Reader { reader: id, life, wake } => {
                let reader = &mut readers[id];
                if reader.life != life {
                } else if reader.paused > env.now() {
                    env.clock.at(reader.paused, Event::Reader { reader: id, life, wake });
                } else if matches!(wake, Wake::Connect) {
                    self.connect(id);
                } else {
                    let fortune = reader.wake(env, wake);
                    self.look_after_reader(id, fortune);
                }
            }
            Event::Stall { reader, until } => {
                let link = &mut env.net.links[reader];
                link.stalled = link.stalled.max(until);
            }
            Event::Fault(index) => {
                let (_, fault) = self.plan.faults[index].clone();
                self.inject(fault);
            }
            Event::Cease => {
                env.say(|| "faults cease".into());
                env.net.break_none();
                env.net.links.iter_mut().for_each(|link| link.delay = env.scenario.delay);
                if !self.disk.is_stopped() {
                    self.disk.restart();
                }
            }
        }
    }

    fn connect(&mut self, id: usize) {
        let World { env, node, readers, boot, .. } = self;
        let reader = &mut readers[id];
        let link = &env.net.links[id];
        match node {
            Some(node) if link.stalled <= env.clock.now() => {
                let conn = env.net.connect(id, reader.life, *boot);
                env.say(|| format!("reader {id} connects as {conn}"));
                node.connect(env, conn);
                reader.connected(env, conn);
            }
            _ => {
                let wait = env.rng.millis(50, 300);
                env.clock.after(wait, Event::Reader { reader: id, life: reader.life, wake: Wake::Connect });
            }
        }
    }

    /// Ends a reader's process, if it is to end, and starts the next.
    fn look_after_reader(&mut self, id: usize, fortune: Fortune) {
        let process = self.readers[id].process.as_ref();
        if let (Some(node), Some(process)) = (&mut self.node, process)
            && (fortune == Fortune::Killed || process.hangs_at_record)
        {
            node.marked.insert(process.conn);
        }
        match fortune {
            Fortune::Lives => {}
            Fortune::Ends => self.end_reader(id, Ending::Closed),
            Fortune::Killed => {
                self.env.say(|| format!("a record kills reader {id}"));
                self.env.count("reader killed by a record");
                let ending = if self.env.rng.one_in(2) { Ending::Closed } else { Ending::Cut };
                self.end_reader(id, ending);
            }
        }
    }

    fn end_reader(&mut self, id: usize, ending: Ending) {
        let World { env, readers, .. } = self;
        env.say(|| format!("reader {id} ends: {ending:?}"));
        readers[id].end(env, ending);
        let wait = env.rng.millis(10, 500);
        env.clock.after(wait, Event::Reader { reader: id, life: readers[id].life, wake: Wake::Connect });
    }

    fn start_node(&mut self, boot: Life) {
        if boot != self.boot || self.node.is_some() {
            return;
        }
        match Node::boot(&mut self.env, &self.disk, boot) {
            Ok(node) => {
                self.env.say(|| format!("node {boot} is up"));
                self.node = Some(node);
            }
            Err(error) => {
                self.env.say(|| format!("node {boot} cannot start: {error}"));
                self.env.count("recovery broken off");
                if !matches!(error, OpenError::Write(_)) {
                    return self.env.oracle.violated(format!("the results cannot be opened: {error}"));
                }
                let survival = self.disk.is_stopped().then(|| Survival::Random(self.env.rng.next()));
                self.end_node(survival, Ending::Cut);
            }
        }
    }

    /// The node's process ends, with its machine if something is said to survive; it will start again.
    fn end_node(&mut self, survival: Option<Survival>, ending: Ending) {
        let World { env, disk, node, .. } = self;
        env.say(|| format!("the node ends, its machine: {survival:?}"));
        if let Some(node) = node.take() {
            node.end(env, ending);
        }
        match survival {
            Some(survival) => disk.crash(survival),
            None => disk.restart(),
        }
        self.boot += 1;
        self.paused = Duration::ZERO;
        let wait = env.rng.millis(20, 800);
        env.clock.after(wait, Event::StartNode { boot: self.boot });
    }

    /// Whether the node lives, is over, or has come to harm.
    fn look_after_node(&mut self) {
        if self.disk.is_stopped() {
            let survival = Survival::Random(self.env.rng.next());
            self.env.count("node crashed in a commit");
            return self.end_node(Some(survival), Ending::Cut);
        }
        let Some(node) = &self.node else { return };
        match node.exit() {
            None => {}
            Some(Exit::Fault(fault)) => {
                self.env.say(|| format!("the node gives up: {fault}"));
                self.env.count("node gave up");
                self.end_node(None, Ending::Closed);
            }
            Some(Exit::Finished) => {
                if self.env.oracle.all_over() {
                    return self.finish();
                }
                if !node.draining && !self.env.oracle.gave_up() {
                    self.env.oracle.violated("the run ended before everything was over");
                }
                self.end_node(None, Ending::Closed);
            }
        }
    }

    /// Everything is over: what is there must be there even if the machine stops now.
    fn finish(&mut self) {
        self.over = true;
        let World { env, disk, node, .. } = self;
        env.say(|| "it is over".into());
        *node = None;
        disk.crash(Survival::Nothing);
        env.oracle.check_end(&disk.files());
        if env.oracle.violation().is_none()
            && let Err(error) = Node::boot(env, disk, 0)
        {
            env.oracle.violated(format!("the finished results cannot be opened: {error}"));
        }
    }

    fn inject(&mut self, fault: Fault) {
        self.env.say(|| format!("FAULT {fault:?}"));
        let World { env, disk, node, readers, .. } = self;
        let now = env.now();
        let (up, read) = (node.is_some(), |reader: &usize| readers[*reader].process.is_some());
        let effective = match &fault {
            Fault::KillReader { reader, .. } | Fault::Break { reader, .. } => read(reader),
            Fault::HangReader(reader) | Fault::FailFetch(reader) => read(reader),
            Fault::Dismiss(reader) => up && read(reader),
            Fault::CrashNode { .. } | Fault::KillNode | Fault::PauseNode(_) | Fault::Stop => up,
            _ => true,
        };
        if !effective {
            return;
        }
        self.faults += 1;
        env.count(fault.name());
        match fault {
            Fault::KillReader { reader, ending } => {
                let ending =
                    [Ending::Closed, Ending::Closed, Ending::Cut, Ending::Cut, Ending::Silent][ending];
                self.end_reader(reader, ending);
            }
            Fault::HangReader(reader) => {
                if let Some(process) = &mut readers[reader].process {
                    process.hangs = true;
                }
            }
            Fault::PauseReader { reader, time } => readers[reader].paused = now + time,
            Fault::FailFetch(reader) => readers[reader].fetch_fails = true,
            Fault::Dismiss(reader) => {
                if let (Some(node), Some(process)) = (node, &readers[reader].process) {
                    node.dismiss(env, process.conn);
                }
            }
            Fault::Break { reader, to_node, bytes } => {
                if let Some(process) = &readers[reader].process {
                    let way = if to_node { Way::ToNode } else { Way::ToReader };
                    env.net.break_after(process.conn, way, bytes);
                }
            }
            Fault::Delay { reader, delay } => env.net.links[reader].delay = delay,
            Fault::Stall { reader, time } => {
                env.clock.at(now, Event::Stall { reader, until: now + time });
            }
            Fault::Swizzle { readers, step, time } => {
                for (reader, n) in readers.into_iter().zip(0..) {
                    let until = now + step * n + env.rng.micros(0, time.as_micros() as u64);
                    env.clock.at(now + step * n, Event::Stall { reader, until });
                }
            }
            Fault::CrashNode { survival, again, silent } => {
                self.end_node(Some(survival), if silent { Ending::Silent } else { Ending::Cut });
                if let Some(calls) = again {
                    self.disk.fail_at(self.disk.calls() + calls, DiskFault::Crash);
                }
            }
            Fault::PauseNode(time) => self.paused = now + time,
            Fault::KillNode => self.end_node(None, Ending::Cut),
            Fault::Disk { calls, fault } => disk.fail_at(disk.calls() + calls, fault),
            Fault::FillDisk { writes } => disk.fill_for(writes),
            Fault::Stop => {
                if let Some(node) = node {
                    node.drain(env);
                }
            }
        }
    }
}
