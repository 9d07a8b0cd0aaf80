//! Planted bugs. The simulator switches one on at a time and must notice it: a proof that its eyes are open.
//!
//! Without the feature `mutants` [`planted`] is the constant `false`, and nothing of this is in the program.

/// A bug that the rules can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Mutant {
    /// Commits are acknowledged before what they name is on the disk.
    AcknowledgeBeforeSync,
    /// Frames of a lease that is over are taken like those of the one that holds.
    ForgottenEpoch,
    /// Credit of a freed record is not given back, now and then.
    CreditLeak,
    /// The frontier passes a record that has no verdict yet.
    FrontierOffByOne,
    /// The last batch, if it is not full, is never closed.
    LostTailBatch,
    /// Credit that was freed is granted twice.
    DoubleGrant,
    /// A part that is cut in two keeps its old end.
    CutWithoutEnd,
    /// Of the places that are told while a record is waited for, the first frame's alone are kept.
    ForgottenPlaces,
    /// After a crash the rows behind the last commit stay.
    UncutTail,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Mutant; 9] = [
        Mutant::AcknowledgeBeforeSync,
        Mutant::ForgottenEpoch,
        Mutant::CreditLeak,
        Mutant::FrontierOffByOne,
        Mutant::LostTailBatch,
        Mutant::DoubleGrant,
        Mutant::CutWithoutEnd,
        Mutant::ForgottenPlaces,
        Mutant::UncutTail,
    ];
}

#[cfg(feature = "mutants")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Whether this bug is switched on, on this thread.
#[cfg(feature = "mutants")]
pub fn planted(mutant: Mutant) -> bool {
    PLANTED.get() == Some(mutant)
}

/// Whether this bug is switched on: never, in this build.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub const fn planted(_: Mutant) -> bool {
    false
}

/// Switches a bug on, or all off, on this thread.
#[cfg(feature = "mutants")]
pub fn plant(mutant: Option<Mutant>) {
    PLANTED.set(mutant);
}
