//! What goes wrong.

use super::{Happening, World};
use crate::engine::sim::cluster::node_id;
use crate::engine::*;

/// How readers end that nobody has asked to.
pub const STATUSES: [i32; 8] = [0, 1, 7, 137, -100, -101, -104, -106];

impl World {
    pub(super) fn fault(&mut self) {
        let running = self.cluster.running();
        let life = self.life;
        match self.rng.within(0, 8) {
            0 if self.cluster.up => {
                self.cluster.up = false;
                let wait = self.rng.millis(500, 20_000);
                self.after(wait, Happening::ManagerBack);
            }
            1 if self.engine.is_some() && self.exited.is_none() && self.life < 6 && self.rng.one_in(2) => {
                self.engine = None;
                self.life += 1;
                let wait = self.rng.millis(500, 5000);
                self.after(wait, Happening::MasterBack);
            }
            2 => {
                let node = self.rng.within(0, self.cluster.nodes.len() as u64 - 1) as usize;
                self.cluster.nodes[node].up = false;
                let there = |id: &i64| self.cluster.containers[id].node == node;
                for id in running.into_iter().filter(there).collect::<Vec<_>>() {
                    let wait = self.rng.millis(0, 3000);
                    self.after(wait, Happening::ReaderEnds(id, -100));
                }
                let wait = self.rng.millis(5000, 20_000);
                self.after(wait, Happening::NodeBack(node));
            }
            3 if !running.is_empty() => {
                let id = self.rng.pick(&running);
                self.cluster.preempted.insert(id);
                let wait = self.rng.millis(1000, 15_000);
                self.after(wait, Happening::Preempt(id));
            }
            4 if !running.is_empty() => {
                let (id, status) = (self.rng.pick(&running), self.rng.pick(&STATUSES));
                self.cluster.end(id, status);
            }
            5 => {
                self.cluster.token += 1;
                self.cluster.token_used = false;
            }
            6 => {
                self.tell(Event::GpuLost);
                let wait = self.rng.millis(100, 10_000);
                self.after(wait, Happening::Tell(life, Event::GpuBack));
            }
            7 if !running.is_empty() => {
                let container = self.cluster.id_of(self.rng.pick(&running));
                self.tell(Event::GivenUp { container, reason: "silent".into() });
            }
            8 => {
                let node = self.rng.within(0, self.cluster.nodes.len() as u64 - 1) as usize;
                self.cluster.changes.push((node_id(node), NodeChange::Decommissioning));
            }
            _ => {}
        }
    }
}
