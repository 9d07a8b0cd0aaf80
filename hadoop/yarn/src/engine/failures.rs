//! When to try again, and when to give up.
//!
//! A failure delays the next ask, the longer the more failures there were in a row. Only failures during which nothing
//! got on are reasons to give up: a record that kills its readers is found and passed over by the GPU node, and takes
//! some with it until then.

use super::verdict::{Bearing, Cause};
use std::collections::VecDeque;
use std::time::Duration;

/// How long a failure counts.
pub const WINDOW: Duration = Duration::from_secs(600);
/// More than so many failures end the job, or more than [`A_READER`] for each reader that is wanted.
pub const AT_LEAST: usize = 10;
/// See [`AT_LEAST`].
pub const A_READER: usize = 3;
/// Failures of one cause of the kind [`Bearing::Few`] that end the job, if they were on several hosts.
pub const FEW: usize = 3;
/// And if they were on one: it may be the host, and be listed.
pub const FEW_ON_ONE_HOST: usize = 6;
/// Failures of one cause of the kind [`Bearing::Several`] that end the job.
pub const SEVERAL: usize = 5;
/// Failures that are quoted in the end.
const QUOTED: usize = 5;
/// The longest delay.
const LONGEST: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Failure {
    at: Duration,
    host: String,
    cause: Cause,
    bearing: Bearing,
    text: String,
}

/// The rule.
#[derive(Debug, Default)]
pub struct Failures {
    recent: VecDeque<Failure>,
    streak: u32,
    held_until: Duration,
}

impl Failures {
    /// A reader failed on `host`; `stable`: it had run as long as one does that is good.
    pub fn count(
        &mut self,
        now: Duration,
        host: &str,
        (cause, bearing): (Cause, Bearing),
        text: String,
        stable: bool,
    ) {
        self.stumble(now, stable);
        self.recent.push_back(Failure { at: now, host: host.to_owned(), cause, bearing, text });
    }

    /// A reader is over sooner than it should: the next one waits, though this is no reason to give up.
    pub fn stumble(&mut self, now: Duration, stable: bool) {
        self.streak = if stable { 1 } else { self.streak.saturating_add(1) };
        let delay = Duration::from_secs(1 << (self.streak - 1).min(6)).min(LONGEST);
        self.hold(now + delay);
    }

    /// Records were delivered.
    pub fn progress(&mut self) {
        self.recent.clear();
        self.streak = 0;
    }

    /// Nothing is asked for until then.
    pub fn hold(&mut self, until: Duration) {
        self.held_until = self.held_until.max(until);
    }

    /// Whether nothing is to be asked for now.
    pub fn is_held(&self, now: Duration) -> bool {
        now < self.held_until
    }

    /// Why to give up, if it is time to, with `target` readers wanted.
    pub fn give_up(&mut self, now: Duration, target: u32) -> Option<String> {
        while self.recent.front().is_some_and(|first| now.saturating_sub(first.at) > WINDOW) {
            self.recent.pop_front();
        }
        for failure in &self.recent {
            let alike = || self.recent.iter().filter(|other| other.cause == failure.cause);
            let borne = match failure.bearing {
                Bearing::Few if alike().any(|other| other.host != failure.host) => FEW,
                Bearing::Few => FEW_ON_ONE_HOST,
                Bearing::Several => SEVERAL,
                Bearing::Ordinary | Bearing::NoFailure => continue,
            };
            if alike().count() >= borne {
                let advice = failure.cause.advice().unwrap_or("see the containers' stderr");
                let texts = quote(alike());
                let help = failure.cause.help();
                return Some(format!("{} readers failed alike ({help}): {advice}: {texts}", alike().count()));
            }
        }
        let borne = AT_LEAST.max(A_READER * target as usize);
        if self.recent.len() <= borne {
            return None;
        }
        let (count, texts) = (self.recent.len(), quote(self.recent.iter()));
        Some(format!("{count} readers failed within {} s and nothing got on: {texts}", WINDOW.as_secs()))
    }
}

fn quote<'a>(failures: impl Iterator<Item = &'a Failure>) -> String {
    let texts: Vec<_> = failures.take(QUOTED).map(|failure| failure.text.as_str()).collect();
    texts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDINARY: (Cause, Bearing) = (Cause::Network, Bearing::Ordinary);
    const SEVERAL_OF: (Cause, Bearing) = (Cause::Memory, Bearing::Several);
    const FEW_OF: (Cause, Bearing) = (Cause::Exec, Bearing::Few);

    fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    /// The failure with which the job is given up, if failures like this one happen each second on hosts in turn.
    fn given_up(kind: (Cause, Bearing), hosts: u64, target: u32, progress_every: u64) -> Option<u64> {
        let mut failures = Failures::default();
        (1..=100).find(|&n| {
            failures.count(at(n), &format!("host{}", n % hosts), kind, format!("no. {n}"), false);
            if n.is_multiple_of(progress_every) {
                failures.progress();
            }
            failures.give_up(at(n), target).is_some()
        })
    }

    #[test]
    fn when_it_is_given_up() {
        assert_eq!(given_up(ORDINARY, 5, 2, 1000), Some(11));
        assert_eq!(given_up(ORDINARY, 5, 20, 1000), Some(61), "more readers, more patience");
        assert_eq!(given_up(ORDINARY, 5, 2, 9), None, "something gets on");
        assert_eq!(given_up(FEW_OF, 2, 20, 1000), Some(3));
        assert_eq!(given_up(FEW_OF, 1, 20, 1000), Some(6), "it may be the host");
        assert_eq!(given_up(FEW_OF, 2, 20, 2), None);
        assert_eq!(given_up(SEVERAL_OF, 2, 20, 1000), Some(5), "it may be a record");
    }

    #[test]
    fn old_failures_do_not_count_and_the_first_five_are_told() {
        let mut failures = Failures::default();
        (1..=10).for_each(|n| failures.count(at(n), "h", ORDINARY, format!("no. {n}"), false));
        failures.count(at(700), "h", ORDINARY, "late".into(), false);
        assert_eq!(failures.give_up(at(700), 1), None);
        (1..=10).for_each(|n| failures.count(at(700), "h", ORDINARY, format!("no. {n}"), false));
        let why = failures.give_up(at(700), 1).unwrap();
        assert!(why.contains("late; no. 1; no. 2; no. 3; no. 4") && !why.contains("no. 5"), "{why}");
    }

    #[test]
    fn the_next_ask_waits_longer_each_time() {
        let mut failures = Failures::default();
        for (n, delay) in [1, 2, 4, 8, 16, 32, 60, 60].into_iter().enumerate() {
            let now = at(1000 * (n as u64 + 1));
            failures.count(now, "h", ORDINARY, String::new(), false);
            assert!(failures.is_held(now + at(delay) - Duration::from_millis(1)), "{n}");
            assert!(!failures.is_held(now + at(delay)), "{n}");
        }
        failures.count(at(9000), "h", ORDINARY, String::new(), true);
        assert!(!failures.is_held(at(9001)), "that one had run well");
    }
}
