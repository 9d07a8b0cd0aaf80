//! A client of a NodeManager: starts containers, asks about them, stops them.

use crate::proto::{message, record};
use crate::rpc::{CONTAINER_PROTOCOL, Failover, Login, Options, Patience, RpcError};
use crate::{Address, Container, ContainerId, ContainerStatus, Launch, NodeToken, Token};
use prost::Message as _;
use std::time::Duration;

/// Most bytes of one request to start containers, so that it fits into one wrapped message; a single container may need
/// more, and goes in several then.
const MAX_REQUEST: usize = 48 * 1024;
/// Most ids in one request.
const MAX_IDS: usize = 1000;
/// How long calls are repeated.
const PATIENCE: Patience = Patience::of(Duration::from_secs(10));
/// What a NodeManager says to a container that it has started already.
const STARTED_BEFORE: &str = "Attempt to relaunch the same container";

/// A container that is to be started.
#[derive(Clone, Debug)]
pub struct Start {
    /// Its id.
    pub id: ContainerId,
    /// The token that came with it.
    pub token: Token,
    /// What it runs.
    pub launch: Launch,
}

impl Start {
    /// To start a container that was given.
    pub fn new(container: &Container, launch: Launch) -> Start {
        Start { id: container.id, token: container.token.clone(), launch }
    }
}

/// Why a NodeManager did not do what it was asked for with a container.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{class}: {message}")]
pub struct Refusal {
    /// The Java class of its exception, without the package.
    pub class: String,
    /// What it says, in one line and without a stack trace.
    pub message: String,
}

/// What comes of a request about several containers, each for itself.
pub type Outcomes<T> = Vec<(ContainerId, Result<T, Refusal>)>;

/// A client of a NodeManager. It connects with the first call, and again after it was idle. Calls may be made at the same
/// time.
#[derive(Debug)]
pub struct NodeManager {
    rpc: Failover,
}

impl NodeManager {
    /// A client of the node that a token opens.
    pub fn connect(node: &NodeToken, options: Options) -> Result<NodeManager, RpcError> {
        let address = Address::new(node.node.host.clone(), node.node.port);
        NodeManager::at(address, node.token.clone(), options)
    }

    /// A client of a NodeManager at an address.
    pub fn at(address: Address, token: Token, options: Options) -> Result<NodeManager, RpcError> {
        let rpc = Failover::new(vec![address], CONTAINER_PROTOCOL, Login::Token(token), options)?;
        Ok(NodeManager { rpc })
    }

    /// Lets the next call connect by a newer token.
    pub async fn set_token(&self, token: Token) {
        self.rpc.set_login(Login::Token(token)).await;
    }

    /// Starts containers. One that runs already has been started by an earlier call whose answer was lost.
    pub async fn start(&self, starts: &[Start]) -> Result<Outcomes<()>, RpcError> {
        let mut outcomes = Vec::with_capacity(starts.len());
        for batch in batches(starts) {
            let request = message::StartContainersRequest { start_container_request: batch };
            let answer: message::StartContainersResponse =
                self.rpc.call("startContainers", &request, PATIENCE).await?;
            outcomes.extend(answer.succeeded_requests.iter().map(|id| (ContainerId::from(id), Ok(()))));
            outcomes.extend(refusals(answer.failed_requests).map(|(id, refusal)| {
                let started = refusal.message.contains(STARTED_BEFORE);
                (id, if started { Ok(()) } else { Err(refusal) })
            }));
        }
        Ok(outcomes)
    }

    /// Stops containers: their processes get SIGTERM, and after a quarter of a second SIGKILL. What a container does not end
    /// in that time must be ended in other ways before.
    pub async fn stop(&self, ids: &[ContainerId]) -> Result<Outcomes<()>, RpcError> {
        let mut outcomes = Vec::with_capacity(ids.len());
        for ids in ids.chunks(MAX_IDS) {
            let answer: message::StopContainersResponse =
                self.rpc.call("stopContainers", &request(ids), PATIENCE).await?;
            outcomes.extend(answer.succeeded_requests.iter().map(|id| (ContainerId::from(id), Ok(()))));
            outcomes.extend(refusals(answer.failed_requests).map(|(id, refusal)| (id, Err(refusal))));
        }
        Ok(outcomes)
    }

    /// Asks how containers are.
    pub async fn statuses(&self, ids: &[ContainerId]) -> Result<Outcomes<ContainerStatus>, RpcError> {
        let mut outcomes = Vec::with_capacity(ids.len());
        for ids in ids.chunks(MAX_IDS) {
            let answer: message::GetContainerStatusesResponse =
                self.rpc.call("getContainerStatuses", &request(ids), PATIENCE).await?;
            outcomes.extend(answer.status.into_iter().map(|status| {
                let status = ContainerStatus::from(status);
                (status.id, Ok(status))
            }));
            outcomes.extend(refusals(answer.failed_requests).map(|(id, refusal)| (id, Err(refusal))));
        }
        Ok(outcomes)
    }
}

fn request(ids: &[ContainerId]) -> message::ContainersRequest {
    message::ContainersRequest { container_id: ids.iter().map(|&id| id.into()).collect() }
}

/// Requests in parts that are not too long.
fn batches(starts: &[Start]) -> Vec<Vec<message::StartContainerRequest>> {
    let mut batches: Vec<Vec<message::StartContainerRequest>> = Vec::new();
    let mut bytes = 0;
    for start in starts {
        let request = message::StartContainerRequest {
            container_launch_context: Some(start.launch.to_proto()),
            container_token: Some(start.token.clone().into()),
        };
        let len = request.encoded_len();
        bytes += len;
        match batches.last_mut().filter(|_| bytes <= MAX_REQUEST) {
            Some(batch) => batch.push(request),
            None => {
                bytes = len;
                batches.push(vec![request]);
            }
        }
    }
    batches
}

fn refusals(failed: Vec<message::ContainerException>) -> impl Iterator<Item = (ContainerId, Refusal)> {
    failed.into_iter().map(|failed| {
        let id = failed.container_id.as_ref().map(ContainerId::from).unwrap_or_default();
        let record::SerializedException { message, class_name, .. } = failed.exception.unwrap_or_default();
        let class = class_name.unwrap_or_default();
        let class = class.rsplit(['.', '$']).next().unwrap_or_default().to_owned();
        let message = message.unwrap_or_default();
        // The first line often says only that it may not be; the second says why.
        let lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
        let said: Vec<&str> = lines.take_while(|line| !line.starts_with("at ")).collect();
        let message = said.join(" ");
        (id, Refusal { class, message })
    })
}
