//! A fake NodeManager's service.

use super::Shared;
use super::digest::Offer;
use super::fault::Faults;
use super::model::{Model, node_token_of};
use super::resource_manager::{decode, no_method};
use super::server::{Answer, Caller, Exception, Service};
use crate::proto::{message, record};
use crate::rpc::CONTAINER_PROTOCOL;
use crate::{ApplicationId, ContainerId, NodeId};
use prost::Message as _;
use std::sync::Arc;

/// What masters call on a node.
pub(super) struct NodeService {
    pub(super) shared: Arc<Shared>,
    pub(super) index: usize,
}

impl NodeService {
    fn node(&self) -> NodeId {
        self.shared.model().nodes[self.index].id.clone()
    }
}

impl Service for NodeService {
    fn protocol(&self) -> &'static str {
        CONTAINER_PROTOCOL
    }

    fn offer(&self) -> Offer {
        let options = &self.shared.options;
        Offer { protection: options.protection.clone(), ciphers: options.ciphers.clone() }
    }

    fn believes_names(&self) -> bool {
        false
    }

    fn password(&self, identifier: &[u8]) -> Option<Vec<u8>> {
        let node = self.node();
        self.shared.model().node_password(&node, identifier)
    }

    fn admits(&self) -> bool {
        self.shared.model().nodes[self.index].up
    }

    fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    fn call(&self, caller: &Caller, method: &str, bytes: &[u8], refusal: Option<&str>) -> Answer {
        let application = match caller {
            Caller::Holder(identifier) => node_token_of(identifier).map(|(id, _)| id),
            Caller::Named(_) => None,
        };
        let class = "org.apache.hadoop.security.AccessControlException";
        let application = application.ok_or_else(|| Exception::new(class, "no token of a node"))?;
        let node = self.node();
        let mut model = self.shared.model();
        let mut failed = Vec::new();
        match method {
            "startContainers" => {
                let request: message::StartContainersRequest = decode(bytes)?;
                let mut succeeded = Vec::new();
                for start in request.start_container_request {
                    let token = start.container_token.unwrap_or_default();
                    let (id, started) =
                        match checked(&model, application, &node, &token.identifier, &token.password) {
                            Ok(id) => {
                                let launch = start.container_launch_context.unwrap_or_default();
                                let started = match refusal {
                                    Some(refusal) => Err(refusal.to_owned()),
                                    None => model.start_container(id, launch),
                                };
                                (id, started)
                            }
                            Err((id, why)) => (id, Err(why)),
                        };
                    match started {
                        Ok(()) => succeeded.push(id.into()),
                        Err(why) => failed.push(exception(id, why)),
                    }
                }
                let answer = message::StartContainersResponse {
                    succeeded_requests: succeeded,
                    failed_requests: failed,
                    ..message::StartContainersResponse::default()
                };
                Ok(answer.encode_to_vec())
            }
            "stopContainers" => {
                let request: message::ContainersRequest = decode(bytes)?;
                let mut succeeded = Vec::new();
                for id in request.container_id.iter().map(ContainerId::from) {
                    if is_here(&model, application, &node, id) {
                        model.end_container(id, -105, "Container killed by the ApplicationMaster.");
                        succeeded.push(id.into());
                    } else {
                        failed.push(exception(
                            id,
                            format!("Container {id} is not handled by this NodeManager"),
                        ));
                    }
                }
                let answer = message::StopContainersResponse {
                    succeeded_requests: succeeded,
                    failed_requests: failed,
                };
                Ok(answer.encode_to_vec())
            }
            "getContainerStatuses" => {
                let request: message::ContainersRequest = decode(bytes)?;
                let mut status = Vec::new();
                for id in request.container_id.iter().map(ContainerId::from) {
                    let held = model.apps.get(&application).and_then(|app| app.containers.get(&id));
                    match held.filter(|held| held.node == node) {
                        Some(held) => status.push(held.status()),
                        None => failed.push(exception(
                            id,
                            format!("Container {id} is not handled by this NodeManager"),
                        )),
                    }
                }
                let answer = message::GetContainerStatusesResponse { status, failed_requests: failed };
                Ok(answer.encode_to_vec())
            }
            _ => Err(no_method(method)),
        }
    }
}

fn is_here(model: &Model, application: ApplicationId, node: &NodeId, id: ContainerId) -> bool {
    let held = model.apps.get(&application).and_then(|app| app.containers.get(&id));
    held.is_some_and(|held| held.node == *node)
}

/// The container that a token is for, if it is a good one, of this application and for this node.
fn checked(
    model: &Model,
    application: ApplicationId,
    node: &NodeId,
    identifier: &[u8],
    password: &[u8],
) -> Result<ContainerId, (ContainerId, String)> {
    let refuse = |id: ContainerId, why: &str| (id, format!("Unauthorized request to start container. {why}"));
    let text = std::str::from_utf8(identifier).ok().and_then(|text| text.strip_prefix("container "));
    let parsed = text
        .and_then(|text| text.split_once(' '))
        .and_then(|(id, on)| Some((id.parse::<ContainerId>().ok()?, on.parse::<NodeId>().ok()?)));
    let Some((id, on)) = parsed else { return Err(refuse(ContainerId::default(), "no container token")) };
    let good = model.token("", String::new(), identifier.to_vec()).password;
    if good != password || on != *node || id.attempt.application != application {
        return Err(refuse(id, "the container token is for another container or node"));
    }
    Ok(id)
}

fn exception(id: ContainerId, message: String) -> message::ContainerException {
    message::ContainerException {
        container_id: Some(id.into()),
        exception: Some(record::SerializedException {
            message: Some(message),
            trace: None,
            class_name: Some("org.apache.hadoop.yarn.exceptions.YarnException".into()),
        }),
    }
}
