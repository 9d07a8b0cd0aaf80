//! What the dataflow asks of the node: a model that scores and a sink that keeps.

use std::{io, path::PathBuf, sync::Arc};

use bytes::Bytes;

use crate::message::{Input, Meta, RecordKey};

/// Scores records. One instance a device, used from one thread of its own.
pub trait Model: Send {
    /// Scores in the order of `inputs`, one each; a score may be NaN.
    fn score(&mut self, inputs: &[&Input]) -> Result<Vec<f32>, ModelError>;
}

/// The model could not score a batch.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ModelError {
    /// What went wrong, in the model's words.
    pub message: String,
}

/// What is known of a positive when it is stored.
#[derive(Clone, Debug)]
pub struct Positive {
    /// Name of the archive as it was listed.
    pub warc_filename: Arc<str>,
    /// Where the record stands.
    pub key: RecordKey,
    /// Provenance.
    pub meta: Meta,
    /// The text as UTF-8, or the picture's original bytes.
    pub keep: Bytes,
    /// The model's score.
    pub score: f32,
    /// Name of the label whose probability the score is.
    pub label: Arc<str>,
}

/// Stores positives.
pub trait Sink: Send {
    /// Stores one.
    fn put(&mut self, positive: &Positive) -> Result<(), SinkError>;

    /// Makes everything put so far durable under its final name.
    fn finish(&mut self) -> Result<(), SinkError>;
}

/// A result could not be stored.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
pub struct SinkError {
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}
