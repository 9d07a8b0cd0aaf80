//! The registry of frame types, so that no number is used twice, and the layout of every frame but the record's.
//!
//! A frame on the wire is `u32 length, u8 type, fields`; the length counts the type byte and the fields.
//!
//! | type | name | way | fields |
//! |---|---|---|---|
//! | `0x01` | HELLO | r→n | `u16 version, u16 schema, [16] nonce, string name` |
//! | `0x02` | CHALLENGE | n→r | `u16 version, u16 schema, [16] nonce, [32] proof` |
//! | `0x03` | PROOF | r→n | `[32] proof` |
//! | `0x04` | WELCOME | n→r | `u64 session, u64 granted, u32 max record, bytes job` |
//! | `0x05` | REFUSED | n→r | `string reason` |
//! | `0x10` | READY | r→n | |
//! | `0x11` | LEASE | n→r | `u32 part, u32 epoch, position start, u64 from, u64 end, u32 careful, u8 pass over, u64 size, string name, string etag, u8 indexed, bytes named` |
//! | `0x12` | GRANT | n→r | `u64 granted` |
//! | `0x13` | FINISH | n→r | |
//! | `0x14` | GO | n→r | |
//! | `0x15` | FENCE | n→r | `u32 part, u32 epoch` |
//! | `0x20` | RECORD | r→n | see [`super::record`] |
//! | `0x21` | PROGRESS | r→n | `u32 part, u32 epoch, progress` |
//! | `0x22` | LEASE_END | r→n | `u32 part, u32 epoch, progress, u8 failed, string message` |
//! | `0x23` | ATTEMPT | r→n | `u32 part, u32 epoch, progress` |
//! | `0x30` | STATS | r→n | `u8 n, n × u64` in the order of [`ReaderFigure`](crate::metrics::ReaderFigure) |
//! | `0x31` | PING | n→r | |
//!
//! `position` is `u64 offset, u32 ordinal`; `progress` is `position next, u64 bytes_read, u8 n, n × (u8 reason, u32 count),
//! u8 m, m × (position at, u64 length, u8 reason)`; `bytes` and `string` are `u32 length` and that many bytes.

use super::field::{Fields, prefixed, put_bytes};
use super::progress::{Progress, put_position, take_position};
use super::{RECORD_COST, WireError};
use crate::message::{Position, Prepared};
use crate::named::Named;
use crate::part::PartId;
use bytes::{BufMut, Bytes, BytesMut};

macro_rules! frame_types {
    ($( $variant:ident = $code:literal, $name:literal; )+) => {
        /// The number of a frame on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[allow(missing_docs)]
        pub enum FrameType { $( $variant = $code, )+ }

        impl FrameType {
            /// Every frame type.
            pub const ALL: &'static [FrameType] = &[ $( FrameType::$variant, )+ ];

            /// Its name in errors and documents.
            pub const fn name(self) -> &'static str { match self { $( FrameType::$variant => $name, )+ } }

            /// The type with this number.
            pub const fn from_code(code: u8) -> Option<FrameType> {
                match code { $( $code => Some(FrameType::$variant), )+ _ => None }
            }
        }
    };
}

frame_types! {
    Hello = 0x01, "HELLO";
    Challenge = 0x02, "CHALLENGE";
    Proof = 0x03, "PROOF";
    Welcome = 0x04, "WELCOME";
    Refused = 0x05, "REFUSED";
    Ready = 0x10, "READY";
    Lease = 0x11, "LEASE";
    Grant = 0x12, "GRANT";
    Finish = 0x13, "FINISH";
    Go = 0x14, "GO";
    Fence = 0x15, "FENCE";
    Record = 0x20, "RECORD";
    Progress = 0x21, "PROGRESS";
    LeaseEnd = 0x22, "LEASE_END";
    Attempt = 0x23, "ATTEMPT";
    Stats = 0x30, "STATS";
    Ping = 0x31, "PING";
}

impl FrameType {
    /// Whether the frame spends credit: it can be large, or be sent as often as the archive has records.
    pub const fn is_data(self) -> bool {
        matches!(self, FrameType::Record | FrameType::Progress | FrameType::LeaseEnd | FrameType::Attempt)
    }
}

