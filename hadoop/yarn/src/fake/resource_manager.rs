//! The fake ResourceManager's two services.

use super::Shared;
use super::digest::Offer;
use super::fault::Faults;
use super::model::App;
use super::server::{Answer, Caller, Exception, Service};
use crate::proto::{application, message, record};
use crate::rpc::{CLIENT_PROTOCOL, MASTER_PROTOCOL};
use crate::{ApplicationId, AttemptId};
use prost::Message;
use std::sync::Arc;

/// One of several ResourceManagers.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) shared: Arc<Shared>,
    pub(super) index: usize,
}

impl Place {
    fn offer(&self) -> Offer {
        let options = &self.shared.options;
        Offer { protection: options.protection.clone(), ciphers: options.ciphers.clone() }
    }

    fn expect_active(&self) -> Result<(), Exception> {
        if self.shared.model().active == self.index {
            return Ok(());
        }
        let class = "org.apache.hadoop.ipc.StandbyException";
        Err(Exception::new(class, format!("ResourceManager {} is not Active!", self.index)))
    }
}

pub(super) fn decode<M: Message + Default>(message: &[u8]) -> Result<M, Exception> {
    M::decode(message).map_err(|error| Exception::new("java.io.IOException", error.to_string()))
}

pub(super) fn no_method(method: &str) -> Exception {
    Exception::new("org.apache.hadoop.ipc.RpcNoSuchMethodException", format!("Unknown method {method}"))
}

/// What clients call.
pub(super) struct ClientService(pub(super) Place);

impl Service for ClientService {
    fn protocol(&self) -> &'static str {
        CLIENT_PROTOCOL
    }

    fn offer(&self) -> Offer {
        self.0.offer()
    }

    fn believes_names(&self) -> bool {
        true
    }

    fn password(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn admits(&self) -> bool {
        self.0.shared.model().admits()
    }

    fn faults(&self) -> &Faults {
        &self.0.shared.faults
    }

    fn pinged(&self) {
        self.0.shared.model().pings += 1;
    }

    fn call(&self, caller: &Caller, method: &str, bytes: &[u8], _: Option<&str>) -> Answer {
        self.0.expect_active()?;
        let Caller::Named(user) = caller else { return Err(no_method(method)) };
        let mut model = self.0.shared.model();
        match method {
            "getNewApplication" => {
                let answer = message::GetNewApplicationResponse {
                    application_id: Some(model.new_app().into()),
                    maximum_capability: Some(model.options.node.into()),
                };
                Ok(answer.encode_to_vec())
            }
            "submitApplication" => {
                let request: message::SubmitApplicationRequest = decode(bytes)?;
                model.submit(user, request.application_submission_context.unwrap_or_default())?;
                Ok(Vec::new())
            }
            "getApplicationReport" => {
                let request: message::ApplicationRequest = decode(bytes)?;
                let id = request.application_id.as_ref().map(ApplicationId::from).unwrap_or_default();
                let app = model.apps.get(&id).ok_or_else(|| not_found(id))?;
                let waits = app.submission.unmanaged_am() && !app.registered && app.user == *user;
                let token = waits.then(|| model.master_token(id)).flatten().map(Into::into);
                let report = application::ApplicationReport { am_rm_token: token, ..report(id, app) };
                let answer = message::GetApplicationReportResponse { application_report: Some(report) };
                Ok(answer.encode_to_vec())
            }
            "getApplications" => {
                let request: message::GetApplicationsRequest = decode(bytes)?;
                let wanted = |app: &&App| {
                    let kinds = &request.application_types;
                    let states = &request.application_states;
                    (kinds.is_empty() || kinds.iter().any(|kind| kind == app.submission.application_type()))
                        && (states.is_empty() || states.contains(&app.state))
                };
                let apps = model.apps.iter().filter(|(_, app)| wanted(app));
                let applications = apps.map(|(&id, app)| report(id, app)).collect();
                Ok(message::GetApplicationsResponse { applications }.encode_to_vec())
            }
            "forceKillApplication" => {
                let request: message::KillApplicationRequest = decode(bytes)?;
                let id = request.application_id.as_ref().map(ApplicationId::from).unwrap_or_default();
                if !model.apps.contains_key(&id) {
                    return Err(not_found(id));
                }
                let done = model.apps.get(&id).is_some_and(|app| app.state >= 6);
                model.kill(id, request.diagnostics());
                Ok(message::KillApplicationResponse { is_kill_completed: Some(done) }.encode_to_vec())
            }
            "getClusterMetrics" => {
                let up = model.nodes.iter().filter(|node| node.up).count() as i32;
                let metrics = record::YarnClusterMetrics {
                    num_node_managers: Some(up),
                    num_active_nms: Some(up),
                    num_lost_nms: Some(model.nodes.len() as i32 - up),
                    ..record::YarnClusterMetrics::default()
                };
                Ok(message::GetClusterMetricsResponse { cluster_metrics: Some(metrics) }.encode_to_vec())
            }
            "getClusterNodes" => {
                let request: message::GetClusterNodesRequest = decode(bytes)?;
                let state = |up| if up { 2 } else { 5 };
                let nodes = model.nodes.iter().filter(|node| request.node_states.contains(&state(node.up)));
                let report = |node: &super::model::Machine| record::NodeReport {
                    node_id: Some((&node.id).into()),
                    node_state: Some(state(node.up)),
                    capability: Some(model.options.node.into()),
                    ..record::NodeReport::default()
                };
                Ok(message::GetClusterNodesResponse { node_reports: nodes.map(report).collect() }
                    .encode_to_vec())
            }
            "getQueueInfo" => {
                let request: message::GetQueueInfoRequest = decode(bytes)?;
                let queue = |name: &str, child_queues| record::QueueInfo {
                    queue_name: Some(name.into()),
                    capacity: Some(1.0),
                    maximum_capacity: Some(1.0),
                    state: Some(2),
                    child_queues,
                    ..record::QueueInfo::default()
                };
                let default = queue("default", Vec::new());
                let queue = match request.queue_name() {
                    "default" => Some(default),
                    "root" => Some(queue("root", vec![default])),
                    _ => None,
                };
                Ok(message::GetQueueInfoResponse { queue_info: queue }.encode_to_vec())
            }
            _ => Err(no_method(method)),
        }
    }
}

