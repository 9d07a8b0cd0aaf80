//! Applications: how they are submitted, and how they fare.

use crate::proto::application as proto;
use crate::proto::record;
use crate::resource::amount;
use crate::{ApplicationId, AttemptId, Launch, Resource, Token};
use std::fmt;
use std::time::Duration;

/// What is submitted.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The id that [`YarnClient::new_application`](crate::YarnClient::new_application) gave.
    pub id: ApplicationId,
    /// A name for people.
    pub name: String,
    /// The queue.
    pub queue: String,
    /// The kind of application, for people.
    pub kind: String,
    /// Words by which it can be found.
    pub tags: Vec<String>,
    /// The priority within the queue; the queue's own if there is none.
    pub priority: Option<i32>,
    /// Who is its master.
    pub master: Master,
    /// How often its master may be started; the cluster caps it (`yarn.resourcemanager.am.max-attempts`).
    pub max_attempts: u32,
    /// Whether containers go on while a new master takes over.
    pub keep_containers: bool,
    /// Failures of the master that are older than this are forgotten.
    pub failures_forgotten_after: Option<Duration>,
    /// The label of the nodes on which containers run.
    pub node_label: Option<String>,
    /// A regular expression of the logs that are collected while containers run. Nodes delete a file that they have
    /// collected, so it must match no log that is still written to, such as standard output.
    pub rolled_logs: Option<String>,
    /// After so long, YARN kills the application.
    pub lifetime: Option<Duration>,
}

/// Who is the master of an application.
#[derive(Clone, Debug)]
pub enum Master {
    /// YARN starts it in a container.
    Managed {
        /// What the container runs.
        launch: Launch,
        /// How large it is.
        resource: Resource,
    },
    /// The submitter is it: [`Report::am_rm_token`] comes to him while the attempt waits to be registered.
    Unmanaged,
}

impl Submission {
    /// With one attempt, in the queue "default".
    pub fn new(id: ApplicationId, name: impl Into<String>, master: Master) -> Submission {
        Submission {
            id,
            name: name.into(),
            queue: "default".into(),
            kind: "YARN".into(),
            tags: Vec::new(),
            priority: None,
            master,
            max_attempts: 1,
            keep_containers: false,
            failures_forgotten_after: None,
            node_label: None,
            rolled_logs: None,
            lifetime: None,
        }
    }

    pub(crate) fn to_proto(&self) -> proto::ApplicationSubmissionContext {
        let (launch, resource, unmanaged) = match &self.master {
            Master::Managed { launch, resource } => (launch.to_proto(), *resource, false),
            // Empty, but not missing: servers look into it.
            Master::Unmanaged => (proto::ContainerLaunchContext::default(), Resource::default(), true),
        };
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let logs = |pattern: &String| proto::LogAggregationContext {
            include_pattern: Some(String::new()),
            exclude_pattern: Some(String::new()),
            rolled_logs_include_pattern: Some(pattern.clone()),
            rolled_logs_exclude_pattern: Some(String::new()),
        };
        let lifetime = |time: Duration| proto::ApplicationTimeoutMap {
            kind: Some(1),
            timeout: Some(i64::try_from(time.as_secs()).unwrap_or(i64::MAX)),
        };
        proto::ApplicationSubmissionContext {
            application_id: Some(self.id.into()),
            application_name: Some(self.name.clone()),
            queue: Some(self.queue.clone()),
            priority: self.priority.map(|priority| record::Priority { priority: Some(priority) }),
            am_container_spec: Some(launch),
            cancel_tokens_when_complete: Some(true),
            unmanaged_am: Some(unmanaged),
            max_app_attempts: Some(i32::try_from(self.max_attempts).unwrap_or(i32::MAX)),
            resource: Some(resource.into()),
            application_type: Some(self.kind.clone()),
            keep_containers_across_application_attempts: Some(self.keep_containers),
            application_tags: self.tags.clone(),
            attempt_failures_validity_interval: self.failures_forgotten_after.map(millis),
            log_aggregation_context: self.rolled_logs.as_ref().map(logs),
            node_label_expression: self.node_label.clone(),
            am_container_resource_request: Vec::new(),
            application_timeouts: self.lifetime.map(lifetime).into_iter().collect(),
        }
    }
}

/// Where an application is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplicationState {
    /// Just come.
    New,
    /// Being written down.
    NewSaving,
    /// Written down, not looked at yet.
    Submitted,
    /// In its queue: its master waits for a container, or has not registered.
    Accepted,
    /// Its master has registered.
    Running,
    /// Its master said that it is finished; [`FinalStatus`] says how.
    Finished,
    /// It could not be run, or its masters failed too often.
    Failed,
    /// Somebody killed it.
    Killed,
    /// A state that this crate does not know.
    Other(i32),
}

