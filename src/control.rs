//! The control link between the GPU node and the application master that keeps its readers alive on a cluster.
//!
//! The master dials the node, for of the two only the node has an address that was told. Both prove that they know the
//! job's secret, as readers do; then lines of JSON go both ways, each at most [`MAX_LINE`] bytes. The master holds nothing
//! that the node does not tell it anew: after a broken link, or in the master's next attempt, the node says what is wanted
//! again, and the newest master is the one that counts. An operator who knows the secret may dial too, and say how many
//! readers are wanted.

mod master;
mod message;
mod node;
mod operator;
#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::codec::{Framed, LinesCodec, LinesCodecError};
use warcdl_actors::wire::{FrameCodec, HandshakeError};

pub use self::master::NodeLink;
pub use self::message::{Answer, Caller, Ending, FromMaster, Progress, ReaderEvent, Standing, ToMaster};
pub use self::node::{Control, MasterSaid, Seat};
pub use self::operator::{MAX_READERS, scale};

/// Longest line, in bytes.
pub const MAX_LINE: usize = 64 << 10;
/// How often either side says something.
pub const BEAT: Duration = Duration::from_secs(5);
/// Silence after which the other side is given up.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Why the link is no good.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody answers, or the socket failed.
    #[error("the control link failed: {0}")]
    Io(#[from] io::Error),
    /// The two do not come together.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The other side closed the link.
    #[error("the other side closed the control link")]
    Closed,
    /// The GPU node does not want this master.
    #[error("the GPU node hangs up: it works for another application, or has a newer master")]
    Unwelcome,
    /// Nothing was heard for too long.
    #[error("nothing heard over the control link for {} s", PATIENCE.as_secs())]
    Silent,
    /// The other side took too long to begin.
    #[error("no answer over the control link within {} s", HANDSHAKE.as_secs())]
    Slow,
    /// A line is too long.
    #[error("a line of the control link is longer than {MAX_LINE} bytes")]
    TooLong,
    /// A line makes no sense.
    #[error("a line of the control link cannot be understood, run the same build on both sides: {0}")]
    Json(#[from] serde_json::Error),
}

impl From<LinesCodecError> for ControlError {
    fn from(error: LinesCodecError) -> Self {
        match error {
            LinesCodecError::MaxLineLengthExceeded => ControlError::TooLong,
            LinesCodecError::Io(error) => ControlError::Io(error),
        }
    }
}

/// One end of a link whose handshake is done.
struct Link<IO> {
    lines: Framed<IO, LinesCodec>,
    heard: Instant,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Link<IO> {
    fn new(framed: Framed<IO, FrameCodec>) -> Self {
        let lines = framed.map_codec(|_| LinesCodec::new_with_max_length(MAX_LINE));
        Link { lines, heard: Instant::now() }
    }

    async fn say(&mut self, message: &impl Serialize) -> Result<(), ControlError> {
        Ok(self.lines.send(serde_json::to_string(message)?).await?)
    }

    /// What the other side says next. May be dropped and called again.
    async fn hear<T: DeserializeOwned>(&mut self) -> Result<T, ControlError> {
        let deadline = self.heard + PATIENCE;
        let line = tokio::time::timeout_at(deadline, self.lines.next()).await;
        let line = line.map_err(|_| ControlError::Silent)?.ok_or(ControlError::Closed)??;
        self.heard = Instant::now();
        Ok(serde_json::from_str(&line)?)
    }
}
