//! Why a run ends without its results, and how the process then ends.

use crate::config::ConfigError;
use crate::exit::Exit;
use crate::job::JobError;
use crate::launch::LaunchError;
use crate::launch::yarn::YarnError;
use crate::model;
use crate::prepare::PrepareError;
use crate::secret_file::SecretError;
use crate::sink;
use crate::source::SourceError;
use crate::telemetry::TelemetryError;
use std::io;
use std::net::SocketAddr;
use warcdl_actors::SinkError;
use warcdl_actors::exit::Fault;
use warcdl_actors::metrics::RegisterError;
use warcdl_actors::pipeline::StartError;

/// Why a run ends without its results.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum RunError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Model(#[from] model::OpenError),
    #[error(transparent)]
    Output(#[from] sink::OpenError),
    #[error(transparent)]
    Write(#[from] SinkError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Job(#[from] JobError),
    #[error(
        "cannot listen on transport.listen = \"{address}\": {source}; set it to a free address of this machine"
    )]
    Listen { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Metrics(#[from] RegisterError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error(transparent)]
    Yarn(#[from] YarnError),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(
        "stopped at once, as asked twice; what was committed is intact: run the same command again to go on"
    )]
    StoppedAtOnce,
    #[error("cannot watch for signals: {0}")]
    Signal(io::Error),
    #[error("the books do not balance, which is a defect of warcdl; the results are stored: {0}")]
    Imbalance(#[from] warcdl_actors::ledger::Imbalance),
    #[error("the summary cannot be written as JSON: {0}")]
    Summary(#[from] serde_json::Error),
}

impl RunError {
    /// How the process ends.
    pub fn exit(&self) -> Exit {
        match self {
            RunError::Config(_) | RunError::Prepare(_) | RunError::Secret(_) | RunError::Job(_) => {
                Exit::Usage
            }
            RunError::Source(_) => Exit::Source,
            RunError::Model(_) | RunError::Fault(Fault::Model { .. } | Fault::ScoreCount { .. }) => {
                Exit::Model
            }
            RunError::Output(sink::OpenError::InUse { .. }) => Exit::InUse,
            RunError::Output(_) => Exit::Output,
            RunError::Write(error) | RunError::Fault(Fault::Sink(error)) => match error {
                SinkError::Full { .. } => Exit::DiskFull,
                SinkError::Io { .. } => Exit::Disk,
            },
            RunError::Yarn(error) if error.is_usage() => Exit::Usage,
            RunError::Listen { .. } | RunError::Telemetry(_) | RunError::Launch(_) | RunError::Yarn(_) => {
                Exit::Network
            }
            RunError::StoppedAtOnce | RunError::Fault(Fault::StuckStopping) => Exit::Interrupted,
            RunError::Metrics(_)
            | RunError::Start(_)
            | RunError::Signal(_)
            | RunError::Imbalance(_)
            | RunError::Summary(_)
            | RunError::Fault(Fault::Panicked { .. } | Fault::Stale(_) | Fault::Thread(_)) => Exit::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_supervisor_has_to_tell_apart_has_exit_codes_of_its_own() {
        let path = std::path::PathBuf::from("results");
        let full = || SinkError::Full { path: path.clone() };
        let io = || SinkError::Io { path: path.clone(), source: io::Error::other("the disk is on fire") };
        let cases = [
            (RunError::Fault(Fault::Sink(io())), Exit::Disk),
            (RunError::Fault(Fault::Sink(full())), Exit::DiskFull),
            (RunError::Write(full()), Exit::DiskFull),
            (RunError::Output(sink::OpenError::InUse { path: path.clone() }), Exit::InUse),
            (RunError::Output(sink::OpenError::NotEmpty { path: path.clone() }), Exit::Output),
            (RunError::StoppedAtOnce, Exit::Interrupted),
            (RunError::Fault(Fault::Panicked { actor: "writer" }), Exit::Internal),
        ];
        for (error, exit) in cases {
            assert_eq!(error.exit(), exit, "{error}");
        }
    }
}
