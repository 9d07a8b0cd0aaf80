//! What travels down the pipeline: where a record stands, what is known of it, and what the model gets of it.

use crate::Exclusion;
use crate::credit::CreditLease;
use crate::part::{PartId, PartOver};
use crate::wire::Progress;
use actix::{Message, Recipient};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Number of an archive file within a run: its index in the listing.
pub type WarcId = u32;

/// A place between two records of an archive.
///
/// `offset` is the byte offset, in the stored (compressed) file, of the gzip or zstd member in which the next record
/// starts; `ordinal` is how many records of that member come before it (0 with one record a member, and always 0 in an
/// uncompressed archive, where `offset` is the record's own). Reading from a position yields exactly the records from
/// there on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Bytes from the start of the stored file.
    pub offset: u64,
    /// Records of the same member before this place.
    pub ordinal: u32,
}

/// What names a record for ever: the archive and the position at which it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordKey {
    /// The archive.
    pub warc: WarcId,
    /// Where the record starts.
    pub position: Position,
}

/// A damaged piece of an archive, or a record that was passed over: what is listed ([`Exclusion::is_listed`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Where it starts.
    pub at: Position,
    /// Bytes of the stored file from there to where reading went on; 0 if that is in the same member.
    pub length: u64,
    /// Why nothing came of it.
    pub reason: Exclusion,
}

/// Provenance of a record, in the words of Common Crawl's columnar index. Empty strings and zeros mean "not known".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// `WARC-Target-URI`, without angle brackets.
    pub url: String,
    /// `WARC-Date` as written, RFC 3339.
    pub fetch_time: String,
    /// HTTP status code.
    pub fetch_status: u16,
    /// `WARC-Payload-Digest` as written.
    pub content_digest: String,
    /// MIME type that the server declared, lower case, without parameters.
    pub content_mime_type: String,
    /// Charset by which the text was decoded (WHATWG name); empty for pictures.
    pub content_charset: String,
    /// Language of the text, ISO 639-3 (`eng`); empty for pictures and where none was recognised.
    pub content_languages: String,
    /// `WARC-Record-ID` as written, without angle brackets.
    pub warc_record_id: String,
    /// Bytes that the record occupies in the stored file (the compressed member; 0 if it shares one).
    pub warc_record_length: u64,
    /// Width and height of the original picture in pixels; zeros for text.
    pub image_size: (u32, u32),
    /// Title of the page, if it has one.
    pub title: String,
    /// Author of the page, or several, as it names them.
    pub author: String,
    /// When the page says that it was published: `2026-11-24`, or RFC 3339.
    pub published: String,
}

/// What the model is to score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Nothing: the passthrough model needs no input.
    None,
    /// Token ids, `u32` little-endian, special tokens included, truncated, not padded.
    Tokens(Bytes),
    /// A picture: `height × width × 3` bytes, rows top down, RGB, 0..=255.
    Pixels {
        /// Rows.
        height: u32,
        /// Columns.
        width: u32,
        /// `height * width * 3` bytes.
        data: Bytes,
    },
}

impl Input {
    /// Bytes of the payload.
    pub fn byte_len(&self) -> usize {
        match self {
            Input::None => 0,
            Input::Tokens(data) | Input::Pixels { data, .. } => data.len(),
        }
    }

    /// Number of token ids; 0 for pictures. Batches are sorted by it.
    pub fn token_count(&self) -> usize {
        match self {
            Input::Tokens(data) => data.len() / 4,
            Input::None | Input::Pixels { .. } => 0,
        }
    }
}

/// A record as the reader leaves it: filtered, decoded and ready for the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Provenance.
    pub meta: Meta,
    /// The model's input.
    pub input: Input,
    /// What is stored of a positive: the text as UTF-8, or the picture's original bytes.
    pub keep: Bytes,
}

/// A frame of a lease that the [`session`](crate::session) has accepted: told to the [`writer`](crate::writer) before
/// the record it came with goes into the pipeline, and to the [`dispatcher`](crate::dispatcher) after.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct Accepted {
    /// The part.
    pub part: PartId,
    /// Epoch of the lease.
    pub epoch: u32,
    /// Where the record in the frame starts, if there is one.
    pub record: Option<Position>,
    /// How far the lease has come with it.
    pub progress: Progress,
    /// Set in the last frame of a part.
    pub over: Option<PartOver>,
}

/// A record on the GPU node, with the credit that it occupies.
#[derive(Debug)]
pub struct Admitted {
    /// The part by which it came.
    pub part: PartId,
    /// Which record it is.
    pub key: RecordKey,
    /// The record.
    pub prepared: Prepared,
    /// Its part of its reader's window; given back when the record is freed.
    pub credit: CreditLease,
}

/// Records that the model scores together. [`batcher`](crate::batcher) → [`inference`](crate::inference).
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Batch {
    /// The records, shortest first.
    pub records: Vec<Admitted>,
    /// Whom to tell that the device has room again.
    pub done: Recipient<BatchDone>,
}

/// A device has finished a batch. [`inference`](crate::inference) → [`batcher`](crate::batcher).
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct BatchDone;

/// A batch with its scores. [`inference`](crate::inference) → [`writer`](crate::writer).
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Scored {
    /// The records.
    pub records: Vec<Admitted>,
    /// For each record its score, or why it has none.
    pub scores: Vec<Result<f32, Exclusion>>,
}

/// No more records will come. [`dispatcher`](crate::dispatcher) → [`interleaver`](crate::interleaver) →
/// [`batcher`](crate::batcher), and to the [`writer`](crate::writer).
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct EndOfStream {
    /// Records that were delivered in the whole run.
    pub delivered: u64,
}
