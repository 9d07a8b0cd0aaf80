//! A ResourceManager and NodeManagers in this process, for tests: they speak the same protocol on loopback, check tokens
//! as real ones do, run what they are given, and fail when they are told to.
//!
//! What is simple here is scheduling: whoever asks gets what the first node with room has. What is not checked is what
//! only matters between real hosts, such as rights to files.

pub(crate) mod digest;
pub(crate) mod fault;
mod model;
mod node_manager;
mod process;
mod resource_manager;
mod runner;
pub(crate) mod server;

pub use fault::Fault;
pub use process::processes;
pub use runner::{Runner, Running, Stop, runner};

use crate::{Address, ApplicationId, ContainerId, ContainerStatus, NodeId, Qop, Resource, Token};
use fault::Faults;
use model::Model;
use node_manager::NodeService;
use resource_manager::{ClientService, MasterService, Place};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How a fake cluster is.
#[derive(Clone)]
pub struct Options {
    /// How many nodes.
    pub nodes: usize,
    /// What each has.
    pub node: Resource,
    /// How many ResourceManagers; the first is the active one.
    pub resource_managers: usize,
    /// What connections by token may protect.
    pub protection: Vec<Qop>,
    /// The ciphers that are offered for [`Qop::Privacy`].
    pub ciphers: String,
    /// Memory of containers is rounded up to a multiple of this, in MB.
    pub minimum_mb: u64,
    /// Whether a queue that is not there is made for an application that names it.
    pub makes_queues: bool,
    /// How often a master may be started at most.
    pub max_attempts: u32,
    /// What a container does.
    pub runner: Runner,
}

impl Default for Options {
    /// Two nodes of 4 GB and 8 cores, whose containers do nothing until they are stopped.
    fn default() -> Options {
        Options {
            nodes: 2,
            node: Resource { memory_mb: 4096, vcores: 8 },
            resource_managers: 1,
            protection: vec![Qop::Auth],
            ciphers: "3des,rc4,des,rc4-56,rc4-40".into(),
            minimum_mb: 64,
            makes_queues: false,
            max_attempts: 2,
            runner: runner(|mut running| async move {
                running.stop.asked().await;
                143
            }),
        }
    }
}

/// What all servers of a cluster share.
struct Shared {
    model: Mutex<Model>,
    faults: Faults,
    options: Options,
    /// Counts the breaks of all connections to ResourceManagers.
    epoch: watch::Sender<u64>,
    /// The same for NodeManagers.
    node_epoch: watch::Sender<u64>,
}

impl Shared {
    fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A cluster in this process. It ends, and with it its containers, when this is dropped.
pub struct Cluster {
    shared: Arc<Shared>,
    clients: Vec<Address>,
    schedulers: Vec<Address>,
    servers: Vec<JoinHandle<()>>,
}

impl Cluster {
    /// Starts a cluster on loopback, on ports that are free.
    pub async fn start(options: Options) -> std::io::Result<Cluster> {
        let mut node_listeners = Vec::new();
        let mut nodes = Vec::new();
        for index in 0..options.nodes {
            // Nodes are hosts of their own: all of 127.0.0.0/8 is this one.
            let (listener, address) =
                listen(Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + index as u32)).await?;
            nodes.push(NodeId { host: address.host, port: address.port });
            node_listeners.push(listener);
        }
        let shared = Arc::new(Shared {
            model: Mutex::new(Model::new(nodes.clone(), options.clone())),
            faults: Faults::default(),
            options,
            epoch: watch::Sender::new(0),
            node_epoch: watch::Sender::new(0),
        });
        shared.model().shared = Arc::downgrade(&shared);
        let mut cluster = Cluster {
            shared: shared.clone(),
            clients: Vec::new(),
            schedulers: Vec::new(),
            servers: Vec::new(),
        };
        for (index, listener) in node_listeners.into_iter().enumerate() {
            let service = Arc::new(NodeService { shared: shared.clone(), index });
            cluster.servers.push(tokio::spawn(server::serve(
                listener,
                service,
                shared.node_epoch.subscribe(),
            )));
        }
        for index in 0..shared.options.resource_managers {
            let place = Place { shared: shared.clone(), index };
            let (listener, address) = listen(Ipv4Addr::LOCALHOST).await?;
            cluster.clients.push(address);
            let service = Arc::new(ClientService(place.clone()));
            cluster.servers.push(tokio::spawn(server::serve(listener, service, shared.epoch.subscribe())));
            let (listener, address) = listen(Ipv4Addr::LOCALHOST).await?;
            cluster.schedulers.push(address);
            let service = Arc::new(MasterService(place));
            cluster.servers.push(tokio::spawn(server::serve(listener, service, shared.epoch.subscribe())));
        }
        Ok(cluster)
    }

