//! What the fake cluster knows: applications, containers, nodes, keys.

mod container;
mod schedule;

pub(super) use container::{Held, Phase};

use super::Options;
use super::server::Exception;
use crate::proto::{application, message};
use crate::sasl::digest_md5::md5;
use crate::{
    AM_RM_TOKEN, ApplicationId, AttemptId, ContainerId, ContainerStatus, NM_TOKEN, NodeId, Resource, Token,
};
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use tokio::sync::watch;

/// When the fake ResourceManager says that it started.
const STARTED_MS: i64 = 1_700_000_000_000;

/// A node.
pub(super) struct Machine {
    pub(super) id: NodeId,
    pub(super) up: bool,
}

/// An application.
pub(super) struct App {
    pub(super) submission: application::ApplicationSubmissionContext,
    pub(super) user: String,
    /// As [`application::ApplicationReport::yarn_application_state`] has it.
    pub(super) state: i32,
    pub(super) final_status: i32,
    pub(super) diagnostics: String,
    pub(super) attempt: i32,
    pub(super) registered: bool,
    pub(super) tracking_url: String,
    pub(super) progress: f32,
    pub(super) response_id: i32,
    pub(super) last: message::AllocateResponse,
    /// What is wanted, by priority, place and size.
    pub(super) asks: BTreeMap<(i32, String, u64, u32), u32>,
    pub(super) blacklist: BTreeSet<String>,
    pub(super) next_container: i64,
    pub(super) containers: BTreeMap<ContainerId, Held>,
    /// What has ended and was not told yet.
    pub(super) untold: Vec<ContainerId>,
    /// Containers of which the next heartbeat says that they will be taken, and whether for certain.
    pub(super) preempted: Vec<(ContainerId, bool)>,
    /// Nodes whose tokens the master has.
    pub(super) told_nodes: BTreeSet<NodeId>,
    /// The key of the token that the master authenticated with last.
    pub(super) key: i32,
}

/// What the cluster knows.
pub(super) struct Model {
    pub(super) nodes: Vec<Machine>,
    pub(super) apps: BTreeMap<ApplicationId, App>,
    pub(super) options: Options,
    pub(super) resource_managers_up: bool,
    /// How many connections ResourceManagers turned away.
    pub(super) turned_away: u64,
    /// Which ResourceManager is the active one.
    pub(super) active: usize,
    /// Counts the changes of containers and applications.
    pub(super) changes: watch::Sender<u64>,
    pub(super) pings: u64,
    next_app: i32,
    secret: [u8; 16],
    /// The newest key, and the oldest that is still good.
    newest_key: i32,
    oldest_key: i32,
    pub(super) shared: Weak<super::Shared>,
}

