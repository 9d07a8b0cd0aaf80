//! What happens to the application master.

use super::types::{Completed, NodeChange, Preemption};
use crate::{Container, ContainerId, FinalStatus, NodeId, Resource, Token};

/// Something happened.
///
/// Each `Register`, `Allocate` and `Unregister` that the engine asks for is answered by exactly one of the events
/// beside it, if only by a failure after a timeout; so is each `Start` and each `Stop`.
#[derive(Clone, Debug)]
pub enum Event {
    /// Time has passed. To be said several times a second.
    Tick,
    /// The ResourceManager knows this attempt. In answer to a heartbeat: it was restarted, did not read it, and the
    /// attempt was registered with it anew.
    Registered(Registered),
    /// It does not; or, by [`RmFault::AlreadyRegistered`], it does and will not say more. This too may answer a heartbeat.
    RegisterFailed(RmFault),
    /// The ResourceManager's answer to a heartbeat.
    Allocated(Box<AllocateReply>),
    /// There is none.
    AllocateFailed(RmFault),
    /// The ResourceManager was told that the application is over; `done`: and it is. Otherwise it wants to be asked again.
    Unregistered {
        /// Whether it has written it down.
        done: bool,
    },
    /// It could not be told.
    UnregisterFailed(RmFault),
    /// A NodeManager was asked to start a container.
    StartResult {
        /// Which one.
        container: ContainerId,
        /// What came of it.
        result: Result<(), StartError>,
    },
    /// A NodeManager was asked to stop a container. That it is over, the ResourceManager will tell.
    StopResult {
        /// Which one.
        container: ContainerId,
        /// Or why not.
        result: Result<(), String>,
    },
    /// So many readers are wanted from now on.
    TargetSet {
        /// How many.
        readers: u32,
        /// Those that have nothing to do at present: they go first if some must.
        idle: Vec<ContainerId>,
    },
    /// How far the run is.
    Progress {
        /// 0 to 1, for YARN's pages.
        done: f32,
        /// Records that readers have delivered so far: if it grows, failures are no reason to give up.
        delivered: u64,
    },
    /// The GPU node has given up the reader in this container: it hangs, or never came.
    GivenUp {
        /// Which one.
        container: ContainerId,
        /// In the GPU node's words.
        reason: String,
    },
    /// The link to the GPU node is broken.
    GpuLost,
    /// It is there (again).
    GpuBack,
    /// The run is over: let readers finish, then end with this status.
    Finish {
        /// How it ended.
        status: FinalStatus,
        /// One line for YARN's pages.
        diagnostics: String,
    },
    /// The operator wants to end: let readers finish within the budget, then end as killed.
    Drain,
    /// The operator wants to end at once.
    Kill,
}

/// The answer to a registration.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The largest container that can be had.
    pub largest: Resource,
    /// Running containers of earlier attempts.
    pub previous: Vec<Container>,
    /// For the NodeManagers that these are on.
    pub nm_tokens: Vec<(NodeId, Token)>,
}

/// The answer to a heartbeat.
#[derive(Clone, Debug, Default)]
pub struct AllocateReply {
    /// The number that the next heartbeat must carry.
    pub response_id: i32,
    /// New containers.
    pub allocated: Vec<Container>,
    /// Containers that are over (`COMPLETE`). May name one twice, or one that is not known.
    pub completed: Vec<Completed>,
    /// Running containers of earlier attempts that were found late.
    pub previous: Vec<Container>,
    /// Nodes of which something is new.
    pub nodes: Vec<(NodeId, NodeChange)>,
    /// What the scheduler wants back.
    pub preemption: Preemption,
    /// The token to connect to the ResourceManager with from now on.
    pub amrm_token: Option<Token>,
    /// Tokens for NodeManagers that are new, or whose old one will not do any more.
    pub nm_tokens: Vec<(NodeId, Token)>,
    /// Nodes of the cluster.
    pub cluster_nodes: u32,
}

/// Why the ResourceManager gave no answer, or a bad one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RmFault {
    /// It does not know that this attempt is registered (`ApplicationMasterNotRegisteredException`), or expects another
    /// response id (`InvalidApplicationMasterRequestException`): it was restarted.
    NotRegistered,
    /// To a registration: the attempt is registered; the answer to an earlier try was lost.
    AlreadyRegistered,
    /// It knows no such attempt any more (`ApplicationAttemptNotFoundException`, an invalid token, the command `SHUTDOWN`).
    AttemptUnknown,
    /// It refuses what was asked for (`InvalidResourceRequestException`), and would again.
    Refused {
        /// In its words.
        message: String,
    },
    /// It asks to be asked later (`RetriableException`), or failed in a way that says nothing of the request.
    Retriable,
    /// It was not reached, or the connection broke; it may or may not have got the request.
    Connection,
    /// What came is no answer of a ResourceManager's: something stands in its place, such as a load balancer while it is away.
    Strange {
        /// What came, and from where.
        message: String,
    },
}

/// Why a container was not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartError {
    /// It runs: the answer to an earlier try was lost.
    AlreadyStarted,
    /// The NodeManager refused.
    Refused {
        /// In its words.
        message: String,
    },
    /// The NodeManager was not reached, or the connection broke; it may or may not have started it.
    Unreachable {
        /// What the system said.
        message: String,
    },
}
