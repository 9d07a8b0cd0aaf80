//! Who reads what: archives are leased, one to a session, from a position to the end.
//!
//! A lease that ends early (the reader died, or the archive could not be read on) goes back and is leased again from the
//! *frontier*: the position after the last record that was accepted. What the frontier has passed is counted and, if it
//! was sent, in the pipeline; what it has not passed will be read again. So a reader's death loses and doubles nothing.
//! An archive that ends early [`MAX_FAILURES`] times without having moved in between is given up, by name.

use crate::ledger::{Account, Tally};
use crate::message::{Position, WarcId};
use crate::wire::{Lease, Progress};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// A connection of a reader.
pub type SessionId = u64;

/// Leases of one archive that may end early at the same frontier before the archive is given up.
pub const MAX_FAILURES: u32 = 3;

/// Interruptions that are kept with their details; further ones are only counted.
const MAX_INTERRUPTIONS: usize = 1000;

/// An archive of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Path or URI.
    pub name: Arc<str>,
    /// Bytes of the stored file; 0 if not known.
    pub size: u64,
    /// Entity tag as listed; empty if none.
    pub etag: String,
}

/// How an archive stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody reads it now.
    Pending,
    /// A session reads it.
    Leased(SessionId),
    /// Read to its end.
    Done,
    /// Given up before its end, for this reason.
    Failed(String),
}

#[derive(Debug)]
struct Entry {
    archive: Archive,
    state: State,
    epoch: u32,
    frontier: Position,
    bytes_read: u64,
    delivered: u64,
    excluded: Tally,
    failures: u32,
    failed_at: Position,
}

/// A lease that ended before its archive did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interruption {
    /// The archive.
    pub warc: WarcId,
    /// The reader.
    pub session: SessionId,
    /// Where the next reader goes on.
    pub at: Position,
    /// What happened.
    pub reason: String,
}

/// The answer to a session that is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Read this.
    Lease(Lease),
    /// Others are still reading what is left; wait.
    Wait,
    /// Everything is read.
    Finish,
}

/// A session spoke of a lease that it does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("session {session} does not hold archive {warc} in epoch {epoch}")]
pub struct Fenced {
    /// The session.
    pub session: SessionId,
    /// The archive.
    pub warc: WarcId,
    /// The epoch it named.
    pub epoch: u32,
}

/// The leases of a run. Takes events, returns answers; knows no clock and no socket.
#[derive(Debug)]
pub struct LeaseTable {
    entries: Vec<Entry>,
    pending: VecDeque<WarcId>,
    held: HashMap<SessionId, WarcId>,
    open: usize,
    interruptions: Vec<Interruption>,
    interrupted: u64,
}

/// What a finished archive leaves: its state and the reader's part of the books.
#[derive(Clone, Debug)]
pub struct ArchiveReport {
    /// The archive.
    pub archive: Archive,
    /// How it stands.
    pub state: State,
    /// Bytes of the stored file that were read.
    pub bytes_read: u64,
    /// `seen` and `excluded`; verdicts are still missing.
    pub account: Account,
}

impl LeaseTable {
    /// All archives, none leased. Work is handed out in this order.
    pub fn new(archives: Vec<Archive>) -> LeaseTable {
        let entries: Vec<Entry> = archives
            .into_iter()
            .map(|archive| Entry {
                archive,
                state: State::Pending,
                epoch: 0,
                frontier: Position::default(),
                bytes_read: 0,
                delivered: 0,
                excluded: Tally::default(),
                failures: 0,
                failed_at: Position::default(),
            })
            .collect();
        LeaseTable {
            pending: (0..entries.len() as WarcId).collect(),
            open: entries.len(),
            entries,
            held: HashMap::new(),
            interruptions: Vec::new(),
            interrupted: 0,
        }
    }

    /// A session wants work. One that already holds a lease is told to wait.
    pub fn ready(&mut self, session: SessionId) -> Offer {
        if self.open == 0 {
            return Offer::Finish;
        }
        if self.held.contains_key(&session) {
            return Offer::Wait;
        }
        let Some(warc) = self.pending.pop_front() else { return Offer::Wait };
        let entry = &mut self.entries[warc as usize];
        entry.state = State::Leased(session);
        self.held.insert(session, warc);
        Offer::Lease(Lease {
            warc,
            epoch: entry.epoch,
            start: entry.frontier,
            size: entry.archive.size,
            name: entry.archive.name.to_string(),
            etag: entry.archive.etag.clone(),
        })
    }

    /// Accepts progress of a lease, and `delivered` records with it. Gives the bytes newly read.
    pub fn advance(
        &mut self,
        session: SessionId,
        warc: WarcId,
        epoch: u32,
        progress: &Progress,
        delivered: u64,
    ) -> Result<u64, Fenced> {
        let entry = match self.entries.get_mut(warc as usize) {
            Some(entry) if entry.state == State::Leased(session) && entry.epoch == epoch => entry,
            _ => return Err(Fenced { session, warc, epoch }),
        };
        entry.frontier = entry.frontier.max(progress.next);
        let newly = progress.bytes_read.saturating_sub(entry.bytes_read);
        entry.bytes_read += newly;
        entry.delivered += delivered;
        progress.excluded.iter().for_each(|&(reason, n)| entry.excluded.add(reason, n.into()));
        Ok(newly)
    }