impl ApplicationState {
    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        matches!(self, ApplicationState::Finished | ApplicationState::Failed | ApplicationState::Killed)
    }

    /// Its number on the wire.
    pub(crate) fn number(self) -> i32 {
        match self {
            ApplicationState::New => 1,
            ApplicationState::NewSaving => 2,
            ApplicationState::Submitted => 3,
            ApplicationState::Accepted => 4,
            ApplicationState::Running => 5,
            ApplicationState::Finished => 6,
            ApplicationState::Failed => 7,
            ApplicationState::Killed => 8,
            ApplicationState::Other(state) => state,
        }
    }
}

impl From<i32> for ApplicationState {
    fn from(state: i32) -> ApplicationState {
        match state {
            1 => ApplicationState::New,
            2 => ApplicationState::NewSaving,
            3 => ApplicationState::Submitted,
            4 => ApplicationState::Accepted,
            5 => ApplicationState::Running,
            6 => ApplicationState::Finished,
            7 => ApplicationState::Failed,
            8 => ApplicationState::Killed,
            other => ApplicationState::Other(other),
        }
    }
}

impl fmt::Display for ApplicationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ApplicationState::New => "NEW",
            ApplicationState::NewSaving => "NEW_SAVING",
            ApplicationState::Submitted => "SUBMITTED",
            ApplicationState::Accepted => "ACCEPTED",
            ApplicationState::Running => "RUNNING",
            ApplicationState::Finished => "FINISHED",
            ApplicationState::Failed => "FAILED",
            ApplicationState::Killed => "KILLED",
            ApplicationState::Other(state) => return write!(f, "state {state}"),
        })
    }
}

/// How an application ended, in its master's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalStatus {
    /// It has not.
    Undefined,
    /// Well.
    Succeeded,
    /// Not well.
    Failed,
    /// Before its time, because somebody wished so.
    Killed,
    /// In parts one way, in parts another.
    Ended,
}

impl FinalStatus {
    pub(crate) fn number(self) -> i32 {
        match self {
            FinalStatus::Undefined => 0,
            FinalStatus::Succeeded => 1,
            FinalStatus::Failed => 2,
            FinalStatus::Killed => 3,
            FinalStatus::Ended => 4,
        }
    }

    fn of(number: i32) -> FinalStatus {
        match number {
            1 => FinalStatus::Succeeded,
            2 => FinalStatus::Failed,
            3 => FinalStatus::Killed,
            4 => FinalStatus::Ended,
            _ => FinalStatus::Undefined,
        }
    }
}

impl fmt::Display for FinalStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FinalStatus::Undefined => "UNDEFINED",
            FinalStatus::Succeeded => "SUCCEEDED",
            FinalStatus::Failed => "FAILED",
            FinalStatus::Killed => "KILLED",
            FinalStatus::Ended => "ENDED",
        })
    }
}

/// How an application fares.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its id.
    pub id: ApplicationId,
    /// Where it is in its life.
    pub state: ApplicationState,
    /// How it ended, if it did.
    pub final_status: FinalStatus,
    /// Its name.
    pub name: String,
    /// Its user.
    pub user: String,
    /// Its queue.
    pub queue: String,
    /// The kind of application.
    pub kind: String,
    /// The current attempt.
    pub attempt: Option<AttemptId>,
    /// Where its master runs, as the master says.
    pub host: String,
    /// Its page, by way of YARN's proxy.
    pub tracking_url: String,
    /// What YARN says about it: why it waits, why it failed.
    pub diagnostics: String,
    /// How far it is, 0 to 1, as its master says.
    pub progress: f32,
    /// When it was submitted, in milliseconds since 1970.
    pub started_ms: i64,
    /// When it ended, or 0.
    pub finished_ms: i64,
    /// How many containers it has, its master's included.
    pub containers: u32,
    /// What they take.
    pub used: Resource,
    /// What it takes of its queue, in percent.
    pub queue_usage_percent: f32,
    /// The token of an unmanaged master: only to the submitter, and only until the master registers.
    pub am_rm_token: Option<Token>,
}

impl From<proto::ApplicationReport> for Report {
    fn from(report: proto::ApplicationReport) -> Report {
        let usage = report.app_resource_usage.clone().unwrap_or_default();
        Report {
            id: report.application_id.as_ref().map(ApplicationId::from).unwrap_or_default(),
            state: report.yarn_application_state().into(),
            final_status: FinalStatus::of(report.final_application_status()),
            attempt: report.current_application_attempt_id.as_ref().map(AttemptId::from),
            progress: report.progress(),
            started_ms: report.start_time(),
            finished_ms: report.finish_time(),
            containers: usage.num_used_containers().try_into().unwrap_or(0),
            used: amount(usage.used_resources.as_ref()),
            queue_usage_percent: usage.queue_usage_percentage(),
            name: report.name.unwrap_or_default(),
            user: report.user.unwrap_or_default(),
            queue: report.queue.unwrap_or_default(),
            kind: report.application_type.unwrap_or_default(),
            host: report.host.unwrap_or_default(),
            tracking_url: report.tracking_url.unwrap_or_default(),
            diagnostics: report.diagnostics.unwrap_or_default(),
            am_rm_token: report.am_rm_token.map(Token::from),
        }
    }
}
