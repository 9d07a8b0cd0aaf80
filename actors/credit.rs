//! Byte credits: how much a reader may have under way.
//!
//! The GPU node grants an absolute offset, "you may send up to byte X of your data lane", which only ever grows. So a grant
//! that is repeated or overtaken changes nothing, and none can be lost by addition. A frame that arrives becomes a
//! [`CreditLease`] that rides with its record; when the record is freed, wherever that happens, the lease is dropped and
//! its bytes are granted again. Hence what a reader has under way (in the sockets, the queues, the batches) never exceeds
//! its window, and what the node holds of frames is at most `readers × window`. Beside it a session costs some 16 KiB, and a
//! record less than 384 bytes, which shows where frames are not much longer; `tests/memory.rs` measures all three.
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

/// What a session that is over has left: bytes that have arrived and are not freed yet.
#[derive(Debug)]
pub struct Remains {
    received: u64,
    returns: Arc<Returns>,
}

impl Remains {
    /// Bytes that are not freed yet.
    pub fn bytes(&self) -> u64 {
        self.received - self.returns.released.load(Ordering::Acquire)
    }
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
        let received = self.received.checked_add(bytes);
        let Some(received) = received.filter(|&received| received <= self.granted) else {
            return Err(Overdrawn { received: received.unwrap_or(u64::MAX), granted: self.granted });
        };
        self.received = received;
        Ok(CreditLease { bytes, returns: Arc::clone(&self.returns) })
    }

    /// The next grant, if anything was freed since the last one.
    pub fn next_grant(&mut self) -> Option<u64> {
        let released = self.returns.released.load(Ordering::SeqCst);
        let twice = if planted(Mutant::DoubleGrant) { released } else { 0 };
        let granted = released.saturating_add(self.window + twice);
        if granted == self.granted {
            return None;
        }
        self.granted = granted;
        let threshold = released.saturating_add((self.window / 4).max(1));
        self.returns.threshold.store(threshold, Ordering::SeqCst);
        // Leases may have been dropped between the two lines above, each by one that saw the old threshold behind it.
        if self.returns.released.load(Ordering::SeqCst) >= threshold {
            self.returns.wake.notify_one();
        }
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

    /// What is left when the session is over.
    pub fn remains(&self) -> Remains {
        Remains { received: self.received, returns: Arc::clone(&self.returns) }
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
        // Sequentially consistent, as in `next_grant`: either this sees the new threshold, or that one sees these bytes.
        let before = self.returns.released.fetch_add(self.bytes, Ordering::SeqCst);
        let threshold = self.returns.threshold.load(Ordering::SeqCst);
        if before < threshold && before + self.bytes >= threshold {
            self.returns.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
