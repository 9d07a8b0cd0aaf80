//! A model of YARN: the ResourceManager's bookkeeping as seen by an application master, and what runs on the nodes.

use super::rng::Rng;
use crate::engine::*;
use crate::{ApplicationId, AttemptId, Resource};
use std::collections::{BTreeMap, BTreeSet};

/// The size of every container of the model.
pub const READER: Resource = Resource { memory_mb: 2048, vcores: 2 };

/// A node.
pub struct Node {
    pub up: bool,
    /// Starts fail there.
    pub bad: bool,
    pub slots: usize,
}

/// How far a container of the model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Allocated.
    Held,
    /// A reader runs in it.
    Running,
    /// It is over.
    Over,
}

/// A container of the model.
#[derive(Clone, Debug)]
pub struct Held {
    pub node: usize,
    pub attempt: i32,
    pub life: Life,
    /// The master has asked to start it.
    pub asked: bool,
    /// The master has asked that it end.
    pub leaving: bool,
}

/// The ResourceManager and the nodes.
pub struct Cluster {
    pub nodes: Vec<Node>,
    pub containers: BTreeMap<i64, Held>,
    pub attempt: i32,
    pub up: bool,
    pub registered: bool,
    /// The attempt was unregistered.
    pub finished: bool,
    /// The attempt is not known any more.
    pub forgotten: bool,
    /// Containers that are to be named as wanted back.
    pub preempted: BTreeSet<i64>,
    pub changes: Vec<(NodeId, NodeChange)>,
    /// The number of the token to connect with, and whether the master has connected with it.
    pub token: u8,
    pub token_used: bool,
    pub pending: u32,
    pub blacklist: BTreeSet<String>,
    next_id: i64,
    last: i32,
    cached: Option<(AllocateRequest, AllocateReply)>,
    fresh: Vec<i64>,
    completed: Vec<Completed>,
    /// What was told already, and may be told again.
    told: Vec<Completed>,
    late: Vec<Container>,
    nm_tokens_sent: BTreeSet<usize>,
}

pub fn host(node: usize) -> String {
    format!("node{node}")
}

pub fn node_id(node: usize) -> NodeId {
    NodeId { host: host(node), port: 8041 }
}

pub fn token(kind: &str, password: u8) -> Token {
    Token { identifier: Vec::new(), password: vec![password], kind: kind.into(), service: String::new() }
}

impl Cluster {
    /// A cluster at rest.
    pub fn new(nodes: Vec<Node>) -> Cluster {
        Cluster {
            nodes,
            containers: BTreeMap::new(),
            attempt: 1,
            up: true,
            registered: false,
            finished: false,
            forgotten: false,
            preempted: BTreeSet::new(),
            changes: Vec::new(),
            token: 0,
            token_used: true,
            pending: 0,
            blacklist: BTreeSet::new(),
            next_id: 1,
            last: 0,
            cached: None,
            fresh: Vec::new(),
            completed: Vec::new(),
            told: Vec::new(),
            late: Vec::new(),
            nm_tokens_sent: BTreeSet::new(),
        }
    }

    pub fn id_of(&self, id: i64) -> ContainerId {
        let attempt = self.containers[&id].attempt;
        ContainerId {
            attempt: AttemptId { application: ApplicationId { cluster_timestamp: 1, id: 1 }, attempt },
            id,
        }
    }

    fn container(&self, id: i64) -> Container {
        let node = self.containers[&id].node;
        Container {
            id: self.id_of(id),
            node: node_id(node),
            http_address: format!("{}:8042", host(node)),
            resource: READER,
            priority: 10,
            allocation_request_id: -1,
            token: token("ContainerToken", 0),
        }
    }

    fn nm_tokens(&mut self, containers: &[Container]) -> Vec<(NodeId, Token)> {
        let nodes = containers.iter().map(|container| self.containers[&container.id.id].node);
        let new: Vec<_> = nodes.filter(|node| self.nm_tokens_sent.insert(*node)).collect();
        new.into_iter().map(|node| (node_id(node), token("NMToken", node as u8))).collect()
    }

    /// Containers in which a reader runs.
    pub fn running(&self) -> Vec<i64> {
        self.containers.iter().filter(|(_, held)| held.life == Life::Running).map(|(&id, _)| id).collect()
    }

    /// A container is over; the master will be told.
    pub fn end(&mut self, id: i64, status: i32) {
        let held = self.containers.get_mut(&id).expect("containers are never forgotten");
        if held.life != Life::Over {
            held.life = Life::Over;
            let diagnostics = "said YARN\nat Some.java".to_owned();
            self.completed.push(Completed { id: self.id_of(id), status, diagnostics });
        }
    }

    /// The ResourceManager was restarted: it knows of what runs, of nothing else.
    pub fn restart(&mut self, rng: &mut Rng) {
        (self.up, self.registered, self.pending) = (true, false, 0);
        self.blacklist.clear();
        // Nodes tell of what is over until the master has heard it, which its next heartbeat says; some tell it again.
        if let Some((_, unheard)) = self.cached.take() {
            self.completed.extend(unheard.completed);
        }
        self.fresh.clear();
        self.nm_tokens_sent.clear();
        for held in self.containers.values_mut().filter(|held| held.life == Life::Held) {
            // A start that is under way is found out about when the node tells.
            if !held.asked || rng.one_in(2) {
                held.life = Life::Over;
            }
        }
        let again = self.told.iter().rev().take(rng.within(0, 4) as usize).cloned().collect::<Vec<_>>();
        self.completed.extend(again);
    }

