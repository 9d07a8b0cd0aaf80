//! Who may speak: both sides prove that they know the job's secret before anything else is said.
//!
//! `proof = HMAC-SHA256(secret, side || reader nonce || node nonce)` with `side` one of `"reader"`, `"gpu"`: fresh nonces
//! on both sides make a recorded conversation worthless, and the two labels keep a proof from being reflected.

use super::codec::{FrameCodec, Received};
use super::frame::Frame;
use super::{MAX_CONTROL_FRAME, MAX_JOB_BYTES, MAX_LEASE_FRAME, PROTOCOL_VERSION, RECORD_SCHEMA, WireError};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::codec::Framed;

/// The longest name that a reader may give itself, in bytes.
const MAX_NAME: usize = 128;

/// The secret that all processes of a job share. Never printed.
#[derive(Clone)]
pub struct JobSecret(Vec<u8>);

impl JobSecret {
    /// A secret of the bytes in a file; surrounding white space does not count.
    pub fn new(bytes: &[u8]) -> JobSecret {
        JobSecret(bytes.trim_ascii().to_vec())
    }

    /// A fresh one: 32 random bytes, in hexadecimal.
    pub fn random() -> Result<JobSecret, HandshakeError> {
        let mut bytes = [0; 32];
        fill_random(&mut bytes)?;
        Ok(JobSecret(bytes.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect()))
    }

    /// The secret itself, to be written into a file that only its owner can read.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    fn mac(&self, side: &[u8], reader_nonce: &[u8; 16], node_nonce: &[u8; 16]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(side);
        mac.update(reader_nonce);
        mac.update(node_nonce);
        mac
    }
}

impl fmt::Debug for JobSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JobSecret(***)")
    }
}

/// Why two processes do not come together.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The other side takes too long.
    #[error("the other side does not go on with the handshake; is this address the data port of a GPU node?")]
    Late,
    /// The bytes made no sense, or the socket failed.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The peer closed before the handshake was over.
    #[error("the peer closed the connection during the handshake")]
    Closed,
    /// The peer speaks another version.
    #[error(
        "the peer speaks version {theirs} (records: {their_schema}), this side {PROTOCOL_VERSION} ({RECORD_SCHEMA}): run the same build on both"
    )]
    Version {
        /// Its protocol version.
        theirs: u16,
        /// Its record schema.
        their_schema: u16,
    },
    /// The peer does not know the secret.
    #[error("the peer does not know the job's secret: use the --secret-file of this run")]
    WrongSecret,
    /// The GPU node refused.
    #[error("the GPU node refused this reader: {reason}")]
    Refused {
        /// In its words.
        reason: String,
    },
    /// The operating system gave no random numbers.
    #[error("no random numbers from the operating system: {0}")]
    Random(String),
}

/// What the GPU node tells an accepted reader.
#[derive(Clone, Debug)]
pub struct Welcome {
    /// Number of the session, for logs.
    pub session: u64,
    /// Bytes that the reader may send at once: the first grant.
    pub granted: u64,
    /// Longest data frame that the node takes, in bytes.
    pub max_record: u32,
    /// The job's description, opaque here.
    pub job: Bytes,
}

