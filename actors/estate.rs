//! What sessions leave behind: records of readers that are gone keep their credit until they have their verdict.
//!
//! A reader that takes the place of one that died has a window of its own. Were it used at once, readers that die in turn
//! would fill the memory with windows. So a new session gets work only when what is left of old ones fits beside the
//! windows of all that work: what all hold together never exceeds the largest number of readers at once times the window.

use crate::credit::{Issuer, Remains};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The account of a node, shared by its sessions.
#[derive(Debug)]
pub struct Estate {
    window: u64,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    admitted: u64,
    peak: u64,
    remains: Vec<Remains>,
}

impl Estate {
    /// An account of sessions with windows of so many bytes.
    pub fn new(window: u64) -> Estate {
        Estate { window, books: Mutex::default() }
    }

    /// Whether one more session may begin to work; if so it is counted until it departs.
    #[must_use]
    pub fn admit(&self) -> bool {
        let mut books = self.books();
        books.remains.retain(|remains| remains.bytes() > 0);
        let left: u64 = books.remains.iter().map(Remains::bytes).sum();
        let working = (books.admitted + 1).saturating_mul(self.window);
        let admitted = left == 0 || left.saturating_add(working) <= books.peak.saturating_mul(self.window);
        if admitted {
            books.admitted += 1;
            books.peak = books.peak.max(books.admitted);
        }
        admitted
    }

    /// A session that was admitted is over.
    pub fn depart(&self, issuer: &Issuer) {
        let mut books = self.books();
        books.admitted -= 1;
        books.remains.push(issuer.remains());
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // Nothing in here panics, and numbers are whole at any time.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_waits_until_there_is_room_beside_what_the_dead_one_left() {
        let estate = Estate::new(100);
        assert!(estate.admit() && estate.admit(), "whoever comes while nobody has died");
        let mut dead = Issuer::new(100);
        let record = dead.receive(60).unwrap();
        estate.depart(&dead);
        assert!(!estate.admit(), "two windows and 60 bytes are more than two windows");
        drop(record);
        assert!(estate.admit());
        let (mut other, mut another) = (Issuer::new(100), Issuer::new(100));
        let records = [other.receive(30).unwrap(), another.receive(60).unwrap()];
        estate.depart(&other);
        estate.depart(&another);
        assert!(estate.admit(), "one window and 90 bytes fit");
        assert!(!estate.admit());
        drop(records);
        assert!(estate.admit());
    }
}
