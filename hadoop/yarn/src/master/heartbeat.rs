//! What a master says with a heartbeat, and what it hears.

use super::Registration;
use crate::cluster::Node;
use crate::container::{Container, ContainerStatus};
use crate::proto::{message, record};
use crate::resource::amount;
use crate::{ContainerId, NodeToken, Resource};

/// What a master wants. Every ask is the whole of what is wanted under its priority, place and size, not what is wanted in
/// addition; it holds until another replaces it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// Tells asks apart; smaller ones come first.
    pub priority: i32,
    /// A host, a rack, or `*` for anywhere.
    pub place: String,
    /// How large a container is.
    pub capability: Resource,
    /// How many.
    pub count: u32,
    /// Whether other places will do.
    pub relax_locality: bool,
    /// The label that nodes must have; only where the place is `*`.
    pub node_label: Option<String>,
}

impl Ask {
    /// For containers anywhere.
    pub fn anywhere(priority: i32, capability: Resource, count: u32) -> Ask {
        Ask { priority, place: "*".into(), capability, count, relax_locality: true, node_label: None }
    }
}

/// What a master says with a heartbeat.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heartbeat {
    /// What it wants, where that has changed.
    pub asks: Vec<Ask>,
    /// Containers that it does not want after all, or no longer. One that runs is killed.
    pub releases: Vec<ContainerId>,
    /// Hosts on which it wants no more containers.
    pub blacklist: Vec<String>,
    /// Hosts on which it wants containers again.
    pub unblacklist: Vec<String>,
    /// How far it is, 0 to 1.
    pub progress: f32,
}

/// What comes of a heartbeat.
#[derive(Clone, Debug)]
pub enum Beat {
    /// The usual answer.
    Allocation(Box<Allocation>),
    /// The ResourceManager had started anew, and the master has registered again. What the heartbeat said did not count:
    /// every ask, every release and the whole blacklist must be said again. Containers go on.
    Registered(Box<Registration>),
    /// The master must stop.
    ShutDown,
}

/// What the ResourceManager answers.
#[derive(Clone, Debug, Default)]
pub struct Allocation {
    /// Containers that the master may start now.
    pub containers: Vec<Container>,
    /// Containers that have ended. The same may come twice.
    pub completed: Vec<ContainerStatus>,
    /// Tokens for nodes, newest last.
    pub node_tokens: Vec<NodeToken>,
    /// Containers of earlier attempts that turned up since registering.
    pub earlier: Vec<Container>,
    /// Nodes that changed.
    pub nodes: Vec<Node>,
    /// How many nodes there are.
    pub cluster_nodes: u32,
    /// What the queue has left.
    pub headroom: Resource,
    /// Containers that will be taken.
    pub will_be_preempted: Vec<ContainerId>,
    /// Containers that will be taken unless others are given back.
    pub may_be_preempted: Vec<ContainerId>,
    /// How many of these; 0 where that is not said.
    pub to_give_back: u32,
}

impl Allocation {
    /// This and a later answer in one.
    pub(super) fn followed_by(mut self, later: Allocation) -> Allocation {
        self.containers.extend(later.containers);
        self.completed.extend(later.completed);
        self.node_tokens.extend(later.node_tokens);
        self.earlier.extend(later.earlier);
        self.nodes.extend(later.nodes);
        self.will_be_preempted.extend(later.will_be_preempted);
        self.may_be_preempted.extend(later.may_be_preempted);
        self.to_give_back += later.to_give_back;
        Allocation { cluster_nodes: later.cluster_nodes, headroom: later.headroom, ..self }
    }
}

/// As it is sent, but for its number.
pub(super) fn request(heartbeat: &Heartbeat) -> message::AllocateRequest {
    let ask = |ask: &Ask| record::ResourceRequest {
        priority: Some(record::Priority { priority: Some(ask.priority) }),
        resource_name: Some(ask.place.clone()),
        capability: Some(ask.capability.into()),
        num_containers: Some(i32::try_from(ask.count).unwrap_or(i32::MAX)),
        relax_locality: Some(ask.relax_locality),
        node_label_expression: ask.node_label.clone(),
        allocation_request_id: None,
    };
    let blacklist = message::ResourceBlacklistRequest {
        blacklist_additions: heartbeat.blacklist.clone(),
        blacklist_removals: heartbeat.unblacklist.clone(),
    };
    let changes = !heartbeat.blacklist.is_empty() || !heartbeat.unblacklist.is_empty();
    message::AllocateRequest {
        ask: heartbeat.asks.iter().map(ask).collect(),
        release: heartbeat.releases.iter().map(|&id| id.into()).collect(),
        blacklist_request: changes.then_some(blacklist),
        response_id: None,
        progress: Some(heartbeat.progress.clamp(0.0, 1.0)),
        tracking_url: None,
    }
}

impl From<message::AllocateResponse> for Allocation {
    fn from(answer: message::AllocateResponse) -> Allocation {
        let preemption = answer.preempt.unwrap_or_default();
        let ids = |containers: Vec<record::PreemptionContainer>| {
            containers.iter().filter_map(|container| container.id.as_ref()).map(ContainerId::from).collect()
        };
        let containers = |request: &record::PreemptionResourceRequest| {
            request.resource.as_ref().map_or(0, |ask| ask.num_containers().try_into().unwrap_or(0))
        };
        let negotiable = preemption.contract.unwrap_or_default();
        Allocation {
            containers: answer.allocated_containers.into_iter().map(Container::from).collect(),
            completed: answer.completed_container_statuses.into_iter().map(ContainerStatus::from).collect(),
            node_tokens: node_tokens(answer.nm_tokens),
            earlier: answer.containers_from_previous_attempts.into_iter().map(Container::from).collect(),
            nodes: answer.updated_nodes.into_iter().map(Node::from).collect(),
            cluster_nodes: answer.num_cluster_nodes.and_then(|count| count.try_into().ok()).unwrap_or(0),
            headroom: amount(answer.limit.as_ref()),
            will_be_preempted: ids(preemption.strict_contract.unwrap_or_default().container),
            to_give_back: negotiable.resource.iter().map(containers).sum(),
            may_be_preempted: ids(negotiable.container),
        }
    }
}

pub(super) fn node_tokens(tokens: Vec<record::NmToken>) -> Vec<NodeToken> {
    let token = |token: record::NmToken| {
        Some(NodeToken { node: token.node_id.as_ref()?.into(), token: token.token?.into() })
    };
    tokens.into_iter().filter_map(token).collect()
}