/// The reader's side. Gives the name of the node's welcome, with the codec set to control frames.
pub async fn introduce<IO: AsyncRead + AsyncWrite + Unpin>(
    framed: &mut Framed<IO, FrameCodec>,
    secret: &JobSecret,
    name: &str,
) -> Result<Welcome, HandshakeError> {
    let mut nonce = [0; 16];
    fill_random(&mut nonce)?;
    let hello =
        Frame::Hello { version: PROTOCOL_VERSION, schema: RECORD_SCHEMA, nonce, name: name.to_owned() };
    framed.send(hello).await?;
    let node_nonce = match next(framed).await? {
        Frame::Challenge { version, schema, nonce: node_nonce, proof } => {
            check_version(version, schema)?;
            let mac = secret.mac(b"gpu", &nonce, &node_nonce);
            mac.verify_slice(&proof).map_err(|_| HandshakeError::WrongSecret)?;
            node_nonce
        }
        other => return Err(refusal_or_disorder(other)),
    };
    let proof = secret.mac(b"reader", &nonce, &node_nonce).finalize().into_bytes().into();
    // The node has proved itself: its job description may be long.
    framed.codec_mut().set_limit(MAX_JOB_BYTES + 64);
    framed.send(Frame::Proof { proof }).await?;
    match next(framed).await? {
        Frame::Welcome { session, granted, max_record, job } => {
            framed.codec_mut().set_limits(MAX_LEASE_FRAME, MAX_CONTROL_FRAME.max(max_record as usize));
            Ok(Welcome { session, granted, max_record, job })
        }
        other => Err(refusal_or_disorder(other)),
    }
}

/// The GPU node's side, up to the reader's proof: gives the reader's name. Answers a peer of another version with a reason, and
/// one that does not know the secret too, then closes. [`send_welcome`] follows.
pub async fn admit<IO: AsyncRead + AsyncWrite + Unpin>(
    framed: &mut Framed<IO, FrameCodec>,
    secret: &JobSecret,
) -> Result<String, HandshakeError> {
    let (nonce, name) = match next(framed).await? {
        Frame::Hello { version, schema, nonce, name } => {
            if let Err(error) = check_version(version, schema) {
                return Err(refuse(framed, error).await);
            }
            (nonce, name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect::<String>())
        }
        other => return Err(refusal_or_disorder(other)),
    };
    let mut node_nonce = [0; 16];
    fill_random(&mut node_nonce)?;
    let proof = secret.mac(b"gpu", &nonce, &node_nonce).finalize().into_bytes().into();
    let challenge =
        Frame::Challenge { version: PROTOCOL_VERSION, schema: RECORD_SCHEMA, nonce: node_nonce, proof };
    framed.send(challenge).await?;
    match next(framed).await? {
        Frame::Proof { proof } => {
            if secret.mac(b"reader", &nonce, &node_nonce).verify_slice(&proof).is_err() {
                return Err(refuse(framed, HandshakeError::WrongSecret).await);
            }
        }
        other => return Err(refusal_or_disorder(other)),
    }
    Ok(name)
}

/// The last step, to a peer that was admitted: sends what may be long.
pub async fn send_welcome<IO: AsyncRead + AsyncWrite + Unpin>(
    framed: &mut Framed<IO, FrameCodec>,
    welcome: Welcome,
) -> Result<(), HandshakeError> {
    let Welcome { session, granted, max_record, job } = welcome;
    framed.codec_mut().set_limit(MAX_JOB_BYTES + 64);
    framed.send(Frame::Welcome { session, granted, max_record, job }).await?;
    framed.codec_mut().set_limits(MAX_CONTROL_FRAME.max(max_record as usize), MAX_LEASE_FRAME);
    Ok(())
}

async fn refuse<IO: AsyncRead + AsyncWrite + Unpin>(
    framed: &mut Framed<IO, FrameCodec>,
    error: HandshakeError,
) -> HandshakeError {
    // The peer may be gone already; the error that is returned is the one that matters.
    let _ = framed.send(Frame::Refused { reason: error.to_string() }).await;
    error
}

async fn next<IO: AsyncRead + AsyncWrite + Unpin>(
    framed: &mut Framed<IO, FrameCodec>,
) -> Result<Frame, HandshakeError> {
    match framed.next().await {
        Some(Ok(Received { frame, .. })) => Ok(frame),
        Some(Err(error)) => Err(error.into()),
        None => Err(HandshakeError::Closed),
    }
}

fn check_version(version: u16, schema: u16) -> Result<(), HandshakeError> {
    if (version, schema) == (PROTOCOL_VERSION, RECORD_SCHEMA) {
        Ok(())
    } else {
        Err(HandshakeError::Version { theirs: version, their_schema: schema })
    }
}

