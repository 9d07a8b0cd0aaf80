//! Why there are no readers on the cluster.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use warcdl_yarn::{
    Address, ApplicationId, ApplicationState, ClientError, ConfError, FinalStatus, Resource, UrlError,
};

use super::conduct::ConductError;
use crate::launch::staging::StagingError;
use crate::launch::staging::hdfs::StoreError;

/// Why there are no readers on the cluster.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum YarnError {
    #[error(transparent)]
    Conf(#[from] ConfError),
    #[error("no user is known to the cluster: set HADOOP_USER_NAME")]
    NoUser,
    #[error("cannot talk to the ResourceManager at {}: {source}", listed(.addresses))]
    Unreachable { addresses: Vec<Address>, source: Box<ClientError> },
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(
        "the ResourceManager refuses the application: {refusal}; the queue {queue:?} is not there or takes none: set \
         yarn.queue to one of {known}"
    )]
    Queue { queue: String, known: String, refusal: String },
    #[error(
        "yarn.{key} asks for a container of {} MB and {} cores, but the largest that this cluster gives has {} MB and {} cores",
        asked.memory_mb, asked.vcores, largest.memory_mb, largest.vcores
    )]
    TooLarge { key: &'static str, asked: Resource, largest: Resource },
    #[error(
        "readers would be told to connect to {connect}, which every node of the cluster takes for itself, but the \
         ResourceManager is at {manager}: set transport.listen to an address of this machine that the cluster reaches, \
         or transport.advertise to HOST:PORT"
    )]
    Loopback { connect: String, manager: Address },
    #[error("transport.advertise: {0:?} holds characters that no host has")]
    Host(String),
    #[error(transparent)]
    Staging(#[from] StagingError),
    #[error("{} cannot be run on the cluster: {what}; see yarn.artifact", path.display())]
    Artifact { path: PathBuf, what: String },
    #[error("the program is at no URL that YARN can fetch it from: {0}")]
    Url(#[from] UrlError),
    #[error(
        "cannot listen on yarn.control = \"{address}\": {source}; set it to a free address of this machine"
    )]
    Control { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    State(#[from] warcdl_actors::SinkError),
    #[error("the application master cannot work here: {0}")]
    Conduct(#[from] ConductError),
    #[error("{id} is over ({state}, {status}): {diagnostics}")]
    Over { id: ApplicationId, state: ApplicationState, status: FinalStatus, diagnostics: String },
    #[error("the application master of {id} has given up: {diagnostics}")]
    GaveUp { id: ApplicationId, diagnostics: String },
}

impl YarnError {
    /// Whether the configuration is wrong, so that trying again is of no use.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            YarnError::Conf(_)
                | YarnError::NoUser
                | YarnError::Queue { .. }
                | YarnError::TooLarge { .. }
                | YarnError::Loopback { .. }
                | YarnError::Host(_)
                | YarnError::Artifact { .. }
                | YarnError::Staging(StagingError::Artifact { .. })
                | YarnError::Staging(StagingError::Hdfs(
                    StoreError::Secure | StoreError::NoHdfs { .. } | StoreError::Conf(_)
                ))
        )
    }
}

fn listed(addresses: &[Address]) -> String {
    addresses.iter().map(Address::to_string).collect::<Vec<_>>().join(", ")
}
