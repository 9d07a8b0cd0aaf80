//! Who reads what: parts of archives are leased, one to a session, from a position to the part's end.
//!
//! A lease that ends early goes back and is leased again, in the next epoch, from the *frontier*: the position after the last
//! record that was accepted. What the frontier has passed is counted and, if it was sent, in the pipeline; what it has not
//! passed will be read again. So a reader's death loses and doubles nothing. Leases are asked for, never pushed, so a slow
//! reader holds up nobody; and when others have nothing left to do, its part is cut in two or handed over ([`Takeover`]).

use crate::message::{Accepted, Position, RecordKey, WarcId};
use crate::mutant::{Mutant, planted};
use crate::named::Named;
use crate::part::{PartId, PartOver, PartState};
use crate::suspicion::{Judgement, Suspicion};
use crate::wire::Lease;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

mod takeover;

pub use takeover::{Takeover, TakeoverRules};

/// A connection of a reader.
pub type SessionId = u64;

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
    /// The records that are read of it; `None` for all.
    pub named: Option<Named>,
}

/// How a part stands.
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

impl From<&PartOver> for State {
    fn from(over: &PartOver) -> State {
        match over {
            PartOver::Done => State::Done,
            PartOver::Failed(reason) => State::Failed(reason.clone()),
        }
    }
}

#[derive(Debug)]
struct Entry {
    warc: WarcId,
    from: u64,
    end: u64,
    state: State,
    epoch: u32,
    frontier: Position,
    bytes_read: u64,
    suspicion: Suspicion,
    /// When it was leased, and how much had been read then.
    since: Duration,
    bytes_before: u64,
    /// When its reader last got on with it, or got it.
    moved: Duration,
    /// The session was asked to give it back; at the byte, if there is one, it will be cut.
    takeover: Option<Option<u64>>,
}

/// A lease that ended before its part did.
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
    /// Read this, which is of that archive.
    Lease(WarcId, Lease),
    /// Others are still reading what is left; wait.
    Wait,
    /// Everything is read.
    Finish,
}

/// What became of a part that came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Returned {
    /// It waits for its next reader.
    Pending,
    /// It was cut in two; this is the new one.
    Cut(PartState),
    /// It was given up, in this epoch.
    GivenUp(u32),
}

/// A session spoke of a lease that it does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("session {session} does not hold part {part} in epoch {epoch}")]
pub struct Fenced {
    /// The session.
    pub session: SessionId,
    /// The part.
    pub part: PartId,
    /// The epoch it named.
    pub epoch: u32,
}

/// The leases of a run. Takes events, returns answers; knows no clock and no socket.
#[derive(Debug)]
pub struct LeaseTable {
    archives: Vec<Archive>,
    entries: Vec<Entry>,
    pending: VecDeque<PartId>,
    held: BTreeMap<SessionId, PartId>,
    /// Sessions that get no more work.
    dismissed: BTreeSet<SessionId>,
    /// Bytes that each session has read, and seconds that it took, in leases that are over.
    speeds: BTreeMap<SessionId, (u64, Duration)>,
    rules: TakeoverRules,
    /// Parts that are not over: of each archive, and in all; and archives that have any.
    open_of: Vec<u32>,
    open: usize,
    archives_open: usize,
    draining: bool,
    delivered: u64,
    interruptions: Vec<Interruption>,
    interrupted: u64,
    quarantined: Vec<RecordKey>,
}

impl LeaseTable {
    /// The parts of these archives as they stand, none leased. Work is handed out in their order.
    pub fn new(archives: Vec<Archive>, parts: &[PartState], rules: TakeoverRules) -> LeaseTable {
        debug_assert!(parts.iter().zip(0..).all(|(state, part)| state.part == part), "parts are numbered");
        let entries: Vec<Entry> = parts.iter().map(Entry::new).collect();
        let is_open = |part: &PartId| matches!(entries[*part as usize].state, State::Pending);
        let pending: VecDeque<PartId> = (0..entries.len() as PartId).filter(is_open).collect();
        let mut open_of = vec![0; archives.len()];
        pending.iter().for_each(|&part| open_of[entries[part as usize].warc as usize] += 1);
        LeaseTable {
            archives_open: open_of.iter().filter(|&&open| open > 0).count(),
            open_of,
            archives,
            open: pending.len(),
            pending,
            entries,
            held: BTreeMap::new(),
            dismissed: BTreeSet::new(),
            speeds: BTreeMap::new(),
            rules,
            draining: false,
            delivered: 0,
            interruptions: Vec::new(),
            interrupted: 0,
            quarantined: Vec::new(),
        }
    }

