//! The engine against scripts: one story each, told from the engine's first word on.

mod end;
mod manager;
mod readers;

use super::*;
use crate::{ApplicationId, AttemptId, Resource};

const READER: Resource = Resource { memory_mb: 2048, vcores: 2 };

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn id(n: i64) -> ContainerId {
    ContainerId {
        attempt: AttemptId { application: ApplicationId { cluster_timestamp: 1, id: 1 }, attempt: 1 },
        id: n,
    }
}

fn node(host: &str) -> NodeId {
    NodeId { host: host.into(), port: 8041 }
}

fn token(kind: &str) -> Token {
    Token { identifier: Vec::new(), password: b"p".into(), kind: kind.into(), service: String::new() }
}

/// A container on the node of this name.
fn on(host: &str, n: i64) -> Container {
    Container {
        id: id(n),
        node: node(host),
        http_address: format!("{host}:8042"),
        resource: READER,
        priority: 10,
        allocation_request_id: -1,
        token: token("ContainerToken"),
    }
}

fn over(n: i64, status: i32) -> Completed {
    Completed { id: id(n), status, diagnostics: format!("said of {n}") }
}

/// An engine, its clock, and what it has asked for since anybody looked.
struct Script {
    engine: Engine,
    now: Duration,
    actions: Vec<Action>,
    response_id: i32,
}

impl Script {
    /// A registered attempt that wants so many readers and has none; nodes `a` to `i` have their tokens.
    fn registered(target: u32) -> Script {
        Script::with(Script::settings(), target)
    }

    fn settings() -> Settings {
        Settings { user: "janek".into(), ..Settings::new(READER) }
    }

    /// One with other settings.
    fn with(settings: Settings, target: u32) -> Script {
        let engine = Engine::new(settings, Duration::ZERO);
        let mut script = Script { engine, now: Duration::ZERO, actions: Vec::new(), response_id: 0 };
        script.tell(Event::GpuBack);
        assert!(script.take(|action| matches!(action, Action::Register)).is_some());
        script.tell(Event::TargetSet { readers: target, idle: Vec::new() });
        let nm_tokens = "abcdefghi".chars().map(|host| (node(&host.to_string()), token("NMToken"))).collect();
        let largest = Resource { memory_mb: 8192, vcores: 8 };
        script.tell(Event::Registered(Registered { largest, previous: Vec::new(), nm_tokens }));
        script
    }

    /// One with so many readers that run, on the nodes `a`, `b`, …
    fn running(target: u32) -> Script {
        Script::registered(target).filled()
    }

    /// The same of an attempt that none follows.
    fn unmanaged(target: u32) -> Script {
        Script::with(Settings { managed: false, ..Script::settings() }, target).filled()
    }

    /// Gets what it wants.
    fn filled(self) -> Script {
        let mut script = self;
        let target = script.engine.census().target;
        let hosts = "abcdefghi".chars().take(target as usize);
        let allocated = hosts.zip(1..).map(|(host, n)| on(&host.to_string(), n)).collect();
        script.reply(AllocateReply { allocated, ..AllocateReply::default() });
        for n in 1..=target.into() {
            script.tell(Event::StartResult { container: id(n), result: Ok(()) });
        }
        assert_eq!(script.engine.census().running, target);
        script.actions.clear();
        script
    }

    fn tell(&mut self, event: Event) {
        self.actions.extend(self.engine.handle(self.now, event));
    }

    /// Lets time pass, in steps of a quarter of a second.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now += Duration::from_millis(250);
            self.tell(Event::Tick);
        }
    }

    /// Removes the first action like this.
    fn take(&mut self, is: impl Fn(&Action) -> bool) -> Option<Action> {
        let at = self.actions.iter().position(is)?;
        Some(self.actions.remove(at))
    }

    /// The heartbeat that is under way, or the next.
    fn heartbeat(&mut self) -> AllocateRequest {
        for _ in 0..200 {
            if let Some(Action::Allocate(request)) = self.take(|action| matches!(action, Action::Allocate(_)))
            {
                return request;
            }
            self.pass(Duration::from_millis(250));
        }
        panic!("no heartbeat: {:?}", self.actions);
    }

    /// Answers the next heartbeat, which is given.
    fn reply(&mut self, reply: AllocateReply) -> AllocateRequest {
        let request = self.heartbeat();
        assert_eq!(request.response_id, self.response_id);
        self.response_id += 1;
        let (response_id, cluster_nodes) = (self.response_id, 9);
        self.tell(Event::Allocated(Box::new(AllocateReply { response_id, cluster_nodes, ..reply })));
        request
    }

    fn ended(&mut self, completed: Vec<Completed>) -> AllocateRequest {
        self.reply(AllocateReply { completed, ..AllocateReply::default() })
    }

    /// What the next heartbeat that asks asks for.
    fn asked(&mut self) -> u32 {
        for _ in 0..100 {
            let request = self.ended(Vec::new());
            if let Some(ask) = request.asks.first() {
                return ask.count;
            }
        }
        panic!("nothing is asked for");
    }

    fn started(&mut self) -> Vec<i64> {
        let mut started = Vec::new();
        while let Some(Action::Start { container, .. }) =
            self.take(|action| matches!(action, Action::Start { .. }))
        {
            started.push(container.id.id);
        }
        started
    }

    fn drained(&mut self) -> Vec<i64> {
        let mut drained = Vec::new();
        while let Some(Action::Drain { container, .. }) =
            self.take(|action| matches!(action, Action::Drain { .. }))
        {
            drained.push(container.id);
        }
        drained
    }

    fn stopped(&mut self) -> Vec<i64> {
        let mut stopped = Vec::new();
        while let Some(Action::Stop { container, .. }) =
            self.take(|action| matches!(action, Action::Stop { .. }))
        {
            stopped.push(container.id);
        }
        stopped
    }

    fn reported(&mut self, is: impl Fn(&Report) -> bool) -> bool {
        self.take(|action| matches!(action, Action::Report(report) if is(report))).is_some()
    }

    /// What the ResourceManager is told in the end, once readers have had their time.
    fn farewell(&mut self) -> (FinalStatus, String) {
        for _ in 0..100 {
            if let Some(Action::Unregister { status, diagnostics }) =
                self.take(|action| matches!(action, Action::Unregister { .. }))
            {
                return (status, diagnostics);
            }
            if self.take(|action| matches!(action, Action::Allocate(_))).is_some() {
                self.response_id += 1;
                let response_id = self.response_id;
                self.tell(Event::Allocated(Box::new(AllocateReply {
                    response_id,
                    ..AllocateReply::default()
                })));
            }
            self.pass(Duration::from_millis(250));
        }
        panic!("no end: {:?}", self.actions);
    }
}
