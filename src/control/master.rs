//! The application master's end of the control link.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::codec::Framed;
use warcdl_actors::deadline::within;
use warcdl_actors::wire::handshake::introduce;
use warcdl_actors::wire::{FrameCodec, JobSecret};

use super::{Caller, ControlError, FromMaster, HANDSHAKE, Link, ToMaster};

/// A link to the GPU node.
pub struct NodeLink<IO = TcpStream> {
    link: Link<IO>,
    /// What the node has said already.
    first: Option<ToMaster>,
}

impl NodeLink {
    /// Dials `address` (`HOST:PORT`), says who speaks, and waits until the node has said something. One that knows the
    /// secret and works for another application, or has a newer master, hangs up instead.
    pub async fn dial(
        address: &str,
        secret: &JobSecret,
        application: &str,
        attempt: u32,
    ) -> Result<NodeLink, ControlError> {
        let dialled = async {
            let stream = TcpStream::connect(address).await?;
            let _ = stream.set_nodelay(true);
            NodeLink::open(stream, secret, application, attempt).await
        };
        within(HANDSHAKE, dialled).await.ok_or(ControlError::Slow)?
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> NodeLink<IO> {
    async fn open(
        io: IO,
        secret: &JobSecret,
        application: &str,
        attempt: u32,
    ) -> Result<NodeLink<IO>, ControlError> {
        let mut framed = Framed::new(io, FrameCodec::new());
        introduce(&mut framed, secret, &format!("master-{attempt}")).await?;
        let mut link = Link::new(framed);
        link.say(&Caller::Master { application: application.to_owned(), attempt }).await?;
        let first = match link.hear().await {
            Err(ControlError::Closed) => return Err(ControlError::Unwelcome),
            first => first?,
        };
        Ok(NodeLink { link, first: Some(first) })
    }

    /// Tells the node.
    pub async fn say(&mut self, message: &FromMaster) -> Result<(), ControlError> {
        self.link.say(message).await
    }

    /// What the node says next. May be dropped and called again.
    pub async fn hear(&mut self) -> Result<ToMaster, ControlError> {
        match self.first.take() {
            Some(first) => Ok(first),
            None => self.link.hear().await,
        }
    }
}
