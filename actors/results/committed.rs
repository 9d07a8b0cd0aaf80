//! What is committed: the sum of the journal's lines.

use super::names::{self, List};
use crate::journal::{Commit, Journal, Lines};
use crate::{PartId, PartState};
use std::collections::BTreeMap;

/// All commits up to one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Committed {
    /// Number of the last one.
    pub(super) n: u64,
    /// Rows of results.
    pub(super) rows: u64,
    pub(super) parts: BTreeMap<PartId, PartState>,
    /// Files of lines that grow, one of a list at most.
    pub(super) open: Vec<Lines>,
    /// Those that grow no more, in their order.
    pub(super) closed: Vec<Lines>,
    /// Files of the last commit.
    pub(super) files: Vec<String>,
}

impl Committed {
    /// What a journal says.
    pub(super) fn of(journal: Journal) -> Committed {
        let mut committed = Committed::default();
        committed.apply(journal.snapshot);
        journal.commits.into_iter().for_each(|commit| committed.apply(commit));
        committed
    }

    /// Adds a commit, or a snapshot to nothing.
    pub(super) fn apply(&mut self, commit: Commit) {
        let Commit { n, rows, parts, open, closed, files } = commit;
        (self.n, self.rows, self.files) = (n, rows, files);
        self.parts.extend(parts.into_iter().map(|part| (part.part, part)));
        for lines in open.iter().chain(&closed) {
            self.reopen(lines);
        }
        self.closed.extend(closed);
        self.open = open;
    }

    /// A file that grows again is closed no more.
    fn reopen(&mut self, lines: &Lines) {
        self.closed.retain(|closed| closed.name != lines.name);
    }

    /// The file of lines of this list that grows.
    pub(super) fn open(&self, list: List) -> Option<&Lines> {
        self.open.iter().find(|lines| List::of(&lines.name) == Some(list))
    }

    /// The parts among `parts` that differ from what is committed.
    pub(super) fn changed(&self, parts: &[PartState]) -> Vec<PartState> {
        parts.iter().filter(|part| self.parts.get(&part.part) != Some(part)).cloned().collect()
    }

    /// All of it as one line.
    pub(super) fn snapshot(&self) -> Commit {
        Commit {
            n: self.n,
            rows: self.rows,
            parts: self.parts.values().cloned().collect(),
            open: self.open.clone(),
            closed: self.closed.clone(),
            files: self.files.clone(),
        }
    }

    /// Whether a file of lines of this name is whole.
    pub(super) fn is_closed(&self, name: &str) -> bool {
        self.closed.iter().any(|closed| closed.name == name)
    }

    /// Whether `name`, with or without the ending of an unfinished file, is a file of lines that nothing committed
    /// names.
    pub(super) fn is_unnamed(&self, name: &str) -> bool {
        let (lines, unfinished) = match name.strip_suffix(names::UNFINISHED) {
            Some(lines) => (lines, true),
            None => (name, false),
        };
        let is_open = self.open.iter().any(|open| open.name == lines);
        List::of(lines).is_some() && if unfinished { !is_open } else { !self.is_closed(lines) }
    }
}
