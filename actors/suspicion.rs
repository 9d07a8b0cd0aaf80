//! Which record kills its readers: the rules by which one is found, and passed over.
//!
//! A reader has many records under way when it dies, so its death says little. From then on its successors are *careful*:
//! they announce each record and begin it only when the GPU node knows. A death then points at one record. The third one
//! that a record has caused, the first included, is its last: it is quarantined, by its key.

use crate::message::Position;
use std::time::Duration;

/// Deaths of readers, the first one included, for which a record is quarantined.
pub const STRIKES: u32 = 3;
/// Deaths at one place, whether a record was announced or not, after which the rest of the part is given up.
pub const MAX_DEATHS: u32 = 10;
/// Deaths at one place that are closer than this count as one, unless they accuse a record: readers that go together, as with
/// a machine or a switch, are handed the part one after the other, and say nothing about it.
pub const DEATHS_APART: Duration = Duration::from_secs(5);
/// Failures to read on at one place after which the rest of the part is given up.
pub const MAX_FAILURES: u32 = 3;
/// Records that are announced after a death: more than a reader usually has under way.
pub const CAREFUL_RECORDS: u32 = 256;

/// What is known against the next record of a part.
#[derive(Clone, Debug, Default)]
pub struct Suspicion {
    /// The place that deaths, failures and strikes were counted at.
    at: Position,
    deaths: u32,
    /// When the last one was that counted.
    last_death: Option<Duration>,
    failures: u32,
    strikes: u32,
    /// A reader died in the middle of records that it had not announced; the first one that is caught answers for it.
    unexplained: bool,
    /// The record that the present reader has begun.
    attempt: Option<Position>,
    /// Records that are still to be announced.
    careful: u32,
}

/// What becomes of a part whose reader is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is leased again.
    Again,
    /// It is given up.
    GiveUp,
}

impl Suspicion {
    /// How the next reader is to go about: records to announce, and whether the first one is passed over.
    pub fn caution(&self) -> (u32, bool) {
        (self.careful, self.strikes >= STRIKES)
    }

    /// The reader begins the record at `at`.
    pub fn attempt(&mut self, at: Position) {
        self.move_to(at);
        self.attempt = Some(at);
        self.careful = self.careful.saturating_sub(1);
        if self.careful == 0 {
            self.unexplained = false;
        }
    }

    /// The part's records before `next` are accepted.
    pub fn move_to(&mut self, next: Position) {
        if next > self.at {
            self.at = next;
            self.deaths = 0;
            self.last_death = None;
            self.failures = 0;
            self.strikes = 0;
            self.attempt = None;
        }
    }

    /// The reader died, or was given up.
    pub fn death(&mut self, frontier: Position, now: Duration) -> Judgement {
        self.move_to(frontier);
        let is_apart = self.last_death.is_none_or(|last| now.saturating_sub(last) >= DEATHS_APART);
        if self.attempt.is_some() || is_apart {
            self.deaths += 1;
            self.last_death = Some(now);
        }
        match self.attempt.take() {
            Some(_) => {
                self.strikes += 1 + u32::from(self.unexplained);
                self.unexplained = false;
            }
            None if self.careful == 0 => self.unexplained = true,
            // It died on the way to its first record: nobody's fault.
            None => {}
        }
        self.careful = CAREFUL_RECORDS;
        if self.deaths >= MAX_DEATHS { Judgement::GiveUp } else { Judgement::Again }
    }

    /// The reader lives, but could not read on.
    pub fn failure(&mut self, frontier: Position) -> Judgement {
        self.move_to(frontier);
        self.attempt = None;
        self.failures += 1;
        if self.failures >= MAX_FAILURES { Judgement::GiveUp } else { Judgement::Again }
    }

    /// The lease was taken back from a reader that did nothing wrong.
    pub fn revoked(&mut self) {
        self.attempt = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(offset: u64) -> Position {
        Position { offset, ordinal: 0 }
    }

    #[test]
    fn the_third_death_is_the_records_last() {
        let mut suspicion = Suspicion::default();
        suspicion.move_to(place(40));
        assert_eq!(suspicion.caution(), (0, false), "nobody has died");
        // The first one dies with record 70 in work and 40 as its last word.
        assert_eq!(suspicion.death(place(40), Duration::ZERO), Judgement::Again);
        for (death, quarantined) in [(2, false), (3, true)] {
            assert_eq!(suspicion.caution(), (CAREFUL_RECORDS, false), "before death {death}");
            for at in [40, 50, 60, 70] {
                suspicion.attempt(place(at));
            }
            suspicion.death(place(70), Duration::ZERO);
            assert_eq!(suspicion.caution().1, quarantined, "after death {death}");
        }
        suspicion.move_to(place(80));
        assert_eq!(
            suspicion.caution(),
            (CAREFUL_RECORDS, false),
            "it is passed, its successor is not suspected"
        );
    }

    #[test]
    fn a_reader_that_dies_before_it_begins_a_record_accuses_none() {
        let mut suspicion = Suspicion::default();
        for death in 1..MAX_DEATHS {
            assert_eq!(suspicion.death(place(40), DEATHS_APART * death), Judgement::Again, "{death}");
            assert!(!suspicion.caution().1);
        }
        let at = DEATHS_APART * MAX_DEATHS;
        assert_eq!(suspicion.death(place(40), at), Judgement::GiveUp, "but the part is not tried for ever");
    }

    #[test]
    fn readers_that_go_together_are_one_death() {
        let mut suspicion = Suspicion::default();
        for reader in 0..5 * MAX_DEATHS {
            let judgement = suspicion.death(place(40), Duration::from_millis(reader.into()));
            assert_eq!(judgement, Judgement::Again, "reader {reader}");
        }
    }

    #[test]
    fn caution_ends_after_enough_records() {
        let mut suspicion = Suspicion::default();
        suspicion.death(place(0), Duration::ZERO);
        (0..u64::from(CAREFUL_RECORDS)).for_each(|i| suspicion.attempt(place(i)));
        assert_eq!(suspicion.caution(), (0, false));
    }

    #[test]
    fn a_place_that_cannot_be_read_is_given_up_sooner_than_one_where_readers_die() {
        let mut suspicion = Suspicion::default();
        assert_eq!(suspicion.failure(place(10)), Judgement::Again);
        assert_eq!(suspicion.failure(place(20)), Judgement::Again, "it came further");
        assert_eq!(suspicion.failure(place(20)), Judgement::Again);
        assert_eq!(suspicion.failure(place(20)), Judgement::GiveUp);
    }
}
