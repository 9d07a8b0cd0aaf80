//! What the fake ResourceManager does with applications: attempts, and who gets what.

use super::{App, Held, Model, Phase};
use crate::fake::server::Exception;
use crate::proto::{application, message, record};
use crate::{ApplicationId, AttemptId, ContainerId, NodeId, Resource};
use std::collections::{BTreeMap, BTreeSet};

/// States of applications, as they are on the wire.
const ACCEPTED: i32 = 4;
const RUNNING: i32 = 5;
const FINISHED: i32 = 6;
const FAILED: i32 = 7;
const KILLED: i32 = 8;
/// How an application ended.
const STATUS_FAILED: i32 = 2;
const STATUS_KILLED: i32 = 3;

impl Model {
    /// Takes an application, and starts its master. The same once more changes nothing.
    pub(in crate::fake) fn submit(
        &mut self,
        user: &str,
        submission: application::ApplicationSubmissionContext,
    ) -> Result<(), Exception> {
        let refuse =
            |message: String| Exception::new("org.apache.hadoop.yarn.exceptions.YarnException", message);
        let id = submission.application_id.as_ref().map(ApplicationId::from).unwrap_or_default();
        if self.apps.contains_key(&id) {
            return Ok(());
        }
        if submission.am_container_spec.is_none() {
            return Err(refuse("no am_container_spec".into()));
        }
        if submission.queue() != "default" && !self.options.makes_queues {
            return Err(refuse(format!(
                "Application {id} submitted to unknown queue: {}",
                submission.queue()
            )));
        }
        let app = App {
            submission,
            user: user.to_owned(),
            state: ACCEPTED,
            final_status: 0,
            diagnostics: String::new(),
            attempt: 0,
            registered: false,
            tracking_url: String::new(),
            progress: 0.0,
            response_id: 0,
            last: message::AllocateResponse::default(),
            asks: BTreeMap::new(),
            blacklist: BTreeSet::new(),
            next_container: 1,
            containers: BTreeMap::new(),
            untold: Vec::new(),
            preempted: Vec::new(),
            told_nodes: BTreeSet::new(),
            key: 0,
        };
        self.apps.insert(id, app);
        self.next_attempt(id);
        Ok(())
    }

    pub(in crate::fake) fn next_attempt(&mut self, id: ApplicationId) {
        let Some(app) = self.apps.get_mut(&id) else { return };
        app.attempt += 1;
        app.state = ACCEPTED;
        app.registered = false;
        app.asks.clear();
        app.told_nodes.clear();
        app.next_container = 1;
        let managed = !app.submission.unmanaged_am();
        let wanted = app.submission.resource.as_ref().map(Resource::from).unwrap_or_default();
        if managed {
            let started = match self.give(id, wanted, 0, true) {
                Some(container) => self.start_master(container),
                None => Err("no node has room for the master".into()),
            };
            if let Err(why) = started {
                self.end(id, FAILED, STATUS_FAILED, &why);
            }
        }
        self.changed();
    }

    /// Takes note that the container of a master has ended.
    pub(super) fn master_ended(&mut self, container: ContainerId, status: i32, diagnostics: &str) {
        let id = container.attempt.application;
        let options = self.options.max_attempts;
        let Some(app) = self.apps.get_mut(&id) else { return };
        if app.state >= FINISHED || container.attempt.attempt != app.attempt {
            return;
        }
        let most = options.min(app.submission.max_app_attempts().max(1) as u32) as i32;
        let keep = app.submission.keep_containers_across_application_attempts();
        let why =
            format!("AM Container for {} exited with exitCode: {status}\n{diagnostics}", container.attempt);
        if app.attempt >= most {
            self.end(id, FAILED, STATUS_FAILED, &why);
            return;
        }
        if !keep {
            self.stop_containers(id);
        }
        self.next_attempt(id);
    }

    /// Ends an application, and its containers with it.
    pub(in crate::fake) fn end(
        &mut self,
        id: ApplicationId,
        state: i32,
        final_status: i32,
        diagnostics: &str,
    ) {
        let Some(app) = self.apps.get_mut(&id) else { return };
        app.state = state;
        app.final_status = final_status;
        app.diagnostics = diagnostics.to_owned();
        self.stop_containers(id);
        self.changed();
    }

    fn stop_containers(&mut self, id: ApplicationId) {
        let Some(app) = self.apps.get(&id) else { return };
        let ids: Vec<ContainerId> = app.containers.keys().copied().collect();
        // A master that says that it ends is left the time to.
        for container in ids {
            let master = self.apps.get(&id).is_some_and(|app| {
                app.state == FINISHED && app.containers.get(&container).is_some_and(|held| held.is_master)
            });
            if !master {
                self.end_container(container, -107, "Container killed by the ApplicationMaster's end");
            }
        }
    }

