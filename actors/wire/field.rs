//! Fields of a frame: little-endian integers, and bytes and strings behind a `u32` length.
//!
//! Reading takes slices of the frame's own buffer, or copies of them, so no length that a peer writes is ever allocated.

use super::WireError;
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Takes the fields of one frame, in order.
#[derive(Debug)]
pub struct Fields {
    frame: &'static str,
    rest: Bytes,
    copying: bool,
}

impl Fields {
    /// The fields of `payload`; errors will name `frame`.
    pub fn new(frame: &'static str, payload: Bytes) -> Fields {
        Fields { frame, rest: payload, copying: false }
    }

    /// The same, but what is taken is copied and keeps nothing of the payload alive.
    pub fn copying(frame: &'static str, payload: Bytes) -> Fields {
        Fields { copying: true, ..Fields::new(frame, payload) }
    }

    fn need(&self, field: &'static str, n: usize) -> Result<(), WireError> {
        if self.rest.len() < n { Err(WireError::Short { frame: self.frame, field }) } else { Ok(()) }
    }

    /// One byte.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, WireError> {
        self.need(field, 1)?;
        Ok(self.rest.get_u8())
    }

    /// One byte that is 0 or 1.
    pub fn flag(&mut self, field: &'static str) -> Result<bool, WireError> {
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.bad(field, other.into())),
        }
    }

    /// Two bytes.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, WireError> {
        self.need(field, 2)?;
        Ok(self.rest.get_u16_le())
    }

    /// Four bytes.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, WireError> {
        self.need(field, 4)?;
        Ok(self.rest.get_u32_le())
    }

    /// Eight bytes.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, WireError> {
        self.need(field, 8)?;
        Ok(self.rest.get_u64_le())
    }

    /// `N` bytes as they are.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], WireError> {
        self.need(field, N)?;
        let mut array = [0; N];
        self.rest.copy_to_slice(&mut array);
        Ok(array)
    }

    fn slice(&mut self, field: &'static str) -> Result<Bytes, WireError> {
        let len = self.u32(field)? as usize;
        self.need(field, len)?;
        Ok(self.rest.split_to(len))
    }

    /// Bytes behind a `u32` length, sharing the frame's buffer unless the fields are copied.
    pub fn bytes(&mut self, field: &'static str) -> Result<Bytes, WireError> {
        let slice = self.slice(field)?;
        Ok(if self.copying { Bytes::copy_from_slice(&slice) } else { slice })
    }

    /// UTF-8 behind a `u32` length.
    pub fn string(&mut self, field: &'static str) -> Result<String, WireError> {
        let slice = self.slice(field)?;
        let text = std::str::from_utf8(&slice);
        text.map(str::to_owned).map_err(|_| WireError::NotUtf8 { frame: self.frame, field })
    }

    /// The error for a value that the layout does not know.
    pub fn bad(&self, field: &'static str, value: u64) -> WireError {
        WireError::BadValue { frame: self.frame, field, value }
    }

    /// Checks that every byte was taken.
    pub fn end(self) -> Result<(), WireError> {
        match self.rest.len() {
            0 => Ok(()),
            extra => Err(WireError::Trailing { frame: self.frame, extra }),
        }
    }
}

/// Bytes that [`put_bytes`] writes for a field of `len` bytes.
pub const fn prefixed(len: usize) -> usize {
    4 + len
}

/// Writes bytes behind their `u32` length.
///
/// # Panics
/// If `bytes` is longer than `u32::MAX`; frames are limited far below that.
pub fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32_le(u32::try_from(bytes.len()).expect("frames are limited below 4 GiB"));
    out.extend_from_slice(bytes);
}
