#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod address;
mod application;
mod client;
mod cluster;
mod conf;
mod container;
mod credentials;
pub mod driver;
pub mod engine;
#[cfg(feature = "fake")]
pub mod fake;
mod id;
mod launch;
mod master;
mod node;
#[allow(missing_docs)] // The fields are Hadoop's, and named as Hadoop names them.
pub mod proto;
mod resource;
pub mod rpc;
mod sasl;
mod token;
mod user;

pub use address::{Address, AddressError};
pub use application::{ApplicationState, FinalStatus, Master, Report, Submission};
pub use client::{ClientError, NewApplication, YarnClient};
pub use cluster::{ClusterMetrics, Node, NodeState, Queue};
pub use conf::{Conf, ConfError};
pub use container::{Container, ContainerExit, ContainerState, ContainerStatus};
pub use credentials::{Credentials, CredentialsError, TOKEN_FILE_VARIABLE};
pub use id::{ApplicationId, AttemptId, ContainerId, IdError, NodeId};
pub use launch::{Launch, LocalResource, ResourceKind, ResourceUrl, UrlError, Visibility};
pub use master::{Allocation, AppMaster, Ask, Beat, Heartbeat, MasterError, Registration};
pub use node::{NodeManager, Outcomes, Refusal, Start};
pub use resource::Resource;
pub use sasl::{Qop, SaslError};
pub use token::{AM_RM_TOKEN, NM_TOKEN, NodeToken, RM_DELEGATION_TOKEN, Token};
pub use user::User;
