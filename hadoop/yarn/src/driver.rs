//! Carries out what the [engine](crate::engine) says, over the network.
//!
//! The ResourceManager is talked to in one call at a time; each container is started and stopped in a task of its own, over
//! one connection to its node. The driver decides nothing: what happened goes into the engine, and what comes out is done.

use crate::engine::{
    Action, AllocateReply, AllocateRequest, Census, Completed, Engine, Event, NodeChange, Preemption,
    Registered, Report, RmFault, Settings, StartError,
};
use crate::rpc::{ExceptionKind, Options, RpcError};
use crate::{
    AppMaster, Ask, Beat, Container, ContainerId, ContainerState, ContainerStatus, FinalStatus, Heartbeat,
    Launch, MasterError, NodeId, NodeManager, NodeState, NodeToken, Registration, Start, Token,
};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

/// How often the engine is told that time has passed.
const TICK: Duration = Duration::from_millis(100);

/// How long the ResourceManager is asked in one go whether it has written the end down.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is driven.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The rules' settings.
    pub settings: Settings,
    /// What is started in each container.
    pub launch: Launch,
    /// The host that the master works on, for YARN's pages.
    pub host: String,
    /// The page that YARN's pages lead to.
    pub tracking_url: String,
    /// How connections behave.
    pub options: Options,
}

/// What the driver has to tell. What nobody takes in time is dropped: a reader that was not asked to finish is stopped a
/// little later.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// For the operator.
    Report(Report),
    /// How many containers are how far; whenever that has changed.
    Census(Census),
    /// Ask the reader in this container to finish what it has in hand.
    Drain {
        /// Which one.
        container: ContainerId,
        /// It is stopped after this.
        within: Duration,
    },
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// 0 if the ResourceManager was told how the application ended, otherwise 1.
    pub code: u8,
    /// How.
    pub status: FinalStatus,
    /// Why.
    pub diagnostics: String,
}