    pub(in crate::fake) fn kill(&mut self, id: ApplicationId, why: &str) {
        if self.apps.get(&id).is_some_and(|app| app.state < FINISHED) {
            self.end(id, KILLED, STATUS_KILLED, why);
        }
    }

    /// Gives an application a container on the first node with room.
    pub(in crate::fake) fn give(
        &mut self,
        id: ApplicationId,
        wanted: Resource,
        priority: i32,
        is_master: bool,
    ) -> Option<ContainerId> {
        let step = self.options.minimum_mb.max(1);
        let resource = Resource {
            memory_mb: wanted.memory_mb.max(1).div_ceil(step) * step,
            vcores: wanted.vcores.max(1),
        };
        let blacklist = &self.apps.get(&id)?.blacklist;
        let is_good = |node: &&super::Machine| {
            node.up && !blacklist.contains(&node.id.host) && resource.fits(self.room(&node.id))
        };
        let node = self.nodes.iter().find(is_good)?.id.clone();
        let app = self.apps.get_mut(&id)?;
        let attempt = AttemptId { application: id, attempt: app.attempt };
        let container = ContainerId { attempt, id: app.next_container };
        app.next_container += 1;
        let held = Held { id: container, node, resource, priority, is_master, phase: Phase::Given };
        app.containers.insert(container, held);
        Some(container)
    }

    /// What a master gets when it registers.
    pub(in crate::fake) fn register(
        &mut self,
        attempt: AttemptId,
        request: message::RegisterRequest,
    ) -> Result<message::RegisterResponse, Exception> {
        let maximum = self.options.node;
        let app = self.current(attempt)?;
        let again =
            app.submission.unmanaged_am() && app.submission.keep_containers_across_application_attempts();
        if app.registered && !again {
            return Err(Exception::new(
                "org.apache.hadoop.yarn.exceptions.InvalidApplicationMasterRequestException",
                format!("Application Master is already registered : {}", attempt.application),
            ));
        }
        app.registered = true;
        app.state = RUNNING;
        app.response_id = 0;
        app.last = message::AllocateResponse::default();
        app.tracking_url = request.tracking_url().to_owned();
        let earlier: Vec<ContainerId> = app
            .containers
            .values()
            .filter(|held| held.is_running() && !held.is_master && held.id.attempt != attempt)
            .map(|held| held.id)
            .collect();
        let containers: Vec<record::Container> =
            earlier.iter().filter_map(|&id| self.container(id)).collect();
        let nodes: BTreeSet<NodeId> =
            containers.iter().filter_map(|container| container.node_id.as_ref()).map(NodeId::from).collect();
        let nm_tokens = nodes.iter().map(|node| self.node_token_message(attempt.application, node)).collect();
        if let Some(app) = self.apps.get_mut(&attempt.application) {
            app.told_nodes.extend(nodes);
        }
        self.changed();
        Ok(message::RegisterResponse {
            maximum_capability: Some(maximum.into()),
            queue: Some("default".into()),
            containers_from_previous_attempts: containers,
            nm_tokens_from_previous_attempts: nm_tokens,
            ..message::RegisterResponse::default()
        })
    }

    /// A container as a master gets it.
    pub(super) fn container(&self, id: ContainerId) -> Option<record::Container> {
        let held = self.apps.get(&id.attempt.application)?.containers.get(&id)?;
        let identifier = format!("container {id} {}", held.node).into_bytes();
        Some(record::Container {
            id: Some(id.into()),
            node_id: Some((&held.node).into()),
            node_http_address: Some(format!("{}:8042", held.node.host)),
            resource: Some(held.resource.into()),
            priority: Some(record::Priority { priority: Some(held.priority) }),
            container_token: Some(self.token("ContainerToken", held.node.to_string(), identifier).into()),
            allocation_request_id: Some(-1),
            ..record::Container::default()
        })
    }

    pub(super) fn node_token_message(&self, id: ApplicationId, node: &NodeId) -> record::NmToken {
        record::NmToken { node_id: Some(node.into()), token: Some(self.node_token(id, node).into()) }
    }

