//! The frontier of a part: the place before which every record has its verdict.
//!
//! A session accepts records in the order of the archive, but verdicts come batch by batch, in any order. A [`Frontier`]
//! keeps what was accepted and waits; from its front, what is settled is released. So positives leave in the order of the
//! archive, and what is released is a prefix of the part: a place to go on from after a crash. Bounded by what was accepted
//! and has no verdict, which the readers' credit bounds.

use crate::Exclusion;
use crate::message::{Accepted, Lost, Position, WarcId};
use crate::mutant::{Mutant, planted};
use crate::part::{PartId, PartOver, PartState};
use std::collections::VecDeque;

/// Most places of a part that are listed: some 300 KB of memory while they wait for a record before them, and a file that a
/// person can still read. What is beyond is counted like all.
pub const MAX_LISTED: u64 = 10_000;

/// What leaves the books in the order of each part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released<T> {
    /// To be stored.
    Positive(T),
    /// To be listed.
    Lost(WarcId, Lost),
}

/// What a record turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<T> {
    /// Above the threshold: to be stored.
    Positive(T),
    /// Not above it.
    Negative,
    /// Without a score.
    Excluded(Exclusion),
}

#[derive(Debug)]
enum Slot<T> {
    /// No record: progress alone.
    Told,
    /// In the pipeline.
    Waiting(Position),
    Settled(Verdict<T>),
}

/// One accepted frame.
#[derive(Debug)]
struct Step<T> {
    slot: Slot<T>,
    next: Position,
    bytes_read: u64,
    excluded: Vec<(Exclusion, u32)>,
    lost: Vec<Lost>,
    over: Option<PartOver>,
}

/// See the module.
#[derive(Debug)]
pub struct Frontier<T> {
    state: PartState,
    /// Epoch and place up to which frames were accepted.
    accepted: (u32, Position),
    steps: VecDeque<Step<T>>,
    /// Places of what was accepted that are listed.
    listed: u64,
    /// Whether the last step is the part's last.
    ended: bool,
}

/// What was said does not fit what is known: it comes from a lease that is over, or is a defect of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("part {part} in epoch {epoch} at {at:?} does not fit what was accepted of it")]
pub struct Stale {
    /// The part.
    pub part: PartId,
    /// The epoch.
    pub epoch: u32,
    /// The place.
    pub at: Position,
}

impl<T> Frontier<T> {
    /// The frontier of a part that stands as `state` says.
    pub fn new(state: PartState) -> Frontier<T> {
        let accepted = (state.epoch, state.frontier);
        let ended = state.over.is_some();
        let listed = state.listed;
        Frontier { state, accepted, steps: VecDeque::new(), listed, ended }
    }

    /// Takes a frame that a session accepted. A record in it waits for its verdict.
    pub fn accept(&mut self, accepted: &Accepted) -> Result<(), Stale> {
        let Accepted { part, epoch, record, progress, over } = accepted;
        let (last_epoch, last) = self.accepted;
        let at = record.unwrap_or(progress.next);
        let fits = *epoch >= last_epoch && !self.ended && at >= last && progress.next >= at;
        if !fits && !planted(Mutant::ForgottenEpoch) {
            return Err(Stale { part: *part, epoch: *epoch, at });
        }
        self.accepted = (*epoch, progress.next);
        self.ended = over.is_some();
        let room = usize::try_from(MAX_LISTED.saturating_sub(self.listed)).unwrap_or(usize::MAX);
        let lost = &progress.lost[..progress.lost.len().min(room)];
        self.listed += lost.len() as u64;
        let slot = record.map_or(Slot::Told, Slot::Waiting);
        // Progress alone joins what was told before, so that a long stretch without records takes no room.
        if let (
            Slot::Told,
            Some(Step { slot: Slot::Told, next, bytes_read, excluded, lost: places, over: last }),
        ) = (&slot, self.steps.back_mut())
        {
            *next = progress.next;
            *bytes_read = progress.bytes_read;
            for &(reason, n) in &progress.excluded {
                match excluded
                    .iter_mut()
                    .find(|(other, sum)| *other == reason && sum.checked_add(n).is_some())
                {
                    Some((_, sum)) => *sum += n,
                    None => excluded.push((reason, n)),
                }
            }
            if !planted(Mutant::ForgottenPlaces) {
                places.extend_from_slice(lost);
            }
            last.clone_from(over);
            return Ok(());
        }
        self.steps.push_back(Step {
            slot,
            next: progress.next,
            bytes_read: progress.bytes_read,
            excluded: progress.excluded.clone(),
            lost: lost.to_vec(),
            over: over.clone(),
        });
        Ok(())
    }

    /// Settles the record that starts at `at`.
    pub fn settle(&mut self, at: Position, verdict: Verdict<T>) -> Result<(), Stale> {
        // Positions grow from step to step, and a record's own lies between its neighbours' ends.
        let index = self.steps.partition_point(|step| step.next <= at);
        match self.steps.get_mut(index).map(|step| &mut step.slot) {
            Some(slot) if matches!(&*slot, Slot::Waiting(waiting) if *waiting == at) => {
                *slot = Slot::Settled(verdict);
                Ok(())
            }
            _ => Err(Stale { part: self.state.part, epoch: self.state.epoch, at }),
        }
    }