/// Runs the master of an application to its end. `events` are those that the master's owner has for the engine: targets,
/// progress, the GPU node lost and back, the end; answers of YARN among them are the driver's own. An owner that drops its end
/// of them is a GPU node that is lost and does not come back.
pub async fn drive(
    master: AppMaster,
    plan: Plan,
    mut events: mpsc::Receiver<Event>,
    told: mpsc::Sender<Told>,
) -> Outcome {
    let begin = Instant::now();
    let mut driver = Driver {
        engine: Engine::new(plan.settings.clone(), Duration::ZERO),
        plan,
        master: Some(master),
        manager: JoinSet::new(),
        containers: JoinSet::new(),
        nodes: HashMap::new(),
        told,
    };
    let mut census = Census::default();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut owned = true;
    loop {
        let event = tokio::select! {
            event = events.recv(), if owned => match event {
                Some(event) => event,
                None => {
                    owned = false;
                    // Whoever could say what the GPU node wants is gone as well.
                    Event::GpuLost
                }
            },
            Some(answered) = driver.manager.join_next() => match answered {
                Ok((master, event)) => {
                    driver.master = Some(master);
                    event
                }
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
            Some(answered) = driver.containers.join_next() => match answered {
                Ok(event) => event,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
            _ = ticks.tick() => Event::Tick,
        };
        for action in driver.engine.handle(begin.elapsed(), event) {
            if let Some(outcome) = driver.perform(action) {
                return outcome;
            }
        }
        let now = driver.engine.census();
        // What nobody took is told again.
        if now != census && driver.tell(Told::Census(now)) {
            census = now;
        }
    }
}

struct Driver {
    engine: Engine,
    plan: Plan,
    /// Away while a call is under way.
    master: Option<AppMaster>,
    manager: JoinSet<(AppMaster, Event)>,
    containers: JoinSet<Event>,
    nodes: HashMap<NodeId, Node>,
    told: mpsc::Sender<Told>,
}

/// A NodeManager that was talked to.
struct Node {
    client: Arc<NodeManager>,
    token: Token,
}

impl Driver {
    fn perform(&mut self, action: Action) -> Option<Outcome> {
        match action {
            Action::Register => {
                let (host, url) = (self.plan.host.clone(), self.plan.tracking_url.clone());
                self.call(|mut master| async move {
                    let event = register(&mut master, &host, &url).await;
                    (master, event)
                });
            }
            Action::Allocate(request) => {
                self.call(|mut master| async move {
                    let event = allocate(&mut master, request).await;
                    (master, event)
                });
            }
            Action::Unregister { status, diagnostics } => {
                let url = self.plan.tracking_url.clone();
                self.call(|mut master| async move {
                    let event = match master.finish(status, &diagnostics, &url, FAREWELL).await {
                        Ok(done) => Event::Unregistered { done },
                        Err(error) => Event::UnregisterFailed(fault(&error)),
                    };
                    (master, event)
                });
            }
            // The master took it from the answer in which it came.
            Action::UseToken(_) => {}
            Action::Start { container, nm_token } => self.start(*container, nm_token),
            Action::Stop { container, node, nm_token } => self.stop(container, &node, nm_token),
            Action::Drain { container, within } => {
                self.tell(Told::Drain { container, within });
            }
            Action::Report(report) => {
                self.tell(Told::Report(report));
            }
            Action::Exit { code, status, diagnostics } => return Some(Outcome { code, status, diagnostics }),
        }
        None
    }

    /// Whether it was taken.
    fn tell(&self, told: Told) -> bool {
        let told = self.told.try_send(told);
        if let Err(error) = &told {
            tracing::debug!("nobody takes what the driver tells: {error}");
        }
        told.is_ok()
    }

    /// One call to the ResourceManager; the engine has one under way at a time.
    fn call<F, Answer>(&mut self, call: F)
    where
        F: FnOnce(AppMaster) -> Answer,
        Answer: Future<Output = (AppMaster, Event)> + Send + 'static,
    {
        match self.master.take() {
            Some(master) => drop(self.manager.spawn(call(master))),
            None => tracing::error!("a second call to the ResourceManager while one is under way"),
        }
    }

    fn node(&mut self, id: &NodeId, token: &Token) -> Result<Arc<NodeManager>, RpcError> {
        match self.nodes.entry(id.clone()) {
            Entry::Occupied(known) if known.get().token == *token => Ok(Arc::clone(&known.get().client)),
            entry => {
                let node = NodeToken { node: id.clone(), token: token.clone() };
                let client = Arc::new(NodeManager::connect(&node, self.plan.options.clone())?);
                entry.insert_entry(Node { client: Arc::clone(&client), token: token.clone() });
                Ok(client)
            }
        }
    }

    fn start(&mut self, container: Container, nm_token: Token) {
        let id = container.id;
        let node = self.node(&container.node, &nm_token);
        let start = Start::new(&container, self.plan.launch.clone());
        self.containers.spawn(async move {
            let result = match node {
                Ok(node) => start_result(id, node.start(&[start]).await),
                Err(error) => Err(StartError::Unreachable { message: error.to_string() }),
            };
            Event::StartResult { container: id, result }
        });
    }

    fn stop(&mut self, id: ContainerId, node: &NodeId, nm_token: Token) {
        let node = self.node(node, &nm_token);
        self.containers.spawn(async move {
            let stopped = match node {
                Ok(node) => node.stop(&[id]).await,
                Err(error) => Err(error),
            };
            let result = match stopped {
                Ok(outcomes) => match outcomes.into_iter().find(|(of, _)| *of == id) {
                    Some((_, Err(refusal))) => Err(refusal.to_string()),
                    _ => Ok(()),
                },
                Err(error) => Err(error.to_string()),
            };
            Event::StopResult { container: id, result }
        });
    }
}

fn start_result(id: ContainerId, answer: Result<crate::Outcomes<()>, RpcError>) -> Result<(), StartError> {
    match answer {
        Ok(outcomes) => match outcomes.into_iter().find(|(of, _)| *of == id) {
            Some((_, Ok(()))) => Ok(()),
            Some((_, Err(refusal))) => Err(StartError::Refused { message: refusal.to_string() }),
            None => Err(StartError::Refused { message: "its NodeManager says nothing of it".to_owned() }),
        },
        Err(error @ RpcError::Remote(_)) if !error.is_passing() => {
            Err(StartError::Refused { message: error.to_string() })
        }
        Err(error) => Err(StartError::Unreachable { message: error.to_string() }),
    }
}

async fn register(master: &mut AppMaster, host: &str, url: &str) -> Event {
    match master.register(host, -1, url).await {
        Ok(registration) => registered(registration),
        Err(error) => Event::RegisterFailed(fault(&error)),
    }
}

fn registered(registration: Registration) -> Event {
    let Registration { maximum, containers, node_tokens, .. } = registration;
    match maximum {
        Some(largest) => {
            Event::Registered(Registered { largest, previous: containers, nm_tokens: pairs(node_tokens) })
        }
        // An earlier answer was lost.
        None => Event::RegisterFailed(RmFault::AlreadyRegistered),
    }
}

async fn allocate(master: &mut AppMaster, request: AllocateRequest) -> Event {
    let AllocateRequest { asks, releases, blacklist_additions, blacklist_removals, progress, .. } = request;
    let asks = asks.into_iter().map(|ask| Ask {
        node_label: ask.node_label,
        ..Ask::anywhere(ask.priority, ask.resource, ask.count)
    });
    let heartbeat = Heartbeat {
        asks: asks.collect(),
        releases,
        blacklist: blacklist_additions,
        unblacklist: blacklist_removals,
        progress,
    };
    let allocation = match master.heartbeat(&heartbeat).await {
        Ok(Beat::Allocation(allocation)) => *allocation,
        Ok(Beat::Registered(registration)) => return registered(*registration),
        Ok(Beat::ShutDown) => return Event::AllocateFailed(RmFault::AttemptUnknown),
        Err(error) => return Event::AllocateFailed(fault(&error)),
    };
    let is_over = |status: &ContainerStatus| status.state == ContainerState::Complete;
    let completed = |status: ContainerStatus| Completed {
        id: status.id,
        status: status.exit.code(),
        diagnostics: status.diagnostics,
    };
    let change = |node: crate::Node| {
        let change = match node.state {
            NodeState::Decommissioning => NodeChange::Decommissioning,
            state if state.is_usable() => NodeChange::Usable,
            _ => NodeChange::Gone,
        };
        (node.id, change)
    };
    Event::Allocated(Box::new(AllocateReply {
        response_id: 0,
        allocated: allocation.containers,
        completed: allocation.completed.into_iter().filter(is_over).map(completed).collect(),
        previous: allocation.earlier,
        nodes: allocation.nodes.into_iter().map(change).collect(),
        preemption: Preemption {
            strict: allocation.will_be_preempted,
            negotiable: allocation.may_be_preempted,
            negotiable_count: allocation.to_give_back,
        },
        amrm_token: None,
        nm_tokens: pairs(allocation.node_tokens),
        cluster_nodes: allocation.cluster_nodes,
    }))
}

fn pairs(tokens: Vec<NodeToken>) -> Vec<(NodeId, Token)> {
    tokens.into_iter().map(|NodeToken { node, token }| (node, token)).collect()
}

/// What a failed call means to the engine.
fn fault(error: &MasterError) -> RmFault {
    let MasterError::Rpc(rpc) = error else {
        return match error {
            MasterError::Forgotten(_) => RmFault::AttemptUnknown,
            other => RmFault::Refused { message: other.to_string() },
        };
    };
    match rpc.kind() {
        Some(ExceptionKind::NotRegistered) => RmFault::NotRegistered,
        Some(ExceptionKind::AttemptNotFound | ExceptionKind::InvalidToken) => RmFault::AttemptUnknown,
        // The master has tried what the exception says is expected.
        Some(ExceptionKind::InvalidMasterRequest) => RmFault::NotRegistered,
        Some(_) if rpc.is_passing() => RmFault::Retriable,
        // Such as an IOException of its store or a NullPointerException while it changes its state; the rules bound how often
        // it is asked again.
        Some(ExceptionKind::Other) => {
            tracing::warn!("the ResourceManager failed and is asked again: {rpc}");
            RmFault::Retriable
        }
        None if rpc.is_passing() => RmFault::Connection,
        None if rpc.is_strange() => {
            tracing::warn!("no answer of a ResourceManager's, which is asked again: {rpc}");
            RmFault::Strange { message: rpc.to_string() }
        }
        _ => RmFault::Refused { message: rpc.to_string() },
    }
}
