//! The gate of a session: which of its reader's frames are accepted, and for what.
//!
//! A frame of the data lane must belong to the lease that the session holds, and positions in it must grow. When the lease
//! is taken back, what is still on its way is *fenced*: it arrives, and counts for nothing.

use crate::Prepared;
use crate::message::{Accepted, Lost, Position, RecordKey, WarcId};
use crate::mutant::{Mutant, planted};
use crate::part::{PartId, PartOver};
use crate::wire::{Frame, LeaseEnd, Progress, Stats, WireError};

/// Longest reason for an early end that is kept, in characters.
const MAX_REASON: usize = 500;

/// The lease that the reader works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The archive.
    pub warc: WarcId,
    /// The part.
    pub part: PartId,
    /// The lease's epoch.
    pub epoch: u32,
    /// The place up to which its frames were accepted.
    pub frontier: Position,
}

/// What a frame means to the session.
#[derive(Debug)]
pub enum Passed {
    /// The reader wants work.
    Ready,
    /// The reader's figures.
    Stats(Stats),
    /// A record, and progress with it.
    Record(Accepted, RecordKey, Box<Prepared>),
    /// Progress alone; the last of its part if it is `over`.
    Progress(Accepted),
    /// Progress, and the reader begins the next record as soon as it is told to go.
    Attempt(Accepted),
    /// The lease is over, but the part is not: it could not be read on.
    Failed(Accepted, String),
    /// A frame of a lease that was taken back.
    Fenced,
}

/// The rules. Takes frames, returns what they mean; knows no clock and no socket.
#[derive(Debug, Default)]
pub struct Gate {
    held: Option<Held>,
    /// The lease that was taken back last, until the reader asks for the next.
    fenced: Option<(PartId, u32)>,
}

impl Gate {
    /// The session holds this lease from now on.
    pub fn lease(&mut self, held: Held) {
        self.held = Some(held);
        self.fenced = None;
    }

    /// The lease that is held.
    pub fn held(&self) -> Option<Held> {
        self.held
    }

    /// Whether the reader has something to do: its lease, or to give one up that was taken back. If it does not get on with
    /// that either, it hangs, and would never ask for work again.
    pub fn is_busy(&self) -> bool {
        self.held.is_some() || self.fenced.is_some()
    }

    /// Takes the lease back. `false` if it is not held (any more).
    pub fn fence(&mut self, part: PartId, epoch: u32) -> bool {
        let held = self.held.is_some_and(|held| (held.part, held.epoch) == (part, epoch));
        if held {
            self.fenced = Some((part, epoch));
            if !planted(Mutant::ForgottenEpoch) {
                self.held = None;
            }
        }
        held
    }

    /// What a frame means. An error ends the connection.
    pub fn receive(&mut self, frame: Frame) -> Result<Passed, WireError> {
        let name = frame.frame_type().name();
        Ok(match frame {
            Frame::Ready if self.held.is_none() || planted(Mutant::ForgottenEpoch) => {
                self.held = None;
                self.fenced = None;
                Passed::Ready
            }
            Frame::Stats(stats) => Passed::Stats(stats),
            Frame::Record(record) => {
                let record = *record;
                let next = record.progress.next;
                let Some(held) = self.check(name, record.part, record.epoch, &record.progress)? else {
                    return Ok(Passed::Fenced);
                };
                if record.at < held.frontier || record.at >= next {
                    return Err(WireError::BadValue { frame: name, field: "at", value: record.at.offset });
                }
                let key = RecordKey { warc: held.warc, position: record.at };
                let accepted = self.accept(held, Some(record.at), record.progress);
                Passed::Record(accepted, key, Box::new(record.prepared))
            }
            Frame::Progress { part, epoch, progress } => match self.check(name, part, epoch, &progress)? {
                Some(held) => Passed::Progress(self.accept(held, None, progress)),
                None => Passed::Fenced,
            },
            Frame::Attempt { part, epoch, progress } => match self.check(name, part, epoch, &progress)? {
                Some(held) => Passed::Attempt(self.accept(held, None, progress)),
                None => Passed::Fenced,
            },
            Frame::LeaseEnd(LeaseEnd { part, epoch, progress, failure }) => {
                let Some(held) = self.check(name, part, epoch, &progress)? else {
                    return Ok(Passed::Fenced);
                };
                let mut accepted = self.accept(held, None, progress);
                self.held = None;
                match failure {
                    None => {
                        accepted.over = Some(PartOver::Done);
                        Passed::Progress(accepted)
                    }
                    Some(reason) => {
                        // It will be logged and printed: what could steer a terminal stays out.
                        let reason = reason.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect();
                        Passed::Failed(accepted, reason)
                    }
                }
            }
            _ => return Err(WireError::OutOfOrder { frame: name }),
        })
    }

