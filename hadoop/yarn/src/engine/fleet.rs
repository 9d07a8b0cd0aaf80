//! The containers that are not over, and how far each is.

use super::types::Completed;
use crate::{Container, ContainerId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Containers that are over are remembered up to this number: the ResourceManager may name them again, once it was
/// restarted.
const REMEMBERED: usize = 4096;

/// How far a container is. Times are those at which it came so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is ours, and nothing runs in it.
    Allocated {
        /// Since.
        since: Duration,
    },
    /// Its NodeManager was asked to start a reader.
    Starting {
        /// Since.
        since: Duration,
        /// It is not wanted any more: to be stopped as soon as it has started.
        doomed: bool,
    },
    /// A reader runs.
    Running {
        /// Since.
        since: Duration,
    },
    /// It was asked to finish.
    Draining {
        /// When it was started.
        since: Duration,
        /// It is stopped then.
        until: Duration,
    },
    /// Its NodeManager was asked to stop it.
    Stopping {
        /// Since.
        since: Duration,
    },
    /// The ResourceManager was told that it is not wanted.
    Released {
        /// Since.
        since: Duration,
    },
}

impl State {
    /// Whether it is one of the readers that are wanted, or will be.
    pub fn is_live(self) -> bool {
        matches!(
            self,
            State::Allocated { .. } | State::Starting { doomed: false, .. } | State::Running { .. }
        )
    }

    /// Whether there may be a reader in it that does not end by itself.
    pub fn may_run(self) -> bool {
        !matches!(self, State::Allocated { .. } | State::Released { .. })
    }

    /// When its reader was started, if it was.
    pub fn started(self) -> Option<Duration> {
        match self {
            State::Running { since } | State::Draining { since, .. } => Some(since),
            _ => None,
        }
    }
}

/// A container.
#[derive(Clone, Debug)]
pub struct Reader {
    /// As the ResourceManager gave it.
    pub container: Container,
    /// How far it is.
    pub state: State,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Fleet {
    readers: BTreeMap<ContainerId, Reader>,
    over: BTreeSet<ContainerId>,
    over_in_order: VecDeque<ContainerId>,
}

impl Fleet {
    /// A container of ours that was not known. Gives whether it is new.
    pub fn insert(&mut self, container: Container, state: State) -> bool {
        let id = container.id;
        if self.over.contains(&id) || self.readers.contains_key(&id) {
            return false;
        }
        self.readers.insert(id, Reader { container, state });
        true
    }

    /// A container that is not over.
    pub fn get(&self, id: ContainerId) -> Option<&Reader> {
        self.readers.get(&id)
    }

    /// Lets a container be in this state.
    pub fn set(&mut self, id: ContainerId, state: State) {
        if let Some(reader) = self.readers.get_mut(&id) {
            reader.state = state;
        }
    }

    /// A container is over. None if that is known already, or it never was ours.
    pub fn complete(&mut self, completed: &Completed) -> Option<Reader> {
        let reader = self.readers.remove(&completed.id)?;
        self.forget(completed.id);
        Some(reader)
    }

    /// A container of which nothing will be heard any more.
    pub fn forget(&mut self, id: ContainerId) {
        self.readers.remove(&id);
        if self.over.insert(id) {
            self.over_in_order.push_back(id);
        }
        if self.over_in_order.len() > REMEMBERED {
            self.over_in_order.pop_front().map(|oldest| self.over.remove(&oldest));
        }
    }

    /// All that are not over, in the order of their names: those given first come first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (ContainerId, &Reader)> {
        self.readers.iter().map(|(&id, reader)| (id, reader))
    }

    /// Names of those whose state is like this.
    pub fn those(&self, is: impl Fn(State) -> bool) -> Vec<ContainerId> {
        self.iter().filter(|(_, reader)| is(reader.state)).map(|(id, _)| id).collect()
    }

    /// How many are in a state like this.
    pub fn count(&self, is: impl Fn(State) -> bool) -> u32 {
        self.readers.values().filter(|reader| is(reader.state)).count() as u32
    }

    /// Those that go when `surplus` fewer readers are wanted: what costs least first, so those without a reader, those
    /// that only start, those that are idle, and then the youngest.
    pub fn surplus(&self, surplus: u32, idle: &BTreeSet<ContainerId>) -> Vec<ContainerId> {
        let mut live: Vec<_> = self
            .iter()
            .filter_map(|(id, reader)| match reader.state {
                State::Allocated { .. } => Some((0, None, id)),
                State::Starting { doomed: false, .. } => Some((1, None, id)),
                State::Running { since } if idle.contains(&id) => Some((2, Some(since), id)),
                State::Running { since } => Some((3, Some(since), id)),
                _ => None,
            })
            .collect();
        live.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)).then(b.2.cmp(&a.2)));
        live.into_iter().take(surplus as usize).map(|(_, _, id)| id).collect()
    }
}
