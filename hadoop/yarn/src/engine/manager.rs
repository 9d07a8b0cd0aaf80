//! The engine and the ResourceManager.

use super::fleet::State;
use super::{
    Action, AllocateReply, Blame, Cause, Completed, Container, Engine, FinalStatus, NodeChange, Preemption,
    Registered, Report, RmFault, Verdict,
};
use std::time::Duration;

/// After a reader has finished unasked, so long nothing is asked for: the GPU node may want fewer now.
const AFTER_FINISH: Duration = Duration::from_secs(5);
/// A ResourceManager that was restarted learns within so long which nodes there are. Until then its largest container is
/// that of the nodes that have called already, and it may refuse what it gave before.
const NODES_RETURN: Duration = Duration::from_secs(300);
/// Time between tries to end an application that the ResourceManager has not yet written down as over.
const UNREGISTER_AGAIN: Duration = Duration::from_millis(100);

impl Engine {
    /// Says what is due.
    pub(super) fn speak(&mut self) {
        if self.phase.is_over() || self.phase.is_abandoned() {
            return;
        }
        let now = self.now;
        if !self.conversation.is_registered() {
            if self.conversation.may_speak(now, Duration::ZERO) {
                self.actions.push(Action::Register);
            }
        } else if let Some((status, diagnostics)) = self.phase.farewell() {
            if self.conversation.may_speak(now, UNREGISTER_AGAIN) {
                self.farewells = self.farewells.saturating_add(1);
                self.actions.push(Action::Unregister { status, diagnostics });
            }
        } else {
            let want = self.want();
            let pause = match self.conversation.is_eager(now, want) {
                true => self.settings.eager_heartbeat,
                false => self.settings.heartbeat,
            };
            if self.conversation.may_speak(now, pause) {
                let listed = self.blacklist.listed();
                let request = self.conversation.heartbeat(now, want, listed, self.progress, &self.settings);
                self.actions.push(Action::Allocate(request));
            }
        }
    }

    /// Containers to ask for in all: what is missing, unless it is better to wait. Asking for fewer never waits.
    fn want(&self) -> u32 {
        let Some(target) = self.target.filter(|_| !self.phase.is_ending()) else { return 0 };
        let missing = target.saturating_sub(self.fleet.count(State::is_live));
        if self.failures.is_held(self.now) || self.gpu_lost.is_some() {
            missing.min(self.conversation.asked())
        } else {
            missing
        }
    }

    pub(super) fn registered(&mut self, registered: Registered) {
        if !self.conversation.is_waiting() {
            return;
        }
        let Registered { largest, previous, nm_tokens } = registered;
        self.nm_tokens.extend(nm_tokens);
        let is_first = !self.was_registered && previous.is_empty();
        let adopted = self.adopt(previous);
        self.begin(Report::Registered { adopted, largest: Some(largest) });
        let reader = self.settings.reader;
        if is_first && !reader.fits(largest) {
            let diagnostics = format!(
                "a reader of {} MiB and {} cores is larger than the largest container of the cluster, {} MiB and {} cores: lower \
                 yarn.reader_memory_mb or yarn.reader_vcores",
                reader.memory_mb, reader.vcores, largest.memory_mb, largest.vcores
            );
            self.end(FinalStatus::Failed, diagnostics);
        }
    }

    /// The attempt is registered, for the first time or anew.
    fn begin(&mut self, first: Report) {
        let again = std::mem::replace(&mut self.was_registered, true);
        if again || self.fleet.count(|_| true) > 0 {
            (self.restarted, self.told_refused) = (Some(self.now), false);
        }
        // A ResourceManager that was restarted learns of containers from the nodes that they run on. It has forgotten
        // the others.
        if again {
            for id in self.fleet.those(|state| matches!(state, State::Allocated { .. })) {
                self.fleet.set(id, State::Released { since: self.now });
            }
        }
        let released = self.fleet.those(|state| matches!(state, State::Released { .. }));
        self.conversation.registered(self.now, released);
        self.report(if again { Report::Resynced } else { first });
    }

    /// Running containers of earlier attempts become this one's. Gives how many are new.
    fn adopt(&mut self, previous: Vec<Container>) -> usize {
        let state = State::Running { since: self.now };
        previous.into_iter().filter(|container| self.fleet.insert(container.clone(), state)).count()
    }

    pub(super) fn allocated(&mut self, reply: AllocateReply) {
        if !self.conversation.answered(self.now, reply.response_id, reply.allocated.len()) {
            return;
        }
        self.rm_is_back();
        if let Some(token) = reply.amrm_token.filter(|token| self.amrm_token.as_ref() != Some(token)) {
            self.amrm_token = Some(token.clone());
            self.actions.push(Action::UseToken(token));
        }
        self.nm_tokens.extend(reply.nm_tokens);
        if reply.cluster_nodes > 0 {
            self.cluster_nodes = reply.cluster_nodes;
            self.blacklist.cluster(reply.cluster_nodes);
        }
        self.adopt(reply.previous);
        for container in reply.allocated {
            self.fleet.insert(container, State::Allocated { since: self.now });
        }
        // After what is new: a container may come and be over in one answer.
        reply.completed.iter().for_each(|completed| self.completed(completed));
        for (node, change) in reply.nodes {
            if change == NodeChange::Decommissioning {
                self.node_leaves(&node.host);
            }
        }
        self.preempted(reply.preemption);
    }

    pub(super) fn unregistered(&mut self, done: bool) {
        self.conversation.heard(self.now);
        if done {
            self.over(0);
        }
    }