impl FrameType {
    /// What a frame of this type and length costs in credit; see [`Frame::cost`].
    pub const fn cost(self, len: usize) -> u64 {
        len as u64 + if matches!(self, FrameType::Record) { RECORD_COST } else { 0 }
    }
}

/// Work for a reader: a part of an archive, from a position on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The part's number in this run.
    pub part: PartId,
    /// How often the part has been leased before; frames of an older epoch are refused.
    pub epoch: u32,
    /// Where to begin reading.
    pub start: Position,
    /// Records that start in a member before this byte offset are another part's: they are read and not told.
    pub from: u64,
    /// Records that start in a member at this byte offset or behind are another part's: reading ends there.
    pub end: u64,
    /// For so many records the reader announces each one before it reads it, and waits for GO.
    pub careful: u32,
    /// The first record has killed readers: it is counted as quarantined, and nothing is made of it.
    pub pass_over: bool,
    /// Size of the stored file in bytes, as listed; 0 if not known.
    pub size: u64,
    /// Path or URI.
    pub name: String,
    /// Entity tag as listed; empty if none.
    pub etag: String,
    /// The records of the part that are to be read, from `start` on; `None` for all.
    pub named: Option<Named>,
}

impl Lease {
    /// Part 0, which is all of an archive that nobody has read yet.
    pub fn of_whole(name: impl Into<String>, size: u64) -> Lease {
        Lease {
            part: 0,
            epoch: 0,
            start: Position::default(),
            from: 0,
            end: u64::MAX,
            careful: 0,
            pass_over: false,
            size,
            name: name.into(),
            etag: String::new(),
            named: None,
        }
    }
}

/// A record, and the progress up to and including it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFrame {
    /// The part.
    pub part: PartId,
    /// Epoch of the lease.
    pub epoch: u32,
    /// Where the record starts.
    pub at: Position,
    /// How far the lease has come.
    pub progress: Progress,
    /// The record.
    pub prepared: Prepared,
}

/// The end of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseEnd {
    /// The part.
    pub part: PartId,
    /// Epoch of the lease.
    pub epoch: u32,
    /// How far the lease has come.
    pub progress: Progress,
    /// Why it ended before the end of the archive, if it did.
    pub failure: Option<String>,
}

/// A reader's own figures, cumulative since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats(pub Vec<u64>);

/// Everything that the two sides say to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Frame {
    Hello { version: u16, schema: u16, nonce: [u8; 16], name: String },
    Challenge { version: u16, schema: u16, nonce: [u8; 16], proof: [u8; 32] },
    Proof { proof: [u8; 32] },
    Welcome { session: u64, granted: u64, max_record: u32, job: Bytes },
    Refused { reason: String },
    Ready,
    Lease(Lease),
    Grant { granted: u64 },
    Finish,
    Go,
    Fence { part: PartId, epoch: u32 },
    Record(Box<RecordFrame>),
    Progress { part: PartId, epoch: u32, progress: Progress },
    LeaseEnd(LeaseEnd),
    Attempt { part: PartId, epoch: u32, progress: Progress },
    Stats(Stats),
    Ping,
}

impl Frame {
    /// The type of this frame.
    pub const fn frame_type(&self) -> FrameType {
        match self {
            Frame::Hello { .. } => FrameType::Hello,
            Frame::Challenge { .. } => FrameType::Challenge,
            Frame::Proof { .. } => FrameType::Proof,
            Frame::Welcome { .. } => FrameType::Welcome,
            Frame::Refused { .. } => FrameType::Refused,
            Frame::Ready => FrameType::Ready,
            Frame::Lease(_) => FrameType::Lease,
            Frame::Grant { .. } => FrameType::Grant,
            Frame::Finish => FrameType::Finish,
            Frame::Go => FrameType::Go,
            Frame::Fence { .. } => FrameType::Fence,
            Frame::Record(_) => FrameType::Record,
            Frame::Progress { .. } => FrameType::Progress,
            Frame::LeaseEnd(_) => FrameType::LeaseEnd,
            Frame::Attempt { .. } => FrameType::Attempt,
            Frame::Stats(_) => FrameType::Stats,
            Frame::Ping => FrameType::Ping,
        }
    }