    /// The lease that a frame belongs to; `None` if that was taken back.
    fn check(
        &self,
        frame: &'static str,
        part: PartId,
        epoch: u32,
        progress: &Progress,
    ) -> Result<Option<Held>, WireError> {
        let Progress { next, lost, .. } = progress;
        match self.held {
            Some(held) if (held.part, held.epoch) == (part, epoch) => {
                let bad = |field, at: &Position| Err(WireError::BadValue { frame, field, value: at.offset });
                if *next < held.frontier {
                    return bad("next", next);
                }
                // Each place once, and none that an earlier frame told.
                let mut last = None;
                for Lost { at, reason, .. } in lost {
                    if at < &held.frontier || at >= next || last >= Some(at) || !reason.is_listed() {
                        return bad("lost", at);
                    }
                    last = Some(at);
                }
                Ok(Some(held))
            }
            _ if self.fenced == Some((part, epoch)) => Ok(None),
            _ => Err(WireError::OutOfOrder { frame }),
        }
    }

    fn accept(&mut self, held: Held, record: Option<Position>, progress: Progress) -> Accepted {
        self.held = Some(Held { frontier: progress.next, ..held });
        Accepted { part: held.part, epoch: held.epoch, record, progress, over: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Exclusion;

    fn place(offset: u64) -> Position {
        Position { offset, ordinal: 0 }
    }

    fn progress(part: PartId, epoch: u32, next: u64) -> Frame {
        Frame::Progress { part, epoch, progress: Progress { next: place(next), ..Progress::default() } }
    }

    fn holding() -> Gate {
        let mut gate = Gate::default();
        gate.lease(Held { warc: 7, part: 1, epoch: 2, frontier: place(50) });
        gate
    }

    #[test]
    fn frames_of_the_lease_pass_and_others_end_the_connection() {
        let cases: [(Frame, Option<&str>); 6] = [
            (progress(1, 2, 50), None),
            (progress(1, 2, 49), Some("next")),
            (progress(1, 1, 60), Some("out of order")),
            (progress(0, 2, 60), Some("out of order")),
            (Frame::Ready, Some("out of order")),
            (Frame::Finish, Some("out of order")),
        ];
        for (frame, refused) in cases {
            let said = format!("{frame:?}");
            match (holding().receive(frame), refused) {
                (Ok(Passed::Progress(accepted)), None) => assert_eq!((accepted.part, accepted.epoch), (1, 2)),
                (Err(error), Some(words)) => assert!(error.to_string().contains(words), "{said}: {error}"),
                (got, _) => panic!("{said}: {got:?}"),
            }
        }
    }

    #[test]
    fn a_place_is_told_once_in_the_frame_that_passes_it() {
        let check = |places: &[(u64, Exclusion)], passes: bool| {
            let lost = places.iter().map(|&(at, reason)| Lost { at: place(at), length: 1, reason }).collect();
            let progress = Progress { next: place(60), lost, ..Progress::default() };
            let received = holding().receive(Frame::Progress { part: 1, epoch: 2, progress });
            assert_eq!(received.is_ok(), passes, "{places:?}");
        };
        use Exclusion::{Garbage, Quarantined, WrongContentType};
        check(&[(50, Garbage), (59, Quarantined)], true);
        check(&[(49, Garbage)], false);
        check(&[(60, Garbage)], false);
        check(&[(55, Garbage), (55, Garbage)], false);
        check(&[(55, Garbage), (54, Garbage)], false);
        check(&[(55, WrongContentType)], false);
    }

    #[test]
    fn what_is_on_its_way_when_the_lease_is_taken_back_counts_for_nothing() {
        let mut gate = holding();
        assert!(!gate.fence(1, 1), "an older lease");
        assert!(gate.fence(1, 2));
        assert!(gate.held().is_none() && gate.is_busy(), "its reader still has to give it up");
        assert!(!gate.fence(1, 2), "only once");
        assert!(matches!(gate.receive(progress(1, 2, 60)).unwrap(), Passed::Fenced));
        let end = LeaseEnd { part: 1, epoch: 2, progress: Progress::default(), failure: None };
        assert!(matches!(gate.receive(Frame::LeaseEnd(end)).unwrap(), Passed::Fenced));
        assert!(matches!(gate.receive(Frame::Ready).unwrap(), Passed::Ready) && !gate.is_busy());
        assert!(gate.receive(progress(1, 2, 70)).is_err(), "it has asked for other work");
    }

    #[test]
    fn the_end_of_a_part_and_a_failure_are_told_apart() {
        let end = |failure: Option<&str>| {
            let progress = Progress { next: place(60), ..Progress::default() };
            Frame::LeaseEnd(LeaseEnd { part: 1, epoch: 2, progress, failure: failure.map(str::to_owned) })
        };
        match holding().receive(end(None)).unwrap() {
            Passed::Progress(accepted) => assert_eq!(accepted.over, Some(PartOver::Done)),
            other => panic!("{other:?}"),
        }
        match holding().receive(end(Some("a\u{1b}[2Jb"))).unwrap() {
            Passed::Failed(accepted, reason) => assert_eq!((accepted.over, &*reason), (None, "a[2Jb")),
            other => panic!("{other:?}"),
        }
    }
}
