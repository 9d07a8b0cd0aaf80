//! What must hold.

use super::{Happening, World};
use crate::engine::fleet::State;
use crate::engine::sim::cluster::{Held, Life};
use crate::engine::*;

/// What a seed has seen, so that one can tell whether seeds see enough.
#[derive(Debug, Default)]
pub struct Seen {
    pub started: usize,
    pub ended: usize,
    pub resyncs: usize,
    pub restarts: usize,
    pub adopted: usize,
    pub start_failures: usize,
    pub blacklisted: usize,
    pub preempted: usize,
    pub given_up: bool,
    pub converged: bool,
}

/// How the run is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Finish,
    Drain,
    Kill,
    GpuLost,
    AttemptForgotten,
    ManagerLost,
}

impl World {
    /// Readers that were started and not asked to leave are never more than are wanted.
    pub(super) fn check_overshoot(&self) {
        let engine = self.engine.as_ref().expect("it has just acted");
        let census = engine.census();
        let sum = census.allocated + census.starting + census.running;
        assert!(sum <= census.target, "{census:?}");
        let stays = |held: &&Held| held.asked && !held.leaving && held.life != Life::Over;
        let staying = self.cluster.containers.values().filter(stays).count() as u32;
        // Those that are stopped as soon as they have started are not asked to leave yet.
        let doomed = engine.fleet.count(|state| matches!(state, State::Starting { doomed: true, .. }));
        assert!(staying <= census.target + doomed, "{staying} readers, {doomed} doomed, {census:?}");
    }

    /// With what is asked for there are never more readers than are wanted. A heartbeat without an answer is said again as it was,
    /// whatever is wanted by then.
    pub(super) fn check_asks(&mut self, request: &AllocateRequest) {
        if self.said.as_ref() == Some(request) {
            return;
        }
        let census = self.engine.as_ref().expect("it has just acted").census();
        let there = census.allocated + census.starting + census.running;
        for ask in &request.asks {
            assert!(ask.count == 0 || there + ask.count <= census.target, "{request:?}, {census:?}");
        }
        self.said = Some(request.clone());
    }

    pub(super) fn hear(&mut self, report: Report) {
        assert!(!report.to_string().contains('\n'), "{report}");
        match report {
            Report::Ended { container, .. } => {
                assert!(self.ended.insert(container), "{container} ends twice");
                self.seen.ended += 1;
            }
            Report::Resynced => self.seen.resyncs += 1,
            Report::StartFailed { container, .. } => {
                // It is given back with the next heartbeat, which may be some time off.
                self.leave(container);
                self.seen.start_failures += 1;
            }
            Report::Blacklisted { .. } => self.seen.blacklisted += 1,
            Report::Leaving { .. } => self.left = true,
            Report::Preemption { readers } => self.seen.preempted += readers,
            _ => {}
        }
    }

    pub(super) fn end(&mut self) {
        if self.exited.is_none() && !self.blind {
            let census = self.engine.as_ref().expect("faults are over").census();
            let running = self.cluster.running().len() as u32;
            assert_eq!((census.running, running), (self.target, self.target), "{census:?}");
            assert_eq!(self.cluster.pending, 0);
            self.seen.converged = true;
        }
        match self.ending {
            Ending::Finish => {
                let (status, diagnostics) = (FinalStatus::Succeeded, "all is read".to_owned());
                self.tell(Event::Finish { status, diagnostics });
            }
            Ending::Drain => self.tell(Event::Drain),
            Ending::Kill => self.tell(Event::Kill),
            Ending::GpuLost => self.tell(Event::GpuLost),
            Ending::AttemptForgotten => self.cluster.forgotten = true,
            Ending::ManagerLost => self.cluster.up = false,
        }
        if !matches!(self.ending, Ending::AttemptForgotten | Ending::ManagerLost) && self.rng.one_in(3) {
            self.cluster.up = false;
            let wait = self.rng.millis(500, 30_000);
            self.after(wait, Happening::ManagerBack);
        }
    }

    pub(super) fn judge(self) -> Seen {
        let (at, code, status) = self.exited.expect("it ends");
        if self.seen.converged {
            let (told, expected) = match self.ending {
                Ending::Finish => (0, FinalStatus::Succeeded),
                Ending::Drain | Ending::Kill => (0, FinalStatus::Killed),
                Ending::GpuLost => (0, FinalStatus::Failed),
                Ending::AttemptForgotten | Ending::ManagerLost => (1, FinalStatus::Failed),
            };
            assert_eq!((code, status), (told, expected), "{:?} at {at:?}", self.ending);
        }
        let left = self.cluster.running();
        let apart = matches!(self.ending, Ending::AttemptForgotten | Ending::ManagerLost);
        if self.seen.converged && apart && self.managed {
            assert!(self.left, "it goes by itself");
            assert_eq!(left.len() as u32, self.target, "readers of the next attempt are left alone");
        }
        assert!(self.managed || !self.left, "nobody is there who would end them");
        if self.left {
            return self.seen;
        }
        // Without a ResourceManager the dead attempts' readers that it had not told of end by their own grace.
        let known = left
            .into_iter()
            .filter(|id| code == 0 || self.cluster.containers[id].attempt == self.cluster.attempt);
        assert_eq!(known.count(), 0, "readers are left behind");
        self.seen
    }
}
