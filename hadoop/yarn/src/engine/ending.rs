//! How the application ends: readers finish, the rest is stopped, the ResourceManager is told. Each step has a budget.

use super::fleet::State;
use super::{Action, Engine, FinalStatus, Report};
use std::time::Duration;

/// Whether the application runs, or how far its end is.
#[derive(Clone, Debug)]
pub enum Phase {
    /// It runs.
    Running,
    /// It ends.
    Ending {
        /// How.
        status: FinalStatus,
        /// Why.
        diagnostics: String,
        /// How far.
        step: Step,
        /// There is no ResourceManager to tell.
        abandoned: bool,
    },
    /// It is over.
    Over,
}

/// A step of the end, and when it is over at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Readers finish.
    Drain(Duration),
    /// Those that are left are stopped.
    Stop(Duration),
    /// The ResourceManager is told.
    Unregister(Duration),
}

impl Phase {
    /// Whether nothing more is to be done.
    pub fn is_over(&self) -> bool {
        matches!(self, Phase::Over)
    }

    /// Whether it does not run any more.
    pub fn is_ending(&self) -> bool {
        !matches!(self, Phase::Running)
    }

    /// Whether there is no time to let readers finish.
    pub fn is_hasty(&self) -> bool {
        matches!(self, Phase::Ending { step: Step::Stop(_) | Step::Unregister(_), .. })
    }

    /// Whether there is no ResourceManager to tell.
    pub fn is_abandoned(&self) -> bool {
        matches!(self, Phase::Ending { abandoned: true, .. })
    }

    /// What the ResourceManager is to be told now, if it is time to.
    pub fn farewell(&self) -> Option<(FinalStatus, String)> {
        match self {
            Phase::Ending { status, diagnostics, step: Step::Unregister(_), .. } => {
                Some((*status, diagnostics.clone()))
            }
            _ => None,
        }
    }
}

impl Engine {
    /// Begins the end, unless it has begun: the first reason is the one that is told. Readers have time to finish.
    pub(super) fn end(&mut self, status: FinalStatus, diagnostics: String) {
        let until = self.now + self.settings.drain_budget;
        self.begin_ending(status, diagnostics, Step::Drain(until));
    }

    /// Begins the end, or goes on with it, at once.
    pub(super) fn kill(&mut self, status: FinalStatus, diagnostics: String) {
        let until = self.now + self.settings.stop_budget;
        self.begin_ending(status, diagnostics, Step::Stop(until));
        self.stop_now();
    }

    fn begin_ending(&mut self, status: FinalStatus, diagnostics: String, step: Step) {
        if self.phase.is_ending() {
            return;
        }
        self.report(Report::Ending { diagnostics: diagnostics.clone() });
        self.phase = Phase::Ending { status, diagnostics, step, abandoned: false };
        self.balance();
    }

    /// Readers have had their time to finish.
    fn stop_now(&mut self) {
        let until = self.now + self.settings.stop_budget;
        if let Phase::Ending { step: step @ Step::Drain(_), .. } = &mut self.phase {
            *step = Step::Stop(until);
        }
        self.balance();
        for id in self.fleet.those(|state| matches!(state, State::Draining { .. })) {
            self.stop(id);
        }
    }

    /// Ends without the ResourceManager. Readers of an attempt that YARN may replace are left alone: the next one has
    /// them already or will, and if the application is over, nodes end them by themselves.
    pub(super) fn give_up_manager(&mut self, why: String) {
        if self.settings.managed { self.leave(why) } else { self.abandon(why) }
    }

    fn leave(&mut self, why: String) {
        self.report(Report::Leaving { why: why.clone() });
        if !self.phase.is_ending() {
            let step = Step::Unregister(self.now);
            let (status, diagnostics) = (FinalStatus::Failed, why);
            self.phase = Phase::Ending { status, diagnostics, step, abandoned: true };
        }
        self.over(1);
    }

    /// What can be stopped is stopped, also what the ResourceManager was to stop.
    fn abandon(&mut self, why: String) {
        self.kill(FinalStatus::Failed, why);
        if let Phase::Ending { abandoned, .. } = &mut self.phase {
            *abandoned = true;
        }
        for id in self.fleet.those(|state| matches!(state, State::Released { .. })) {
            self.stop(id);
        }
    }

    /// Goes on to the next step of the end, if it is time to.
    pub(super) fn advance_ending(&mut self) {
        let now = self.now;
        if let Phase::Ending { step: Step::Drain(until), .. } = self.phase {
            let finishing = |state: State| {
                state.is_live() || matches!(state, State::Draining { .. } | State::Starting { .. })
            };
            if now >= until || self.fleet.count(finishing) == 0 {
                self.stop_now();
            }
        }
        if let Phase::Ending { step: Step::Stop(until), abandoned, .. } = self.phase
            && (now >= until || self.fleet.count(State::may_run) == 0)
        {
            if abandoned {
                return self.over(1);
            }
            let until = now + self.settings.unregister_patience;
            if let Phase::Ending { step, .. } = &mut self.phase {
                *step = Step::Unregister(until);
            }
        }
        if let Phase::Ending { step: Step::Unregister(until), abandoned, .. } = self.phase
            && (now >= until || abandoned)
        {
            self.over(1);
        }
    }

    /// It is over.
    pub(super) fn over(&mut self, code: u8) {
        if let Phase::Ending { status, diagnostics, .. } = std::mem::replace(&mut self.phase, Phase::Over) {
            self.actions.push(Action::Exit { code, status, diagnostics });
        }
    }
}
