//! Byte credits: how much a reader may have under way.
//!
//! The GPU node grants an absolute offset, "you may send up to byte X of your data lane", which only ever grows. So a grant
//! that is repeated or overtaken changes nothing, and none can be lost by addition. A frame that arrives becomes a
//! [`CreditLease`] that rides with its record; when the record is freed, wherever that happens, the lease is dropped and
//! its bytes are granted again. Hence what a reader has under way (in the sockets, the queues, the batches) never exceeds
//! its window, and the node's memory is `readers × window`.
//!
//! The progress condition: the window holds at least one frame of the largest size, so that a sender that has nothing
//! under way may always send.

use crate::mutant::{Mutant, planted};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// The reader's side: what it was granted and what it has sent.
#[derive(Debug, Default)]
pub struct Window {
    granted: u64,
    sent: u64,
}

impl Window {
    /// A window with the first grant.
    pub fn new(granted: u64) -> Window {
        Window { granted, sent: 0 }
    }

    /// Takes a grant. Smaller ones than before are old news.
    pub fn grant(&mut self, granted: u64) {
        self.granted = self.granted.max(granted);
    }

    /// Spends `bytes` if there is credit for all of them.
    #[must_use]
    pub fn spend(&mut self, bytes: u64) -> bool {
        let fits = bytes <= self.granted.saturating_sub(self.sent);
        if fits {
            self.sent += bytes;
        }
        fits
    }

    /// Bytes that may be sent now.
    pub fn available(&self) -> u64 {
        self.granted.saturating_sub(self.sent)
    }
}

/// What the node and the leases of one session share.
#[derive(Debug, Default)]
struct Returns {
    released: AtomicU64,
    threshold: AtomicU64,
    wake: Notify,
}

/// The node's side of one session's window.
#[derive(Debug)]
pub struct Issuer {
    window: u64,
    received: u64,
    granted: u64,
    returns: Arc<Returns>,
}

/// The peer sent more than it was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{received} bytes received, {granted} granted")]
pub struct Overdrawn {
    /// Bytes received on the data lane.
    pub received: u64,
    /// Bytes granted.
    pub granted: u64,
}

/// Bytes of a session's window, held by the record that occupies them; dropping it gives them back.
#[must_use = "dropping a lease at once gives its credit back before the record is freed"]
#[derive(Debug)]
pub struct CreditLease {
    bytes: u64,
    returns: Arc<Returns>,
}

/// Waits for credit to come back; see [`Issuer::watch`].
#[derive(Clone, Debug)]
pub struct ReturnsWatch(Arc<Returns>);

impl Issuer {
    /// A window of so many bytes; the first grant is the window itself.
    pub fn new(window: u64) -> Issuer {
        let returns = Returns { threshold: AtomicU64::new((window / 4).max(1)), ..Returns::default() };
        Issuer { window, received: 0, granted: window, returns: Arc::new(returns) }
    }

    /// Accounts a frame that arrived.
    pub fn receive(&mut self, bytes: u64) -> Result<CreditLease, Overdrawn> {
        let received = self.received.saturating_add(bytes);
        if received > self.granted {
            return Err(Overdrawn { received, granted: self.granted });
        }
        self.received = received;
        Ok(CreditLease { bytes, returns: Arc::clone(&self.returns) })
    }

    /// The next grant, if anything was freed since the last one.
    pub fn next_grant(&mut self) -> Option<u64> {
        let released = self.returns.released.load(Ordering::Acquire);
        let twice = if planted(Mutant::DoubleGrant) { released } else { 0 };
        let granted = released + self.window + twice;
        if granted == self.granted {
            return None;
        }
        self.granted = granted;
        self.returns.threshold.store(released + (self.window / 4).max(1), Ordering::Release);
        Some(granted)
    }

    /// Bytes that the reader may still send by what it was granted.
    pub fn available(&self) -> u64 {
        self.granted - self.received
    }

    /// Bytes that have arrived and are not freed yet.
    pub fn in_use(&self) -> u64 {
        self.received - self.returns.released.load(Ordering::Acquire)
    }

    /// A handle that waits until a quarter of the window is newly free.
    pub fn watch(&self) -> ReturnsWatch {
        ReturnsWatch(Arc::clone(&self.returns))
    }
}

impl ReturnsWatch {
    /// Returns once a quarter of the window was freed since the last grant.
    pub async fn quarter_free(&self) {
        self.0.wake.notified().await;
    }
}

impl CreditLease {
    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for CreditLease {
    fn drop(&mut self) {
        if planted(Mutant::CreditLeak) && self.bytes.is_multiple_of(16) {
            return;
        }
        let before = self.returns.released.fetch_add(self.bytes, Ordering::AcqRel);
        let threshold = self.returns.threshold.load(Ordering::Acquire);
        if before < threshold && before + self.bytes >= threshold {
            self.returns.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    #[test]
    fn a_grant_is_absolute_so_old_and_repeated_ones_change_nothing() {
        let mut window = Window::new(100);
        assert!(window.spend(60) && !window.spend(41) && window.spend(40));
        window.grant(150);
        window.grant(120);
        window.grant(150);
        assert_eq!(window.available(), 50);
    }

    #[test]
    fn a_peer_that_overdraws_is_told_from_one_that_does_not() {
        let mut issuer = Issuer::new(100);
        let lease = issuer.receive(100).unwrap();
        assert_eq!(issuer.receive(1).unwrap_err(), Overdrawn { received: 101, granted: 100 });
        drop(lease);
        assert_eq!(issuer.next_grant(), Some(200));
        assert_eq!(issuer.next_grant(), None);
        assert_eq!(issuer.receive(u64::MAX).unwrap_err().granted, 200);
        assert_eq!(issuer.in_use(), 0);
    }

    #[tokio::test]
    async fn the_quarter_mark_wakes_even_one_who_waits_later() {
        let mut issuer = Issuer::new(100);
        let watch = issuer.watch();
        let leases: Vec<_> = (0..10).map(|_| issuer.receive(10).unwrap()).collect();
        for lease in leases.into_iter().take(3) {
            drop(lease);
        }
        watch.quarter_free().await;
        assert_eq!(issuer.next_grant(), Some(200), "all ten leases are gone with the vector");
    }

    proptest! {
        /// Any order of sending, freeing and granting: never more under way than the window, never a stall while
        /// nothing is under way, and all of it free at the end.
        #[test]
        fn what_is_under_way_never_exceeds_the_window(
            size in 1u64..5_000,
            steps in prop::collection::vec((0u8..4, 1u64..5_000), 1..400),
        ) {
            let (mut window, mut issuer) = (Window::new(size), Issuer::new(size));
            let mut held = VecDeque::new();
            for (step, bytes) in steps {
                match step {
                    0 | 1 => {
                        let bytes = bytes.min(size);
                        if window.spend(bytes) {
                            held.push_back(issuer.receive(bytes).expect("credit was spent"));
                        } else if held.is_empty() {
                            let granted = issuer.next_grant().expect("nothing is under way, so something was freed");
                            window.grant(granted);
                            prop_assert!(window.spend(bytes), "a sender with nothing under way may always send");
                            held.push_back(issuer.receive(bytes).unwrap());
                        }
                    }
                    2 => drop(held.pop_front()),
                    _ => {
                        if let Some(granted) = issuer.next_grant() {
                            window.grant(granted);
                        }
                    }
                }
                let under_way: u64 = held.iter().map(CreditLease::bytes).sum();
                prop_assert_eq!(under_way, issuer.in_use());
                prop_assert!(under_way <= size);
            }
            held.clear();
            prop_assert_eq!(issuer.in_use(), 0);
        }
    }
}
