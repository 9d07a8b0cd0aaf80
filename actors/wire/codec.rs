//! Frames over any byte stream: a `u32` length, and our layout behind it.
//!
//! A record lives much longer than the buffer that it was read into, and holds slices of its frame. So that credit stays a
//! measure of memory, no slice keeps more alive than its own frame: what is short is copied out of the reading buffer,
//! which is used again; what is long is read into a buffer of exactly its size.
//!
//! Generic over the IO by construction (a codec touches buffers only), so that TLS slips under it unchanged.

use super::frame::Frame;
use super::{MAX_HANDSHAKE_FRAME, WireError};
use bytes::{Buf, BufMut, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

/// Longest frame that is copied out of the reading buffer, in bytes; the buffer has room for one.
const COPIED: usize = 8 * 1024;

/// Encodes [`Frame`]s and decodes them; a frame beyond the limit is refused when its length arrives, before anything is
/// reserved for it.
#[derive(Debug)]
pub struct FrameCodec {
    limit: usize,
    write_limit: usize,
    arriving: Option<Arriving>,
}

/// A frame whose length has arrived.
#[derive(Clone, Copy, Debug)]
struct Arriving {
    len: usize,
    /// Whether the reading buffer is exactly this frame's.
    exact: bool,
}

/// A frame as it arrived.
#[derive(Debug)]
pub struct Received {
    /// The frame.
    pub frame: Frame,
    /// What it costs in credit; see [`Frame::cost`].
    pub cost: u64,
}

impl FrameCodec {
    /// A codec for the handshake; see [`FrameCodec::set_limit`].
    pub fn new() -> FrameCodec {
        FrameCodec { limit: MAX_HANDSHAKE_FRAME, write_limit: MAX_HANDSHAKE_FRAME, arriving: None }
    }

    /// Sets the longest frame that is read or written, in bytes.
    pub fn set_limit(&mut self, bytes: usize) {
        self.set_limits(bytes, bytes);
    }

    /// Sets the longest frame that is read, and the longest that is written.
    pub fn set_limits(&mut self, read: usize, write: usize) {
        (self.limit, self.write_limit) = (read, write);
    }

    /// The frame that is arriving, once its length is known and checked.
    fn head(&mut self, src: &mut BytesMut) -> Result<Option<Arriving>, WireError> {
        if self.arriving.is_none() && src.len() >= 4 {
            let len = src.get_u32_le() as usize;
            if len > self.limit {
                let error =
                    format!("the peer announces a frame of {len} bytes, at most {} may come", self.limit);
                return Err(WireError::Io(std::io::Error::new(std::io::ErrorKind::InvalidData, error)));
            }
            let exact = len > COPIED && len > src.len();
            if exact {
                let mut own = BytesMut::with_capacity(len);
                own.extend_from_slice(src);
                *src = own;
            } else {
                src.reserve(len.saturating_sub(src.len()));
            }
            self.arriving = Some(Arriving { len, exact });
        }
        Ok(self.arriving)
    }
}

impl Default for FrameCodec {
    fn default() -> FrameCodec {
        FrameCodec::new()
    }
}

impl Decoder for FrameCodec {
    type Item = Received;
    type Error = WireError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Received>, WireError> {
        let Some(Arriving { len, exact }) = self.head(src)? else { return Ok(None) };
        if src.len() < len {
            return Ok(None);
        }
        self.arriving = None;
        let payload = src.split_to(len).freeze();
        let frame = if exact { Frame::decode(payload) } else { Frame::decode_copying(payload) }?;
        let cost = frame.frame_type().cost(len);
        Ok(Some(Received { frame, cost }))
    }
}

impl Encoder<Frame> for FrameCodec {
    type Error = WireError;

    fn encode(&mut self, frame: Frame, dst: &mut BytesMut) -> Result<(), WireError> {
        let len = frame.encoded_len();
        if len > self.write_limit {
            return Err(WireError::Io(std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                format!("{} frame of {len} bytes is beyond the limit", frame.frame_type().name()),
            )));
        }
        dst.reserve(4 + len);
        dst.put_u32_le(len as u32);
        frame.encode(dst);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_any_split_of_the_stream() {
        // One is longer than what is copied out of the reading buffer.
        let frames = [
            Frame::Ready,
            Frame::Refused { reason: "no".repeat(COPIED / 2) },
            Frame::Grant { granted: 77 },
            Frame::Refused { reason: "no".into() },
        ];
        let mut wire = BytesMut::new();
        let mut codec = FrameCodec::new();
        for frame in &frames {
            codec.encode(frame.clone(), &mut wire).unwrap();
        }
        for step in 1..=wire.len() {
            let (mut codec, mut buffer, mut arrived) = (FrameCodec::new(), BytesMut::new(), Vec::new());
            for piece in wire.chunks(step) {
                buffer.extend_from_slice(piece);
                while let Some(received) = codec.decode(&mut buffer).unwrap() {
                    assert_eq!(received.cost, received.frame.encoded_len() as u64);
                    arrived.push(received.frame);
                }
            }
            assert_eq!(arrived, frames, "in pieces of {step}");
        }
    }

    #[test]
    fn what_is_held_of_a_frame_keeps_nothing_else_alive() {
        for len in [10, COPIED - 100, COPIED + 100] {
            let job = Frame::Welcome { session: 1, granted: 2, max_record: 3, job: vec![7; len].into() };
            let (mut codec, mut wire) = (FrameCodec::new(), BytesMut::new());
            codec.encode(job.clone(), &mut wire).unwrap();
            codec.encode(Frame::Ready, &mut wire).unwrap();
            // All but the last bytes of the frame are there when its length is read.
            let rest = wire.split_off(wire.len() - 10);
            assert!(codec.decode(&mut wire).unwrap().is_none());
            wire.extend_from_slice(&rest);
            let first = codec.decode(&mut wire).unwrap().unwrap().frame;
            assert_eq!(first, job);
            assert_eq!(codec.decode(&mut wire).unwrap().unwrap().frame, Frame::Ready);
            let before = wire.capacity();
            // A buffer of which nothing is held can be had again from its start.
            assert_eq!(wire.try_reclaim(before + len), len <= COPIED, "{len}");
            drop(first);
        }
    }

    #[test]
    fn a_frame_beyond_the_limit_is_refused_by_its_length_alone() {
        let mut codec = FrameCodec::new();
        for (len, ok) in [(MAX_HANDSHAKE_FRAME as u32, true), (MAX_HANDSHAKE_FRAME as u32 + 1, false)] {
            let mut buffer = BytesMut::from(&len.to_le_bytes()[..]);
            assert_eq!(codec.decode(&mut buffer).is_ok(), ok, "{len}");
            assert!(buffer.capacity() <= MAX_HANDSHAKE_FRAME + 8);
            codec = FrameCodec::new();
        }
    }
}
