//! What an exit status means: whose fault it was, and what to do about it.
//!
//! Negative numbers are YARN's (`org.apache.hadoop.yarn.api.records.ContainerExitStatus`), 0 to 127 the reader's or the
//! shell's that started it, 128 + n a signal.

/// Why a container is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// It had nothing more to do.
    Finished,
    /// Its NodeManager did not start it.
    NotStarted,
    /// The shell that starts the reader failed, before the reader.
    Launch,
    /// The reader does not like its command line or configuration.
    Usage,
    /// The reader cannot read the archives.
    Source,
    /// The reader cannot reach the GPU node, or is not let in.
    Network,
    /// A defect of the reader.
    Internal,
    /// Another exit code of the reader.
    Reader,
    /// The program cannot be executed there.
    Exec,
    /// Killed by a signal that nobody here has sent.
    Signal,
    /// `SIGKILL` that nobody here has sent.
    Killed,
    /// `SIGTERM` that nobody here has sent.
    Terminated,
    /// Its node is gone, or it was never used.
    Aborted,
    /// The disks of the node failed.
    DisksFailed,
    /// The scheduler took it for others.
    Preempted,
    /// It used more virtual memory than YARN allows.
    VirtualMemory,
    /// It used more memory than YARN allows.
    Memory,
    /// An application master stopped it.
    StoppedByMaster,
    /// The ResourceManager stopped it.
    StoppedByManager,
    /// The application was over.
    AfterEnd,
    /// The node's own scheduler stopped it.
    StoppedByNode,
    /// It wrote too much to its logs.
    Logs,
    /// The program could not be brought to the node.
    Localization,
    /// A status that YARN did not have when this was written.
    Unknown,
}

/// Whether a node is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// No.
    None,
    /// Perhaps: several such make it suspect.
    Once,
    /// Certainly.
    Certain,
}

/// How many failures of a kind are borne while nothing gets on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearing {
    /// It is none.
    NoFailure,
    /// It may be different the next time.
    Ordinary,
    /// The next one will most likely end in the same way.
    Few,
    /// So it will, unless it was a record, which the GPU node passes over after three deaths.
    Several,
}

/// What follows from an exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What it means.
    pub cause: Cause,
    /// Whether it is a failure, and of which kind.
    pub bearing: Bearing,
    /// Whether the node is to blame.
    pub blame: Blame,
}

impl Verdict {
    /// The verdict on a container that nobody has asked to end.
    ///
    /// `-1000` is what YARN says of a container that is over and has never had a process: its files did not arrive. `-1` is
    /// what a NodeManager says of one whose process it failed to start, by an exception before there was any.
    pub fn of(status: i32) -> Verdict {
        use Bearing::{Few, NoFailure, Ordinary, Several};
        use Cause::*;
        let (cause, bearing, blame) = match status {
            0 => (Finished, NoFailure, Blame::None),
            1 => (Launch, Few, Blame::Once),
            2 => (Usage, Few, Blame::None),
            3 => (Source, Ordinary, Blame::Once),
            7 => (Network, Ordinary, Blame::Once),
            70 => (Internal, Ordinary, Blame::None),
            126..=127 => (Exec, Few, Blame::Once),
            137 => (Killed, Ordinary, Blame::Once),
            143 => (Terminated, Ordinary, Blame::None),
            129..=192 => (Signal, Ordinary, Blame::Once),
            4..=128 | 193.. => (Reader, Ordinary, Blame::Once),
            -1 => (NotStarted, Ordinary, Blame::Once),
            -100 => (Aborted, NoFailure, Blame::None),
            -101 => (DisksFailed, NoFailure, Blame::Certain),
            -102 => (Preempted, NoFailure, Blame::None),
            -103 => (VirtualMemory, Several, Blame::None),
            -104 => (Memory, Several, Blame::None),
            -105 => (StoppedByMaster, NoFailure, Blame::None),
            -106 => (StoppedByManager, NoFailure, Blame::None),
            -107 => (AfterEnd, NoFailure, Blame::None),
            -108 => (StoppedByNode, NoFailure, Blame::None),
            -109 => (Logs, Few, Blame::None),
            -1000 => (Localization, Few, Blame::Once),
            _ => (Unknown, Ordinary, Blame::Once),
        };
        Verdict { cause, bearing, blame }
    }

    /// Whether it counts as a failure.
    pub fn is_failure(&self) -> bool {
        self.bearing != Bearing::NoFailure
    }
}

