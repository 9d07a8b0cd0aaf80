//! What containers of the fake cluster do.

use crate::{ContainerId, Credentials, NodeId};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::watch;

/// What a container does: it gets all that a container has, and ends with an exit status.
pub type Runner = Arc<dyn Fn(Running) -> Pin<Box<dyn Future<Output = i32> + Send>> + Send + Sync>;

/// A [`Runner`] from a function.
pub fn runner<F, R>(run: F) -> Runner
where
    F: Fn(Running) -> R + Send + Sync + 'static,
    R: Future<Output = i32> + Send + 'static,
{
    Arc::new(move |running| Box::pin(run(running)))
}

/// A container that has been started.
#[derive(Clone, Debug)]
pub struct Running {
    /// Its id.
    pub id: ContainerId,
    /// Its node.
    pub node: NodeId,
    /// Whose it is.
    pub user: String,
    /// What it is to run.
    pub command: String,
    /// Variables for it.
    pub environment: BTreeMap<String, String>,
    /// Files that it wants: names, and URLs.
    pub files: BTreeMap<String, String>,
    /// Its tokens and secrets; for a master, with the token of the master.
    pub credentials: Credentials,
    /// Tells when it must end.
    pub stop: Stop,
}

/// Tells when a container must end.
#[derive(Clone, Debug)]
pub struct Stop(pub(super) watch::Receiver<bool>);

impl Stop {
    /// Waits until the container must end.
    pub async fn asked(&mut self) {
        // An error means that the cluster is gone, which is reason enough.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}
