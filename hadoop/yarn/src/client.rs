//! A client of the ResourceManager: submits applications, asks about them, kills them.

use crate::application::{ApplicationState, Report, Submission};
use crate::cluster::{ClusterMetrics, Node, NodeState, Queue};
use crate::proto::{message, rpc as rpc_proto};
use crate::resource::amount;
use crate::rpc::{CLIENT_PROTOCOL, ExceptionKind, Failover, Login, Options, Patience, RpcError};
use crate::{Address, ApplicationId, Conf, ConfError, Resource, Token, User};
use prost::Message;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often a report is asked for while something is waited for.
const POLL: Duration = Duration::from_millis(200);
/// How long calls are repeated by default.
const PATIENCE: Patience = Patience::of(Duration::from_secs(60));

/// Why a client has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The configuration does not say where to, or as whom.
    #[error(transparent)]
    Conf(#[from] ConfError),
    /// The call failed.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The answer lacks what it should have.
    #[error("the ResourceManager's answer to {method} has no {what}")]
    Lacks {
        /// What was called.
        method: &'static str,
        /// What is missing.
        what: &'static str,
    },
    /// What was waited for did not come.
    #[error("{id} is {state} after {waited:?}: {diagnostics}")]
    Late {
        /// The application.
        id: ApplicationId,
        /// How it is instead.
        state: ApplicationState,
        /// How long it was waited for.
        waited: Duration,
        /// What YARN says about it.
        diagnostics: String,
    },
}

/// An application that may be submitted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewApplication {
    /// Its id.
    pub id: ApplicationId,
    /// The largest container that there can be.
    pub maximum: Resource,
}

/// A client of the ResourceManager, or of the active one of several. Calls may be made at the same time.
#[derive(Debug)]
pub struct YarnClient {
    rpc: Failover,
    patience: Patience,
}

impl YarnClient {
    /// Connects to the ResourceManagers of a configuration, and makes sure that one answers.
    pub async fn connect(conf: &Conf, user: User) -> Result<YarnClient, ClientError> {
        let login = conf.login(user)?;
        let client = YarnClient::new(conf.resource_managers()?, login, conf.rpc()?)?;
        client.cluster_metrics().await?;
        Ok(client)
    }

    /// A client of ResourceManagers, by addresses of which there must be one; connects with the first call.
    pub fn new(addresses: Vec<Address>, login: Login, options: Options) -> Result<YarnClient, ClientError> {
        let rpc = Failover::new(addresses, CLIENT_PROTOCOL, login, options)?;
        Ok(YarnClient { rpc, patience: PATIENCE })
    }

    /// Repeats calls for as long as this instead of a minute.
    pub fn with_patience(self, patience: Patience) -> YarnClient {
        YarnClient { patience, ..self }
    }

    async fn call<R: Message + Default>(
        &self,
        method: &'static str,
        request: &impl Message,
    ) -> Result<R, RpcError> {
        self.rpc.call(method, request, self.patience).await
    }

    /// Asks for the id of an application. One that is not submitted is forgotten.
    pub async fn new_application(&self) -> Result<NewApplication, ClientError> {
        const METHOD: &str = "getNewApplication";
        let answer: message::GetNewApplicationResponse =
            self.call(METHOD, &message::Empty::default()).await?;
        let id =
            answer.application_id.as_ref().ok_or(ClientError::Lacks { method: METHOD, what: "id" })?.into();
        Ok(NewApplication { id, maximum: amount(answer.maximum_capability.as_ref()) })
    }

    /// Submits an application, and waits until the ResourceManager has written it down. One that it does not know after
    /// all, because another took over before it was written down, is submitted again.
    pub async fn submit(&self, submission: &Submission) -> Result<Report, ClientError> {
        let context = Some(submission.to_proto());
        let request = message::SubmitApplicationRequest { application_submission_context: context };
        let begin = Instant::now();
        let _: message::Empty = self.call("submitApplication", &request).await?;
        loop {
            match self.report(submission.id).await {
                Ok(report) => match report.state {
                    ApplicationState::New | ApplicationState::NewSaving => {
                        if begin.elapsed() > self.patience.total {
                            return Err(late(report, begin));
                        }
                    }
                    _ => return Ok(report),
                },
                Err(ClientError::Rpc(error))
                    if error.kind() == Some(ExceptionKind::ApplicationNotFound)
                        && begin.elapsed() <= self.patience.total =>
                {
                    tracing::info!(id = %submission.id, "submitting again");
                    let _: message::Empty = self.call("submitApplication", &request).await?;
                }
                Err(error) => return Err(error),
            }
            sleep(POLL).await;
        }
    }

    /// How an application fares.
    pub async fn report(&self, id: ApplicationId) -> Result<Report, ClientError> {
        const METHOD: &str = "getApplicationReport";
        let request = message::ApplicationRequest { application_id: Some(id.into()) };
        let answer: message::GetApplicationReportResponse = self.call(METHOD, &request).await?;
        let report = answer.application_report;
        Ok(report.ok_or(ClientError::Lacks { method: METHOD, what: "report" })?.into())
    }

