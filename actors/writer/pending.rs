//! What the books have released and no commit has taken yet.

use crate::credit::CreditLease;
use crate::frontier::Released;
use crate::lease::Archive;
use crate::port::{Listed, Positive};
use crate::wire::RECORD_COST;
use bytes::Bytes;
use std::sync::Arc;

/// A positive that waits for those before it. In a box, for every record that has no verdict yet keeps the room for it.
pub(super) type Kept = Box<(Positive, CreditLease)>;

/// What was released, for the next commit.
pub(super) struct Pending {
    archives: Arc<[Archive]>,
    positives: Vec<Positive>,
    listed: Vec<Listed>,
    /// Of the positives.
    pub(super) bytes: u64,
}

impl Pending {
    pub(super) fn new(archives: Arc<[Archive]>) -> Pending {
        Pending { archives, positives: Vec::new(), listed: Vec::new(), bytes: 0 }
    }

    /// Keeps what was released. The credit of a positive is given back, and its bytes are copied, as they may be a slice of
    /// more.
    pub(super) fn keep(&mut self, released: Released<Kept>) {
        match released {
            Released::Positive(kept) => {
                let (positive, credit) = *kept;
                let keep = Bytes::copy_from_slice(&positive.keep);
                self.bytes += keep.len() as u64 + RECORD_COST;
                self.positives.push(Positive { keep, ..positive });
                drop(credit);
            }
            Released::Lost(warc, lost) => {
                let warc_filename = Arc::clone(&self.archives[warc as usize].name);
                self.listed.push(Listed { warc_filename, lost });
            }
        }
    }

    pub(super) fn take(&mut self) -> (Vec<Positive>, Vec<Listed>) {
        self.bytes = 0;
        (std::mem::take(&mut self.positives), std::mem::take(&mut self.listed))
    }
}
