//! When a reader is given up: if it is silent, or if it holds a lease and does not get on with it.
//!
//! Being alive is not enough: a reader whose worker hangs still sends its figures. What counts is an accepted frame, or the
//! worker's *pulse*, a figure that grows with every piece fetched and every record read. A reader that may not send for want
//! of credit is not to blame, so the clock stands still while its window has no room for the largest record.

use std::time::Duration;

/// The rule. Times are monotonic, counted from any fixed start.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    limit: Duration,
    heard: Duration,
    moved: Duration,
    checked: Duration,
    pulse: u64,
}

/// Why a reader is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// Nothing was heard of it.
    Silent,
    /// It lives and does not get on.
    Stuck,
}

impl Patience {
    /// Patience for `limit`, from `now` on.
    pub fn new(limit: Duration, now: Duration) -> Patience {
        Patience { limit, heard: now, moved: now, checked: now, pulse: 0 }
    }

    /// A frame arrived.
    pub fn heard(&mut self, now: Duration) {
        self.heard = now;
    }

    /// The reader got a lease, or got on with the one that it has.
    pub fn moved(&mut self, now: Duration) {
        self.moved = now;
    }

    /// The worker's pulse, as the reader tells it.
    pub fn pulse(&mut self, pulse: u64, now: Duration) {
        if pulse != self.pulse {
            self.pulse = pulse;
            self.moved = now;
        }
    }

    /// Whether patience is over; to be asked several times within the limit. `leased`: the reader has work; `may_send`: its
    /// window has room for the largest record.
    pub fn check(&mut self, now: Duration, leased: bool, may_send: bool) -> Option<GivenUp> {
        if now.saturating_sub(self.checked) > self.limit / 2 {
            // It was this side that stood still, and what the reader has said meanwhile is not read yet.
            (self.heard, self.moved) = (now, now);
        }
        self.checked = now;
        if !leased || !may_send {
            self.moved = now;
        }
        if now.saturating_sub(self.heard) > self.limit {
            Some(GivenUp::Silent)
        } else if now.saturating_sub(self.moved) > self.limit {
            Some(GivenUp::Stuck)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What happens at each second; gives the second in which the reader is given up.
    fn given_up(leased: bool, may_send: bool, each: impl Fn(&mut Patience, u64)) -> Option<(u64, GivenUp)> {
        let mut patience = Patience::new(Duration::from_secs(10), Duration::ZERO);
        (1..100).find_map(|second| {
            each(&mut patience, second);
            let now = Duration::from_secs(second);
            patience.check(now, leased, may_send).map(|why| (second, why))
        })
    }

    #[test]
    fn a_node_that_stood_still_blames_nobody() {
        let at = Duration::from_secs;
        let mut patience = Patience::new(at(10), at(0));
        assert_eq!(patience.check(at(5), true, true), None);
        assert_eq!(patience.check(at(500), true, true), None, "its frames may be waiting to be read");
        assert_eq!(patience.check(at(505), true, true), None);
        assert_eq!(patience.check(at(514), true, true), None, "it stood still again");
        assert_eq!(patience.check(at(519), true, true), None);
        assert_eq!(patience.check(at(522), true, true), None);
        assert_eq!(patience.check(at(525), true, true), Some(GivenUp::Silent));
    }

    #[test]
    fn liveness_is_no_progress_and_want_of_credit_is_no_fault() {
        let at = Duration::from_secs;
        let alive = |patience: &mut Patience, second| patience.heard(at(second));
        assert_eq!(given_up(true, true, |_, _| {}), Some((11, GivenUp::Silent)));
        assert_eq!(given_up(false, true, |_, _| {}), Some((11, GivenUp::Silent)), "it need not have work");
        assert_eq!(given_up(true, true, alive), Some((11, GivenUp::Stuck)));
        assert_eq!(given_up(true, false, alive), None, "it waits for credit");
        assert_eq!(given_up(false, true, alive), None, "it waits for work");
        let works = |patience: &mut Patience, second: u64| {
            patience.heard(at(second));
            patience.pulse(second / 9, at(second));
        };
        assert_eq!(given_up(true, true, works), None, "a record may take its time");
        let hangs = |patience: &mut Patience, second: u64| {
            patience.heard(at(second));
            patience.pulse(second.min(20), at(second));
        };
        assert_eq!(given_up(true, true, hangs), Some((31, GivenUp::Stuck)));
    }
}
