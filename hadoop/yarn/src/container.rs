//! Containers: what is given, and how it ends.

use crate::proto::record;
use crate::resource::amount;
use crate::{ContainerId, NodeId, Resource, Token};
use std::fmt;

/// A container that the ResourceManager gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its id.
    pub id: ContainerId,
    /// The node it is on.
    pub node: NodeId,
    /// `host:port` of the node's web pages.
    pub http_address: String,
    /// How large it is: what was asked for, rounded up.
    pub resource: Resource,
    /// The priority of what was asked for.
    pub priority: i32,
    /// The number of what was asked for, if it had one; otherwise -1.
    pub allocation_request_id: i64,
    /// What the NodeManager wants to see before it starts the container.
    pub token: Token,
}

impl From<record::Container> for Container {
    fn from(container: record::Container) -> Container {
        Container {
            id: container.id.as_ref().map(ContainerId::from).unwrap_or_default(),
            node: container.node_id.as_ref().map(NodeId::from).unwrap_or_default(),
            http_address: container.node_http_address.unwrap_or_default(),
            resource: amount(container.resource.as_ref()),
            priority: container.priority.and_then(|priority| priority.priority).unwrap_or(0),
            allocation_request_id: container.allocation_request_id.unwrap_or(-1),
            token: container.container_token.map(Token::from).unwrap_or_default(),
        }
    }
}

/// How a container is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerStatus {
    /// Its id.
    pub id: ContainerId,
    /// Whether it runs.
    pub state: ContainerState,
    /// How it ended; [`ContainerExit::Unknown`] while it has not.
    pub exit: ContainerExit,
    /// What YARN says about it, in many lines.
    pub diagnostics: String,
}

impl From<record::ContainerStatus> for ContainerStatus {
    fn from(status: record::ContainerStatus) -> ContainerStatus {
        ContainerStatus {
            id: status.container_id.as_ref().map(ContainerId::from).unwrap_or_default(),
            state: match status.state() {
                1 => ContainerState::New,
                2 => ContainerState::Running,
                3 => ContainerState::Complete,
                other => ContainerState::Other(other),
            },
            exit: ContainerExit::from(status.exit_status.unwrap_or(INVALID)),
            diagnostics: status.diagnostics.unwrap_or_default(),
        }
    }
}

/// Whether a container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Not yet: its files are fetched, or it waits.
    New,
    /// It runs.
    Running,
    /// It has ended.
    Complete,
    /// A state that this crate does not know.
    Other(i32),
}

/// The exit status of a container that has not ended.
const INVALID: i32 = -1000;

/// How a container ended: the exit status of its process, or a number of YARN's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContainerExit {
    /// Its process ended with 0.
    Success,
    /// Its process ended with another status, 1 to 127.
    Failed(u8),
    /// A signal ended its process. 9 that nobody sent comes from a node that ran out of memory.
    Signal(u8),
    /// -100: its node was lost, or it was released, or never started.
    Aborted,
    /// -101: the disks of its node failed.
    DisksFailed,
    /// -102: the scheduler gave what it had to somebody else.
    Preempted,
    /// -103: it took more virtual memory than it may.
    VirtualMemoryExceeded,
    /// -104: it took more memory than it may.
    MemoryExceeded,
    /// -105: its master had it stopped.
    StoppedByMaster,
    /// -106: the ResourceManager had it stopped.
    KilledByResourceManager,
    /// -107: its application had ended.
    KilledAfterEnd,
    /// -108: the NodeManager took it back.
    KilledByScheduler,
    /// -109: it wrote more logs than it may.
    ExcessLogs,
    /// -1000, while it is not known, or a number that this crate does not know.
    Unknown(i32),
}

impl From<i32> for ContainerExit {
    fn from(code: i32) -> ContainerExit {
        match code {
            0 => ContainerExit::Success,
            1..=127 => ContainerExit::Failed(code as u8),
            129..=192 => ContainerExit::Signal((code - 128) as u8),
            -100 => ContainerExit::Aborted,
            -101 => ContainerExit::DisksFailed,
            -102 => ContainerExit::Preempted,
            -103 => ContainerExit::VirtualMemoryExceeded,
            -104 => ContainerExit::MemoryExceeded,
            -105 => ContainerExit::StoppedByMaster,
            -106 => ContainerExit::KilledByResourceManager,
            -107 => ContainerExit::KilledAfterEnd,
            -108 => ContainerExit::KilledByScheduler,
            -109 => ContainerExit::ExcessLogs,
            other => ContainerExit::Unknown(other),
        }
    }
}

impl ContainerExit {
    /// The number, as YARN has it.
    pub fn code(self) -> i32 {
        match self {
            ContainerExit::Success => 0,
            ContainerExit::Failed(code) => code.into(),
            ContainerExit::Signal(signal) => 128 + i32::from(signal),
            ContainerExit::Aborted => -100,
            ContainerExit::DisksFailed => -101,
            ContainerExit::Preempted => -102,
            ContainerExit::VirtualMemoryExceeded => -103,
            ContainerExit::MemoryExceeded => -104,
            ContainerExit::StoppedByMaster => -105,
            ContainerExit::KilledByResourceManager => -106,
            ContainerExit::KilledAfterEnd => -107,
            ContainerExit::KilledByScheduler => -108,
            ContainerExit::ExcessLogs => -109,
            ContainerExit::Unknown(code) => code,
        }
    }
}

impl fmt::Display for ContainerExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let says = match self {
            ContainerExit::Success => "ended",
            ContainerExit::Failed(_) => "failed",
            ContainerExit::Signal(9) => "killed by signal 9; out of memory?",
            ContainerExit::Signal(_) => "killed by a signal",
            ContainerExit::Aborted => "node lost, or released",
            ContainerExit::DisksFailed => "disks of the node failed",
            ContainerExit::Preempted => "preempted",
            ContainerExit::VirtualMemoryExceeded => "too much virtual memory",
            ContainerExit::MemoryExceeded => "too much memory",
            ContainerExit::StoppedByMaster => "stopped by its master",
            ContainerExit::KilledByResourceManager => "killed by the ResourceManager",
            ContainerExit::KilledAfterEnd => "killed after the application's end",
            ContainerExit::KilledByScheduler => "killed by the NodeManager",
            ContainerExit::ExcessLogs => "too many logs",
            ContainerExit::Unknown(_) => "not known",
        };
        write!(f, "exit {} ({says})", self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_keeps_its_number() {
        for code in -1100..300 {
            assert_eq!(ContainerExit::from(code).code(), code);
        }
        assert_eq!(ContainerExit::from(137), ContainerExit::Signal(9));
        assert_eq!(ContainerExit::from(-104).to_string(), "exit -104 (too much memory)");
    }

    #[test]
    fn what_a_status_lacks_is_not_known() {
        let status = ContainerStatus::from(record::ContainerStatus::default());
        assert_eq!((status.exit, status.state), (ContainerExit::Unknown(-1000), ContainerState::Other(0)));
    }
}
