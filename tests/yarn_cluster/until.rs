//! Waiting for what processes do by themselves.

use std::thread;
use std::time::{Duration, Instant};

/// What takes longer hangs. Generous: the Java processes may share their cores with whatever else the machine does.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// How often is looked at what is waited for: looks at all processes of the machine are not for nothing.
const TICK: Duration = Duration::from_millis(100);

/// Looks until there is something to be seen, which it gives, or an error. What a fault asserts never depends on how long
/// the pauses between looks are.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>, String>,
) -> Result<T, String> {
    let deadline = Instant::now() + limit;
    loop {
        let is_late = Instant::now() >= deadline;
        match look()? {
            Some(seen) => return Ok(seen),
            None if is_late => return Err(format!("{what}: not within {} s", limit.as_secs())),
            None => thread::sleep(TICK),
        }
    }
}
