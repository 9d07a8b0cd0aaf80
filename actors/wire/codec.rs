//! Frames over any byte stream: `tokio_util`'s length-delimited codec with our layout on top.
//!
//! Generic over the IO by construction (a codec touches buffers only), so that TLS slips under it unchanged.

use super::frame::Frame;
use super::{MAX_HANDSHAKE_FRAME, WireError};
use bytes::{BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec};

/// Encodes [`Frame`]s and decodes them; a frame beyond the limit is refused when its length arrives, before anything is
/// reserved for it.
#[derive(Debug)]
pub struct FrameCodec {
    lengths: LengthDelimitedCodec,
}

/// A frame as it arrived.
#[derive(Debug)]
pub struct Received {
    /// The frame.
    pub frame: Frame,
    /// Its length on the wire without the length prefix: what it costs in credit.
    pub cost: u64,
}

impl FrameCodec {
    /// A codec for the handshake; see [`FrameCodec::set_limit`].
    pub fn new() -> FrameCodec {
        let lengths = LengthDelimitedCodec::builder()
            .little_endian()
            .length_field_length(4)
            .max_frame_length(MAX_HANDSHAKE_FRAME)
            .new_codec();
        FrameCodec { lengths }
    }

    /// Sets the longest frame that is read or written, in bytes.
    pub fn set_limit(&mut self, bytes: usize) {
        self.lengths.set_max_frame_length(bytes);
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
        let Some(payload) = self.lengths.decode(src)? else { return Ok(None) };
        let payload: Bytes = payload.freeze();
        let cost = payload.len() as u64;
        Ok(Some(Received { frame: Frame::decode(payload)?, cost }))
    }
}

impl Encoder<Frame> for FrameCodec {
    type Error = WireError;

    fn encode(&mut self, frame: Frame, dst: &mut BytesMut) -> Result<(), WireError> {
        let len = frame.encoded_len();
        if len > self.lengths.max_frame_length() {
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
        let frames = [Frame::Ready, Frame::Grant { granted: 77 }, Frame::Refused { reason: "no".into() }];
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
