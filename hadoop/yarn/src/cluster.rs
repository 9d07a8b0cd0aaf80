//! What a cluster has: its nodes and its queues.

use crate::proto::record;
use crate::resource::amount;
use crate::{NodeId, Resource};

/// How many NodeManagers there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClusterMetrics {
    /// All that are known.
    pub node_managers: u32,
    /// Those that serve.
    pub active: u32,
    /// Those that were lost.
    pub lost: u32,
    /// Those that say that they are ill.
    pub unhealthy: u32,
    /// Those that were taken out.
    pub decommissioned: u32,
}

impl From<&record::YarnClusterMetrics> for ClusterMetrics {
    fn from(metrics: &record::YarnClusterMetrics) -> ClusterMetrics {
        let count = |number: i32| number.try_into().unwrap_or(0);
        ClusterMetrics {
            node_managers: count(metrics.num_node_managers()),
            active: count(metrics.num_active_nms()),
            lost: count(metrics.num_lost_nms()),
            unhealthy: count(metrics.num_unhealthy_nms()),
            decommissioned: count(metrics.num_decommissioned_nms()),
        }
    }
}

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeState {
    /// Just come.
    New,
    /// It serves.
    Running,
    /// It says that it is ill.
    Unhealthy,
    /// Taken out.
    Decommissioned,
    /// Not heard of for long.
    Lost,
    /// Started anew.
    Rebooted,
    /// Being taken out: it gets no more containers.
    Decommissioning,
    /// Shut down.
    Shutdown,
    /// A state that this crate does not know.
    Other(i32),
}

impl NodeState {
    /// Its number on the wire.
    pub fn number(self) -> i32 {
        match self {
            NodeState::New => 1,
            NodeState::Running => 2,
            NodeState::Unhealthy => 3,
            NodeState::Decommissioned => 4,
            NodeState::Lost => 5,
            NodeState::Rebooted => 6,
            NodeState::Decommissioning => 7,
            NodeState::Shutdown => 8,
            NodeState::Other(state) => state,
        }
    }

    /// Whether containers there go on.
    pub fn is_usable(self) -> bool {
        matches!(self, NodeState::New | NodeState::Running | NodeState::Decommissioning)
    }
}

impl From<i32> for NodeState {
    fn from(state: i32) -> NodeState {
        match state {
            1 => NodeState::New,
            2 => NodeState::Running,
            3 => NodeState::Unhealthy,
            4 => NodeState::Decommissioned,
            5 => NodeState::Lost,
            6 => NodeState::Rebooted,
            7 => NodeState::Decommissioning,
            8 => NodeState::Shutdown,
            other => NodeState::Other(other),
        }
    }
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// `host:port` of its web pages.
    pub http_address: String,
    /// Its rack.
    pub rack: String,
    /// How it is.
    pub state: NodeState,
    /// What its containers have.
    pub used: Resource,
    /// What it has in all.
    pub capability: Resource,
    /// How many containers it runs.
    pub containers: u32,
    /// What it says about its health.
    pub health: String,
}

impl From<record::NodeReport> for Node {
    fn from(report: record::NodeReport) -> Node {
        Node {
            id: report.node_id.as_ref().map(NodeId::from).unwrap_or_default(),
            state: report.node_state().into(),
            used: amount(report.used.as_ref()),
            capability: amount(report.capability.as_ref()),
            containers: report.num_containers().try_into().unwrap_or(0),
            http_address: report.http_address.unwrap_or_default(),
            rack: report.rack_name.unwrap_or_default(),
            health: report.health_report.unwrap_or_default(),
        }
    }
}

/// A queue.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Its share of its parent's, 0 to 1.
    pub capacity: f32,
    /// The most that it may have of its parent's, 0 to 1.
    pub maximum_capacity: f32,
    /// What of its share is taken; more than 1 when it borrows.
    pub used: f32,
    /// Whether applications may be submitted to it.
    pub is_running: bool,
    /// Its children.
    pub children: Vec<Queue>,
}

impl From<record::QueueInfo> for Queue {
    fn from(info: record::QueueInfo) -> Queue {
        Queue {
            capacity: info.capacity(),
            maximum_capacity: info.maximum_capacity(),
            used: info.current_capacity(),
            is_running: info.state() == 2,
            name: info.queue_name.unwrap_or_default(),
            children: info.child_queues.into_iter().map(Queue::from).collect(),
        }
    }
}
