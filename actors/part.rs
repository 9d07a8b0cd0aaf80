//! Parts: the stretches of archives that are leased, and the books that are kept of each.
//!
//! An archive begins as one part, from its first byte to its end. A part that is read too slowly is cut in two at a byte
//! offset; the boundary of the two is the first compressed member that starts there or behind. So a part is the records of
//! an archive whose position has an offset in `from .. end`, and every record belongs to exactly one part.

use crate::ledger::Account;
use crate::message::{Position, WarcId};
use serde::{Deserialize, Serialize};

/// Number of a part within a run. A run begins with a part for each archive, of the same number.
pub type PartId = u32;

/// The `end` of a part that goes to the end of its archive.
pub const TO_THE_END: u64 = u64::MAX;

/// A part and what is known of it for ever once it is committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartState {
    /// Its number.
    pub part: PartId,
    /// The archive.
    pub warc: WarcId,
    /// Records that start in a member before this byte offset belong to another part.
    pub from: u64,
    /// So do records that start in a member at this byte offset or behind; [`TO_THE_END`] for none.
    pub end: u64,
    /// How often it was leased.
    pub epoch: u32,
    /// Where reading goes on: every record of the part before this place has its verdict in `account`. May lie before
    /// `from`; then the way to `from` is walked from there.
    pub frontier: Position,
    /// Bytes of the stored file read up to the frontier, counted from its start.
    pub bytes_read: u64,
    /// What became of the records before the frontier.
    pub account: Account,
    /// How many of those that [are listed](crate::Exclusion::is_listed) have their line in the results; the others were
    /// too many.
    pub listed: u64,
    /// Whether it is over, and how.
    pub over: Option<PartOver>,
}

/// How a part came to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartOver {
    /// Every record has its verdict.
    Done,
    /// Given up, for this reason. The records from the frontier on were not read.
    Failed(String),
}

impl PartState {
    /// Bytes of the stored file, from the part's beginning, that lie before its frontier.
    pub fn bytes_passed(&self) -> u64 {
        self.bytes_read.min(self.end).saturating_sub(self.from)
    }

    /// A whole archive that nobody has read yet.
    pub fn whole(warc: WarcId) -> PartState {
        PartState {
            part: warc,
            warc,
            from: 0,
            end: TO_THE_END,
            epoch: 0,
            frontier: Position::default(),
            bytes_read: 0,
            account: Account::default(),
            listed: 0,
            over: None,
        }
    }
}
