//! Where the dataflow meets the world: three ports, each with a real side in the node and a fake one in tests.

use crate::Exclusion;
use crate::message::{Input, Lost, Meta, Position, Prepared, RecordKey};
use crate::part::PartState;
use crate::wire::Lease;
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Opens archives; lives on the worker thread of a reader process.
pub trait Source: Send {
    /// The records of `lease`: read from its start position on, told from its `from` to its `end`. The first one is told
    /// as [`Exclusion::Quarantined`] if the lease says to pass it over. Whatever takes time beats the pulse.
    fn open(&mut self, lease: &Lease, pulse: &Pulse) -> Result<Box<dyn RecordStream + '_>, SourceError>;
}

/// Signs of life of a reader's worker: without any for too long, it is taken to hang, and its lease goes to another. Beside
/// them, how full the queues of its source are.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<PulseState>);

#[derive(Debug, Default)]
struct PulseState {
    beats: AtomicU64,
    records_ahead: AtomicU64,
    pieces_ahead: AtomicU64,
}

impl Pulse {
    /// A piece was fetched, an attempt to fetch begun, a record read.
    pub fn beat(&self) {
        self.0.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Beats so far.
    pub fn count(&self) -> u64 {
        self.0.beats.load(Ordering::Relaxed)
    }

    /// So many records are taken from the archive and not asked for yet.
    pub fn set_records_ahead(&self, records: usize) {
        self.0.records_ahead.store(records as u64, Ordering::Relaxed);
    }

    /// Records that are taken from the archive and not asked for yet.
    pub fn records_ahead(&self) -> u64 {
        self.0.records_ahead.load(Ordering::Relaxed)
    }

    /// So many pieces of the archive are fetched and not read yet.
    pub fn set_pieces_ahead(&self, pieces: usize) {
        self.0.pieces_ahead.store(pieces as u64, Ordering::Relaxed);
    }

    /// Pieces of the archive that are fetched and not read yet.
    pub fn pieces_ahead(&self) -> u64 {
        self.0.pieces_ahead.load(Ordering::Relaxed)
    }
}

/// The records of one lease, in the order of the archive.
pub trait RecordStream {
    /// The next record; `None` at the end of the lease. After an error the stream is over.
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

/// A damaged piece, or a record that was passed over, as it is listed.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Path or URI of the archive.
    pub warc_filename: Arc<str>,
    /// The place and the reason.
    pub lost: Lost,
}

/// Stores positives, and with them how far the run has come: all of a commit or nothing of it.
pub trait Sink: Send {
    /// Takes one positive into the next commit. Nothing is written yet.
    fn put(&mut self, positive: &Positive) -> Result<(), SinkError>;

    /// Takes one place into the list of what is damaged or was passed over, with the next commit.
    fn list(&mut self, listed: &Listed) -> Result<(), SinkError>;

    /// Makes everything put so far durable, and that the given parts stand as they do. After [`SinkError::Full`] the same
    /// commit may be tried again; after any other error nothing may.
    fn commit(&mut self, parts: &[PartState]) -> Result<(), SinkError>;

    /// The last commit, after which everything has its final name.
    fn finish(&mut self, parts: &[PartState]) -> Result<(), SinkError>;
}

/// A result cannot be written.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum SinkError {
    /// The disk is full; everything committed is intact.
    #[error(
        "no room on the disk to write {}; what was committed is intact: make room, then run the same command to go on",
        path.display()
    )]
    Full { path: PathBuf },
    /// The file or folder cannot be written or synced; everything committed is intact.
    #[error("cannot write {}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
}
