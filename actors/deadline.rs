//! Time limits for work of several steps with a peer.

use std::time::Duration;

/// A pause costs one of so many parts of a limit at most.
const PARTS: u32 = 10;

/// Gives what `work` gives, if it is done within `limit`. A pause of this process, be it that the machine is busy or slept,
/// costs a tenth of that: the peer is not to blame for it.
pub async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    for _ in 0..PARTS {
        if let Ok(done) = tokio::time::timeout(limit / PARTS, &mut work).await {
            return Some(done);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, advance, sleep};

    #[tokio::test(start_paused = true)]
    async fn a_limit_ends_what_takes_longer_and_a_pause_does_not() {
        let (limit, begin) = (Duration::from_secs(5), Instant::now());
        assert_eq!(within(limit, sleep(Duration::from_secs(4))).await, Some(()));
        assert_eq!(within(limit, std::future::pending::<()>()).await, None);
        assert_eq!(begin.elapsed(), Duration::from_secs(9));
        let steps = async {
            sleep(Duration::from_secs(1)).await;
            // All timers are late at once.
            advance(Duration::from_secs(60)).await;
            sleep(Duration::from_secs(1)).await;
        };
        assert_eq!(within(limit, steps).await, Some(()));
    }
}
