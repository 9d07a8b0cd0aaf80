//! The local launcher: reader processes on this machine.

use super::Rendezvous;
use crate::cli::Verbosity;
use crate::intake::cores;
use std::io;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// How often in a row one reader is started anew before it is given up.
const RESTARTS: u32 = 20;
/// A reader that has lived so long died of something else than those before it.
const LONG_LIFE: Duration = Duration::from_secs(60);

/// Why no reader works.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// This program's own file cannot be started.
    #[error("cannot start a reader process: {0}")]
    Spawn(#[from] io::Error),
    /// Every reader died again and again.
    #[error(
        "every reader process died {RESTARTS} times in a row; the last one ended with {status}: see its messages above"
    )]
    AllGone {
        /// Of the last one.
        status: String,
    },
}

/// Running reader processes. Dropping it kills them.
pub struct LocalReaders {
    readers: JoinSet<Result<(), LaunchError>>,
}

impl LocalReaders {
    /// Starts `count` processes of this program, each of which prepares records on so many threads; 0 shares out the cores. They get a process group of their own, so that Ctrl-C in a terminal
    /// reaches the GPU node alone, which then ends them in order.
    pub fn start(
        count: usize,
        threads: usize,
        rendezvous: &Rendezvous,
        verbosity: Verbosity,
    ) -> Result<LocalReaders, LaunchError> {
        let program = std::env::current_exe()?;
        let threads = if threads == 0 { (cores() / count.max(1)).max(1) } else { threads };
        let mut readers = JoinSet::new();
        for index in 0..count {
            let mut command = Command::new(&program);
            command
                .args(rendezvous.arguments())
                .args(["--name", &format!("local-{index}"), "--threads", &threads.to_string()])
                .args(match verbosity {
                    // A person who watches wants to hear of readers only what is wrong.
                    Verbosity::Configured | Verbosity::Quiet => &["-q"][..],
                    Verbosity::Silent => &["-qq"],
                    Verbosity::Debug => &["-v"],
                    Verbosity::Trace => &["-vv"],
                })
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .process_group(0)
                .kill_on_drop(true);
            let first = command.spawn()?;
            readers.spawn(keep_alive(index, command, first));
        }
        Ok(LocalReaders { readers })
    }

    /// Waits until no reader is left; an error if all of them were given up. Never returns while one works.
    pub async fn gone(&mut self) -> Result<(), LaunchError> {
        let mut last = Ok(());
        let mut any_finished = false;
        while let Some(ended) = self.readers.join_next().await {
            match ended {
                Ok(Ok(())) => any_finished = true,
                Ok(Err(error)) => last = Err(error),
                // Aborted, or a defect of ours that the panic handler has told.
                Err(_) => {}
            }
        }
        if any_finished { Ok(()) } else { last }
    }

    /// Gives the readers a moment to end by themselves, then kills those that are left.
    pub async fn end(mut self, patience: Duration) {
        let _ = tokio::time::timeout(patience, self.gone()).await;
        self.readers.shutdown().await;
    }
}

/// Starts a reader anew when it dies. A reader ends with success only when the GPU node has told it to finish.
async fn keep_alive(index: usize, mut command: Command, mut reader: Child) -> Result<(), LaunchError> {
    let mut restarts = 0;
    loop {
        let born = Instant::now();
        let status = reader.wait().await?;
        if status.success() {
            return Ok(());
        }
        restarts = if born.elapsed() >= LONG_LIFE { 0 } else { restarts + 1 };
        if restarts > RESTARTS {
            return Err(LaunchError::AllGone { status: status.to_string() });
        }
        tracing::warn!(reader = index, "reader process died ({status}); starting another one");
        reader = command.spawn()?;
    }
}
