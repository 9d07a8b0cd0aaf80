//! Virtual time: events in the order of their times, and of their making where times are the same.

use crate::net::{ConnId, Way};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

/// A process's number: what is meant for an earlier one of the same machine is void.
pub type Life = u32;

/// Whose mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// The writer.
    Writer,
    /// The dispatcher.
    Dispatcher,
    /// The interleaver.
    Interleaver,
    /// A batcher.
    Batcher(usize),
    /// A session.
    Session(u64),
}

/// A timer of the node.
#[derive(Clone, Copy, Debug)]
pub enum Timer {
    /// The writer looks whether a commit is due.
    Look,
    /// The writer tries a full disk again.
    Retry,
    /// The dispatcher shares work out anew.
    Rebalance,
    /// A batch may be old enough; void unless this is the batcher's last timer.
    Batch(usize, u64),
    /// A device is done with its batch.
    Device(usize),
    /// A session looks after its reader.
    Watch(u64),
    /// Freed credit is granted.
    Grant(u64),
    /// A session's heartbeat.
    Ping(u64),
    /// A run that is stopped has had its time to score what has arrived.
    StopWriter,
    /// And now its time for the last commit.
    TooLate,
}

/// What happens to a reader.
#[derive(Clone, Copy, Debug)]
pub enum Wake {
    /// It tries to connect.
    Connect,
    /// Its worker is done with what took time.
    Worked,
    /// It tells its figures.
    Stats,
    /// It looks whether the node lives.
    Watch,
}

/// What happens.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Event {
    Turn { boot: Life, actor: Actor },
    Tick { boot: Life, timer: Timer },
    Arrive { conn: ConnId, way: Way },
    Reader { reader: usize, life: Life, wake: Wake },
    StartNode { boot: Life },
    Fault(usize),
    Stall { reader: usize, until: Duration },
    Cease,
}

struct Entry {
    at: Duration,
    made: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.made == other.made
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> Ordering {
        (other.at, other.made).cmp(&(self.at, self.made))
    }
}

/// The clock and what is to come.
#[derive(Default)]
pub struct Clock {
    now: Duration,
    made: u64,
    events: BinaryHeap<Entry>,
}

impl Clock {
    /// Time since the start.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Lets something happen at a time, or now if that is over.
    pub fn at(&mut self, at: Duration, event: Event) {
        self.made += 1;
        self.events.push(Entry { at: at.max(self.now), made: self.made, event });
    }

    /// Lets something happen after a time.
    pub fn after(&mut self, wait: Duration, event: Event) {
        self.at(self.now + wait, event);
    }

    /// The next event; time goes on to it.
    pub fn next(&mut self) -> Option<Event> {
        let Entry { at, event, .. } = self.events.pop()?;
        self.now = at;
        Some(event)
    }
}
