//! Where the dataflow meets the world: three ports, each with a real side in the node and a fake one in tests.

use crate::Exclusion;
use crate::message::{Input, Meta, Position, Prepared, RecordKey};
use crate::wire::Lease;
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::Arc;

/// Opens archives; lives on the worker thread of a reader process.
pub trait Source: Send {
    /// The records of `lease`, from its start position to the end of the archive.
    fn open(&mut self, lease: &Lease) -> Result<Box<dyn RecordStream + '_>, SourceError>;
}

/// The records of one archive, in its order.
pub trait RecordStream {
    /// The next record; `None` at the end of the archive. After an error the stream is over.
    fn next(&mut self) -> Result<Option<Step>, SourceError>;
}

/// One record that was read: every record of an archive gives exactly one.
#[derive(Debug)]
pub struct Step {
    /// Where it starts.
    pub at: Position,
    /// Where the next one starts.
    pub next: Position,
    /// Bytes of the stored file read so far, counted from its start.
    pub bytes_read: u64,
    /// The record, or why it goes no further.
    pub outcome: Result<Prepared, Exclusion>,
}

/// The archive cannot be read to its end.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    /// What happened, naming the archive.
    pub message: String,
}

/// Scores records. One instance a device, used from one thread of its own.
pub trait Model: Send {
    /// Scores in the order of `inputs`, one each; a score may be NaN.
    fn score(&mut self, inputs: &[&Input]) -> Result<Vec<f32>, ModelError>;
}

/// The model cannot score a batch.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ModelError {
    /// What happened, in the runtime's words.
    pub message: String,
}

/// A record that the model calls positive, as it is stored.
#[derive(Clone, Debug)]
pub struct Positive {
    /// Path or URI of the archive.
    pub warc_filename: Arc<str>,
    /// Which record it is.
    pub key: RecordKey,
    /// Provenance.
    pub meta: Meta,
    /// The text as UTF-8, or the picture's original bytes.
    pub keep: Bytes,
    /// The score, above the threshold.
    pub score: f32,
    /// Name of the label whose score it is.
    pub label: Arc<str>,
}

/// Stores positives.
pub trait Sink: Send {
    /// Takes one positive.
    fn put(&mut self, positive: &Positive) -> Result<(), SinkError>;
    /// Makes everything put so far durable under its final name.
    fn finish(&mut self) -> Result<(), SinkError>;
}

/// A result cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
pub struct SinkError {
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    pub source: std::io::Error,
}
