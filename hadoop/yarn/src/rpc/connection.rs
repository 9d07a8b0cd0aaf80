//! One connection to one server.

use super::driver::{Call, Driver};
use super::handshake::{self, Handshake};
use super::{Login, Options, RpcError, frame};
use crate::{Address, SaslError};
use prost::Message;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

/// Calls that wait to be written; a caller beyond them waits itself.
const QUEUE: usize = 64;

/// Whose calls they are: a server tells repeated calls by the client and the number of the call.
#[derive(Debug)]
pub struct Identity {
    client_id: [u8; 16],
    next: AtomicI32,
}

impl Identity {
    /// An identity at random.
    pub fn new() -> Result<Arc<Identity>, SaslError> {
        let mut client_id = [0; 16];
        getrandom::fill(&mut client_id).map_err(|error| SaslError::Random(error.to_string()))?;
        Ok(Arc::new(Identity { client_id, next: AtomicI32::new(0) }))
    }

    pub(super) fn client_id(&self) -> &[u8; 16] {
        &self.client_id
    }

    /// The number of the next call: negative ones mean something else, so they begin anew at 0.
    pub(super) fn next_call(&self) -> i32 {
        self.next.fetch_add(1, Ordering::Relaxed) & i32::MAX
    }
}

/// A connection; clones share it. It closes when the last is dropped, or after [`Options::max_idle`].
#[derive(Clone, Debug)]
pub struct Connection {
    address: Address,
    protocol: &'static str,
    identity: Arc<Identity>,
    options: Arc<Options>,
    calls: mpsc::Sender<Call>,
}

impl Connection {
    /// Connects to a server and authenticates.
    pub async fn open(
        address: &Address,
        protocol: &'static str,
        login: &Login,
        options: &Arc<Options>,
        identity: &Arc<Identity>,
    ) -> Result<Connection, RpcError> {
        let refuse = |reason: String| RpcError::Connect { address: address.clone(), reason };
        let begin = Instant::now();
        let io = match timeout(options.connect_timeout, TcpStream::connect((&*address.host, address.port)))
            .await
        {
            Ok(io) => io.map_err(|error| refuse(error.to_string()))?,
            Err(_) => return Err(refuse(format!("no answer within {:?}", options.connect_timeout))),
        };
        io.set_nodelay(true).map_err(|error| refuse(error.to_string()))?;
        let left = options.connect_timeout.saturating_sub(begin.elapsed());
        match timeout(left, Connection::over(io, address, protocol, login, options, identity)).await {
            Ok(connection) => connection,
            Err(_) => Err(refuse(format!("no authentication within {:?}", options.connect_timeout))),
        }
    }

    /// The same over a stream that is open already, without a limit of time.
    pub async fn over(
        mut io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        address: &Address,
        protocol: &'static str,
        login: &Login,
        options: &Arc<Options>,
        identity: &Arc<Identity>,
    ) -> Result<Connection, RpcError> {
        let gathering = frame::Gathering::default();
        let agreed = Handshake { io: &mut io, address, login, options, gathering }.run().await?;
        let context = handshake::context(login, &agreed, protocol, identity.client_id());
        let (calls, queue) = mpsc::channel(QUEUE);
        let driver = Driver::new(agreed, address.clone(), options.clone(), *identity.client_id());
        tokio::spawn(driver.run(io, context, queue));
        let (identity, options) = (identity.clone(), options.clone());
        Ok(Connection { address: address.clone(), protocol, identity, options, calls })
    }

    /// Where to.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether it takes no more calls.
    pub fn is_closed(&self) -> bool {
        self.calls.is_closed()
    }

    /// Calls a method, and waits for the answer; other calls may be on their way meanwhile. Dropping this gives the
    /// answer up, but not what the server does.
    pub async fn call<Response: Message + Default>(
        &self,
        method: &'static str,
        request: &impl Message,
    ) -> Result<Response, RpcError> {
        let body = frame::body(self.protocol, method, request);
        self.send(method, body, self.identity.next_call(), 0).await
    }

    /// Sends a call by its number; `retry` says how often it was sent before.
    pub(super) async fn send<Response: Message + Default>(
        &self,
        method: &'static str,
        body: Vec<u8>,
        id: i32,
        retry: i32,
    ) -> Result<Response, RpcError> {
        let (bytes, limit) = (body.len(), self.options.max_request);
        if bytes > limit {
            return Err(RpcError::TooLong { bytes, limit });
        }
        let lost = |reason: &str| RpcError::Lost { address: self.address.clone(), reason: reason.to_owned() };
        let (reply, answer) = oneshot::channel();
        let after = self.options.call_timeout;
        let call = Call { id, retry, method, body, deadline: Instant::now() + after, after, reply };
        self.calls.send(call).await.map_err(|_| lost("closed before the call was sent"))?;
        let answer = answer.await.map_err(|_| lost("closed"))??;
        frame::only(&answer).map_err(|what| RpcError::Malformed { address: self.address.clone(), what })
    }
}
