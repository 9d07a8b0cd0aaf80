//! The engine and its readers: starting them, letting them finish, stopping them, and whatever takes too long.

use super::fleet::State;
use super::{Action, Bearing, Blame, Cause, Container, ContainerId, Engine, FinalStatus, Report, StartError};
use std::time::Duration;

/// A container that was stopped and is not over after so long is given back to the ResourceManager, which ends it too.
const STOP_PATIENCE: Duration = Duration::from_secs(30);
/// Without a ResourceManager it is stopped again instead, so often.
const STOP_AGAIN: Duration = Duration::from_secs(1);
/// A container that was given back is forgotten after so long: one that never ran has no end of its own.
const FORGET: Duration = Duration::from_secs(900);

impl Engine {
    /// Brings what there is nearer to what is wanted.
    pub(super) fn balance(&mut self) {
        if self.phase.is_over() {
            return;
        }
        if self.phase.is_ending() {
            return self.fleet.those(State::is_live).into_iter().for_each(|id| self.send_away(id));
        }
        let Some(target) = self.target else { return };
        let unwelcome: Vec<_> = self
            .fleet
            .iter()
            .filter(|(_, reader)| matches!(reader.state, State::Allocated { .. }))
            .filter(|(_, reader)| self.blacklist.has(&reader.container.node.host))
            .map(|(id, _)| id)
            .collect();
        unwelcome.into_iter().for_each(|id| self.release(id));
        let live = self.fleet.count(State::is_live);
        if live > target {
            let surplus = self.fleet.surplus(live - target, &self.idle);
            surplus.into_iter().for_each(|id| self.send_away(id));
        }
        self.start();
    }

    /// Starts readers in what was allocated; not while nobody is there that they could read for.
    fn start(&mut self) {
        if self.gpu_lost.is_some() {
            return;
        }
        let starting = self.fleet.count(|state| matches!(state, State::Starting { .. })) as usize;
        let room = self.settings.max_starts.saturating_sub(starting);
        let ready = self.fleet.those(|state| matches!(state, State::Allocated { .. }));
        for id in ready.into_iter().take(room) {
            let Some(container) = self.fleet.get(id).map(|reader| reader.container.clone()) else { continue };
            match self.nm_tokens.get(&container.node).cloned() {
                Some(nm_token) => {
                    self.fleet.set(id, State::Starting { since: self.now, doomed: false });
                    self.actions.push(Action::Start { container: Box::new(container), nm_token });
                }
                None => self.no_token(id, &container),
            }
        }
    }

    /// The ResourceManager gives the token of a node once to each attempt. If that answer was lost, the node is of no
    /// use until it is restarted, which is nobody's failure.
    fn no_token(&mut self, id: ContainerId, container: &Container) {
        self.release(id);
        self.failures.stumble(self.now, false);
        let host = container.node.host.clone();
        let message = format!("the ResourceManager gave no token for {}", container.node);
        self.report(Report::StartFailed { container: id, host: host.clone(), message });
        self.blame(&host, Blame::Certain);
    }

    pub(super) fn start_result(&mut self, id: ContainerId, result: Result<(), StartError>) {
        let Some(reader) = self.fleet.get(id) else { return };
        let State::Starting { doomed, .. } = reader.state else { return };
        match result {
            Ok(()) | Err(StartError::AlreadyStarted) if doomed => self.stop(id),
            Ok(()) | Err(StartError::AlreadyStarted) => {
                let host = reader.container.node.host.clone();
                self.fleet.set(id, State::Running { since: self.now });
                self.report(Report::Started { container: id, host });
            }
            // If it was not wanted, nobody minds.
            Err(_) if doomed => self.release(id),
            Err(StartError::Refused { message } | StartError::Unreachable { message }) => {
                self.start_failed(id, message);
            }
        }
    }

    /// It may run nevertheless: given back, it ends in any case.
    fn start_failed(&mut self, id: ContainerId, message: String) {
        let Some(host) = self.fleet.get(id).map(|reader| reader.container.node.host.clone()) else { return };
        self.release(id);
        let text = format!("{host}: not started: {message}");
        self.failures.count(self.now, &host, (Cause::NotStarted, Bearing::Ordinary), text, false);
        self.report(Report::StartFailed { container: id, host: host.clone(), message });
        self.blame(&host, Blame::Once);
    }

