//! The application master's rules: keeps so many readers alive as the GPU node wants, whatever becomes of containers,
//! nodes, the ResourceManager, this process, or the GPU node itself.
//!
//! [`Engine`] takes [`Event`]s and gives [`Action`]s. It knows no socket and no clock and makes nothing up: time comes
//! with each event, counted from any fixed start. So the same rules serve in a container of their own and inside the
//! GPU node's process, and are tested in virtual time. What it knows it can lose: an attempt that follows gets the
//! running containers from the ResourceManager, and the target from the GPU node.
//!
//! ```text
//!               ask                   start                    drain              stop
//!  (missing) ─────────▶ Allocated ───────────▶ Starting ─▶ Running ───▶ Draining ──────▶ Stopping ──▶ (over)
//!                           └────── release ───────┴─▶ Released ◀── release ─────────────────┘
//! ```
//!
//! Whoever drives it says [`Event::Tick`] several times a second, does what each call of [`Engine::handle`] gives,
//! without waiting for it, and tells what came of it by one event each: see [`Event`]. [`Action::Exit`] is the last.
//!
//! A container of any state may be over at any time; its exit status says what follows ([`Verdict`]).

mod action;
mod blacklist;
mod conversation;
mod ending;
mod event;
mod failures;
mod fleet;
mod manager;
mod readers;
mod report;
#[cfg(test)]
mod script;
mod settings;
#[cfg(test)]
mod sim;
mod types;
mod verdict;

pub use action::{Action, AllocateRequest, Ask};
pub use event::{AllocateReply, Event, Registered, RmFault, StartError};
pub use report::Report;
pub use settings::Settings;
pub use types::{Completed, NodeChange, Preemption};
pub use verdict::{Bearing, Blame, Cause, Verdict};

use crate::{Container, ContainerId, FinalStatus, NodeId, Token};
use blacklist::Blacklist;
use conversation::Conversation;
use ending::Phase;
use failures::Failures;
use fleet::{Fleet, State};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The application master's rules.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    now: Duration,
    phase: Phase,
    conversation: Conversation,
    fleet: Fleet,
    failures: Failures,
    blacklist: Blacklist,
    /// Readers that are wanted; none while the GPU node has not said so: then all that run are left alone.
    target: Option<u32>,
    idle: BTreeSet<ContainerId>,
    /// Since when the GPU node is gone.
    gpu_lost: Option<Duration>,
    /// Whether a ResourceManager has known this attempt.
    was_registered: bool,
    /// When it last became known that the ResourceManager may have been restarted.
    restarted: Option<Duration>,
    /// The operator was told that it refuses since then.
    told_refused: bool,
    /// The operator was told that the ResourceManager does not answer.
    told_rm_lost: bool,
    /// How often the ResourceManager was told that the application is over.
    farewells: u32,
    amrm_token: Option<Token>,
    nm_tokens: BTreeMap<NodeId, Token>,
    cluster_nodes: u32,
    progress: f32,
    delivered: u64,
    actions: Vec<Action>,
}

/// How many containers are how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Readers that are wanted.
    pub target: u32,
    /// Containers that the ResourceManager is looking for.
    pub asked: u32,
    /// Containers without a reader yet.
    pub allocated: u32,
    /// Readers that are being started.
    pub starting: u32,
    /// Readers that run.
    pub running: u32,
    /// Readers that were asked to finish.
    pub draining: u32,
    /// Readers that were stopped, and containers that were given back, and are not over.
    pub leaving: u32,
    /// Hosts on which no reader is wanted.
    pub blacklisted: u32,
    /// Nodes of the cluster.
    pub cluster_nodes: u32,
}

impl Engine {
    /// An attempt that begins at `now`, without a ResourceManager and without a GPU node.
    pub fn new(settings: Settings, now: Duration) -> Engine {
        Engine {
            settings,
            now,
            phase: Phase::Running,
            conversation: Conversation::default(),
            fleet: Fleet::default(),
            failures: Failures::default(),
            blacklist: Blacklist::default(),
            target: None,
            idle: BTreeSet::new(),
            gpu_lost: Some(now),
            was_registered: false,
            restarted: None,
            told_refused: false,
            told_rm_lost: false,
            farewells: 0,
            amrm_token: None,
            nm_tokens: BTreeMap::new(),
            cluster_nodes: 0,
            progress: 0.0,
            delivered: 0,
            actions: Vec::new(),
        }
    }

    /// Something happened at `now`: what is to be done about it, in this order.
    pub fn handle(&mut self, now: Duration, event: Event) -> Vec<Action> {
        self.now = self.now.max(now);
        if self.phase.is_over() {
            return Vec::new();
        }
        match event {
            Event::Tick => {}
            Event::Registered(registered) => self.registered(registered),
            Event::Allocated(reply) => self.allocated(*reply),
            Event::RegisterFailed(fault) | Event::AllocateFailed(fault) | Event::UnregisterFailed(fault) => {
                self.rm_failed(fault);
            }
            Event::Unregistered { done } => self.unregistered(done),
            Event::StartResult { container, result } => self.start_result(container, result),
            Event::StopResult { container, result } => self.stop_result(container, result),
            Event::TargetSet { readers, idle } => {
                self.target = Some(readers);
                self.idle = idle.into_iter().collect();
            }
            Event::Progress { done, delivered } => {
                self.progress = if done.is_finite() { done.clamp(0.0, 1.0) } else { 0.0 };
                if delivered > self.delivered {
                    self.delivered = delivered;
                    self.failures.progress();
                }
            }
            Event::GivenUp { container, reason } => self.given_up(container, reason),
            Event::GpuLost => {
                if self.gpu_lost.is_none() {
                    self.gpu_lost = Some(self.now);
                    self.report(Report::GpuLost);
                }
            }
            Event::GpuBack => {
                if self.gpu_lost.take().is_some() {
                    self.report(Report::GpuBack);
                }
            }
            Event::Finish { status, diagnostics } => self.end(status, diagnostics),
            Event::Drain => self.end(FinalStatus::Killed, "ended by the operator".to_owned()),
            Event::Kill => self.kill(FinalStatus::Killed, "killed by the operator".to_owned()),
        }
        self.watch();
        self.balance();
        self.advance_ending();
        self.speak();
        std::mem::take(&mut self.actions)
    }

    /// How many containers are how far.
    pub fn census(&self) -> Census {
        let count = |is: fn(State) -> bool| self.fleet.count(is);
        Census {
            target: self.target.unwrap_or(0),
            asked: self.conversation.asked(),
            allocated: count(|state| matches!(state, State::Allocated { .. })),
            starting: count(|state| matches!(state, State::Starting { doomed: false, .. })),
            running: count(|state| matches!(state, State::Running { .. })),
            draining: count(|state| matches!(state, State::Draining { .. })),
            leaving: count(|state| {
                matches!(
                    state,
                    State::Starting { doomed: true, .. } | State::Stopping { .. } | State::Released { .. }
                )
            }),
            blacklisted: self.blacklist.listed().len() as u32,
            cluster_nodes: self.cluster_nodes,
        }
    }

    /// Where the logs of a container are; empty if its node's pages are not known.
    fn log_of(&self, container: &Container) -> String {
        if container.http_address.is_empty() {
            return String::new();
        }
        let (address, user) = (&container.http_address, &self.settings.user);
        let scheme = if self.settings.secure_pages { "https" } else { "http" };
        format!("{scheme}://{address}/node/containerlogs/{}/{user}", container.id)
    }

    fn report(&mut self, report: Report) {
        self.actions.push(Action::Report(report));
    }
}