impl Cause {
    /// What happened, in a few words.
    pub const fn help(self) -> &'static str {
        match self {
            Cause::Finished => "it finished",
            Cause::NotStarted => "its NodeManager did not start it",
            Cause::Launch => "it could not be launched",
            Cause::Usage => "its command line or configuration is wrong",
            Cause::Source => "it cannot read the archives",
            Cause::Network => "it cannot reach the GPU node, or is not let in",
            Cause::Internal => "a defect of the reader",
            Cause::Reader => "the reader failed",
            Cause::Exec => "the program cannot be executed there",
            Cause::Signal => "killed by a signal",
            Cause::Killed => "killed from outside (SIGKILL)",
            Cause::Terminated => "terminated from outside (SIGTERM)",
            Cause::Aborted => "its node is lost, or it was given back",
            Cause::DisksFailed => "the disks of the node failed",
            Cause::Preempted => "taken by the scheduler for others",
            Cause::VirtualMemory => "more virtual memory than YARN allows",
            Cause::Memory => "more memory than YARN allows",
            Cause::StoppedByMaster => "stopped by the application master",
            Cause::StoppedByManager => "stopped by the ResourceManager",
            Cause::AfterEnd => "stopped with the application",
            Cause::StoppedByNode => "stopped by the scheduler of its node",
            Cause::Logs => "it wrote too much to its logs",
            Cause::Localization => "the program did not arrive on the node",
            Cause::Unknown => "for a reason that YARN has a new number for",
        }
    }

    /// What the operator can do about it, if anything.
    pub const fn advice(self) -> Option<&'static str> {
        Some(match self {
            Cause::NotStarted => {
                "is the node in order, and can the port of its NodeManager be reached from the application master?"
            }
            Cause::Launch => {
                "the program on the node is damaged, or its command failed: see the container's stderr"
            }
            Cause::Usage => {
                "readers and GPU node are of different builds, or a setting is wrong: see the container's stderr"
            }
            Cause::Source => "can the nodes reach the archives, with these keys?",
            Cause::Network => {
                "does transport.advertise name the GPU node as the cluster sees it, and do firewalls let its ports through?"
            }
            Cause::Internal => "please report it, with the container's stderr",
            Cause::Reader => "see the container's stderr",
            Cause::Exec => {
                "the program is for another machine or a newer glibc, or the node's disks are mounted noexec: build a static one"
            }
            Cause::Signal => "the program may be built for another processor: see the container's stderr",
            Cause::Killed => {
                "the kernel may have run out of memory: see the node's log, raise yarn.reader_memory_mb"
            }
            Cause::DisksFailed => "tell the cluster's operators",
            Cause::Preempted => "the queue is over its share: use another queue, or fewer readers",
            Cause::VirtualMemory => {
                "raise yarn.reader_memory_mb, or have yarn.nodemanager.vmem-check-enabled turned off"
            }
            Cause::Memory => "raise yarn.reader_memory_mb",
            Cause::Logs => "lower the level of the readers' log",
            Cause::Localization => "can the nodes fetch the program from where yarn.staging puts it?",
            Cause::Finished
            | Cause::Terminated
            | Cause::Aborted
            | Cause::StoppedByMaster
            | Cause::StoppedByManager
            | Cause::AfterEnd
            | Cause::StoppedByNode
            | Cause::Unknown => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_statuses() {
        // status, cause, how it is borne, blame, has advice
        let cases = [
            (0, Cause::Finished, Bearing::NoFailure, Blame::None, false),
            (1, Cause::Launch, Bearing::Few, Blame::Once, true),
            (2, Cause::Usage, Bearing::Few, Blame::None, true),
            (3, Cause::Source, Bearing::Ordinary, Blame::Once, true),
            (7, Cause::Network, Bearing::Ordinary, Blame::Once, true),
            (42, Cause::Reader, Bearing::Ordinary, Blame::Once, true),
            (70, Cause::Internal, Bearing::Ordinary, Blame::None, true),
            (126, Cause::Exec, Bearing::Few, Blame::Once, true),
            (127, Cause::Exec, Bearing::Few, Blame::Once, true),
            (128, Cause::Reader, Bearing::Ordinary, Blame::Once, true),
            (132, Cause::Signal, Bearing::Ordinary, Blame::Once, true),
            (137, Cause::Killed, Bearing::Ordinary, Blame::Once, true),
            (139, Cause::Signal, Bearing::Ordinary, Blame::Once, true),
            (143, Cause::Terminated, Bearing::Ordinary, Blame::None, false),
            (255, Cause::Reader, Bearing::Ordinary, Blame::Once, true),
            (-1, Cause::NotStarted, Bearing::Ordinary, Blame::Once, true),
            (-100, Cause::Aborted, Bearing::NoFailure, Blame::None, false),
            (-101, Cause::DisksFailed, Bearing::NoFailure, Blame::Certain, true),
            (-102, Cause::Preempted, Bearing::NoFailure, Blame::None, true),
            (-103, Cause::VirtualMemory, Bearing::Several, Blame::None, true),
            (-104, Cause::Memory, Bearing::Several, Blame::None, true),
            (-105, Cause::StoppedByMaster, Bearing::NoFailure, Blame::None, false),
            (-106, Cause::StoppedByManager, Bearing::NoFailure, Blame::None, false),
            (-107, Cause::AfterEnd, Bearing::NoFailure, Blame::None, false),
            (-108, Cause::StoppedByNode, Bearing::NoFailure, Blame::None, false),
            (-109, Cause::Logs, Bearing::Few, Blame::None, true),
            (-110, Cause::Unknown, Bearing::Ordinary, Blame::Once, false),
            (-1000, Cause::Localization, Bearing::Few, Blame::Once, true),
        ];
        for (status, cause, bearing, blame, advises) in cases {
            let verdict = Verdict::of(status);
            assert_eq!(verdict.cause, cause, "{status}");
            assert_eq!(verdict.bearing, bearing, "{status}");
            assert_eq!(verdict.blame, blame, "{status}");
            assert_eq!(cause.advice().is_some(), advises, "{status}");
        }
    }
}