    /// A session wants work. One that already holds a lease is told to wait.
    pub fn ready(&mut self, session: SessionId, now: Duration) -> Offer {
        if self.finished() || self.dismissed.contains(&session) && !self.held.contains_key(&session) {
            return Offer::Finish;
        }
        if self.draining || self.held.contains_key(&session) {
            return Offer::Wait;
        }
        let Some(part) = self.pending.pop_front() else { return Offer::Wait };
        let entry = &mut self.entries[part as usize];
        let archive = &self.archives[entry.warc as usize];
        entry.state = State::Leased(session);
        entry.since = now;
        entry.moved = now;
        entry.bytes_before = entry.bytes_read;
        self.held.insert(session, part);
        let (careful, pass_over) = entry.suspicion.caution();
        if pass_over {
            let key = RecordKey { warc: entry.warc, position: entry.frontier };
            if !self.quarantined.contains(&key) && self.quarantined.len() < MAX_INTERRUPTIONS {
                self.quarantined.push(key);
            }
        }
        let lease = Lease {
            part,
            epoch: entry.epoch,
            start: entry.frontier,
            from: entry.from,
            end: entry.end,
            careful,
            pass_over,
            size: archive.size,
            name: archive.name.to_string(),
            etag: archive.etag.clone(),
            named: archive
                .named
                .as_ref()
                .map(|named| named.within(entry.frontier.offset.max(entry.from), entry.end)),
        };
        Offer::Lease(entry.warc, lease)
    }

    /// Takes what a session accepted of its lease; `attempt` if its reader begins the next record. Gives the bytes newly
    /// read.
    pub fn accept(
        &mut self,
        session: SessionId,
        accepted: &Accepted,
        attempt: bool,
        now: Duration,
    ) -> Result<u64, Fenced> {
        let &Accepted { part, epoch, .. } = accepted;
        let entry = self.entry(session, part, epoch)?;
        if accepted.progress.next > entry.frontier {
            entry.frontier = accepted.progress.next;
            entry.moved = now;
        }
        entry.suspicion.move_to(entry.frontier);
        if attempt {
            entry.suspicion.attempt(entry.frontier);
        }
        // Bytes before `from` are another part's.
        let read = accepted.progress.bytes_read.max(entry.bytes_read);
        let newly = read - entry.bytes_read;
        entry.bytes_read = read;
        self.delivered += u64::from(accepted.record.is_some());
        if let Some(over) = &accepted.over {
            self.release(session, part, now);
            self.close(part, over.into());
        }
        Ok(newly)
    }

    /// The reader lives, but could not read on.
    pub fn failed(
        &mut self,
        session: SessionId,
        part: PartId,
        epoch: u32,
        reason: &str,
        now: Duration,
    ) -> Result<Returned, Fenced> {
        let entry = self.entry(session, part, epoch)?;
        let judgement = entry.suspicion.failure(entry.frontier);
        self.note(session, part, reason);
        self.release(session, part, now);
        // At the back: a reader that cannot open this archive should not be handed it again at once.
        Ok(self.give_back(part, judgement, reason, VecDeque::push_back))
    }

    /// The session is gone: its reader died, or was given up. What it held comes back.
    pub fn gone(&mut self, session: SessionId, reason: &str, now: Duration) -> Option<(PartId, Returned)> {
        self.dismissed.remove(&session);
        let Some(&part) = self.held.get(&session) else {
            self.speeds.remove(&session);
            return None;
        };
        let entry = &mut self.entries[part as usize];
        let judgement =
            if self.draining { Judgement::Again } else { entry.suspicion.death(entry.frontier, now) };
        self.note(session, part, reason);
        self.release(session, part, now);
        self.speeds.remove(&session);
        Some((part, self.give_back(part, judgement, reason, VecDeque::push_front)))
    }

    /// The session gives its lease back, as it was asked to.
    pub fn revoked(
        &mut self,
        session: SessionId,
        part: PartId,
        epoch: u32,
        now: Duration,
    ) -> Result<Returned, Fenced> {
        self.entry(session, part, epoch)?.suspicion.revoked();
        self.release(session, part, now);
        Ok(self.give_back(part, Judgement::Again, "", VecDeque::push_front))
    }

    fn entry(&mut self, session: SessionId, part: PartId, epoch: u32) -> Result<&mut Entry, Fenced> {
        let fenced = Fenced { session, part, epoch };
        let entry = self.entries.get_mut(part as usize).ok_or(fenced)?;
        let holds = entry.state == State::Leased(session) && entry.epoch == epoch;
        if holds || planted(Mutant::ForgottenEpoch) { Ok(entry) } else { Err(fenced) }
    }

    /// Notes the session's speed; it is free for other work.
    fn release(&mut self, session: SessionId, part: PartId, now: Duration) {
        self.held.remove(&session);
        let entry = &self.entries[part as usize];
        let (bytes, time) = self.speeds.entry(session).or_default();
        *bytes += entry.bytes_read - entry.bytes_before;
        *time += now.saturating_sub(entry.since);
    }