fn not_found(id: ApplicationId) -> Exception {
    Exception::new(
        "org.apache.hadoop.yarn.exceptions.ApplicationNotFoundException",
        format!("Application with id '{id}' doesn't exist in RM."),
    )
}

fn report(id: ApplicationId, app: &App) -> application::ApplicationReport {
    let attempt = AttemptId { application: id, attempt: app.attempt };
    let used = app.containers.values().filter(|held| !held.is_ended()).count() as i32;
    application::ApplicationReport {
        application_id: Some(id.into()),
        user: Some(app.user.clone()),
        queue: app.submission.queue.clone(),
        name: app.submission.application_name.clone(),
        yarn_application_state: Some(app.state),
        tracking_url: Some(app.tracking_url.clone()),
        diagnostics: Some(app.diagnostics.clone()),
        final_application_status: Some(app.final_status),
        app_resource_usage: Some(application::ApplicationResourceUsageReport {
            num_used_containers: Some(used),
            ..application::ApplicationResourceUsageReport::default()
        }),
        current_application_attempt_id: Some(attempt.into()),
        progress: Some(app.progress),
        application_type: app.submission.application_type.clone(),
        ..application::ApplicationReport::default()
    }
}

/// What masters call.
pub(super) struct MasterService(pub(super) Place);

impl Service for MasterService {
    fn protocol(&self) -> &'static str {
        MASTER_PROTOCOL
    }

    fn offer(&self) -> Offer {
        self.0.offer()
    }

    fn believes_names(&self) -> bool {
        false
    }

    fn password(&self, identifier: &[u8]) -> Option<Vec<u8>> {
        self.0.shared.model().master_password(identifier)
    }

    fn admits(&self) -> bool {
        self.0.shared.model().admits()
    }

    fn faults(&self) -> &Faults {
        &self.0.shared.faults
    }

    fn call(&self, caller: &Caller, method: &str, bytes: &[u8], _: Option<&str>) -> Answer {
        self.0.expect_active()?;
        let mut model = self.0.shared.model();
        let holder = match caller {
            Caller::Holder(identifier) => model.master_of(identifier),
            Caller::Named(_) => None,
        };
        let class = "org.apache.hadoop.security.AccessControlException";
        let (attempt, key) = holder.ok_or_else(|| Exception::new(class, "no token of a master"))?;
        match method {
            "registerApplicationMaster" => Ok(model.register(attempt, decode(bytes)?)?.encode_to_vec()),
            "allocate" => Ok(model.allocate(attempt, key, decode(bytes)?)?.encode_to_vec()),
            "finishApplicationMaster" => Ok(model.finish(attempt, decode(bytes)?)?.encode_to_vec()),
            _ => Err(no_method(method)),
        }
    }
}