    /// Gives up the rest of the part.
    pub fn give_up(&mut self, epoch: u32, reason: &str) {
        let (_, next) = self.accepted;
        self.accepted.0 = epoch;
        self.ended = true;
        self.steps.push_back(Step {
            slot: Slot::Told,
            next,
            bytes_read: 0,
            excluded: Vec::new(),
            lost: Vec::new(),
            over: Some(PartOver::Failed(reason.to_owned())),
        });
    }

    /// Cuts the part: records in members from byte `end` on are another part's from now on. Nothing of them was accepted.
    pub fn cut(&mut self, end: u64) {
        self.state.end = end;
    }

    /// Moves over everything at the front that is settled, and hands out positives and places in the order of the archive,
    /// of the latter as many as there is `room` for, which shrinks. Whether it moved at all.
    pub fn release(&mut self, room: &mut usize, mut out: impl FnMut(Released<T>)) -> bool {
        let mut moved = false;
        let leave = usize::from(planted(Mutant::FrontierOffByOne));
        while let Some(step) = self.steps.pop_front() {
            let account = &mut self.state.account;
            match step.slot {
                Slot::Waiting(_) if self.steps.len() < leave => {}
                Slot::Waiting(_) => {
                    self.steps.push_front(step);
                    break;
                }
                Slot::Told => {}
                Slot::Settled(verdict) => {
                    account.seen += 1;
                    match verdict {
                        Verdict::Positive(kept) => {
                            account.positives += 1;
                            out(Released::Positive(kept));
                        }
                        Verdict::Negative => account.negatives += 1,
                        Verdict::Excluded(reason) => account.excluded.add(reason, 1),
                    }
                }
            }
            for (reason, n) in step.excluded {
                account.seen += u64::from(n);
                account.excluded.add(reason, n.into());
            }
            for lost in step.lost.into_iter().take(*room) {
                *room -= 1;
                self.state.listed += 1;
                out(Released::Lost(self.state.warc, lost));
            }
            self.state.frontier = step.next;
            self.state.bytes_read = self.state.bytes_read.max(step.bytes_read);
            self.state.over = step.over;
            moved = true;
        }
        if moved {
            self.state.epoch = self.accepted.0;
        }
        moved
    }

    /// The part as it stands at the frontier: what may be committed, once everything released is stored.
    pub fn state(&self) -> &PartState {
        &self.state
    }

