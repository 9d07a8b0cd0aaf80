//! Standard error, shared between log messages and a progress bar.

use std::io::{self, IsTerminal as _, Write};

use indicatif::MultiProgress;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::TelemetryError;
use crate::cli::Verbosity;

/// Standard error. What is written through it, progress bars aside, appears above the bars.
#[derive(Clone, Debug, Default)]
pub struct Console {
    bars: MultiProgress,
}

impl Console {
    /// The console of this process; a bar needs all of its writers to be clones of one.
    pub fn new() -> Console {
        Console::default()
    }

    /// Has log messages written here. `RUST_LOG` says which; else `verbosity`; else `configured`, which is
    /// `telemetry.log`. To be called once in a process.
    pub fn init_tracing(&self, configured: &str, verbosity: Verbosity) -> Result<(), TelemetryError> {
        let environment = std::env::var(EnvFilter::DEFAULT_ENV).ok();
        let filter = filter(environment.as_deref(), verbosity, configured)?;
        tracing_subscriber::fmt()
            .compact()
            .with_env_filter(filter)
            .with_ansi(
                self.is_interactive() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            )
            .with_writer(self.clone())
            .finish()
            .try_init()
            .map_err(|_| TelemetryError::AlreadyInitialised)
    }

    /// Whether a person watches.
    pub fn is_interactive(&self) -> bool {
        io::stderr().is_terminal()
    }

    pub(super) fn bars(&self) -> &MultiProgress {
        &self.bars
    }
}

impl Write for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bars.suspend(|| io::stderr().write_all(bytes)).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for Console {
    type Writer = Console;

    fn make_writer(&'a self) -> Console {
        self.clone()
    }
}

fn filter(
    environment: Option<&str>,
    verbosity: Verbosity,
    configured: &str,
) -> Result<EnvFilter, TelemetryError> {
    let (origin, directives) = match (environment, verbosity.log_filter()) {
        (Some(directives), _) if !directives.trim().is_empty() => (EnvFilter::DEFAULT_ENV, directives),
        (_, Some(directives)) => ("the verbosity", directives),
        _ => ("\"telemetry.log\"", configured),
    };
    EnvFilter::try_new(directives)
        .map_err(|error| TelemetryError::Filter { origin, reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::{Verbosity, filter};

    #[test]
    fn the_environment_wins_over_flags_over_configuration() {
        let check = |environment, verbosity, configured, expected: &str| {
            assert_eq!(filter(environment, verbosity, configured).unwrap().to_string(), expected);
        };
        check(Some("trace"), Verbosity::Quiet, "info", "trace");
        check(Some(" "), Verbosity::Quiet, "info", "warn");
        check(None, Verbosity::Quiet, "info", "warn");
        check(None, Verbosity::Configured, "info", "info");
    }

    #[test]
    fn a_filter_that_cannot_be_understood_is_told_by_its_origin() {
        let check = |environment, configured, part: &str| {
            let error = filter(environment, Verbosity::Configured, configured).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        check(Some("warcdl=loud"), "info", "RUST_LOG");
        check(None, "warcdl=loud", "\"telemetry.log\"");
    }
}
