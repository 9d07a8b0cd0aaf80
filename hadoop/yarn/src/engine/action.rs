//! What the application master is to do.

use super::report::Report;
use crate::{Container, ContainerId, FinalStatus, NodeId, Resource, Token};
use std::time::Duration;

/// To be done, in the order given.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Register this attempt with the ResourceManager.
    Register,
    /// Send a heartbeat.
    Allocate(AllocateRequest),
    /// Connect to the ResourceManager with this token from now on. The connection that is open stays good for a while.
    UseToken(Token),
    /// Start a reader in this container.
    Start {
        /// Where.
        container: Box<Container>,
        /// For its NodeManager.
        nm_token: Token,
    },
    /// Ask the GPU node to let the reader in this container finish what it has in hand, and nothing more.
    Drain {
        /// Which one.
        container: ContainerId,
        /// It is stopped after this.
        within: Duration,
    },
    /// Have the NodeManager end this container: `SIGTERM`, and a quarter of a second later `SIGKILL`.
    Stop {
        /// Which one.
        container: ContainerId,
        /// Where.
        node: NodeId,
        /// For its NodeManager.
        nm_token: Token,
    },
    /// Tell the operator.
    Report(Report),
    /// Tell the ResourceManager that the application is over. It ends what containers are left.
    Unregister {
        /// How.
        status: FinalStatus,
        /// Why, for YARN's pages.
        diagnostics: String,
    },
    /// Nothing more will be asked for.
    Exit {
        /// For the process: 0 if the ResourceManager was told how it ended, otherwise 1.
        code: u8,
        /// How it ended.
        status: FinalStatus,
        /// Why.
        diagnostics: String,
    },
}

/// A heartbeat.
#[derive(Clone, Debug, PartialEq)]
pub struct AllocateRequest {
    /// The number that came with the last answer; 0 after a registration.
    pub response_id: i32,
    /// What is asked for, where that has changed.
    pub asks: Vec<Ask>,
    /// Containers that are given back. One that runs is killed.
    pub releases: Vec<ContainerId>,
    /// Hosts on which no container is wanted any more.
    pub blacklist_additions: Vec<String>,
    /// Hosts that are welcome again.
    pub blacklist_removals: Vec<String>,
    /// 0 to 1.
    pub progress: f32,
}

/// Containers anywhere in the cluster (`resource_name = "*"`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// YARN's priority; the smaller goes first.
    pub priority: i32,
    /// The size of each.
    pub resource: Resource,
    /// Nodes with this label only.
    pub node_label: Option<String>,
    /// How many are still missing **in all**: the ResourceManager replaces its figure by this one.
    pub count: u32,
}