    /// Where clients connect to.
    pub fn resource_managers(&self) -> Vec<Address> {
        self.clients.clone()
    }

    /// Where masters connect to.
    pub fn schedulers(&self) -> Vec<Address> {
        self.schedulers.clone()
    }

    /// The nodes.
    pub fn nodes(&self) -> Vec<NodeId> {
        self.shared.model().nodes.iter().map(|node| node.id.clone()).collect()
    }

    /// Lets the next call of a method, or of any for `*`, go wrong. Faults wait in a row.
    pub fn inject(&self, method: &'static str, fault: Fault) {
        self.shared.faults.push(method, fault);
    }

    /// How many faults have not met their call yet.
    pub fn faults_left(&self) -> usize {
        self.shared.faults.left()
    }

    /// Starts the next attempt of an application, as if the node of its master were lost, and leaves that master alone.
    pub fn replace_master(&self, id: ApplicationId) {
        self.shared.model().next_attempt(id);
    }

    /// Breaks all connections to ResourceManagers.
    pub fn break_connections(&self) {
        self.shared.epoch.send_modify(|epoch| *epoch += 1);
    }

    /// Starts the ResourceManager anew: masters must register again. If it is forgetful, it knows no application any more.
    pub fn restart_resource_manager(&self, forgetful: bool) {
        self.shared.model().restart(forgetful);
        self.break_connections();
    }

    /// Lets ResourceManagers refuse connections, or accept them again.
    pub fn set_resource_managers_up(&self, up: bool) {
        self.shared.model().resource_managers_up = up;
        self.break_connections();
    }

    /// How many connections ResourceManagers turned away while they were not up.
    pub fn turned_away(&self) -> u64 {
        self.shared.model().turned_away
    }

    /// Makes another ResourceManager the active one. It knows what the one before knew.
    pub fn fail_over(&self, active: usize) {
        let mut model = self.shared.model();
        model.active = active;
        model.restart(false);
    }

    /// Gives the tokens of masters another key. Masters learn of it with their heartbeats.
    pub fn roll_keys(&self) {
        self.shared.model().roll_keys();
    }

    /// Forgets every key but the newest.
    pub fn forget_old_keys(&self) {
        self.shared.model().forget_old_keys();
    }

    /// The newest token of an attempt's master.
    pub fn master_token(&self, id: ApplicationId) -> Option<Token> {
        self.shared.model().master_token(id)
    }

    /// Tells a master that a container will be taken; nothing happens to it yet.
    pub fn announce_preemption(&self, id: ContainerId, strict: bool) {
        self.shared.model().announce_preemption(id, strict);
    }

    /// Ends a container, with a status of YARN's such as -102.
    pub fn end_container(&self, id: ContainerId, status: i32, diagnostics: &str) {
        self.shared.model().end_container(id, status, diagnostics);
    }

    /// Loses a node: it refuses connections, and its containers are reported with -100. What they run is stopped, which it
    /// would not be on a real node.
    pub fn lose_node(&self, index: usize) {
        self.shared.model().lose_node(index);
        self.shared.node_epoch.send_modify(|epoch| *epoch += 1);
    }

    /// Lets a lost node serve again, without containers.
    pub fn revive_node(&self, index: usize) {
        self.shared.model().revive_node(index);
    }

    /// Reports the containers that have ended once more, with the next heartbeat.
    pub fn repeat_completed(&self, id: ApplicationId) {
        self.shared.model().repeat_completed(id);
    }

    /// The containers that run, by their ids, those of masters included.
    pub fn running(&self) -> Vec<ContainerId> {
        self.shared.model().running()
    }

    /// Every container that has ended.
    pub fn completed(&self) -> Vec<ContainerStatus> {
        self.shared.model().completed()
    }

    /// Waits until something holds, for at most two minutes; `false` if it never did.
    pub async fn wait(&self, mut holds: impl FnMut(&Cluster) -> bool) -> bool {
        let mut changes = self.shared.model().changes.subscribe();
        let waiting = async {
            while !holds(self) {
                if changes.changed().await.is_err() {
                    break;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(120), waiting).await.is_ok()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
        self.shared.model().stop_all();
    }
}

async fn listen(host: Ipv4Addr) -> std::io::Result<(TcpListener, Address)> {
    let listener = TcpListener::bind((host, 0)).await?;
    let address = listener.local_addr()?.into();
    Ok((listener, address))
}
