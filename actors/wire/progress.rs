//! How far a lease has come: the fields that several frames have.

use super::WireError;
use super::field::Fields;
use crate::exclusion::Exclusion;
use crate::message::{Lost, Position};
use bytes::{BufMut, BytesMut};

/// Most places that a frame lists; a reader that has more tells its progress sooner.
pub const MAX_LOST: usize = 32;
/// Bytes of one of them.
const LOST_LEN: usize = 12 + 8 + 1;

/// How far a lease has come. Deltas (`excluded`, `lost`) are since the frame before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Where a successor would go on: everything before is in this frame or an earlier one.
    pub next: Position,
    /// Bytes of the stored file read so far, counted from its start.
    pub bytes_read: u64,
    /// Records excluded since the frame before, by reason.
    pub excluded: Vec<(Exclusion, u32)>,
    /// Places of those that are listed, at most [`MAX_LOST`], in the order of the archive.
    pub lost: Vec<Lost>,
}

impl Progress {
    /// Bytes of the fields.
    pub fn encoded_len(&self) -> usize {
        12 + 8 + 1 + 5 * self.excluded.len() + 1 + LOST_LEN * self.lost.len()
    }

    /// Upper bound of what `excluded` and `lost` take.
    pub const fn deltas_bound() -> usize {
        5 * Exclusion::ALL.len() + LOST_LEN * MAX_LOST
    }

    /// Appends the fields.
    pub fn encode(&self, out: &mut BytesMut) {
        put_position(out, self.next);
        out.put_u64_le(self.bytes_read);
        out.put_u8(self.excluded.len() as u8);
        for &(reason, count) in &self.excluded {
            out.put_u8(reason as u8);
            out.put_u32_le(count);
        }
        out.put_u8(self.lost.len() as u8);
        for lost in &self.lost {
            put_position(out, lost.at);
            out.put_u64_le(lost.length);
            out.put_u8(lost.reason as u8);
        }
    }

    /// Reads the fields.
    pub fn decode(f: &mut Fields) -> Result<Progress, WireError> {
        let (next, bytes_read, n) = (take_position(f, "next")?, f.u64("bytes read")?, f.u8("reasons")?);
        let excluded =
            (0..n).map(|_| Ok((take_reason(f)?, f.u32("count")?))).collect::<Result<_, WireError>>()?;
        let n = f.u8("lost")?;
        if usize::from(n) > MAX_LOST {
            return Err(f.bad("lost", n.into()));
        }
        let lost = (0..n)
            .map(|_| {
                let (at, length, reason) = (take_position(f, "lost at")?, f.u64("length")?, take_reason(f)?);
                Ok(Lost { at, length, reason })
            })
            .collect::<Result<_, WireError>>()?;
        Ok(Progress { next, bytes_read, excluded, lost })
    }
}

fn take_reason(f: &mut Fields) -> Result<Exclusion, WireError> {
    let code = f.u8("reason")?;
    Exclusion::from_code(code).ok_or_else(|| f.bad("reason", code.into()))
}

/// Appends a position.
pub fn put_position(out: &mut BytesMut, position: Position) {
    out.put_u64_le(position.offset);
    out.put_u32_le(position.ordinal);
}

/// Reads a position.
pub fn take_position(f: &mut Fields, field: &'static str) -> Result<Position, WireError> {
    Ok(Position { offset: f.u64(field)?, ordinal: f.u32(field)? })
}