    pub(super) fn stop_result(&mut self, id: ContainerId, result: Result<(), String>) {
        let stopping = |state| matches!(state, State::Stopping { .. });
        if !self.fleet.get(id).is_some_and(|reader| stopping(reader.state)) {
            return;
        }
        match (result, self.phase.is_abandoned()) {
            (Ok(()), false) => {}
            (Err(_), false) => self.release(id),
            // Nobody is left who would tell that it is over, or would end it: it is tried again until the budget is spent.
            (Ok(()), true) => self.fleet.forget(id),
            (Err(_), true) => {}
        }
    }

    pub(super) fn given_up(&mut self, id: ContainerId, reason: String) {
        let Some(reader) = self.fleet.get(id) else { return };
        if !matches!(reader.state, State::Running { .. }) {
            return;
        }
        let host = reader.container.node.host.clone();
        self.stop(id);
        let text = format!("{host}: given up: {reason}");
        self.failures.count(self.now, &host, (Cause::Reader, Bearing::Ordinary), text, false);
        self.report(Report::GivenUp { container: id, host: host.clone(), reason });
        self.blame(&host, Blame::Once);
    }

    /// A reader is not wanted any more: it may finish what it has in hand, if there is somebody to tell it so.
    pub(super) fn send_away(&mut self, id: ContainerId) {
        match self.fleet.get(id).map(|reader| reader.state) {
            Some(State::Allocated { .. }) => self.release(id),
            Some(State::Starting { since, .. }) => {
                self.fleet.set(id, State::Starting { since, doomed: true });
            }
            Some(State::Running { since }) if self.gpu_lost.is_none() && !self.phase.is_hasty() => {
                let within = self.settings.drain_budget;
                self.fleet.set(id, State::Draining { since, until: self.now + within });
                self.actions.push(Action::Drain { container: id, within });
            }
            Some(State::Running { .. }) => self.stop(id),
            _ => {}
        }
    }

    /// Ends a reader now.
    pub(super) fn stop(&mut self, id: ContainerId) {
        let Some(node) = self.fleet.get(id).map(|reader| reader.container.node.clone()) else { return };
        match self.nm_tokens.get(&node).cloned() {
            Some(nm_token) => {
                self.fleet.set(id, State::Stopping { since: self.now });
                self.actions.push(Action::Stop { container: id, node, nm_token });
            }
            None => self.release(id),
        }
    }

    fn release(&mut self, id: ContainerId) {
        self.fleet.set(id, State::Released { since: self.now });
        self.conversation.release(id);
    }

    /// What has lasted too long.
    pub(super) fn watch(&mut self) {
        if self.phase.is_over() {
            return;
        }
        let now = self.now;
        let passed = |since: Duration, limit: Duration| now.saturating_sub(since) >= limit;
        let states: Vec<_> = self.fleet.iter().map(|(id, reader)| (id, reader.state)).collect();
        for (id, state) in states {
            match state {
                State::Allocated { since } if passed(since, self.settings.allocated_patience) => {
                    self.release(id);
                }
                State::Starting { since, doomed } if passed(since, self.settings.start_patience) => {
                    match doomed {
                        true => self.release(id),
                        false => self.start_failed(id, "its NodeManager does not answer".to_owned()),
                    }
                }
                State::Draining { until, .. } if now >= until => self.stop(id),
                State::Stopping { since } if self.phase.is_abandoned() && passed(since, STOP_AGAIN) => {
                    self.stop(id);
                }
                State::Stopping { .. } if self.phase.is_abandoned() => {}
                State::Stopping { since } if passed(since, STOP_PATIENCE) => self.release(id),
                State::Released { since } if passed(since, FORGET) => self.fleet.forget(id),
                _ => {}
            }
        }
        if !self.phase.is_ending() {
            self.watch_job();
        }
        self.watch_manager();
    }

    /// Whether it makes sense to go on.
    fn watch_job(&mut self) {
        let target = self.target.unwrap_or(0);
        let running = self.fleet.count(|state| matches!(state, State::Running { .. }));
        if self.blacklist.watch(running, target, self.now) {
            self.report(Report::BlacklistCleared);
        }
        if let Some(why) = self.failures.give_up(self.now, target) {
            return self.end(FinalStatus::Failed, why);
        }
        let grace = self.settings.gpu_grace;
        if self.gpu_lost.is_some_and(|since| self.now.saturating_sub(since) >= grace) {
            let diagnostics = format!("the GPU node has been gone for {} s", grace.as_secs());
            self.end(FinalStatus::Failed, diagnostics);
        }
    }
}
