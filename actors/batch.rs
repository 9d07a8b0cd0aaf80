//! When a batch closes, and what goes into it.
//!
//! Texts are padded to the longest of their batch, so a batch of like lengths wastes little. A [`Former`] holds a window
//! of records; when a batch closes it starts from the record that has waited longest and takes those of nearest length,
//! up to a number of records and of padded tokens. So nothing waits for ever, and the larger the window, the less padding.

use crate::mutant::{Mutant, planted};
use std::collections::BTreeMap;
use std::time::Duration;

/// Limits of a batch. Times are monotonic, counted from any fixed start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchRules {
    /// Most records in a batch.
    pub max_records: usize,
    /// Most token ids in a batch, padding included; a single longer record makes a batch of its own.
    pub max_tokens: usize,
    /// A batch closes when its oldest record has waited this long.
    pub max_wait: Duration,
    /// Records held at most.
    pub window_records: usize,
}

/// Why a batch closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closed {
    /// It is full.
    Size,
    /// Its oldest record waited long enough.
    Age,
    /// The device has nothing else to do.
    Idle,
    /// No more records will come.
    End,
}

impl Closed {
    /// Every reason.
    pub const ALL: [Closed; 4] = [Closed::Size, Closed::Age, Closed::Idle, Closed::End];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Closed::Size => "size",
            Closed::Age => "age",
            Closed::Idle => "idle",
            Closed::End => "end",
        }
    }
}

/// How the device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// It has no batch.
    Idle,
    /// It works on one and has room for the next.
    Hungry,
    /// It has one more waiting: nothing is to be closed.
    Full,
}

/// Records waiting for their batch.
#[derive(Debug)]
pub struct Former<T> {
    rules: BatchRules,
    /// By length, then by arrival.
    held: BTreeMap<(usize, u64), T>,
    /// Arrival number to length and time, oldest first.
    ages: BTreeMap<u64, (usize, Duration)>,
    arrivals: u64,
    tokens: usize,
}

impl<T> Former<T> {
    /// An empty window.
    pub fn new(rules: BatchRules) -> Former<T> {
        Former { rules, held: BTreeMap::new(), ages: BTreeMap::new(), arrivals: 0, tokens: 0 }
    }

    /// Takes a record with `tokens` token ids (0 for pictures).
    pub fn push(&mut self, now: Duration, tokens: usize, item: T) {
        self.held.insert((tokens, self.arrivals), item);
        self.ages.insert(self.arrivals, (tokens, now));
        self.arrivals += 1;
        self.tokens += tokens;
    }

    /// Records held.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Records that the window still takes.
    pub fn room(&self) -> usize {
        self.rules.window_records.saturating_sub(self.held.len())
    }

    /// When the oldest record will have waited long enough.
    pub fn deadline(&self) -> Option<Duration> {
        self.ages.first_key_value().map(|(_, &(_, arrived))| arrived + self.rules.max_wait)
    }

    /// The batch that closes now, if one does.
    pub fn close(&mut self, now: Duration, device: Device, ended: bool) -> Option<(Closed, Vec<T>)> {
        if self.held.is_empty() || device == Device::Full {
            return None;
        }
        let full = self.held.len() >= self.rules.max_records || self.tokens >= self.rules.max_tokens;
        let reason = if full {
            Closed::Size
        } else if ended && planted(Mutant::LostTailBatch) {
            return None;
        } else if ended {
            Closed::End
        } else if self.deadline().is_some_and(|deadline| deadline <= now) {
            Closed::Age
        } else if device == Device::Idle {
            Closed::Idle
        } else {
            return None;
        };
        Some((reason, self.cut()))
    }