    /// Waits until a report is as wished, or the application has ended; gives up after `limit`.
    pub async fn wait(
        &self,
        id: ApplicationId,
        limit: Duration,
        mut wished: impl FnMut(&Report) -> bool,
    ) -> Result<Report, ClientError> {
        let begin = Instant::now();
        loop {
            let report = self.report(id).await?;
            if wished(&report) || report.state.is_final() {
                return Ok(report);
            }
            if begin.elapsed() > limit {
                return Err(late(report, begin));
            }
            sleep(POLL).await;
        }
    }

    /// Waits for the token of an unmanaged master: [`AppMaster`](crate::AppMaster) takes it.
    pub async fn master_token(&self, id: ApplicationId, limit: Duration) -> Result<Token, ClientError> {
        let begin = Instant::now();
        let report = self.wait(id, limit, |report| report.am_rm_token.is_some()).await?;
        match report.am_rm_token.clone() {
            Some(token) => Ok(token),
            None => Err(late(report, begin)),
        }
    }

    /// Kills an application; `false` while that is still under way.
    pub async fn kill(&self, id: ApplicationId, why: &str) -> Result<bool, ClientError> {
        let request = message::KillApplicationRequest {
            application_id: Some(id.into()),
            diagnostics: Some(why.to_owned()),
        };
        let answer: message::KillApplicationResponse = self.call("forceKillApplication", &request).await?;
        Ok(answer.is_kill_completed())
    }

    /// Kills an application, and waits until it is dead.
    pub async fn kill_and_wait(
        &self,
        id: ApplicationId,
        why: &str,
        limit: Duration,
    ) -> Result<(), ClientError> {
        let begin = Instant::now();
        while !self.kill(id, why).await? {
            if begin.elapsed() > limit {
                return Err(late(self.report(id).await?, begin));
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// How many nodes there are.
    pub async fn cluster_metrics(&self) -> Result<ClusterMetrics, ClientError> {
        const METHOD: &str = "getClusterMetrics";
        let answer: message::GetClusterMetricsResponse =
            self.call(METHOD, &message::Empty::default()).await?;
        let metrics = answer.cluster_metrics.ok_or(ClientError::Lacks { method: METHOD, what: "metrics" })?;
        Ok(ClusterMetrics::from(&metrics))
    }

    /// The nodes in some states; those that serve if none is named.
    pub async fn nodes(&self, states: &[NodeState]) -> Result<Vec<Node>, ClientError> {
        let states = if states.is_empty() { &[NodeState::Running] } else { states };
        let node_states = states.iter().map(|state| state.number()).collect();
        let request = message::GetClusterNodesRequest { node_states };
        let answer: message::GetClusterNodesResponse = self.call("getClusterNodes", &request).await?;
        Ok(answer.node_reports.into_iter().map(Node::from).collect())
    }

    /// A queue, with its children.
    pub async fn queue(&self, name: &str) -> Result<Option<Queue>, ClientError> {
        let request = message::GetQueueInfoRequest {
            queue_name: Some(name.to_owned()),
            include_applications: Some(false),
            include_child_queues: Some(true),
            recursive: Some(true),
        };
        let answer: message::GetQueueInfoResponse = self.call("getQueueInfo", &request).await?;
        Ok(answer.queue_info.map(Queue::from))
    }

    /// The applications of some kinds and in some states; empty lists do not restrict.
    pub async fn applications(
        &self,
        kinds: &[&str],
        states: &[ApplicationState],
    ) -> Result<Vec<Report>, ClientError> {
        let request = message::GetApplicationsRequest {
            application_types: kinds.iter().map(|&kind| kind.to_owned()).collect(),
            application_states: states.iter().map(|state| state.number()).collect(),
            users: Vec::new(),
        };
        let answer: message::GetApplicationsResponse = self.call("getApplications", &request).await?;
        Ok(answer.applications.into_iter().map(Report::from).collect())
    }

    /// A token with which to speak to the ResourceManager when the ticket has ended; only by a ticket. `renewer` is who may
    /// renew it.
    pub async fn delegation_token(&self, renewer: &str) -> Result<Token, ClientError> {
        const METHOD: &str = "getDelegationToken";
        let request = rpc_proto::GetDelegationTokenRequest { renewer: renewer.to_owned() };
        let answer: rpc_proto::GetDelegationTokenResponse = self.call(METHOD, &request).await?;
        Ok(answer.token.ok_or(ClientError::Lacks { method: METHOD, what: "token" })?.into())
    }
}

fn late(report: Report, begin: Instant) -> ClientError {
    let Report { id, state, diagnostics, .. } = report;
    ClientError::Late { id, state, waited: begin.elapsed(), diagnostics }
}
