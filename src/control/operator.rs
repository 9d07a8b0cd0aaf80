//! An operator's end of the control link.

use tokio::net::TcpStream;
use tokio_util::codec::Framed;
use warcdl_actors::deadline::within;
use warcdl_actors::wire::handshake::introduce;
use warcdl_actors::wire::{FrameCodec, JobSecret};

use super::{Answer, Caller, ControlError, HANDSHAKE, Link};

/// Most readers that an operator may ask for.
pub const MAX_READERS: u32 = 100_000;

/// Has the GPU node whose control port is at `address` keep so many readers alive.
pub async fn scale(address: &str, secret: &JobSecret, readers: u32) -> Result<Answer, ControlError> {
    let asked = async {
        let stream = TcpStream::connect(address).await?;
        let _ = stream.set_nodelay(true);
        let mut framed = Framed::new(stream, FrameCodec::new());
        introduce(&mut framed, secret, "operator").await?;
        let mut link = Link::new(framed);
        link.say(&Caller::Operator { readers }).await?;
        link.hear().await
    };
    within(HANDSHAKE, asked).await.ok_or(ControlError::Slow)?
}