    /// A heartbeat.
    pub(in crate::fake) fn allocate(
        &mut self,
        attempt: AttemptId,
        key: i32,
        request: message::AllocateRequest,
    ) -> Result<message::AllocateResponse, Exception> {
        let id = attempt.application;
        let node = self.options.node;
        let newest = self.newest_key();
        let app = self.current(attempt)?;
        app.key = key;
        if !app.registered {
            return Err(Exception::new(
                "org.apache.hadoop.yarn.exceptions.ApplicationMasterNotRegisteredException",
                format!("AM is not registered for known application attempt: {attempt}"),
            ));
        }
        let said = request.response_id();
        if said.wrapping_add(1) == app.response_id {
            return Ok(app.last.clone());
        }
        if said != app.response_id {
            let message = format!(
                "Invalid responseId in AllocateRequest from application attempt: {attempt}, expect responseId to be {}, but get {said}",
                app.response_id
            );
            let class = "org.apache.hadoop.yarn.exceptions.InvalidApplicationMasterRequestException";
            return Err(Exception::new(class, message));
        }
        for ask in &request.ask {
            let capability = ask.capability.as_ref().map(Resource::from).unwrap_or_default();
            if !capability.fits(node) {
                return Err(Exception::new(
                    "org.apache.hadoop.yarn.exceptions.InvalidResourceRequestException",
                    format!("Invalid resource request! requested {capability}, maximum {node}"),
                ));
            }
            let priority = ask.priority.as_ref().map_or(0, record::Priority::priority);
            let key = (priority, ask.resource_name().to_owned(), capability.memory_mb, capability.vcores);
            app.asks.insert(key, ask.num_containers().try_into().unwrap_or(0));
        }
        app.progress = request.progress();
        let blacklist = request.blacklist_request.unwrap_or_default();
        app.blacklist.extend(blacklist.blacklist_additions);
        app.blacklist.retain(|host| !blacklist.blacklist_removals.contains(host));
        let wanted: Vec<_> = app.asks.iter().map(|(ask, count)| (ask.clone(), *count)).collect();
        for container in request.release.iter().map(ContainerId::from) {
            self.end_container(container, -100, "Container released by application");
        }
        let mut given = Vec::new();
        for ((priority, place, memory_mb, vcores), count) in wanted {
            for _ in 0..count {
                let Some(container) = self.give(id, Resource { memory_mb, vcores }, priority, false) else {
                    break;
                };
                given.extend(self.container(container));
                let left = self
                    .apps
                    .get_mut(&id)
                    .and_then(|app| app.asks.get_mut(&(priority, place.clone(), memory_mb, vcores)));
                left.into_iter().for_each(|left| *left -= 1);
            }
        }
        let nodes: BTreeSet<NodeId> =
            given.iter().filter_map(|container| container.node_id.as_ref()).map(NodeId::from).collect();
        let new: Vec<NodeId> =
            nodes.into_iter().filter(|node| !self.apps[&id].told_nodes.contains(node)).collect();
        let nm_tokens = new.iter().map(|node| self.node_token_message(id, node)).collect();
        let am_rm_token = (key != newest).then(|| self.master_token(id)).flatten().map(Into::into);
        let num_cluster_nodes = self.nodes.iter().filter(|node| node.up).count() as i32;
        let app = self.current(attempt)?;
        app.told_nodes.extend(new);
        let untold = std::mem::take(&mut app.untold);
        let preempted = std::mem::take(&mut app.preempted);
        app.response_id = app.response_id.wrapping_add(1) & i32::MAX;
        let contract = |wanted: bool| {
            let chosen = preempted.iter().filter(|(_, strict)| *strict == wanted);
            chosen.map(|(id, _)| record::PreemptionContainer { id: Some((*id).into()) }).collect::<Vec<_>>()
        };
        let preempt = record::PreemptionMessage {
            strict_contract: Some(record::StrictPreemptionContract { container: contract(true) }),
            contract: Some(record::PreemptionContract {
                // As if all of them were to be given back.
                resource: vec![record::PreemptionResourceRequest {
                    resource: Some(record::ResourceRequest {
                        num_containers: Some(contract(false).len() as i32),
                        ..record::ResourceRequest::default()
                    }),
                }],
                container: contract(false),
            }),
        };
        app.last = message::AllocateResponse {
            response_id: Some(app.response_id),
            allocated_containers: given,
            completed_container_statuses: untold
                .iter()
                .filter_map(|id| app.containers.get(id))
                .map(Held::status)
                .collect(),
            num_cluster_nodes: Some(num_cluster_nodes),
            preempt: (!preempted.is_empty()).then_some(preempt),
            nm_tokens,
            am_rm_token,
            ..message::AllocateResponse::default()
        };
        let answer = app.last.clone();
        self.changed();
        Ok(answer)
    }

    /// The end, in a master's words.
    pub(in crate::fake) fn finish(
        &mut self,
        attempt: AttemptId,
        request: message::FinishRequest,
    ) -> Result<message::FinishResponse, Exception> {
        // Said again because an answer was lost.
        if self.apps.get(&attempt.application).is_some_and(|app| app.state == FINISHED) {
            return Ok(message::FinishResponse { is_unregistered: Some(true) });
        }
        if !self.current(attempt)?.registered {
            return Err(Exception::new(
                "org.apache.hadoop.yarn.exceptions.ApplicationMasterNotRegisteredException",
                format!("Application Master is trying to unregister before registering for: {attempt}"),
            ));
        }
        let status = request.final_application_status();
        self.end(attempt.application, FINISHED, status, request.diagnostics());
        Ok(message::FinishResponse { is_unregistered: Some(true) })
    }
}
