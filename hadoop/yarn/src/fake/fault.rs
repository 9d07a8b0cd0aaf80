//! Faults on purpose.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What goes wrong with one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection breaks before the call is looked at.
    LoseRequest,
    /// What is asked for is done, and then the connection breaks.
    LoseReply,
    /// What is asked for is done, and nothing is ever answered.
    Silence,
    /// What is asked for is done, and answered after this time.
    Delay(Duration),
    /// Nothing is done, and this exception answered: its class, and its message.
    Exception(&'static str, &'static str),
    /// Each container of the request is refused, with this message.
    Refuse(&'static str),
}

/// Faults that wait for their calls.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<VecDeque<(&'static str, Fault)>>);

impl Faults {
    pub(crate) fn push(&self, method: &'static str, fault: Fault) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back((method, fault));
    }

    /// The first that waits for this method, or for `*`.
    pub(crate) fn take(&self, method: &str) -> Option<Fault> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = faults.iter().position(|(wanted, _)| *wanted == method || *wanted == "*")?;
        faults.remove(at).map(|(_, fault)| fault)
    }

    pub(crate) fn left(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
