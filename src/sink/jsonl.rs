//! Lines of JSON, in parts of bounded size.

use std::path::{Path, PathBuf};

use warcdl_actors::{Positive, Sink, SinkError};

use super::{
    row::{Place, Row},
    store::{IMAGES, Store},
    whole::Lines,
};
use crate::kind::Kind;

/// `part-00000.jsonl`, `part-00001.jsonl`, ... with the texts in them, and pictures under `images/`.
pub(super) struct Jsonl {
    root: PathBuf,
    kind: Kind,
    part_bytes: u64,
    images: Store,
    next_part: u32,
    part: Option<Lines>,
}

impl Jsonl {
    /// Writes into `root`; a part is closed before the line that would take it beyond `part_bytes`.
    pub(super) fn new(root: &Path, kind: Kind, part_bytes: u64) -> Jsonl {
        let images = Store::new(root, IMAGES, kind);
        Jsonl { root: root.to_owned(), kind, part_bytes, images, next_part: 0, part: None }
    }

    fn close_part(&mut self) -> Result<(), SinkError> {
        // The pictures first: a line never names one that a crash can still take away.
        self.images.sync()?;
        self.part.take().map_or(Ok(()), Lines::finish)
    }
}

impl Sink for Jsonl {
    fn put(&mut self, positive: &Positive) -> Result<(), SinkError> {
        let line = match self.kind {
            Kind::Text => Row::new(positive, self.kind, Place::Inline).line()?,
            Kind::Image => {
                let path = self.images.put(positive)?;
                Row::new(positive, self.kind, Place::Image(&path)).line()?
            }
        };
        let is_full = |part: &Lines| part.size > 0 && part.size + line.len() as u64 > self.part_bytes;
        if self.part.as_ref().is_some_and(is_full) {
            self.close_part()?;
        }
        let part = match &mut self.part {
            Some(part) => part,
            none => {
                let part = Lines::create(self.root.join(format!("part-{:05}.jsonl", self.next_part)))?;
                self.next_part += 1;
                none.insert(part)
            }
        };
        part.append(&line)
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.close_part()
    }
}

/// Whether a file of this name may be a part.
pub(super) fn is_part(name: &str) -> bool {
    let number = name.strip_prefix("part-").and_then(|name| name.strip_suffix(".jsonl"));
    number.is_some_and(|number| number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_digit()))
}
