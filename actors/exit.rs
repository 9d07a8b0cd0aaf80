//! How the dataflow ends when it does not end well.

use crate::frontier::Stale;
use crate::port::{ModelError, SinkError};
use tokio::sync::mpsc;

/// Why the pipeline on the GPU node cannot go on. Any of these ends the run.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The model cannot score.
    #[error("the model failed on {records} records in a row: {source}")]
    Model {
        /// How many.
        records: usize,
        /// What it said.
        source: ModelError,
    },
    /// The model gave another number of scores than it was given records.
    #[error("the model gave {scores} scores for {records} records")]
    ScoreCount {
        /// Scores.
        scores: usize,
        /// Records.
        records: usize,
    },
    /// What a lease that is over has left came through: a defect of ours. Nothing of it is committed.
    #[error("{0}; this is a defect of warcdl, please report it")]
    Stale(Stale),
    /// A run that was stopped could not commit in time. What was committed before is intact.
    #[error(
        "the run was stopped, and its last commit did not come to its end in time; what was committed before is intact"
    )]
    StuckStopping,
    /// The operating system refused a thread.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// A result cannot be stored.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A part of the program panicked: a defect of ours.
    #[error("the {actor} panicked; this is a defect of warcdl, please report it with the lines above")]
    Panicked {
        /// Which part.
        actor: &'static str,
    },
}

/// Where actors report faults. The first one counts.
#[derive(Clone, Debug)]
pub struct FaultSender(mpsc::Sender<Fault>);

impl FaultSender {
    /// A sender and the place where the faults arrive.
    pub fn channel() -> (FaultSender, mpsc::Receiver<Fault>) {
        let (sender, receiver) = mpsc::channel(8);
        (FaultSender(sender), receiver)
    }

    /// Reports. When nobody listens any more, the run has ended already.
    pub fn report(&self, fault: Fault) {
        let _ = self.0.try_send(fault);
    }

    /// A guard that reports when the actor that holds it is dropped by a panic: actix does not restart it, and messages
    /// to it would vanish.
    pub fn vital(&self, actor: &'static str) -> Vital {
        Vital { actor, faults: self.clone() }
    }
}

/// See [`FaultSender::vital`].
#[derive(Debug)]
pub struct Vital {
    actor: &'static str,
    faults: FaultSender,
}

impl Drop for Vital {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.faults.report(Fault::Panicked { actor: self.actor });
        }
    }
}
