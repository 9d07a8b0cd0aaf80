//! The names in a folder, as they are read and as they are on the disk.

use super::Survival;
use super::content::Random;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) durable: BTreeMap<String, Node>,
    pub(super) current: BTreeMap<String, Node>,
    pub(super) unsynced: Vec<Renaming>,
}

impl Names {
    pub(super) fn change(&mut self, change: Renaming) {
        change.apply(&mut self.current);
        self.unsynced.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    pub(super) fn crash(&mut self, survival: Survival, random: &mut Random) {
        let changes = std::mem::take(&mut self.unsynced);
        let survivors = match survival {
            Survival::Nothing => 0,
            Survival::Everything => changes.len(),
            Survival::Random(_) => random.below(changes.len() + 1),
        };
        changes[..survivors].iter().for_each(|change| change.apply(&mut self.durable));
        self.current.clone_from(&self.durable);
    }
}

#[derive(Clone, Debug)]
pub(super) enum Renaming {
    Set(String, Node),
    Rename(String, String),
    Remove(String),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Node {
    File(usize),
    Folder(usize),
}

impl Renaming {
    fn apply(&self, names: &mut BTreeMap<String, Node>) {
        match self {
            Renaming::Set(name, node) => {
                names.insert(name.clone(), *node);
            }
            Renaming::Rename(from, to) => {
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
            Renaming::Remove(name) => {
                names.remove(name);
            }
        }
    }
}
