//! The readers of a run, whoever starts them.

use super::RunError;
use crate::control::{self, Ending};
use crate::launch::yarn::{YarnError, YarnReaders};
use crate::launch::{LaunchError, LocalReaders};
use std::time::Duration;
use warcdl_actors::metrics::Metrics;
use warcdl_actors::pipeline::Outcome;

/// How long readers may take to go once the run is over, and once it was stopped.
const FAREWELL: Duration = Duration::from_secs(5);
const HASTE: Duration = Duration::from_millis(500);

/// Those that this process starts, or not.
pub(super) enum Readers {
    Local(LocalReaders),
    Yarn(Box<YarnReaders>),
    Elsewhere,
}

impl Readers {
    /// Waits until no reader is left, or will come; never returns while there may be some.
    pub(super) async fn gone(&mut self) -> Result<(), NoReaders> {
        match self {
            Readers::Local(readers) => readers.gone().await.map_err(NoReaders::Local),
            Readers::Yarn(readers) => Err(NoReaders::Yarn(readers.gone().await)),
            Readers::Elsewhere => std::future::pending().await,
        }
    }

    /// Tells those who start readers how far the run is.
    pub(super) fn set_progress(&self, metrics: &Metrics) {
        if let Readers::Yarn(readers) = self {
            let Metrics { dispatcher, .. } = metrics;
            let (done, all) = (dispatcher.bytes_read.get() as f64, dispatcher.archive_bytes.get() as f64);
            let permille = if all > 0.0 { (done / all * 1000.0).clamp(0.0, 1000.0) as u16 } else { 0 };
            readers.set_progress(control::Progress { permille, records: dispatcher.seen.get() });
        }
    }

    /// Every archive is read or given up, though what was read may still wait for its scores.
    pub(super) fn all_is_read(&self) {
        if let Readers::Yarn(_) = self {
            eprintln!("yarn: all is read: no more readers are wanted");
        }
        self.want_none();
    }

    /// Nothing is handed out any more: nobody is to start readers that would find no work.
    pub(super) fn want_none(&self) {
        // Those on this machine are not replaced once they have finished.
        if let Readers::Yarn(readers) = self {
            readers.want_none();
        }
    }

    /// Sees the readers off; `hurry` ends when that must not take any longer, and may be asked again.
    pub(super) async fn end(
        self,
        ended: &Result<Outcome, RunError>,
        end: &End,
        mut hurry: impl AsyncFnMut(),
    ) {
        match self {
            // Who stops a run wants it to be over.
            Readers::Local(readers) => {
                readers.end(if matches!(end, End::Work) { FAREWELL } else { HASTE }).await;
            }
            Readers::Yarn(readers) => {
                let (ending, why) = match (ended, end) {
                    (Err(RunError::StoppedAtOnce), _) => {
                        return readers.kill("stopped at once by the operator", hurry()).await;
                    }
                    (Err(error), _) => (Ending::Failed, error.to_string()),
                    (Ok(_), End::NoReaders(error)) => (Ending::Failed, error.to_string()),
                    (Ok(_), End::Interrupted) => (Ending::Killed, "stopped by the operator".to_owned()),
                    (Ok(_), End::Work) => (Ending::Succeeded, "all archives were read".to_owned()),
                };
                readers.end(ending, why, hurry).await;
            }
            Readers::Elsewhere => {}
        }
    }
}

/// Why no reader could be kept alive.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoReaders {
    #[error(transparent)]
    Local(LaunchError),
    #[error(transparent)]
    Yarn(YarnError),
}

impl From<NoReaders> for RunError {
    fn from(error: NoReaders) -> Self {
        match error {
            NoReaders::Local(error) => error.into(),
            NoReaders::Yarn(error) => error.into(),
        }
    }
}

/// What brought a run to its end.
pub(super) enum End {
    /// All work was done, or given up by name.
    Work,
    /// A signal.
    Interrupted,
    /// No reader could be kept alive.
    NoReaders(NoReaders),
}