    /// Takes the oldest record and those of nearest length, as far as the limits go.
    fn cut(&mut self) -> Vec<T> {
        let Some((&oldest, &(length, _))) = self.ages.first_key_value() else { return Vec::new() };
        let anchor = (length, oldest);
        let mut longest = length;
        let mut chosen = vec![anchor];
        let mut shorter = self.held.range(..anchor).rev().map(|(&key, _)| key).peekable();
        let mut longer = self.held.range(anchor..).skip(1).map(|(&key, _)| key).peekable();
        while chosen.len() < self.rules.max_records {
            let fits = |padded: usize| padded * (chosen.len() + 1) <= self.rules.max_tokens;
            let up = longer.peek().filter(|&&(len, _)| fits(len));
            let down = shorter.peek().filter(|_| fits(longest));
            let take_up = match (up, down) {
                (None, None) => break,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some(&(up, _)), Some(&(down, _))) => up - length <= length - down,
            };
            let next = if take_up { longer.next() } else { shorter.next() };
            if let Some(key) = next {
                longest = longest.max(key.0);
                chosen.push(key);
            }
        }
        chosen.sort_unstable();
        chosen
            .into_iter()
            .filter_map(|key| {
                self.ages.remove(&key.1);
                self.tokens -= key.0;
                self.held.remove(&key)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: BatchRules = BatchRules {
        max_records: 4,
        max_tokens: 100,
        max_wait: Duration::from_millis(200),
        window_records: 16,
    };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Arrivals as `(ms, tokens)`; gives what closes at `now`.
    fn check(
        arrivals: &[(u64, usize)],
        now: u64,
        device: Device,
        ended: bool,
    ) -> Option<(Closed, Vec<usize>)> {
        let mut former = Former::new(RULES);
        arrivals.iter().for_each(|&(at, tokens)| former.push(ms(at), tokens, tokens));
        former.close(ms(now), device, ended)
    }

    #[test]
    fn a_batch_closes_by_size_age_end_and_idleness() {
        use Device::{Full, Hungry, Idle};
        assert_eq!(
            check(&[(0, 5)], 199, Hungry, false),
            None,
            "the device is busy and the batch is young and small"
        );
        assert_eq!(check(&[(0, 5)], 199, Idle, false), Some((Closed::Idle, vec![5])));
        assert_eq!(check(&[(0, 5)], 200, Hungry, false), Some((Closed::Age, vec![5])));
        assert_eq!(check(&[(0, 5)], 0, Hungry, true), Some((Closed::End, vec![5])));
        assert_eq!(check(&[(0, 5); 4], 0, Hungry, false), Some((Closed::Size, vec![5; 4])));
        assert_eq!(check(&[(0, 60), (0, 60)], 0, Hungry, false), Some((Closed::Size, vec![60])));
        assert_eq!(check(&[(0, 5); 9], 999, Full, true), None, "there is no room for another batch");
        assert_eq!(check(&[], 999, Idle, true), None);
    }

    #[test]
    fn a_batch_is_the_oldest_record_and_its_nearest_in_length() {
        let arrivals = [(0, 20), (1, 90), (1, 21), (1, 3), (1, 18), (1, 22)];
        assert_eq!(check(&arrivals, 2, Device::Hungry, false), Some((Closed::Size, vec![18, 20, 21, 22])));
    }

    #[test]
    fn a_record_longer_than_the_budget_goes_alone() {
        assert_eq!(check(&[(0, 500), (1, 5)], 1, Device::Idle, false), Some((Closed::Size, vec![500])));
    }

    proptest! {
        /// Whatever comes, everything leaves, within the limits, and nobody waits behind younger ones for ever.
        #[test]
        fn everything_leaves_within_the_limits(lengths in prop::collection::vec(0usize..150, 1..200)) {
            let mut former = Former::new(RULES);
            let mut out = Vec::new();
            for (i, &length) in lengths.iter().enumerate() {
                former.push(ms(i as u64), length, (i, length));
            }
            while let Some((_, batch)) = former.close(ms(1_000), Device::Hungry, true) {
                let longest = batch.iter().map(|&(_, length)| length).max().unwrap_or(0);
                prop_assert!(batch.len() <= RULES.max_records);
                prop_assert!(batch.len() == 1 || longest * batch.len() <= RULES.max_tokens);
                let oldest_left = (0..lengths.len()).find(|i| !out.contains(i)).unwrap();
                prop_assert!(batch.iter().any(|&(i, _)| i == oldest_left));
                out.extend(batch.into_iter().map(|(i, _)| i));
            }
            out.sort_unstable();
            prop_assert_eq!(out, (0..lengths.len()).collect::<Vec<_>>());
            prop_assert!(former.is_empty() && former.deadline().is_none());
        }
    }
}
