//! The faults, each in a run of its own.

#[path = "fault/cluster.rs"]
mod cluster;
#[path = "fault/ending.rs"]
mod ending;
#[path = "fault/reader.rs"]
mod reader;

use crate::cluster::Needs;
use crate::stage::Stage;

/// Something that happens to a run, and what must come of it. The error is what came instead.
pub type Play = fn(&Stage) -> Result<(), String>;

pub struct Fault {
    pub name: &'static str,
    /// In words.
    pub what: &'static str,
    pub play: Play,
    /// Whether it belongs to the short form of the suite.
    pub is_short: bool,
}

impl Fault {
    /// What the cluster must have for these: HDFS takes seconds to start.
    pub fn need(faults: &[&Fault]) -> Needs {
        let any = |names: &[&str]| faults.iter().any(|fault| names.contains(&fault.name));
        Needs { hdfs: any(&[STAGED]), losses: any(&WITH_LOSSES) }
    }
}

/// The name of the one that has the program in other places.
const STAGED: &str = "F14";
/// The names of those in which the ResourceManager must find a loss, or roll a key.
const WITH_LOSSES: [&str; 4] = ["F3", "F5", "F12", "F15"];

const fn fault(name: &'static str, what: &'static str, play: Play) -> Fault {
    Fault { name, what, play, is_short: false }
}

const fn short(name: &'static str, what: &'static str, play: Play) -> Fault {
    Fault { name, what, play, is_short: true }
}

/// All of them, in the order in which they are played.
pub const FAULTS: [Fault; 17] = [
    short("calm", "nothing happens", ending::nothing),
    short("F1", "a reader is killed", reader::killed),
    short("F2", "the application master is killed", cluster::master_killed),
    fault("F3", "a NodeManager is killed", cluster::node_killed),
    short("F4", "the ResourceManager is killed and started again", cluster::manager_killed),
    fault("F5", "the ResourceManager stands still", cluster::manager_paused),
    short("F6", "the GPU node is killed", ending::gpu_killed),
    short("F7", "Ctrl-C", ending::interrupted),
    short("F8", "readers 1, 4, 2", reader::scaled),
    fault("F9", "a reader takes too much memory", reader::too_large),
    fault("F10", "the program cannot be fetched, or is another one", ending::program_bad),
    fault("F11", "the queue is full", reader::queue_full),
    fault("F12", "a new key for tokens, and a broken connection", cluster::key_rolled),
    fault("F13", "the application is killed from outside", ending::killed_from_outside),
    fault(STAGED, "the program comes as a file, and from HDFS", ending::staged_elsewhere),
    fault("F15", "a node on which nothing starts", reader::node_bad),
    fault("unmanaged", "the master within the GPU node, and a reader killed", reader::killed_under_unmanaged),
];