impl Model {
    pub(super) fn new(nodes: Vec<NodeId>, options: Options) -> Model {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).expect("the system has random bytes");
        Model {
            nodes: nodes.into_iter().map(|id| Machine { id, up: true }).collect(),
            apps: BTreeMap::new(),
            options,
            resource_managers_up: true,
            turned_away: 0,
            active: 0,
            changes: watch::Sender::new(0),
            pings: 0,
            next_app: 1,
            secret,
            newest_key: 1,
            oldest_key: 1,
            shared: Weak::new(),
        }
    }

    pub(super) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Whether ResourceManagers accept a connection that came; one that they do not is counted.
    pub(super) fn admits(&mut self) -> bool {
        if !self.resource_managers_up {
            self.turned_away += 1;
            self.changed();
        }
        self.resource_managers_up
    }

    /// The id of the next application.
    pub(super) fn new_app(&mut self) -> ApplicationId {
        let id = self.next_app;
        self.next_app += 1;
        ApplicationId { cluster_timestamp: STARTED_MS, id }
    }

    // === tokens

    fn password(&self, identifier: &[u8]) -> Vec<u8> {
        md5(&[&self.secret, identifier]).to_vec()
    }

    /// A token whose identifier is in our own words.
    pub(super) fn token(&self, kind: &str, service: String, identifier: Vec<u8>) -> Token {
        Token { password: self.password(&identifier), identifier, kind: kind.into(), service }
    }

    /// The newest token of the master of an application.
    pub(super) fn master_token(&self, id: ApplicationId) -> Option<Token> {
        let attempt = AttemptId { application: id, attempt: self.apps.get(&id)?.attempt };
        let identifier = message::AmRmTokenIdentifier {
            app_attempt_id: Some(attempt.into()),
            key_id: Some(self.newest_key),
        };
        Some(self.token(AM_RM_TOKEN, String::new(), identifier.encode_to_vec()))
    }

    /// The attempt and the key of the token of a master.
    pub(super) fn master_of(&self, identifier: &[u8]) -> Option<(AttemptId, i32)> {
        let identifier = message::AmRmTokenIdentifier::decode(identifier).ok()?;
        let attempt = AttemptId::from(identifier.app_attempt_id.as_ref()?);
        let key = identifier.key_id();
        (self.oldest_key..=self.newest_key).contains(&key).then_some((attempt, key))
    }

    /// The password of the token of a master, if the attempt is known and the key is good.
    pub(super) fn master_password(&self, identifier: &[u8]) -> Option<Vec<u8>> {
        let (attempt, _) = self.master_of(identifier)?;
        self.apps.get(&attempt.application).filter(|app| app.attempt == attempt.attempt)?;
        Some(self.password(identifier))
    }

    /// The token with which an application opens a node.
    pub(super) fn node_token(&self, id: ApplicationId, node: &NodeId) -> Token {
        self.token(NM_TOKEN, node.to_string(), format!("node {id} {node}").into_bytes())
    }

    /// The application that such a token is for, and its password.
    pub(super) fn node_password(&self, node: &NodeId, identifier: &[u8]) -> Option<Vec<u8>> {
        node_token_of(identifier).filter(|(_, of)| of == node)?;
        Some(self.password(identifier))
    }

    pub(super) fn roll_keys(&mut self) {
        self.newest_key += 1;
    }

    pub(super) fn newest_key(&self) -> i32 {
        self.newest_key
    }

    pub(super) fn forget_old_keys(&mut self) {
        self.oldest_key = self.newest_key;
    }

    // === faults

    pub(super) fn restart(&mut self, forgetful: bool) {
        if forgetful {
            self.stop_all();
            self.apps.clear();
        }
        for app in self.apps.values_mut() {
            app.registered = false;
            app.asks.clear();
            app.blacklist.clear();
            // What ended is told once more: the ResourceManager does not know what it told.
            app.untold = app.ended().collect();
        }
    }

    pub(super) fn announce_preemption(&mut self, id: ContainerId, strict: bool) {
        if let Some(app) = self.apps.get_mut(&id.attempt.application) {
            app.preempted.push((id, strict));
        }
    }

    pub(super) fn lose_node(&mut self, index: usize) {
        self.nodes[index].up = false;
        let node = self.nodes[index].id.clone();
        let lost: Vec<ContainerId> =
            self.held().filter(|held| held.node == node).map(|held| held.id).collect();
        for id in lost {
            self.end_container(id, -100, "Container released on a *lost* node");
        }
    }

    pub(super) fn revive_node(&mut self, index: usize) {
        self.nodes[index].up = true;
    }

    pub(super) fn repeat_completed(&mut self, id: ApplicationId) {
        if let Some(app) = self.apps.get_mut(&id) {
            app.untold = app.ended().collect();
        }
    }

    // === what there is

    fn held(&self) -> impl Iterator<Item = &Held> {
        self.apps.values().flat_map(|app| app.containers.values())
    }

    pub(super) fn running(&self) -> Vec<ContainerId> {
        self.held().filter(|held| held.is_running()).map(|held| held.id).collect()
    }

    pub(super) fn completed(&self) -> Vec<ContainerStatus> {
        self.held().filter_map(Held::status_if_ended).collect()
    }

    /// What a node has left.
    pub(super) fn room(&self, node: &NodeId) -> Resource {
        let used = self.held().filter(|held| held.node == *node && !held.is_ended());
        let (memory, cores) = used.fold((0, 0), |(memory, cores), held| {
            (memory + held.resource.memory_mb, cores + held.resource.vcores)
        });
        let all = self.options.node;
        Resource { memory_mb: all.memory_mb.saturating_sub(memory), vcores: all.vcores.saturating_sub(cores) }
    }

    /// The application, if the attempt is its current one and it has not ended.
    pub(super) fn current(&mut self, attempt: AttemptId) -> Result<&mut App, Exception> {
        self.apps
            .get_mut(&attempt.application)
            .filter(|app| app.attempt == attempt.attempt && app.state < 6)
            .ok_or_else(|| {
                Exception::new(
                    "org.apache.hadoop.yarn.exceptions.ApplicationAttemptNotFoundException",
                    format!("Application attempt {attempt} doesn't exist in ApplicationMasterService cache."),
                )
            })
    }

    pub(super) fn shared(&self) -> Option<Arc<super::Shared>> {
        self.shared.upgrade()
    }
}

/// The application and the node of a token that opens a node.
pub(super) fn node_token_of(identifier: &[u8]) -> Option<(ApplicationId, NodeId)> {
    let (id, node) = std::str::from_utf8(identifier).ok()?.strip_prefix("node ")?.split_once(' ')?;
    Some((id.parse().ok()?, node.parse().ok()?))
}
