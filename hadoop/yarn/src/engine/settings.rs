//! What the operator decides, and the times that the rules go by.

use crate::Resource;
use std::time::Duration;

/// Settings of the engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The size of a reader.
    pub reader: Resource,
    /// YARN's priority of readers.
    pub priority: i32,
    /// Nodes with this label only.
    pub node_label: Option<String>,
    /// Who the containers run as, for links to logs.
    pub user: String,
    /// Nodes serve their pages by HTTPS, for the same links.
    pub secure_pages: bool,
    /// YARN started this attempt, and may start another one, whose readers are then those that run now. Otherwise nobody
    /// comes after it.
    pub managed: bool,
    /// Time between heartbeats. YARN gives an attempt up after 600 s or more without one.
    pub heartbeat: Duration,
    /// Time between heartbeats while containers are waited for.
    pub eager_heartbeat: Duration,
    /// Readers that are being started at once: each is a connection to a NodeManager.
    pub max_starts: usize,
    /// A NodeManager that has not answered a start for so long has failed.
    pub start_patience: Duration,
    /// A container that could not be started for so long is given back. YARN takes it back after 600 s by itself.
    pub allocated_patience: Duration,
    /// How long a reader may take to finish what it has in hand.
    pub drain_budget: Duration,
    /// How long containers that were stopped may take to be over.
    pub stop_budget: Duration,
    /// How long the GPU node may be gone.
    pub gpu_grace: Duration,
    /// How long the ResourceManager may be gone (`yarn.resourcemanager.connect.max-wait.ms`).
    pub rm_patience: Duration,
    /// How long it may take to tell the ResourceManager that the application is over.
    pub unregister_patience: Duration,
    /// A reader that lived so long did not fail at once.
    pub stable_after: Duration,
    /// No more containers are asked for so long after the scheduler took or wanted some.
    pub preemption_hold: Duration,
}

impl Settings {
    /// The usual times, for readers of this size.
    pub fn new(reader: Resource) -> Settings {
        let seconds = Duration::from_secs;
        Settings {
            reader,
            priority: 10,
            node_label: None,
            user: String::new(),
            secure_pages: false,
            managed: true,
            heartbeat: seconds(1),
            eager_heartbeat: Duration::from_millis(250),
            max_starts: 16,
            start_patience: seconds(120),
            allocated_patience: seconds(300),
            drain_budget: seconds(10),
            stop_budget: seconds(5),
            gpu_grace: seconds(120),
            rm_patience: seconds(900),
            unregister_patience: seconds(120),
            stable_after: seconds(60),
            preemption_hold: seconds(30),
        }
    }
}
