//! The data link between a reader and the GPU node.
//!
//! # The conversation
//!
//! ```text
//! reader                                   GPU node
//!   HELLO      version, schema, nonce  ──▶            before the proof nothing longer than 16 KiB is read,
//!              ◀── CHALLENGE  nonce, proof            and no state is kept but the connection
//!   PROOF      proof                   ──▶
//!              ◀── WELCOME  session, window, job      or REFUSED, with a reason, at any of these steps
//!   READY                              ──▶            "give me work"
//!              ◀── LEASE  part, epoch, start          (or nothing yet, or FINISH)
//!   RECORD*, PROGRESS*, LEASE_END      ──▶            the data lane: each frame spends its length in credit
//!   ATTEMPT                            ──▶            only where readers died before: "I begin the next record",
//!              ◀── GO                                 and it is not begun before the node knows
//!              ◀── FENCE  part, epoch                 the lease is over; the reader drops it and is READY again
//!              ◀── GRANT  up to byte X                whenever a quarter of the window is free, or 20 ms have passed
//!   STATS                              ──▶            each second: the reader's own figures, and its heartbeat
//!              ◀── PING                               each 5 s: the node's heartbeat
//!              ◀── FINISH                             no work is left; the reader closes
//! ```
//!
//! Both sides prove that they know the job's secret by an HMAC over both nonces; the secret itself never travels.
//! Byte layouts are in [`frame`], [`progress`] and [`record`]; all integers are little-endian.

use crate::named::MAX_NAMED_BYTES;

pub mod codec;
pub mod field;
pub mod frame;
pub mod handshake;
pub mod progress;
pub mod record;

pub use codec::FrameCodec;
pub use frame::{Frame, FrameType, Lease, LeaseEnd, RecordFrame, Stats};
pub use handshake::{HandshakeError, JobSecret};
pub use progress::{MAX_LOST, Progress};

/// Version of the conversation. Both sides must agree.
pub const PROTOCOL_VERSION: u16 = 3;
/// Version of the record layout ([`record`]). Both sides must agree.
pub const RECORD_SCHEMA: u16 = 2;
/// Longest frame that is read from a peer that has not proved the secret, in bytes.
pub const MAX_HANDSHAKE_FRAME: usize = 16 * 1024;
/// Longest job description, in bytes: a multilingual `tokenizer.json` has about 17 MB.
pub const MAX_JOB_BYTES: usize = 64 << 20;
/// Longest control frame (everything but the data lane and WELCOME), in bytes.
pub const MAX_CONTROL_FRAME: usize = 64 * 1024;
/// Longest LEASE, in bytes: a control frame, and the records that an index names.
pub const MAX_LEASE_FRAME: usize = MAX_CONTROL_FRAME + MAX_NAMED_BYTES;
/// What a record costs in credit beside its frame, in bytes: about what the node keeps of it in structures of its own.
pub const RECORD_COST: u64 = 800;
/// What a RECORD frame may hold beside its input and the bytes to keep: URL, digests, tallies.
pub const RECORD_OVERHEAD: usize = 64 * 1024;

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The socket failed, or the peer announced a frame beyond the limit.
    #[error("data link: {0}")]
    Io(#[from] std::io::Error),
    /// A frame of an unknown type.
    #[error("unknown frame type {0:#04x}")]
    UnknownFrame(u8),
    /// A frame that is shorter than its fields say.
    #[error("{frame} frame ends inside {field}")]
    Short {
        /// The frame's name.
        frame: &'static str,
        /// The field that is cut.
        field: &'static str,
    },
    /// A field with a value that the layout does not know.
    #[error("{frame} frame: {field} has the impossible value {value}")]
    BadValue {
        /// The frame's name.
        frame: &'static str,
        /// The field.
        field: &'static str,
        /// What was sent.
        value: u64,
    },
    /// Bytes after the last field.
    #[error("{frame} frame has {extra} bytes too many")]
    Trailing {
        /// The frame's name.
        frame: &'static str,
        /// Bytes left over.
        extra: usize,
    },
    /// A string that is not UTF-8.
    #[error("{frame} frame: {field} is not UTF-8")]
    NotUtf8 {
        /// The frame's name.
        frame: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A frame that may not come now.
    #[error("{frame} frame out of order")]
    OutOfOrder {
        /// The frame's name.
        frame: &'static str,
    },
    /// The peer does not read what it is sent.
    #[error("the peer does not take what it is sent: no room for {frame}")]
    NotTaken {
        /// The frame's name.
        frame: &'static str,
    },
    /// The peer sent more than it was granted.
    #[error("credit exceeded: {sent} bytes sent, {granted} granted")]
    CreditExceeded {
        /// Bytes sent on the data lane since the start.
        sent: u64,
        /// Bytes granted since the start.
        granted: u64,
    },
}