    /// The reader came to the end of the archive, or could not go on.
    pub fn end(
        &mut self,
        session: SessionId,
        warc: WarcId,
        epoch: u32,
        failure: Option<String>,
    ) -> Result<(), Fenced> {
        self.advance(session, warc, epoch, &Progress::default(), 0)?;
        self.held.remove(&session);
        match failure {
            None => {
                self.entries[warc as usize].state = State::Done;
                self.open -= 1;
            }
            Some(reason) => self.give_back(session, warc, reason),
        }
        Ok(())
    }

    /// A session is gone. Gives the archive that it was reading, which is leased again.
    pub fn gone(&mut self, session: SessionId, reason: &str) -> Option<WarcId> {
        let warc = self.held.remove(&session)?;
        self.give_back(session, warc, reason.to_owned());
        Some(warc)
    }

    fn give_back(&mut self, session: SessionId, warc: WarcId, reason: String) {
        let entry = &mut self.entries[warc as usize];
        self.interrupted += 1;
        if self.interruptions.len() < MAX_INTERRUPTIONS {
            self.interruptions.push(Interruption {
                warc,
                session,
                at: entry.frontier,
                reason: reason.clone(),
            });
        }
        entry.epoch += 1;
        if entry.failures > 0 && entry.failed_at < entry.frontier {
            entry.failures = 0;
        }
        entry.failures += 1;
        entry.failed_at = entry.frontier;
        if entry.failures >= MAX_FAILURES {
            entry.state = State::Failed(reason);
            self.open -= 1;
        } else {
            entry.state = State::Pending;
            // At the back: a reader that cannot open this archive should not be handed it again at once.
            self.pending.push_back(warc);
        }
    }

    /// Whether no archive is left to read.
    pub fn finished(&self) -> bool {
        self.open == 0
    }

    /// Archives that are over, read or given up.
    pub fn archives_over(&self) -> usize {
        self.entries.len() - self.open
    }

    /// Records that were handed to the pipeline.
    pub fn delivered(&self) -> u64 {
        self.entries.iter().map(|entry| entry.delivered).sum()
    }

    /// Interruptions so far: the first thousand, and the number of all.
    pub fn interruptions(&self) -> (&[Interruption], u64) {
        (&self.interruptions, self.interrupted)
    }

    /// How every archive stands, in the order of the listing.
    pub fn report(&self) -> Vec<ArchiveReport> {
        self.entries
            .iter()
            .map(|entry| ArchiveReport {
                archive: entry.archive.clone(),
                state: entry.state.clone(),
                bytes_read: entry.bytes_read,
                account: Account {
                    seen: entry.delivered + entry.excluded.total(),
                    excluded: entry.excluded.clone(),
                    ..Account::default()
                },
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Exclusion;

    fn table(n: usize) -> LeaseTable {
        LeaseTable::new(
            (0..n)
                .map(|i| Archive { name: format!("a{i}").into(), size: 100, etag: String::new() })
                .collect(),
        )
    }

    fn progress(offset: u64, wrong_type: u32) -> Progress {
        Progress {
            next: Position { offset, ordinal: 0 },
            bytes_read: offset,
            excluded: vec![(Exclusion::WrongWarcType, wrong_type)],
        }
    }

    fn lease(offer: Offer) -> Lease {
        match offer {
            Offer::Lease(lease) => lease,
            other => panic!("expected a lease, got {other:?}"),
        }
    }

    #[test]
    fn a_dead_readers_successor_goes_on_at_the_frontier_and_the_dead_one_is_fenced() {
        let mut table = table(1);
        let first = lease(table.ready(1));
        assert_eq!(table.ready(2), Offer::Wait, "the only archive is taken");
        assert_eq!(table.advance(1, 0, first.epoch, &progress(40, 2), 1), Ok(40));
        assert_eq!(table.gone(1, "connection lost"), Some(0));
        let second = lease(table.ready(2));
        assert_eq!((second.start.offset, second.epoch), (40, 1));
        let stale = table.advance(1, 0, first.epoch, &progress(50, 9), 1);
        assert_eq!(stale, Err(Fenced { session: 1, warc: 0, epoch: 0 }));
        table.advance(2, 0, 1, &progress(100, 1), 1).unwrap();
        table.end(2, 0, 1, None).unwrap();
        assert!(table.finished());
        assert_eq!(table.ready(2), Offer::Finish);
        let report = &table.report()[0];
        assert_eq!((report.account.seen, report.account.excluded.total(), report.bytes_read), (5, 3, 100));
        assert_eq!(report.state, State::Done);
        let (interruptions, all) = table.interruptions();
        assert_eq!((interruptions[0].at.offset, all), (40, 1));
    }

    #[test]
    fn an_archive_is_given_up_after_three_early_ends_at_the_same_place_only() {
        let mut table = table(2);
        for offset in [10, 20, 20, 20] {
            let lease = loop {
                let lease = lease(table.ready(1));
                if lease.warc == 0 {
                    break lease;
                }
                table.end(1, lease.warc, lease.epoch, None).unwrap();
            };
            table.advance(1, 0, lease.epoch, &progress(offset, 0), 0).unwrap();
            table.end(1, 0, lease.epoch, Some(format!("broken at {offset}"))).unwrap();
        }
        assert_eq!(table.report()[0].state, State::Failed("broken at 20".into()));
        assert!(table.finished() && table.archives_over() == 2);
    }

    #[test]
    fn a_session_holds_one_lease_at_a_time() {
        let mut table = table(2);
        lease(table.ready(1));
        assert_eq!(table.ready(1), Offer::Wait);
        assert_eq!(table.gone(7, "never had one"), None);
        assert!(table.end(1, 1, 0, None).is_err(), "it does not hold the other archive");
        assert!(table.end(1, 99, 0, None).is_err(), "there is no such archive");
    }
}