    pub(super) fn rm_failed(&mut self, fault: RmFault) {
        if fault == RmFault::AlreadyRegistered {
            return self.begin(Report::Registered { adopted: 0, largest: None });
        }
        self.conversation.failed(self.now, &fault);
        match fault {
            // It was told before: it has written it down, and the answer was lost.
            RmFault::AttemptUnknown if self.farewells > 1 => self.over(0),
            RmFault::AttemptUnknown => {
                self.give_up_manager("the ResourceManager does not know this attempt any more".to_owned())
            }
            // It is asked again.
            RmFault::Refused { message } if self.nodes_return() => self.refused_for_now(message),
            RmFault::Refused { message } if self.conversation.is_registered() && !self.phase.is_ending() => {
                self.end(FinalStatus::Failed, format!("the ResourceManager refuses the request: {message}"));
            }
            RmFault::Refused { message } if !self.was_registered => {
                self.give_up_manager(format!("the ResourceManager refuses the registration: {message}"));
            }
            RmFault::Connection | RmFault::Retriable | RmFault::Strange { .. } if !self.told_rm_lost => {
                self.told_rm_lost = true;
                self.report(Report::RmLost);
            }
            _ => {}
        }
    }

    /// Whether the ResourceManager may not know all nodes yet.
    fn nodes_return(&self) -> bool {
        self.restarted.is_some_and(|since| self.now.saturating_sub(since) < NODES_RETURN)
    }

    fn refused_for_now(&mut self, message: String) {
        self.conversation.refused_for_now();
        if !std::mem::replace(&mut self.told_refused, true) {
            self.report(Report::RefusedForNow { message });
        }
    }

    fn rm_is_back(&mut self) {
        if std::mem::take(&mut self.told_rm_lost) {
            self.report(Report::RmBack);
        }
    }

    fn completed(&mut self, completed: &Completed) {
        let Some(reader) = self.fleet.complete(completed) else { return };
        let verdict = Verdict::of(completed.status);
        let expected = self.phase.is_ending() || !reader.state.is_live();
        let host = reader.container.node.host.clone();
        let diagnostics = completed.diagnostics.lines().next().unwrap_or_default().trim().to_owned();
        let text = format!(
            "{host}: exit {}: {}",
            completed.status,
            match &*diagnostics {
                "" => verdict.cause.help(),
                said => said,
            }
        );
        self.report(Report::Ended {
            container: completed.id,
            host: host.clone(),
            status: completed.status,
            diagnostics,
            verdict,
            expected,
            log: self.log_of(&reader.container),
        });
        if expected {
            return;
        }
        let lived = reader.state.started().map(|since| self.now.saturating_sub(since));
        let stable = lived.is_some_and(|lived| lived >= self.settings.stable_after);
        if verdict.is_failure() {
            self.failures.count(self.now, &host, (verdict.cause, verdict.bearing), text, stable);
        }
        match verdict.cause {
            Cause::Finished => {
                self.failures.stumble(self.now, stable);
                self.failures.hold(self.now + AFTER_FINISH);
            }
            Cause::Preempted => self.failures.hold(self.now + self.settings.preemption_hold),
            _ => {}
        }
        self.blame(&host, verdict.blame);
    }

    /// A node is to blame, or may be.
    pub(super) fn blame(&mut self, host: &str, blame: Blame) {
        if blame != Blame::None && self.blacklist.blame(host, blame == Blame::Certain, self.now) {
            self.report(Report::Blacklisted { host: host.to_owned() });
        }
    }

    fn node_leaves(&mut self, host: &str) {
        let there: Vec<_> = self
            .fleet
            .iter()
            .filter(|(_, reader)| reader.container.node.host == host && reader.state.is_live())
            .map(|(id, _)| id)
            .collect();
        if !there.is_empty() {
            self.report(Report::NodeLeaving { host: host.to_owned() });
        }
        there.into_iter().for_each(|id| self.send_away(id));
    }

    /// Readers that the scheduler names finish if they can in time, and are gone by then in any case.
    fn preempted(&mut self, preemption: Preemption) {
        let Preemption { strict, mut negotiable, negotiable_count } = preemption;
        // The youngest have least to lose.
        negotiable.sort_unstable_by(|a, b| b.cmp(a));
        let count = if negotiable_count == 0 { negotiable.len() } else { negotiable_count as usize };
        let named: Vec<_> = strict.into_iter().chain(negotiable.into_iter().take(count)).collect();
        let is_live = |id: &_| self.fleet.get(*id).is_some_and(|reader| reader.state.is_live());
        let wanted: Vec<_> = named.into_iter().filter(is_live).collect();
        if wanted.is_empty() {
            return;
        }
        self.failures.hold(self.now + self.settings.preemption_hold);
        self.report(Report::Preemption { readers: wanted.len() });
        wanted.into_iter().for_each(|id| self.send_away(id));
    }

    /// How long the ResourceManager has not answered is watched here: since the first failure, so that a process that
    /// stood still itself blames nobody.
    pub(super) fn watch_manager(&mut self) {
        let since = self.conversation.failing_since();
        let lost = since.is_some_and(|since| self.now.saturating_sub(since) > self.settings.rm_patience);
        if lost && !self.phase.is_ending() {
            let seconds = self.settings.rm_patience.as_secs();
            let strange = self.conversation.strange().map(|came| format!("; in its place {came}"));
            let why = format!("the ResourceManager has not answered for {seconds} s");
            self.give_up_manager(why + strange.as_deref().unwrap_or_default());
        }
    }
}
