//! What becomes of requests on their way, and where they arrive.

use super::faults::STATUSES;
use super::{Happening, World};
use crate::engine::sim::cluster::{Life, host};
use crate::engine::*;

impl World {
    pub(super) fn at_manager(&mut self, life: u32, action: Action) {
        let failed = |fault| match action {
            Action::Register => Event::RegisterFailed(fault),
            Action::Unregister { .. } => Event::UnregisterFailed(fault),
            _ => Event::AllocateFailed(fault),
        };
        let lost = !self.peace && self.rng.one_in(12);
        if !self.cluster.up || (lost && self.rng.one_in(2)) {
            let fault = if self.rng.one_in(4) { RmFault::Retriable } else { RmFault::Connection };
            let wait = self.rng.millis(50, 1500);
            return self.after(wait, Happening::Tell(life, failed(fault)));
        }
        if life != self.life {
            return;
        }
        let answer = match &action {
            Action::Register => self.cluster.register(&mut self.rng),
            Action::Allocate(request) => self.cluster.allocate(request, &mut self.rng),
            _ => self.cluster.unregister(),
        };
        // Some transports register anew by themselves.
        let restarted = matches!(answer, Event::AllocateFailed(RmFault::NotRegistered));
        let answer = match restarted && !lost && self.rng.one_in(2) {
            true => self.cluster.register(&mut self.rng),
            false => answer,
        };
        if let Event::Registered(registered) = &answer {
            self.blind = lost && !registered.previous.is_empty();
        }
        // It connects again, with the newest token.
        self.cluster.token_used |= lost;
        // The request was read, and its answer is lost.
        let answer = if lost { failed(RmFault::Connection) } else { answer };
        let wait = self.rng.millis(5, if lost { 2000 } else { 150 });
        self.after(wait, Happening::Tell(life, answer));
    }

    pub(super) fn at_node(&mut self, life: u32, action: Action) {
        let lost = !self.peace && self.rng.one_in(12);
        let wait = self.rng.millis(5, 400);
        let answer = match action {
            Action::Start { container, .. } => {
                let id = container.id;
                let result = self.start(id);
                let result = if lost && result.is_ok() {
                    Err(match self.rng.one_in(2) {
                        true => StartError::AlreadyStarted,
                        false => StartError::Unreachable { message: "reset".into() },
                    })
                } else {
                    result
                };
                Event::StartResult { container: id, result }
            }
            Action::Stop { container, .. } => {
                let up = self.cluster.nodes[self.cluster.containers[&container.id].node].up;
                if up && !(lost && self.rng.one_in(2)) {
                    let wait = self.rng.millis(50, 1000);
                    self.after(wait, Happening::ReaderEnds(container.id, -105));
                }
                let result = if up && !lost { Ok(()) } else { Err("unreachable".to_owned()) };
                Event::StopResult { container, result }
            }
            other => unreachable!("{other:?} is not for nodes"),
        };
        self.after(wait, Happening::Tell(life, answer));
    }

    fn start(&mut self, id: ContainerId) -> Result<(), StartError> {
        let held = &self.cluster.containers[&id.id];
        let node = &self.cluster.nodes[held.node];
        if !node.up {
            return Err(StartError::Unreachable { message: "no route".into() });
        }
        if held.life == Life::Over || node.bad {
            return Err(StartError::Refused { message: format!("not on {}", host(held.node)) });
        }
        self.cluster.containers.get_mut(&id.id).unwrap().life = Life::Running;
        if !self.peace && self.rng.one_in(10) {
            let (wait, status) = (self.rng.millis(1, 30_000), self.rng.pick(&STATUSES));
            self.after(wait, Happening::ReaderEnds(id.id, status));
        }
        Ok(())
    }
}