    /// Records that were accepted and are not released.
    #[cfg(test)]
    fn unreleased(&self) -> usize {
        self.steps.iter().filter(|step| !matches!(step.slot, Slot::Told)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Progress;
    use proptest::prelude::*;

    fn place(offset: u64) -> Position {
        Position { offset, ordinal: 0 }
    }

    fn accepted(epoch: u32, record: Option<u64>, next: u64, wrong_type: u32) -> Accepted {
        let excluded = if wrong_type > 0 { vec![(Exclusion::WrongWarcType, wrong_type)] } else { Vec::new() };
        Accepted {
            part: 0,
            epoch,
            record: record.map(place),
            progress: Progress { next: place(next), bytes_read: next, excluded, lost: Vec::new() },
            over: None,
        }
    }

    fn release<T>(frontier: &mut Frontier<T>, out: &mut Vec<T>) -> bool {
        frontier.release(&mut 0, |released| match released {
            Released::Positive(kept) => out.push(kept),
            Released::Lost(..) => panic!("there is no room for places"),
        })
    }

    #[test]
    fn positives_leave_in_the_order_of_the_archive_however_verdicts_come() {
        let mut frontier = Frontier::new(PartState::whole(0));
        for i in 0..4 {
            frontier.accept(&accepted(0, Some(i * 10), i * 10 + 10, 1)).unwrap();
        }
        let mut out = Vec::new();
        for (at, verdict, expected) in [
            (20, Verdict::Positive(2), vec![]),
            (10, Verdict::Negative, vec![]),
            (0, Verdict::Positive(0), vec![0, 2]),
            (30, Verdict::Excluded(Exclusion::ScoreNan), vec![]),
        ] {
            out.clear();
            frontier.settle(place(at), verdict).unwrap();
            release(&mut frontier, &mut out);
            assert_eq!(out, expected, "after {at}");
        }
        let state = frontier.state();
        assert_eq!((state.frontier, state.bytes_read, frontier.unreleased()), (place(40), 40, 0));
        let account = &state.account;
        assert_eq!((account.seen, account.positives, account.negatives), (8, 2, 1));
        account.check().unwrap();
    }

    #[test]
    fn what_comes_from_an_older_epoch_or_a_passed_place_or_twice_is_stale() {
        let mut frontier = Frontier::<()>::new(PartState::whole(0));
        frontier.accept(&accepted(2, Some(0), 10, 0)).unwrap();
        for (stale, why) in [
            (accepted(1, Some(10), 20, 0), "an older epoch"),
            (accepted(2, Some(5), 20, 0), "a place that was passed"),
            (accepted(2, Some(30), 20, 0), "a record behind its own end"),
        ] {
            assert!(frontier.accept(&stale).is_err(), "{why}");
        }
        assert!(frontier.settle(place(10), Verdict::Negative).is_err(), "never accepted");
        frontier.settle(place(0), Verdict::Negative).unwrap();
        assert!(frontier.settle(place(0), Verdict::Negative).is_err(), "settled twice");
        let end = Accepted { over: Some(PartOver::Done), ..accepted(2, None, 10, 0) };
        frontier.accept(&end).unwrap();
        assert!(frontier.accept(&accepted(3, Some(10), 20, 0)).is_err(), "the part is over");
        release(&mut frontier, &mut Vec::new());
        assert_eq!(frontier.state().over, Some(PartOver::Done));
    }

    /// Places at 10, 11, ... as many as fit a frame.
    fn damage(from: u64, n: u64) -> Progress {
        let lost = (from..from + n).map(|at| Lost { at: place(at), length: 1, reason: Exclusion::Garbage });
        let excluded = vec![(Exclusion::Garbage, n as u32)];
        Progress { next: place(from + n), bytes_read: from + n, excluded, lost: lost.collect() }
    }

    #[test]
    fn places_leave_with_the_records_around_them_and_once() {
        let mut frontier = Frontier::<()>::new(PartState { warc: 7, ..PartState::whole(3) });
        let told = |record: Option<u64>, progress| Accepted {
            record: record.map(place),
            progress,
            ..accepted(0, None, 0, 0)
        };
        frontier.accept(&told(None, damage(0, 2))).unwrap();
        frontier.accept(&told(None, damage(2, 1))).unwrap();
        let with_record = Progress { next: place(9), ..damage(3, 2) };
        frontier.accept(&told(Some(8), with_record)).unwrap();
        let places = |frontier: &mut Frontier<()>, room: &mut usize| {
            let mut out = Vec::new();
            frontier.release(room, |released| match released {
                Released::Lost(warc, lost) => out.push((warc, lost.at.offset)),
                Released::Positive(()) => {}
            });
            out
        };
        let mut room = 10;
        assert_eq!(places(&mut frontier, &mut room), [(7, 0), (7, 1), (7, 2)]);
        assert_eq!((frontier.state().listed, frontier.state().account.seen), (3, 3));
        frontier.settle(place(8), Verdict::Negative).unwrap();
        room = 1;
        assert_eq!(places(&mut frontier, &mut room), [(7, 3)], "there is room for one");
        let state = frontier.state();
        assert_eq!((state.listed, state.account.excluded.listed(), room), (4, 5, 0), "but all are counted");
        assert_eq!(places(&mut frontier, &mut 10), []);
    }

    #[test]
    fn a_part_of_nothing_but_damage_lists_a_bounded_number() {
        let mut frontier = Frontier::<()>::new(PartState::whole(0));
        frontier.accept(&accepted(0, Some(0), 1, 0)).unwrap();
        for i in 0..MAX_LISTED / 30 + 10 {
            let told = Accepted { progress: damage(1 + 30 * i, 30), ..accepted(0, None, 0, 0) };
            frontier.accept(&told).unwrap();
        }
        assert_eq!(frontier.steps.back().unwrap().lost.len() as u64, MAX_LISTED, "while it waits");
        frontier.settle(place(0), Verdict::Negative).unwrap();
        let mut out = 0;
        frontier.release(&mut usize::MAX.clone(), |_| out += 1);
        let state = frontier.state();
        assert_eq!((out, state.listed), (MAX_LISTED, MAX_LISTED));
        assert_eq!(state.account.excluded.listed(), (MAX_LISTED / 30 + 10) * 30);
        // Nor does the part that goes on.
        let mut frontier = Frontier::<()>::new(state.clone());
        let told = Accepted { progress: damage(500_000, 2), ..accepted(0, None, 0, 0) };
        frontier.accept(&told).unwrap();
        frontier.release(&mut 10, |_| panic!("too many"));
    }

    proptest! {
        /// Whatever the order of verdicts: all come out, in order, and the books balance at every step.
        #[test]
        fn any_order_of_verdicts_gives_the_same_books(order in Just((0..40u64).collect::<Vec<_>>()).prop_shuffle()) {
            let mut frontier = Frontier::new(PartState::whole(0));
            for i in 0..40 {
                frontier.accept(&accepted(0, Some(i * 10), i * 10 + 10, (i % 3) as u32)).unwrap();
                frontier.accept(&accepted(0, None, i * 10 + 10, 1)).unwrap();
            }
            let mut out = Vec::new();
            for i in order {
                let verdict = if i % 2 == 0 { Verdict::Positive(i) } else { Verdict::Negative };
                frontier.settle(place(i * 10), verdict).unwrap();
                release(&mut frontier, &mut out);
                frontier.state().account.check().unwrap();
            }
            prop_assert_eq!(out, (0..40).step_by(2).collect::<Vec<u64>>());
            prop_assert_eq!(frontier.state().account.seen, 40 + 40 + 39);
            prop_assert_eq!(frontier.unreleased(), 0);
        }
    }
}
