//! When a fetch that failed is tried again, and when it is given up.
//!
//! Failures cost nothing as long as the fetch gets on between them: what counts is the time without a byte. Pauses grow with
//! each failure in a row, and are drawn from zero to a bound (full jitter), so that a thousand readers that lost the same
//! server do not come back together. A reader has one fetch at a time, each with a policy of its own: where a server throttles
//! one prefix, those that read there pause, and nobody else. AWS' adaptive limiter, which slows a whole client down, would
//! make readers of other prefixes wait too.

use std::time::Duration;

/// Bounds of the first pause and of the longest; doubled with each failure in between.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// Time without progress after which the operator is told.
const TELL_AFTER: Duration = Duration::from_secs(5);

/// The policy. Takes events and the time of each (monotonic, from any fixed start), returns answers; knows no clock.
#[derive(Debug)]
pub(super) struct Retry {
    budget: Duration,
    /// Failures since the last progress, and when the first of them was.
    failures: u32,
    stuck_since: Option<Duration>,
    told: Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Slow,
    Recovered,
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Try again after a pause; `tell` the operator that the source is slow, which is so once in a fetch.
    Again { pause: Duration, tell: bool },
    /// Nothing came for too long.
    GiveUp,
}

impl Retry {
    /// Gives up once `budget` has passed without progress, counted from the first failure; if it is zero, at that failure.
    pub(super) fn new(budget: Duration) -> Retry {
        Retry { budget, failures: 0, stuck_since: None, told: Told::Nothing }
    }

    /// Something arrived. Gives how long nothing did, if that was told: once in a fetch too.
    pub(super) fn progressed(&mut self, now: Duration) -> Option<Duration> {
        self.failures = 0;
        let stuck = now.saturating_sub(self.stuck_since.take()?);
        if self.told != Told::Slow {
            return None;
        }
        self.told = Told::Recovered;
        Some(stuck)
    }

    /// An attempt failed. `asked`: how long the server asks to be left alone; `random`: a number from 0 to 1.
    pub(super) fn failed(&mut self, now: Duration, asked: Option<Duration>, random: f64) -> Next {
        let since = *self.stuck_since.get_or_insert(now);
        let bound = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures += 1;
        // Whoever was asked at the same moment would come back at the same moment.
        let asked = asked.unwrap_or_default();
        let pause = asked + bound.max(asked / 2).mul_f64(random.clamp(0.0, 1.0));
        let stuck = now.saturating_sub(since);
        if stuck + asked >= self.budget {
            return Next::GiveUp;
        }
        let tell = self.told == Told::Nothing && stuck + pause >= TELL_AFTER;
        if tell {
            self.told = Told::Slow;
        }
        // The last attempt is made when the budget ends.
        Next::Again { pause: pause.min(self.budget - stuck), tell }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Fails over and over, each attempt taking `attempt`; gives the pauses, and when the operator was told.
    fn pauses(seed: u64, attempt: Duration, asked: Option<Duration>) -> (Vec<Duration>, Vec<Duration>) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut retry = Retry::new(10 * MINUTE);
        let (mut now, mut pauses, mut told) = (Duration::ZERO, Vec::new(), Vec::new());
        while let Next::Again { pause, tell } = retry.failed(now, asked, random.f64()) {
            if tell {
                told.push(now);
            }
            pauses.push(pause);
            now += pause + attempt;
        }
        let least = 10 * MINUTE - asked.unwrap_or_default();
        assert!(now >= least && now < 11 * MINUTE, "seed {seed}: given up after {now:?}");
        (pauses, told)
    }

    #[test]
    fn pauses_grow_up_to_a_bound_and_the_operator_is_told_once() {
        for seed in 0..200 {
            let (pauses, told) = pauses(seed, Duration::from_millis(10), None);
            for (failures, pause) in pauses.iter().enumerate() {
                let bound = (FIRST_PAUSE * (1 << failures.min(10))).min(LONGEST_PAUSE);
                assert!(*pause <= bound, "seed {seed}: pause {failures} is {pause:?}");
            }
            // Drawn evenly from zero to 20 s: 60 of them are 10 minutes.
            assert!((40..100).contains(&pauses.len()), "seed {seed}: {} attempts", pauses.len());
            assert_eq!(told.len(), 1, "seed {seed}");
            assert!(told[0] < MINUTE, "seed {seed}: told after {:?}", told[0]);
        }
    }

    #[test]
    fn readers_that_lost_the_same_server_come_back_spread_out() {
        let sixth = |seed| {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut retry = Retry::new(10 * MINUTE);
            let pauses = (0..6).map(|_| match retry.failed(Duration::ZERO, None, random.f64()) {
                Next::Again { pause, .. } => pause,
                Next::GiveUp => unreachable!("no time has passed"),
            });
            pauses.sum::<Duration>()
        };
        let mut back: Vec<Duration> = (0..1000).map(sixth).collect();
        back.sort_unstable();
        // In no tenth of the time that they take is there a quarter of them.
        let tenth = (back[999] - back[0]) / 10;
        for first in 0..750 {
            assert!(back[first + 249] - back[first] > tenth, "250 of 1000 within {tenth:?}");
        }
    }

    #[test]
    fn what_a_server_asks_for_is_the_least_pause() {
        let asked = Duration::from_secs(30);
        let (pauses, _) = pauses(1, Duration::ZERO, Some(asked));
        let (last, others) = pauses.split_last().unwrap();
        assert!(others.iter().all(|&pause| pause >= asked && pause <= asked * 2), "{pauses:?}");
        assert!(*last >= asked, "{pauses:?}");
        let mut retry = Retry::new(MINUTE);
        assert_eq!(retry.failed(Duration::ZERO, Some(MINUTE), 0.5), Next::GiveUp, "longer than we may wait");
    }

    #[test]
    fn whoever_gets_on_is_never_given_up() {
        let mut retry = Retry::new(MINUTE);
        let mut told = 0;
        for minute in 0..1000 {
            let now = MINUTE * minute;
            for second in [0, 59] {
                let next = retry.failed(now + Duration::from_secs(second), None, 1.0);
                let Next::Again { tell, .. } = next else { panic!("given up in minute {minute}") };
                told += u32::from(tell);
            }
            let recovered = retry.progressed(now + Duration::from_millis(59_500));
            assert_eq!(recovered.is_some(), minute == 0, "told once, like the silence");
        }
        assert_eq!(told, 1);
        assert_eq!(Retry::new(Duration::ZERO).failed(MINUTE, None, 0.5), Next::GiveUp);
    }
}
