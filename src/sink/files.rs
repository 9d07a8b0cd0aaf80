//! A file a positive.

use std::path::{Path, PathBuf};

use warcdl_actors::{Positive, Sink, SinkError};

use super::{
    row::{Place, Row},
    store::{POSITIVES, Store},
    whole::Lines,
};
use crate::kind::Kind;

/// Name of the list of all positives.
pub(super) const INDEX: &str = "index.jsonl";

/// Positives under `positives/`, and `index.jsonl` with a line for each.
pub(super) struct Files {
    root: PathBuf,
    kind: Kind,
    positives: Store,
    index: Option<Lines>,
}

impl Files {
    /// Writes into `root`.
    pub(super) fn new(root: &Path, kind: Kind) -> Files {
        Files { root: root.to_owned(), kind, positives: Store::new(root, POSITIVES, kind), index: None }
    }

    fn index(&mut self) -> Result<&mut Lines, SinkError> {
        match &mut self.index {
            Some(index) => Ok(index),
            none => Ok(none.insert(Lines::resume(self.root.join(INDEX))?)),
        }
    }
}

impl Sink for Files {
    fn put(&mut self, positive: &Positive) -> Result<(), SinkError> {
        let path = self.positives.put(positive)?;
        let line = Row::new(positive, self.kind, Place::File(&path)).line()?;
        self.index()?.append(&line)
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.positives.sync()?;
        self.index.take().map_or(Ok(()), Lines::finish)
    }
}
