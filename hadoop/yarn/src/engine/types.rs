//! What the rules speak of, beside what the protocols have: containers that are over, nodes, preemption.

use crate::ContainerId;

/// A container that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// Which one.
    pub id: ContainerId,
    /// How it ended: a process's exit code, or one of YARN's negative numbers.
    pub status: i32,
    /// What YARN says about it; may be empty, may have many lines.
    pub diagnostics: String,
}

/// What is new about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeChange {
    /// It is to leave the cluster and lets its containers finish.
    Decommissioning,
    /// It is gone, or unfit; the ResourceManager tells of its containers by itself.
    Gone,
    /// It can be used.
    Usable,
}

/// What the scheduler wants back for others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preemption {
    /// These will be taken.
    pub strict: Vec<ContainerId>,
    /// Of these some will be taken, unless as many are given back.
    pub negotiable: Vec<ContainerId>,
    /// How many of them; 0: it is not said, so all.
    pub negotiable_count: u32,
}
