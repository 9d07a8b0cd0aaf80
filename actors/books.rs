//! The books of a run: a [`Frontier`] for each part, and what has changed since the last commit.

use crate::frontier::{Frontier, Released, Stale, Verdict};
use crate::message::{Accepted, Position};
use crate::mutant::{Mutant, planted};
use crate::part::{PartId, PartState};
use std::collections::{BTreeMap, BTreeSet};

/// Most places that leave between two commits, for they wait for the second in memory, some 25 MB with their lines. While the disk is full
/// nothing else would stop a hostile archive. What is beyond is counted, and not listed.
pub const MAX_WAITING_PLACES: usize = 100_000;

/// See the module. `T` is a positive on its way into the results.
#[derive(Debug)]
pub struct Books<T> {
    parts: BTreeMap<PartId, Frontier<T>>,
    changed: BTreeSet<PartId>,
    waiting: usize,
    /// Places that may leave before the next commit.
    room: usize,
}

impl<T> Books<T> {
    /// The books of parts that stand so, all of which are committed.
    pub fn new(parts: Vec<PartState>) -> Books<T> {
        let parts = parts.into_iter().map(|state| (state.part, Frontier::new(state))).collect();
        Books { parts, changed: BTreeSet::new(), waiting: 0, room: MAX_WAITING_PLACES }
    }

    /// Takes a frame that a session accepted; `out` gets what it releases.
    pub fn accept(&mut self, accepted: &Accepted, out: impl FnMut(Released<T>)) -> Result<(), Stale> {
        let frontier = self.parts.get_mut(&accepted.part).ok_or(Stale {
            part: accepted.part,
            epoch: accepted.epoch,
            at: accepted.progress.next,
        })?;
        frontier.accept(accepted)?;
        self.waiting += usize::from(accepted.record.is_some());
        self.release(accepted.part, out);
        Ok(())
    }

    /// Settles a record; `out` gets what that releases, in the order of the part.
    pub fn settle(
        &mut self,
        part: PartId,
        at: Position,
        verdict: Verdict<T>,
        out: impl FnMut(Released<T>),
    ) -> Result<(), Stale> {
        let frontier = self.parts.get_mut(&part).ok_or(Stale { part, epoch: 0, at })?;
        frontier.settle(at, verdict)?;
        self.waiting -= 1;
        self.release(part, out);
        Ok(())
    }

    /// Gives up the rest of a part, once what was accepted of it is settled.
    pub fn give_up(&mut self, part: PartId, epoch: u32, reason: &str, out: impl FnMut(Released<T>)) {
        if let Some(frontier) = self.parts.get_mut(&part) {
            frontier.give_up(epoch, reason);
            self.release(part, out);
        }
    }

    /// `part` ends at byte `new.from` from now on, and `new` is the rest of it.
    pub fn cut(&mut self, part: PartId, new: PartState) {
        if let Some(frontier) = self.parts.get_mut(&part)
            && !planted(Mutant::CutWithoutEnd)
        {
            frontier.cut(new.from);
        }
        self.changed.extend([part, new.part]);
        self.parts.insert(new.part, Frontier::new(new));
    }

    fn release(&mut self, part: PartId, out: impl FnMut(Released<T>)) {
        let room = &mut self.room;
        if self.parts.get_mut(&part).is_some_and(|frontier| frontier.release(room, out)) {
            self.changed.insert(part);
        }
    }

    /// Whether anything is to be committed.
    pub fn is_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The parts that changed since this was last asked, as they stand: what the next commit has to hold.
    pub fn take_changed(&mut self) -> Vec<PartState> {
        self.room = MAX_WAITING_PLACES;
        std::mem::take(&mut self.changed).into_iter().map(|part| self.parts[&part].state().clone()).collect()
    }

    /// Records that were accepted and have no verdict.
    pub fn waiting(&self) -> usize {
        self.waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part::{PartOver, TO_THE_END};
    use crate::wire::Progress;

    fn place(offset: u64) -> Position {
        Position { offset, ordinal: 0 }
    }

    #[test]
    fn a_cut_part_and_its_rest_are_committed_together() {
        let mut books = Books::<()>::new(vec![PartState::whole(0)]);
        let accepted = Accepted {
            part: 0,
            epoch: 0,
            record: Some(place(0)),
            progress: Progress { next: place(10), bytes_read: 10, ..Progress::default() },
            over: None,
        };
        books.accept(&accepted, |_| {}).unwrap();
        assert!(!books.is_changed(), "nothing is settled");
        let rest = PartState { part: 1, from: 500, frontier: place(10), ..PartState::whole(0) };
        books.cut(0, rest);
        let changed = books.take_changed();
        let ends: Vec<_> = changed.iter().map(|state| (state.part, state.from, state.end)).collect();
        assert_eq!(ends, [(0, 0, 500), (1, 500, TO_THE_END)]);
        assert_eq!(changed[0].frontier, place(0), "the record has no verdict");
        assert_eq!(books.waiting(), 1);
        books.settle(0, place(0), Verdict::Negative, |_| {}).unwrap();
        books.give_up(0, 3, "broken", |_| {});
        let changed = books.take_changed();
        assert_eq!((changed[0].frontier, changed[0].epoch), (place(10), 3));
        assert_eq!(changed[0].over, Some(PartOver::Failed("broken".into())));
        assert!(!books.is_changed() && books.waiting() == 0);
    }
}