    /// What the frame costs in credit if it is a data frame: its length, and for a record [`RECORD_COST`] more.
    pub fn cost(&self) -> u64 {
        self.frame_type().cost(self.encoded_len())
    }

    /// Bytes of the type and the fields: what the length prefix says.
    pub fn encoded_len(&self) -> usize {
        1 + match self {
            Frame::Hello { name, .. } => 2 + 2 + 16 + prefixed(name.len()),
            Frame::Challenge { .. } => 2 + 2 + 16 + 32,
            Frame::Proof { .. } => 32,
            Frame::Welcome { job, .. } => 8 + 8 + 4 + prefixed(job.len()),
            Frame::Refused { reason } => prefixed(reason.len()),
            Frame::Ready | Frame::Finish | Frame::Go | Frame::Ping => 0,
            Frame::Fence { .. } => 4 + 4,
            Frame::Lease(lease) => {
                let numbers = 4 + 4 + 12 + 8 + 8 + 4 + 1 + 8;
                let named = lease.named.as_ref().map_or(0, |named| named.as_bytes().len());
                numbers + prefixed(lease.name.len()) + prefixed(lease.etag.len()) + 1 + prefixed(named)
            }
            Frame::Grant { .. } => 8,
            Frame::Record(record) => record.encoded_len(),
            Frame::Progress { progress, .. } | Frame::Attempt { progress, .. } => {
                4 + 4 + progress.encoded_len()
            }
            Frame::LeaseEnd(end) => {
                4 + 4 + end.progress.encoded_len() + 1 + prefixed(end.failure.as_deref().unwrap_or("").len())
            }
            Frame::Stats(Stats(values)) => 1 + 8 * values.len(),
        }
    }