    fn give_back(
        &mut self,
        part: PartId,
        judgement: Judgement,
        reason: &str,
        queue: fn(&mut VecDeque<PartId>, PartId),
    ) -> Returned {
        let next = self.entries.len() as PartId;
        let entry = &mut self.entries[part as usize];
        entry.epoch += 1;
        // Meanwhile more may have been accepted, even records behind the place of the cut.
        let frontier = entry.frontier.offset;
        let cut = entry.takeover.take().flatten().filter(|&cut| cut > frontier);
        if judgement == Judgement::GiveUp {
            let epoch = entry.epoch;
            self.close(part, State::Failed(reason.to_owned()));
            return Returned::GivenUp(epoch);
        }
        entry.state = State::Pending;
        let Some(cut) = cut else {
            queue(&mut self.pending, part);
            return Returned::Pending;
        };
        // Its own way begins where this one stands: there is a boundary, and the next ones are found from there.
        let state = PartState {
            part: next,
            from: cut,
            end: entry.end,
            frontier: entry.frontier,
            bytes_read: cut,
            ..PartState::whole(entry.warc)
        };
        if !planted(Mutant::CutWithoutEnd) {
            entry.end = cut;
        }
        self.pending.push_front(next);
        self.pending.push_front(part);
        self.open_of[entry.warc as usize] += 1;
        self.open += 1;
        self.entries.push(Entry::new(&state));
        Returned::Cut(state)
    }

    fn close(&mut self, part: PartId, state: State) {
        let entry = &mut self.entries[part as usize];
        entry.state = state;
        let open_of = &mut self.open_of[entry.warc as usize];
        *open_of -= 1;
        self.archives_open -= usize::from(*open_of == 0);
        self.open -= 1;
    }

    fn note(&mut self, session: SessionId, part: PartId, reason: &str) {
        self.interrupted += 1;
        if self.interruptions.len() < MAX_INTERRUPTIONS {
            let Entry { warc, frontier, .. } = self.entries[part as usize];
            self.interruptions.push(Interruption { warc, session, at: frontier, reason: reason.to_owned() });
        }
    }

    /// Hands out no more work. Gives the leases that are to be taken back.
    pub fn drain(&mut self) -> Vec<Takeover> {
        self.draining = true;
        self.held.keys().filter_map(|&session| self.lease_of(session)).collect()
    }

    /// Hands out no more work to a session, which is told to finish when it asks. Gives its lease, which is to be taken back.
    pub fn dismiss(&mut self, session: SessionId) -> Option<Takeover> {
        self.dismissed.insert(session);
        self.lease_of(session)
    }

    fn lease_of(&self, session: SessionId) -> Option<Takeover> {
        let &part = self.held.get(&session)?;
        Some(Takeover { session, part, epoch: self.entries[part as usize].epoch })
    }

    /// Whether nothing is left to read, or nothing more is to be.
    pub fn finished(&self) -> bool {
        self.open == 0 || self.draining && self.held.is_empty()
    }

    /// Whether every part is over.
    pub fn all_over(&self) -> bool {
        self.open == 0
    }

    /// Archives of which every part is over.
    pub fn archives_over(&self) -> usize {
        self.archives.len() - self.archives_open
    }

    /// Records that were handed to the pipeline.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Records that were passed over because they killed their readers: the first thousand.
    pub fn quarantined(&self) -> &[RecordKey] {
        &self.quarantined
    }

    /// Interruptions so far: the first thousand, and the number of all.
    pub fn interruptions(&self) -> (&[Interruption], u64) {
        (&self.interruptions, self.interrupted)
    }
}

impl Entry {
    fn new(state: &PartState) -> Entry {
        Entry {
            warc: state.warc,
            from: state.from,
            end: state.end,
            state: state.over.as_ref().map_or(State::Pending, State::from),
            epoch: state.epoch,
            frontier: state.frontier,
            bytes_read: state.bytes_read,
            suspicion: Suspicion::default(),
            since: Duration::ZERO,
            moved: Duration::ZERO,
            bytes_before: state.bytes_read,
            takeover: None,
        }
    }
}

impl PartState {
    /// The parts of a run that nobody has begun: one for each of `archives` archives.
    pub fn all_whole(archives: usize) -> Vec<PartState> {
        (0..archives as WarcId).map(PartState::whole).collect()
    }

    /// The same part for a run that goes on with it: in the next epoch, and tried anew if it had been given up.
    #[must_use]
    pub fn resumed(mut self) -> PartState {
        self.epoch += 1;
        if matches!(self.over, Some(PartOver::Failed(_))) {
            self.over = None;
        }
        self
    }
}

#[cfg(test)]
mod tests;
