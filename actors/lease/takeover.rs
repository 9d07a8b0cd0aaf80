//! When a lease is taken back from a reader that does nothing wrong, because others have nothing to do.

use super::{Entry, LeaseTable, SessionId};
use crate::part::PartId;
use std::time::Duration;

/// A part is handed over as a whole if another session is so many times faster.
const MUCH_FASTER: f64 = 4.0;
/// A lease is taken over only if its reader has got on with it so lately.
const LATELY: Duration = Duration::from_secs(5);

/// When leases are taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakeoverRules {
    /// A part is cut in two only if both halves have so many bytes.
    pub split_bytes: u64,
    /// A lease is left alone until it has lasted so long: before, its speed is not known.
    pub settled: Duration,
}

/// A lease that is to be taken back from a reader that does nothing wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takeover {
    /// From this session.
    pub session: SessionId,
    /// The part.
    pub part: PartId,
    /// The lease's epoch.
    pub epoch: u32,
}

impl LeaseTable {
    /// The lease that should be taken back now, if one should, so that the `idle` sessions get work: the largest rest that
    /// can be cut in two, else one that an idle session would have done much sooner.
    pub fn rebalance(&mut self, idle: &[SessionId], now: Duration) -> Option<Takeover> {
        let held = self.held.values().map(|&part| &self.entries[part as usize]);
        let underway = held.filter(|entry| entry.takeover.is_some()).count();
        if idle.is_empty() || underway >= idle.len() || !self.pending.is_empty() || self.draining {
            return None;
        }
        let (part, session, rest) = self
            .held
            .iter()
            .filter_map(|(&session, &part)| {
                let entry = &self.entries[part as usize];
                // One that has stopped is left to the node's patience. It may hang at a record: then its end must count
                // against that, or the record would go from hand to hand for ever.
                let settled = entry.takeover.is_none()
                    && now.saturating_sub(entry.since) >= self.rules.settled
                    && entry.moved > entry.since
                    && now.saturating_sub(entry.moved) < LATELY;
                settled.then(|| (part, session, self.rest(entry)))
            })
            .max_by_key(|&(part, _, rest)| (rest, part))?;
        let cut = if rest / 2 >= self.rules.split_bytes.max(1) {
            let entry = &self.entries[part as usize];
            Some(entry.end.min(self.archives[entry.warc as usize].size) - rest / 2)
        } else {
            let fastest = idle.iter().filter_map(|&session| self.speed(session, now)).fold(0.0, f64::max);
            let speed = self.speed(session, now)?;
            if speed * MUCH_FASTER > fastest || rest as f64 <= speed * self.rules.settled.as_secs_f64() {
                return None;
            }
            None
        };
        let entry = &mut self.entries[part as usize];
        entry.takeover = Some(cut);
        Some(Takeover { session, part, epoch: entry.epoch })
    }

    /// Bytes of a part that are still to be read, as far as is known.
    fn rest(&self, entry: &Entry) -> u64 {
        let end = entry.end.min(self.archives[entry.warc as usize].size);
        end.saturating_sub(entry.frontier.offset.max(entry.from))
    }

    /// Bytes a second of a session, with those of the lease that it holds; `None` if it has read nothing yet.
    fn speed(&self, session: SessionId, now: Duration) -> Option<f64> {
        let (mut bytes, mut time) = self.speeds.get(&session).copied().unwrap_or_default();
        if let Some(&part) = self.held.get(&session) {
            let entry = &self.entries[part as usize];
            bytes += entry.bytes_read - entry.bytes_before;
            time += now.saturating_sub(entry.since);
        }
        (!time.is_zero()).then(|| bytes as f64 / time.as_secs_f64())
    }
}