fn refusal_or_disorder(frame: Frame) -> HandshakeError {
    match frame {
        Frame::Refused { reason } => HandshakeError::Refused { reason },
        other => WireError::OutOfOrder { frame: other.frame_type().name() }.into(),
    }
}

fn fill_random(bytes: &mut [u8]) -> Result<(), HandshakeError> {
    getrandom::fill(bytes).map_err(|error| HandshakeError::Random(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn welcome() -> Welcome {
        Welcome { session: 4, granted: 1 << 20, max_record: 1 << 19, job: Bytes::from(vec![7; 100_000]) }
    }

    async fn meet(
        reader_secret: &str,
        node_secret: &str,
    ) -> (Result<Welcome, HandshakeError>, Result<String, HandshakeError>) {
        let (a, b) = tokio::io::duplex(64);
        let (mut reader, mut node) = (Framed::new(a, FrameCodec::new()), Framed::new(b, FrameCodec::new()));
        let (reader_secret, node_secret) =
            (JobSecret::new(reader_secret.as_bytes()), JobSecret::new(node_secret.as_bytes()));
        let node_side = async move {
            let name = admit(&mut node, &node_secret).await?;
            send_welcome(&mut node, welcome()).await.map(|()| name)
        };
        let reader_side = async move { introduce(&mut reader, &reader_secret, "r\n1").await };
        tokio::join!(reader_side, node_side)
    }

    #[tokio::test]
    async fn the_same_secret_opens_and_the_job_arrives_whole() {
        let (reader, node) = meet("s3cret\n", " s3cret").await;
        let reader = reader.unwrap();
        assert_eq!((reader.session, reader.granted, reader.job.len()), (4, 1 << 20, 100_000));
        assert_eq!(node.unwrap(), "r1", "control characters never reach a log");
    }

    #[tokio::test]
    async fn another_secret_is_refused_by_either_side() {
        let (reader, node) = meet("one", "two").await;
        assert!(matches!(reader, Err(HandshakeError::WrongSecret)), "the node's proof is checked first");
        assert!(matches!(node, Err(HandshakeError::Closed)));
    }

    #[tokio::test]
    async fn a_reader_without_the_secret_gets_a_reason_and_no_job() {
        let (a, b) = tokio::io::duplex(1 << 16);
        let (mut reader, mut node) = (Framed::new(a, FrameCodec::new()), Framed::new(b, FrameCodec::new()));
        let intruder = async {
            let hello = Frame::Hello {
                version: PROTOCOL_VERSION,
                schema: RECORD_SCHEMA,
                nonce: [0; 16],
                name: "x".into(),
            };
            reader.send(hello).await.unwrap();
            next(&mut reader).await.unwrap();
            reader.send(Frame::Proof { proof: [0; 32] }).await.unwrap();
            next(&mut reader).await.unwrap()
        };
        let secret = JobSecret::new(b"s");
        let (answer, node) = tokio::join!(intruder, admit(&mut node, &secret));
        assert!(matches!(answer, Frame::Refused { reason } if reason.contains("secret")));
        assert!(matches!(node, Err(HandshakeError::WrongSecret)));
    }

    #[tokio::test]
    async fn another_version_is_told_so() {
        let (a, b) = tokio::io::duplex(1 << 16);
        let (mut reader, mut node) = (Framed::new(a, FrameCodec::new()), Framed::new(b, FrameCodec::new()));
        let hello = Frame::Hello { version: 99, schema: 1, nonce: [0; 16], name: "old".into() };
        reader.send(hello).await.unwrap();
        let secret = JobSecret::new(b"s");
        let (answer, node) = tokio::join!(next(&mut reader), admit(&mut node, &secret));
        assert!(matches!(answer.unwrap(), Frame::Refused { reason } if reason.contains("version 99")));
        assert!(matches!(node, Err(HandshakeError::Version { theirs: 99, .. })));
    }
}