    /// The master died: the next attempt gets what runs.
    pub fn next_attempt(&mut self) {
        self.attempt += 1;
        (self.registered, self.pending, self.cached) = (false, 0, None);
        self.blacklist.clear();
        self.fresh.clear();
        self.nm_tokens_sent.clear();
        let held = self.containers.iter().filter(|(_, held)| held.life == Life::Held);
        held.map(|(&id, _)| id).collect::<Vec<_>>().into_iter().for_each(|id| self.end(id, -100));
    }

    pub fn register(&mut self, rng: &mut Rng) -> Event {
        if self.forgotten || self.finished {
            return Event::RegisterFailed(RmFault::AttemptUnknown);
        }
        if self.registered {
            return Event::RegisterFailed(RmFault::AlreadyRegistered);
        }
        (self.registered, self.last, self.cached) = (true, 0, None);
        let of_others = self.running().into_iter().filter(|id| self.containers[id].attempt != self.attempt);
        let of_others: Vec<_> = of_others.collect();
        let mut previous: Vec<_> = of_others.into_iter().map(|id| self.container(id)).collect();
        if rng.one_in(4) {
            self.late.extend(previous.pop());
        }
        let nm_tokens = self.nm_tokens(&previous);
        let largest = Resource { memory_mb: 8192, vcores: 8 };
        Event::Registered(Registered { largest, previous, nm_tokens })
    }

    pub fn allocate(&mut self, request: &AllocateRequest, rng: &mut Rng) -> Event {
        if self.forgotten || self.finished {
            return Event::AllocateFailed(RmFault::AttemptUnknown);
        }
        if !self.registered {
            return Event::AllocateFailed(RmFault::NotRegistered);
        }
        if let Some((answered, reply)) = &self.cached
            && answered.response_id == request.response_id
        {
            assert_eq!(answered, request, "what is new in a heartbeat that is said again is not heard");
            return Event::Allocated(Box::new(reply.clone()));
        }
        assert_eq!(request.response_id, self.last, "the number of a heartbeat");
        self.take(request, rng);
        self.schedule(rng);
        self.last += 1;
        let reply = self.reply();
        self.cached = Some((request.clone(), reply.clone()));
        Event::Allocated(Box::new(reply))
    }

    fn take(&mut self, request: &AllocateRequest, rng: &mut Rng) {
        assert!(request.asks.len() <= 1);
        if let Some(ask) = request.asks.first() {
            assert_eq!((ask.priority, ask.resource), (10, READER));
            // It may lose one.
            self.pending = if rng.one_in(50) { 0 } else { ask.count };
        }
        for id in &request.releases {
            self.end(id.id, -100);
        }
        let (added, removed) = (&request.blacklist_additions, &request.blacklist_removals);
        added.iter().for_each(|host| assert!(self.blacklist.insert(host.clone()), "{host} is listed"));
        removed.iter().for_each(|host| assert!(self.blacklist.remove(host), "{host} is not listed"));
        assert!(self.blacklist.len() * 3 <= self.nodes.len(), "{:?}", self.blacklist);
    }

    /// Gives containers where there is room; some only later.
    fn schedule(&mut self, rng: &mut Rng) {
        while self.pending > 0 && !rng.one_in(3) {
            let busy = |node| {
                self.containers.values().filter(|held| held.node == node && held.life != Life::Over).count()
            };
            let free: Vec<_> = (0..self.nodes.len())
                .filter(|&node| self.nodes[node].up && !self.blacklist.contains(&host(node)))
                .filter(|&node| busy(node) < self.nodes[node].slots)
                .collect();
            if free.is_empty() {
                return;
            }
            let node = rng.pick(&free);
            let (attempt, life) = (self.attempt, Life::Held);
            self.containers.insert(self.next_id, Held { node, attempt, life, asked: false, leaving: false });
            self.fresh.push(self.next_id);
            self.next_id += 1;
            self.pending -= 1;
        }
    }

    fn reply(&mut self) -> AllocateReply {
        let fresh = std::mem::take(&mut self.fresh);
        let allocated: Vec<_> = fresh.into_iter().map(|id| self.container(id)).collect();
        let mut previous = std::mem::take(&mut self.late);
        previous.retain(|container| self.containers[&container.id.id].life == Life::Running);
        let mut nm_tokens = self.nm_tokens(&allocated);
        nm_tokens.extend(self.nm_tokens(&previous));
        let completed = std::mem::take(&mut self.completed);
        self.told.extend(completed.iter().cloned());
        self.preempted.retain(|id| self.containers[id].life == Life::Running);
        let strict = self.preempted.iter().map(|&id| self.id_of(id)).collect();
        AllocateReply {
            response_id: self.last,
            allocated,
            completed,
            previous,
            nodes: std::mem::take(&mut self.changes),
            preemption: Preemption { strict, ..Preemption::default() },
            amrm_token: (!self.token_used).then(|| token("YARN_AM_RM_TOKEN", self.token)),
            nm_tokens,
            cluster_nodes: self.nodes.len() as u32,
        }
    }

    /// The application is over: so is all that runs.
    pub fn unregister(&mut self) -> Event {
        if self.forgotten {
            return Event::UnregisterFailed(RmFault::AttemptUnknown);
        }
        if !self.registered && !self.finished {
            return Event::UnregisterFailed(RmFault::NotRegistered);
        }
        let done = std::mem::replace(&mut self.finished, true);
        if done {
            self.containers.values_mut().for_each(|held| held.life = Life::Over);
        }
        Event::Unregistered { done }
    }
}
