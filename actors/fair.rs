//! Fair merging: deficit round robin on bytes (Shreedhar and Varghese, 1995).
//!
//! Each source has a queue. A turn gives it a quantum of bytes; it may send items as long as its deficit covers them, and
//! keeps what is left for its next turn. So a source with large records gets no larger share than one with small ones.
//!
//! A source whose queue runs empty keeps its place and its deficit until its next turn. One whose window holds a single large
//! record runs empty with each of them, and would have half the share of the others if it lost what is left each time.

use std::collections::{HashMap, VecDeque};

/// Bytes that a source may send in one turn: a few typical records.
const QUANTUM: u64 = 64 * 1024;
/// Places for items that an empty queue keeps.
const KEPT: usize = 16;

#[derive(Debug)]
struct Queue<T> {
    items: VecDeque<(u64, T)>,
    deficit: u64,
}

/// Queues of many sources, emptied fairly. Bounded by the credit that each item holds, not here.
#[derive(Debug)]
pub struct Fair<T> {
    queues: HashMap<u64, Queue<T>>,
    /// Sources with a queue, the one whose turn it is first.
    turns: VecDeque<u64>,
    /// Whether the first source has had the quantum of its turn.
    given: bool,
    len: usize,
}

impl<T> Default for Fair<T> {
    fn default() -> Fair<T> {
        Fair { queues: HashMap::new(), turns: VecDeque::new(), given: false, len: 0 }
    }
}

impl<T> Fair<T> {
    /// Queues an item of `bytes` bytes behind the others of its source.
    pub fn push(&mut self, source: u64, bytes: u64, item: T) {
        let queue = self.queues.entry(source).or_insert_with(|| {
            self.turns.push_back(source);
            Queue { items: VecDeque::new(), deficit: 0 }
        });
        queue.items.push_back((bytes, item));
        self.len += 1;
    }

    /// The next item in fair order. A source's own items keep their order.
    pub fn pop(&mut self) -> Option<T> {
        loop {
            let &source = self.turns.front()?;
            let queue = self.queues.get_mut(&source)?;
            let Some(&(bytes, _)) = queue.items.front() else {
                // A source that has nothing to send in its turn saves nothing up, and costs no memory once it is gone.
                self.queues.remove(&source);
                self.turns.pop_front();
                self.given = false;
                continue;
            };
            if queue.deficit < bytes {
                if self.given {
                    self.turns.rotate_left(1);
                } else {
                    queue.deficit += QUANTUM;
                }
                self.given = !self.given;
                continue;
            }
            queue.deficit -= bytes;
            let (_, item) = queue.items.pop_front()?;
            if queue.items.is_empty() {
                queue.items.shrink_to(KEPT);
                self.turns.rotate_left(1);
                self.given = false;
            }
            self.len -= 1;
            return Some(item);
        }
    }

    /// Items queued.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sources_share_bytes_not_records() {
        let mut fair = Fair::default();
        for i in 0..1000 {
            fair.push(1, 1_000, (1, i));
        }
        for i in 0..100 {
            fair.push(2, 10_000, (2, i));
        }
        let (mut bytes, mut last) = ([0u64; 3], [-1i32; 3]);
        for _ in 0..550 {
            let (source, i) = fair.pop().unwrap();
            assert_eq!(i, last[source] + 1, "a source's own order is kept");
            last[source] = i;
            bytes[source] += if source == 1 { 1_000 } else { 10_000 };
        }
        let share = bytes[1] as f64 / (bytes[1] + bytes[2]) as f64;
        assert!((0.4..0.6).contains(&share), "{bytes:?}");
    }

    #[test]
    fn a_source_that_runs_empty_keeps_its_place_for_one_turn_only() {
        let mut fair = Fair::default();
        fair.push(1, QUANTUM / 4, "a");
        fair.push(2, QUANTUM, "b");
        assert_eq!(fair.pop(), Some("a"));
        // Three quarters of a quantum are left, and one more comes with the turn.
        fair.push(1, QUANTUM + QUANTUM / 2, "c");
        fair.push(2, QUANTUM, "d");
        assert_eq!((fair.pop(), fair.pop(), fair.pop()), (Some("b"), Some("c"), Some("d")));
        assert_eq!(
            (fair.pop(), fair.queues.len(), fair.turns.len()),
            (None, 0, 0),
            "nothing is kept of the idle"
        );
        // What source 1 had left is gone with its turn.
        fair.push(1, QUANTUM + 1, "e");
        fair.push(2, QUANTUM, "f");
        assert_eq!((fair.pop(), fair.pop()), (Some("f"), Some("e")));
    }

    #[test]
    fn an_item_larger_than_any_quantum_still_comes_out() {
        let mut fair = Fair::default();
        fair.push(1, 10 * QUANTUM, "large");
        fair.push(2, 1, "small");
        assert_eq!((fair.pop(), fair.pop(), fair.pop()), (Some("small"), Some("large"), None));
        fair.push(1, u64::from(u32::MAX), "alone");
        assert_eq!((fair.len(), fair.pop(), fair.is_empty()), (1, Some("alone"), true));
    }
}
