//! The signals that end a run: the first one in order, the second one at once.

use std::future::Future;
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Those that have come are counted; one that comes before anybody waits is not lost.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    heard: u32,
}

impl Signals {
    /// From here on the process does not end by them.
    pub(super) fn watch() -> io::Result<Signals> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Signals { interrupt, terminate, heard: 0 })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        self.heard += 1;
    }

    /// How many somebody has waited for.
    pub(super) fn heard(&self) -> u32 {
        self.heard
    }

    /// Does what should not be left half done: after one signal it is waited for, and `None` comes after a second one.
    pub(super) async fn bear<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Some(done),
                () = self.next() => {
                    if self.heard > 1 {
                        return None;
                    }
                    eprintln!("stopping as soon as the application is submitted; once more to stop at once");
                }
            }
        }
    }
}
