//! What the operator is told. Each prints as one line.

use super::verdict::Verdict;
use crate::{ContainerId, Resource};
use std::fmt;

/// Something worth telling.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// The attempt is known to the ResourceManager, and runs on with readers of earlier attempts.
    Registered {
        /// How many.
        adopted: usize,
        /// The largest container that can be had.
        largest: Option<Resource>,
    },
    /// The ResourceManager was restarted; readers run on.
    Resynced,
    /// The ResourceManager was restarted, may not know all nodes yet, and refuses what it gave before.
    RefusedForNow {
        /// In its words.
        message: String,
    },
    /// The ResourceManager does not answer.
    RmLost,
    /// It does again.
    RmBack,
    /// A reader runs.
    Started {
        /// Where.
        container: ContainerId,
        /// On which host.
        host: String,
    },
    /// A reader could not be started.
    StartFailed {
        /// Where.
        container: ContainerId,
        /// On which host.
        host: String,
        /// Why.
        message: String,
    },
    /// A reader is over.
    Ended {
        /// Where.
        container: ContainerId,
        /// On which host.
        host: String,
        /// Its exit status.
        status: i32,
        /// What YARN said, its first line.
        diagnostics: String,
        /// What it means.
        verdict: Verdict,
        /// It was asked to end.
        expected: bool,
        /// Where its logs are; empty if that is not known.
        log: String,
    },
    /// The GPU node has given a reader up.
    GivenUp {
        /// Where.
        container: ContainerId,
        /// On which host.
        host: String,
        /// Why.
        reason: String,
    },
    /// No reader is wanted on this host any more.
    Blacklisted {
        /// Which.
        host: String,
    },
    /// Too few readers are left: all hosts are welcome again.
    BlacklistCleared,
    /// The scheduler wants so many containers back.
    Preemption {
        /// How many readers are asked to finish for it.
        readers: usize,
    },
    /// A node leaves the cluster: its readers are asked to finish.
    NodeLeaving {
        /// Which.
        host: String,
    },
    /// The link to the GPU node is broken.
    GpuLost,
    /// It is there again.
    GpuBack,
    /// This attempt of the master goes and leaves its readers alone.
    Leaving {
        /// Why.
        why: String,
    },
    /// The application ends.
    Ending {
        /// Why.
        diagnostics: String,
    },
}

impl Report {
    /// Whether something is wrong.
    pub fn is_warning(&self) -> bool {
        match self {
            Report::Ended { verdict, expected, .. } => !expected && verdict.is_failure(),
            Report::StartFailed { .. }
            | Report::GivenUp { .. }
            | Report::Blacklisted { .. }
            | Report::RefusedForNow { .. }
            | Report::RmLost
            | Report::Leaving { .. }
            | Report::GpuLost => true,
            Report::Registered { .. }
            | Report::Resynced
            | Report::RmBack
            | Report::Started { .. }
            | Report::BlacklistCleared
            | Report::Preemption { .. }
            | Report::NodeLeaving { .. }
            | Report::GpuBack
            | Report::Ending { .. } => false,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Report::Registered { adopted, largest } => {
                f.write_str("registered with the ResourceManager")?;
                if let Some(Resource { memory_mb, vcores }) = largest {
                    write!(f, "; largest container {memory_mb} MiB, {vcores} cores")?;
                }
                if *adopted > 0 { write!(f, "; {adopted} readers run on") } else { Ok(()) }
            }
            Report::Resynced => f.write_str("the ResourceManager was restarted; the readers run on"),
            Report::RefusedForNow { message } => {
                write!(
                    f,
                    "the ResourceManager was restarted and refuses for now, it is asked again: {message}"
                )
            }
            Report::RmLost => f.write_str("the ResourceManager does not answer; the readers run on"),
            Report::RmBack => f.write_str("the ResourceManager answers again"),
            Report::Started { container, host } => write!(f, "reader {container} started on {host}"),
            Report::StartFailed { container, host, message } => {
                write!(f, "reader {container} could not be started on {host}: {message}")
            }
            Report::Ended { container, host, status, diagnostics, verdict, expected, log } => {
                if *expected {
                    return write!(f, "reader {container} on {host} ended as asked (exit {status})");
                }
                let help = verdict.cause.help();
                write!(f, "reader {container} on {host} exited {status} ({help})")?;
                if !diagnostics.is_empty() {
                    write!(f, ": {diagnostics}")?;
                }
                if let Some(advice) = verdict.cause.advice() {
                    write!(f, " → {advice}")?;
                }
                if log.is_empty() { Ok(()) } else { write!(f, "   log {log}") }
            }
            Report::GivenUp { container, host, reason } => {
                write!(f, "reader {container} on {host} is given up: {reason}")
            }
            Report::Blacklisted { host } => {
                write!(f, "no more readers on {host}: too many have failed there")
            }
            Report::BlacklistCleared => f.write_str("too few readers: all hosts are tried again"),
            Report::Preemption { readers } => {
                write!(f, "the scheduler wants containers back: {readers} readers are asked to finish")
            }
            Report::NodeLeaving { host } => {
                write!(f, "{host} leaves the cluster: its readers are asked to finish")
            }
            Report::GpuLost => {
                f.write_str("the GPU node cannot be reached; no readers are started until it can")
            }
            Report::GpuBack => f.write_str("the GPU node is there"),
            Report::Leaving { why } => {
                write!(f, "this attempt of the master goes: {why}; the readers run on")
            }
            Report::Ending { diagnostics } => write!(f, "the application ends: {diagnostics}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_with_advice_and_the_way_to_the_log() {
        let ended = |status, expected| Report::Ended {
            container: "container_1_0002_01_000007".parse().unwrap(),
            host: "node31".into(),
            status,
            diagnostics: "2.1 of 2 GB used".into(),
            verdict: Verdict::of(status),
            expected,
            log: "http://node31:8042/x".into(),
        };
        assert_eq!(
            ended(-104, false).to_string(),
            "reader container_1_0002_01_000007 on node31 exited -104 (more memory than YARN allows): 2.1 of 2 GB used \
             → raise yarn.reader_memory_mb   log http://node31:8042/x"
        );
        assert_eq!(
            ended(143, true).to_string(),
            "reader container_1_0002_01_000007 on node31 ended as asked (exit 143)"
        );
    }
}
