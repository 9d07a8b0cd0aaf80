//! Containers of the fake cluster, from being given to having ended.

use super::{App, Model};
use crate::fake::runner::{Running, Stop};
use crate::proto::{application, record};
use crate::{
    AM_RM_TOKEN, ContainerExit, ContainerId, ContainerState, ContainerStatus, Credentials, NodeId, Resource,
};
use tokio::sync::watch;

/// Where a container is in its life.
pub(in crate::fake) enum Phase {
    /// Given, not started.
    Given,
    /// It runs; `forced` is how it ends if it was stopped from outside.
    Running { stop: watch::Sender<bool>, forced: Option<(i32, String)> },
    /// It has ended.
    Ended { status: i32, diagnostics: String },
}

/// A container that an application has.
pub(in crate::fake) struct Held {
    pub(in crate::fake) id: ContainerId,
    pub(in crate::fake) node: NodeId,
    pub(in crate::fake) resource: Resource,
    pub(in crate::fake) priority: i32,
    pub(in crate::fake) is_master: bool,
    pub(in crate::fake) phase: Phase,
}

impl Held {
    pub(in crate::fake) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running { .. })
    }

    pub(in crate::fake) fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended { .. })
    }

    pub(in crate::fake) fn status_if_ended(&self) -> Option<ContainerStatus> {
        self.is_ended().then(|| self.status().into())
    }

    pub(in crate::fake) fn status(&self) -> record::ContainerStatus {
        let (state, diagnostics, exit) = match &self.phase {
            Phase::Given => (1, "", -1000),
            Phase::Running { .. } => (2, "", -1000),
            Phase::Ended { status, diagnostics } => (3, &**diagnostics, *status),
        };
        record::ContainerStatus {
            container_id: Some(self.id.into()),
            state: Some(state),
            diagnostics: Some(diagnostics.to_owned()),
            exit_status: Some(exit),
        }
    }
}

impl App {
    /// The containers that have ended, masters aside.
    pub(super) fn ended(&self) -> impl Iterator<Item = ContainerId> {
        let ended = self.containers.values().filter(|held| held.is_ended() && !held.is_master);
        ended.map(|held| held.id).collect::<Vec<_>>().into_iter()
    }
}

impl Model {
    /// Starts what an application was given.
    pub(in crate::fake) fn start_container(
        &mut self,
        id: ContainerId,
        launch: application::ContainerLaunchContext,
    ) -> Result<(), String> {
        let Some(shared) = self.shared() else { return Err("the cluster has ended".into()) };
        let app = self.apps.get_mut(&id.attempt.application).ok_or("no such application")?;
        let user = app.user.clone();
        let held = app.containers.get_mut(&id).ok_or("no such container")?;
        if !matches!(held.phase, Phase::Given) {
            return Err(format!(
                "Unauthorized request to start container. \nAttempt to relaunch the same container with id {id}.\n\tat X.y(X.java:1)"
            ));
        }
        let credentials = match launch.tokens.as_deref() {
            Some(bytes) => Credentials::from_bytes(bytes).map_err(|error| error.to_string())?,
            None => Credentials::default(),
        };
        let (stop, asked) = watch::channel(false);
        let running = Running {
            id,
            node: held.node.clone(),
            user,
            command: launch.command.join(" "),
            environment: launch
                .environment
                .into_iter()
                .filter_map(|variable| Some((variable.key?, variable.value?)))
                .collect(),
            files: launch
                .local_resources
                .into_iter()
                .filter_map(|file| Some((file.key?, url(file.value?)?)))
                .collect(),
            credentials,
            stop: Stop(asked),
        };
        held.phase = Phase::Running { stop, forced: None };
        let runner = self.options.runner.clone();
        tokio::spawn(async move {
            let status = runner(running).await;
            shared.model().has_ended(id, status);
        });
        self.changed();
        Ok(())
    }

    /// Starts the master of an application in its container.
    pub(in crate::fake) fn start_master(&mut self, id: ContainerId) -> Result<(), String> {
        let application = id.attempt.application;
        let token = self.master_token(application).ok_or("no such application")?;
        let app = self.apps.get(&application).ok_or("no such application")?;
        let mut launch = app.submission.am_container_spec.clone().unwrap_or_default();
        let mut credentials = match launch.tokens.as_deref() {
            Some(bytes) => Credentials::from_bytes(bytes).map_err(|error| error.to_string())?,
            None => Credentials::default(),
        };
        debug_assert_eq!(token.kind, AM_RM_TOKEN);
        credentials.tokens.insert(String::new(), token);
        launch.tokens = Some(credentials.to_bytes());
        self.start_container(id, launch)
    }

    /// Ends a container from outside. What it runs is asked to stop, and the end is told when it has.
    pub(in crate::fake) fn end_container(&mut self, id: ContainerId, status: i32, diagnostics: &str) {
        let Some(app) = self.apps.get_mut(&id.attempt.application) else { return };
        let Some(held) = app.containers.get_mut(&id) else { return };
        match &mut held.phase {
            Phase::Given => {
                held.phase = Phase::Ended { status, diagnostics: diagnostics.to_owned() };
                app.untold.push(id);
                self.changed();
            }
            Phase::Running { stop, forced } => {
                forced.get_or_insert_with(|| (status, diagnostics.to_owned()));
                stop.send_replace(true);
            }
            Phase::Ended { .. } => {}
        }
    }

    /// Takes note that what a container ran has ended.
    fn has_ended(&mut self, id: ContainerId, status: i32) {
        let Some(app) = self.apps.get_mut(&id.attempt.application) else { return };
        let Some(held) = app.containers.get_mut(&id) else { return };
        let Phase::Running { forced, .. } = &mut held.phase else { return };
        let (status, diagnostics) =
            forced.take().unwrap_or_else(|| (status, format!("{}", ContainerExit::from(status))));
        held.phase = Phase::Ended { status, diagnostics: diagnostics.clone() };
        debug_assert!(held.status_if_ended().is_some_and(|status| status.state == ContainerState::Complete));
        if held.is_master {
            self.master_ended(id, status, &diagnostics);
        } else {
            app.untold.push(id);
        }
        self.changed();
    }

    /// Asks everything to stop.
    pub(in crate::fake) fn stop_all(&mut self) {
        for id in self.running() {
            self.end_container(id, -107, "the cluster ends");
        }
    }
}

fn url(file: application::LocalResource) -> Option<String> {
    let url = file.resource?;
    let port = match url.port() {
        port if port > 0 => format!(":{port}"),
        _ => String::new(),
    };
    Some(format!("{}://{}{port}{}", url.scheme(), url.host(), url.file()))
}
