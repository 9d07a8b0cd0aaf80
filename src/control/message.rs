//! What is said over the control link.

use serde::{Deserialize, Serialize};

/// From the GPU node to the application master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "say", deny_unknown_fields)]
pub enum ToMaster {
    /// Keep so many readers alive. Said again after every new link.
    Target {
        /// Readers.
        readers: u32,
    },
    /// End the application: stop all readers, then unregister.
    Finish {
        /// How it ended.
        ending: Ending,
        /// For the cluster's pages.
        diagnostics: String,
    },
    /// How far the run is; also the node's sign of life.
    Progress(Progress),
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Of the work, in thousandths.
    pub permille: u16,
    /// Records that readers have delivered.
    pub records: u64,
}

/// The first line of whoever dials the control port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "call", deny_unknown_fields)]
pub enum Caller {
    /// An application master, which stays.
    Master {
        /// Such as `application_1763812345678_0042`.
        application: String,
        /// Attempt of the master, from 1.
        attempt: u32,
    },
    /// Somebody who wants another number of readers, and hangs up once it has an [`Answer`].
    Operator {
        /// Readers.
        readers: u32,
    },
}

/// What an operator hears.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer", deny_unknown_fields)]
pub enum Answer {
    /// So many readers are kept alive from now on.
    Target {
        /// Readers.
        readers: u32,
    },
    /// They are not.
    Refused {
        /// Why.
        why: String,
    },
}

/// How an application ends, in YARN's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// All work was done.
    Succeeded,
    /// It could not be done.
    Failed,
    /// The operator stopped it.
    Killed,
}

/// From the application master to the GPU node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "say", deny_unknown_fields)]
pub enum FromMaster {
    /// How many readers there are; also its sign of life.
    Standing(Standing),
    /// Something happened to a reader.
    Event(ReaderEvent),
    /// A reader is not needed any more; it is stopped a moment later, unless it has gone by then.
    Dismiss {
        /// Its name: its container.
        reader: String,
    },
    /// The application has been unregistered; nothing of it runs any more.
    Finished {
        /// How it ended.
        ending: Ending,
        /// Why, where it did not succeed.
        diagnostics: String,
    },
}

/// How many readers there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// That run.
    pub running: u32,
    /// That are wanted and do not run yet.
    pub pending: u32,
}

/// Something that the operator should read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReaderEvent {
    /// Whether something is wrong.
    pub warning: bool,
    /// One line: what happened to which container on which host, why, what to do, and where its log is.
    pub message: String,
}