    /// Appends the type and the fields.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_u8(self.frame_type() as u8);
        match self {
            Frame::Hello { version, schema, nonce, name } => {
                out.put_u16_le(*version);
                out.put_u16_le(*schema);
                out.extend_from_slice(nonce);
                put_bytes(out, name.as_bytes());
            }
            Frame::Challenge { version, schema, nonce, proof } => {
                out.put_u16_le(*version);
                out.put_u16_le(*schema);
                out.extend_from_slice(nonce);
                out.extend_from_slice(proof);
            }
            Frame::Proof { proof } => out.extend_from_slice(proof),
            Frame::Welcome { session, granted, max_record, job } => {
                out.put_u64_le(*session);
                out.put_u64_le(*granted);
                out.put_u32_le(*max_record);
                put_bytes(out, job);
            }
            Frame::Refused { reason } => put_bytes(out, reason.as_bytes()),
            Frame::Ready | Frame::Finish | Frame::Go | Frame::Ping => {}
            Frame::Fence { part, epoch } => {
                out.put_u32_le(*part);
                out.put_u32_le(*epoch);
            }
            Frame::Lease(lease) => {
                out.put_u32_le(lease.part);
                out.put_u32_le(lease.epoch);
                put_position(out, lease.start);
                out.put_u64_le(lease.from);
                out.put_u64_le(lease.end);
                out.put_u32_le(lease.careful);
                out.put_u8(u8::from(lease.pass_over));
                out.put_u64_le(lease.size);
                put_bytes(out, lease.name.as_bytes());
                put_bytes(out, lease.etag.as_bytes());
                out.put_u8(u8::from(lease.named.is_some()));
                put_bytes(out, lease.named.as_ref().map_or(&[][..], Named::as_bytes));
            }
            Frame::Grant { granted } => out.put_u64_le(*granted),
            Frame::Record(record) => record.encode(out),
            Frame::Progress { part, epoch, progress } | Frame::Attempt { part, epoch, progress } => {
                out.put_u32_le(*part);
                out.put_u32_le(*epoch);
                progress.encode(out);
            }
            Frame::LeaseEnd(end) => {
                out.put_u32_le(end.part);
                out.put_u32_le(end.epoch);
                end.progress.encode(out);
                out.put_u8(u8::from(end.failure.is_some()));
                put_bytes(out, end.failure.as_deref().unwrap_or("").as_bytes());
            }
            Frame::Stats(Stats(values)) => {
                out.put_u8(values.len() as u8);
                values.iter().for_each(|&value| out.put_u64_le(value));
            }
        }
    }

    /// Reads one frame: the type byte and the fields, without the length prefix. The frame holds slices of `payload`.
    pub fn decode(payload: Bytes) -> Result<Frame, WireError> {
        Frame::decode_fields(payload, Fields::new)
    }

    /// The same, but the frame holds copies, and nothing of `payload`.
    pub fn decode_copying(payload: Bytes) -> Result<Frame, WireError> {
        Frame::decode_fields(payload, Fields::copying)
    }

    fn decode_fields(
        mut payload: Bytes,
        fields: fn(&'static str, Bytes) -> Fields,
    ) -> Result<Frame, WireError> {
        if payload.is_empty() {
            return Err(WireError::Short { frame: "any", field: "type" });
        }
        let code = payload.split_to(1)[0];
        let frame_type = FrameType::from_code(code).ok_or(WireError::UnknownFrame(code))?;
        let mut fields = fields(frame_type.name(), payload);
        let f = &mut fields;
        let frame = match frame_type {
            FrameType::Hello => Frame::Hello {
                version: f.u16("version")?,
                schema: f.u16("schema")?,
                nonce: f.array("nonce")?,
                name: f.string("name")?,
            },
            FrameType::Challenge => Frame::Challenge {
                version: f.u16("version")?,
                schema: f.u16("schema")?,
                nonce: f.array("nonce")?,
                proof: f.array("proof")?,
            },
            FrameType::Proof => Frame::Proof { proof: f.array("proof")? },
            FrameType::Welcome => Frame::Welcome {
                session: f.u64("session")?,
                granted: f.u64("granted")?,
                max_record: f.u32("max record")?,
                job: f.bytes("job")?,
            },
            FrameType::Refused => Frame::Refused { reason: f.string("reason")? },
            FrameType::Ready => Frame::Ready,
            FrameType::Lease => Frame::Lease(Lease {
                part: f.u32("part")?,
                epoch: f.u32("epoch")?,
                start: take_position(f, "start")?,
                from: f.u64("from")?,
                end: f.u64("end")?,
                careful: f.u32("careful")?,
                pass_over: f.flag("pass over")?,
                size: f.u64("size")?,
                name: f.string("name")?,
                etag: f.string("etag")?,
                named: {
                    let indexed = f.flag("indexed")?;
                    let bytes = f.bytes("named")?;
                    let length = bytes.len() as u64;
                    let named = Named::decode(bytes).ok_or_else(|| f.bad("named", length))?;
                    indexed.then_some(named)
                },
            }),
            FrameType::Grant => Frame::Grant { granted: f.u64("granted")? },
            FrameType::Finish => Frame::Finish,
            FrameType::Go => Frame::Go,
            FrameType::Fence => Frame::Fence { part: f.u32("part")?, epoch: f.u32("epoch")? },
            FrameType::Record => Frame::Record(Box::new(RecordFrame::decode(f)?)),
            FrameType::Progress => Frame::Progress {
                part: f.u32("part")?,
                epoch: f.u32("epoch")?,
                progress: Progress::decode(f)?,
            },
            FrameType::Attempt => Frame::Attempt {
                part: f.u32("part")?,
                epoch: f.u32("epoch")?,
                progress: Progress::decode(f)?,
            },
            FrameType::LeaseEnd => {
                let (part, epoch, progress) = (f.u32("part")?, f.u32("epoch")?, Progress::decode(f)?);
                let failed = f.flag("failed")?;
                let message = f.string("message")?;
                Frame::LeaseEnd(LeaseEnd { part, epoch, progress, failure: failed.then_some(message) })
            }
            FrameType::Stats => {
                let n = f.u8("n")?;
                Frame::Stats(Stats((0..n).map(|_| f.u64("value")).collect::<Result<_, _>>()?))
            }
            FrameType::Ping => Frame::Ping,
        };
        fields.end()?;
        Ok(frame)
    }
}

#[cfg(test)]
mod tests;
