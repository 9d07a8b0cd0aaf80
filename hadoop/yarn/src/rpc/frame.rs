//! Frames: a `u32` in big endian, and so many bytes of length-delimited messages.

use crate::proto::rpc::{IpcConnectionContext, RequestHeader, RpcRequestHeader, RpcResponseHeader, RpcSasl};
use bytes::{Buf as _, BytesMut};
use prost::Message;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What a connection begins with: the magic, version 9, the class of service 0; the way of authentication follows.
pub(crate) const PREAMBLE: [u8; 6] = [b'h', b'r', b'p', b'c', 9, 0];
/// Authentication of the preamble: none, or SASL.
pub(crate) const AUTH_NONE: u8 = 0;
pub(crate) const AUTH_SASL: u8 = 0xdf;

/// Ids that are no call's.
pub(crate) const CALL_SASL: i32 = -33;
pub(crate) const CALL_CONTEXT: i32 = -3;
pub(crate) const CALL_PING: i32 = -4;

/// States of SASL.
pub(crate) mod sasl_state {
    pub(crate) const SUCCESS: i32 = 0;
    pub(crate) const NEGOTIATE: i32 = 1;
    pub(crate) const INITIATE: i32 = 2;
    pub(crate) const CHALLENGE: i32 = 3;
    pub(crate) const RESPONSE: i32 = 4;
    pub(crate) const WRAP: i32 = 5;
}

/// Values of [`RpcResponseHeader::status`].
pub(crate) mod status {
    pub(crate) const SUCCESS: i32 = 0;
    pub(crate) const ERROR: i32 = 1;
    pub(crate) const FATAL: i32 = 2;
}

/// Longest frame before the end of the authentication.
pub(crate) const MAX_HANDSHAKE: usize = 256 * 1024;
/// What is read at a time, and most that is reserved on the word of a frame's length.
const CHUNK: usize = 64 * 1024;

/// The header of something that is no call.
fn special(call_id: i32, client_id: &[u8]) -> RpcRequestHeader {
    RpcRequestHeader {
        rpc_kind: Some(2),
        rpc_op: Some(0),
        call_id,
        client_id: client_id.to_vec(),
        retry_count: Some(-1),
    }
}

/// A frame of parts that are encoded already.
pub(crate) fn framed(parts: &[&[u8]]) -> Vec<u8> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(4 + len);
    out.extend_from_slice(&(len as u32).to_be_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// A frame of SASL.
pub(crate) fn sasl(message: &RpcSasl) -> Vec<u8> {
    let header = special(CALL_SASL, &[]).encode_length_delimited_to_vec();
    framed(&[&header, &message.encode_length_delimited_to_vec()])
}

/// The frame that says who calls what.
pub(crate) fn context(client_id: &[u8], context: &IpcConnectionContext) -> Vec<u8> {
    let header = special(CALL_CONTEXT, client_id).encode_length_delimited_to_vec();
    framed(&[&header, &context.encode_length_delimited_to_vec()])
}

/// The frame that shows that we still wait.
pub(crate) fn ping(client_id: &[u8]) -> Vec<u8> {
    framed(&[&special(CALL_PING, client_id).encode_length_delimited_to_vec()])
}

/// What a call is besides its id: its method and its message, encoded.
pub(crate) fn body(protocol: &str, method: &str, message: &impl Message) -> Vec<u8> {
    let header = RequestHeader {
        method_name: method.to_owned(),
        declaring_class_protocol_name: protocol.to_owned(),
        client_protocol_version: 1,
    };
    let mut out = header.encode_length_delimited_to_vec();
    message.encode_length_delimited(&mut out).expect("a Vec takes everything");
    out
}

/// The frame of a call.
pub(crate) fn call(client_id: &[u8], call_id: i32, retry: i32, body: &[u8]) -> Vec<u8> {
    let header = RpcRequestHeader { call_id, retry_count: Some(retry), ..special(0, client_id) };
    framed(&[&header.encode_length_delimited_to_vec(), body])
}

/// Reads the header of a response, and leaves what follows.
pub(crate) fn response(frame: &mut &[u8]) -> Result<RpcResponseHeader, String> {
    RpcResponseHeader::decode_length_delimited(frame).map_err(|error| format!("a malformed header: {error}"))
}

/// Reads the one message that the rest of a frame must be.
pub(crate) fn only<M: Message + Default>(mut rest: &[u8]) -> Result<M, String> {
    let message =
        M::decode_length_delimited(&mut rest).map_err(|error| format!("a malformed response: {error}"))?;
    if rest.is_empty() { Ok(message) } else { Err(format!("{} bytes behind a response", rest.len())) }
}

/// Frames that gather from bytes. The buffer grows with what has come, not with what is announced.
#[derive(Default)]
pub(crate) struct Gathering {
    bytes: BytesMut,
}

impl Gathering {
    /// Reads once, whatever comes; `false` at the end. Nothing is lost if this is dropped while it waits.
    pub(crate) async fn read(&mut self, io: &mut (impl AsyncRead + Unpin)) -> std::io::Result<bool> {
        self.bytes.reserve(CHUNK);
        Ok(io.read_buf(&mut self.bytes).await? > 0)
    }

    /// Adds bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes the first frame if it is whole; refuses it by its length alone if that is beyond the limit.
    pub(crate) fn frame(&mut self, limit: usize) -> Result<Option<Vec<u8>>, String> {
        let Some(len) = self.bytes.first_chunk::<4>() else { return Ok(None) };
        let len = u32::from_be_bytes(*len);
        if len == u32::MAX {
            return Err("a refusal as servers before Hadoop 2.2 send it".into());
        }
        if self.bytes.starts_with(b"HTTP") {
            return Err("HTTP; is this the port of the web page?".into());
        }
        let len = len as usize;
        if len > limit {
            return Err(format!("a frame of {len} bytes, and {limit} are the limit"));
        }
        if self.bytes.len() < 4 + len {
            return Ok(None);
        }
        self.bytes.advance(4);
        Ok(Some(self.bytes.split_to(len).to_vec()))
    }

    /// Reads until a frame is whole; for when nothing else is to be done meanwhile. `None` at the end.
    pub(crate) async fn next(
        &mut self,
        io: &mut (impl AsyncRead + Unpin),
        limit: usize,
    ) -> Result<Option<Vec<u8>>, NoFrame> {
        loop {
            if let Some(frame) = self.frame(limit).map_err(NoFrame::Malformed)? {
                return Ok(Some(frame));
            }
            if !self.read(io).await? {
                return if self.bytes.is_empty() { Ok(None) } else { Err(NoFrame::Cut) };
            }
        }
    }
}

/// Why there is no next frame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoFrame {
    /// The connection broke.
    #[error(transparent)]
    Broken(#[from] io::Error),
    /// The connection was closed in the middle of it.
    #[error("the end in the middle of a frame")]
    Cut,
    /// What came is none.
    #[error("{0}")]
    Malformed(String),
}

#[cfg(test)]
mod tests;
