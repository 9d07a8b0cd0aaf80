//! Why one attempt to fetch failed, and whether another may help.

use std::error::Error;
use std::time::Duration;

/// One attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) kind: Kind,
    /// What the server or the connection reports, in one line.
    pub(super) reason: String,
    /// What to do.
    pub(super) cure: &'static str,
    /// How long the server asks to be left alone.
    pub(super) retry_after: Option<Duration>,
}

/// Whether another attempt may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Asking again would change nothing.
    Final,
    /// The server is busy, or the connection broke.
    Busy,
    /// No server was reached: at the start of a run its address is probably wrong.
    Unreachable,
}

impl Trouble {
    pub(super) fn new(kind: Kind, reason: impl Into<String>, cure: &'static str) -> Trouble {
        Trouble { kind, reason: reason.into(), cure, retry_after: None }
    }

    /// A body that broke off.
    pub(super) fn broken(reason: String) -> Trouble {
        let cure = "see whether the server and the network are up to the number of readers";
        Trouble::new(Kind::Busy, reason, cure)
    }
}

impl Kind {
    /// By the status of an answer that is no success.
    pub(super) fn of_status(status: u16) -> Kind {
        match status {
            // Request Timeout, Too Early, Too Many Requests.
            408 | 425 | 429 => Kind::Busy,
            300..=499 => Kind::Final,
            _ => Kind::Busy,
        }
    }
}

/// Longest time that a server is believed to ask for, in seconds: a day, beyond any budget.
const LONGEST_REQUEST: u64 = 86_400;

/// The value of the header `Retry-After` in seconds; its other form, a date, would take the server's clock and ours to agree.
pub(super) fn retry_after(value: Option<&str>) -> Option<Duration> {
    let seconds: u64 = value?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(LONGEST_REQUEST)))
}

/// The innermost error: those around it say little ("dispatch failure").
pub(super) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string().replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_server_asks_for_is_a_time() {
        assert_eq!(retry_after(Some(" 7 ")), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(Some(&u64::MAX.to_string())), Some(Duration::from_secs(LONGEST_REQUEST)));
        assert_eq!(retry_after(Some("Wed, 21 Oct 2026 07:28:00 GMT")), None);
    }
}
