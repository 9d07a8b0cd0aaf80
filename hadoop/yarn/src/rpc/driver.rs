//! The task of a connection: writes calls, reads answers, and gives each to whom it belongs.

use super::frame::{self, Gathering, sasl_state, status};
use super::handshake::Agreed;
use super::{Options, RemoteException, RpcError};
use crate::Address;
use crate::proto::rpc::RpcSasl;
use crate::sasl::Layer;
use bytes::BytesMut;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

/// No more calls are taken while so many bytes wait to be written.
const MAX_WAITING: usize = 1024 * 1024;
/// Bytes that wrapping may add to a response.
const MAX_WRAPPING: usize = 64 * 1024;

/// How long the reason is waited for when a connection cannot be written to.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// An answer, or why there is none.
type Answer = Result<Vec<u8>, RpcError>;

/// A call that is to be made.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: i32,
    pub(super) retry: i32,
    pub(super) method: &'static str,
    pub(super) body: Vec<u8>,
    pub(super) deadline: Instant,
    /// How long it is until the deadline, for the message.
    pub(super) after: Duration,
    pub(super) reply: oneshot::Sender<Answer>,
}

/// A call whose answer has not come.
struct Pending {
    method: &'static str,
    since: Instant,
    deadline: Instant,
    after: Duration,
    reply: oneshot::Sender<Answer>,
}

/// What a connection knows.
pub(super) struct Driver {
    address: Address,
    options: Arc<Options>,
    client_id: [u8; 16],
    layer: Option<Layer>,
    /// What comes, as it comes.
    outer: Gathering,
    /// What comes, unwrapped.
    inner: Gathering,
    /// What waits to be written.
    waiting: BytesMut,
    pending: HashMap<i32, Pending>,
    /// When something came last.
    heard: Instant,
    /// When a ping was sent last.
    pinged: Instant,
    /// When there was a call last.
    busy: Instant,
}

impl Driver {
    pub(super) fn new(
        agreed: Agreed,
        address: Address,
        options: Arc<Options>,
        client_id: [u8; 16],
    ) -> Driver {
        let now = Instant::now();
        Driver {
            address,
            options,
            client_id,
            layer: agreed.layer,
            outer: agreed.gathering,
            inner: Gathering::default(),
            waiting: BytesMut::new(),
            pending: HashMap::new(),
            heard: now,
            pinged: now,
            busy: now,
        }
    }

    /// Runs until the connection breaks, nobody holds it, or it has been idle for long; then every call that waits fails.
    pub(super) async fn run(
        mut self,
        io: impl AsyncRead + AsyncWrite + Unpin,
        context: Vec<u8>,
        mut calls: mpsc::Receiver<Call>,
    ) {
        let error = match self.drive(io, &context, &mut calls).await {
            Ok(()) => self.lost("closed".into()),
            Err(error) => error,
        };
        calls.close();
        let pending = self.pending.drain().map(|(_, pending)| pending.reply);
        for reply in pending {
            let _ = reply.send(Err(error.clone()));
        }
        while let Ok(call) = calls.try_recv() {
            let _ = call.reply.send(Err(error.clone()));
        }
    }

    async fn drive(
        &mut self,
        io: impl AsyncRead + AsyncWrite + Unpin,
        context: &[u8],
        calls: &mut mpsc::Receiver<Call>,
    ) -> Result<(), RpcError> {
        let (mut reader, mut writer) = tokio::io::split(io);
        self.write(context)?;
        self.frames()?;
        let mut open = true;
        loop {
            if !open && self.pending.is_empty() {
                return Ok(());
            }
            let wake = self.wake();
            // Each of these can be dropped while it waits, and loses nothing by it.
            tokio::select! {
                more = self.outer.read(&mut reader) => {
                    if !more.map_err(|error| self.lost(error.to_string()))? {
                        return Err(self.lost("closed by the server".into()));
                    }
                    self.heard = Instant::now();
                    self.frames()?;
                }
                written = writer.write_buf(&mut self.waiting), if !self.waiting.is_empty() => {
                    if let Err(error) = written {
                        return Err(self.last_words(&mut reader, &error).await);
                    }
                }
                call = calls.recv(), if open && self.waiting.len() < MAX_WAITING => match call {
                    Some(call) => self.call(call)?,
                    // Nobody holds the connection, so nobody waits for an answer either.
                    None => return Ok(()),
                },
                () = sleep_until(wake) => {
                    self.expire()?;
                    if self.is_idle() {
                        calls.close();
                        open = false;
                        // Calls that were sent before the closing are made yet.
                        while let Ok(call) = calls.try_recv() {
                            self.call(call)?;
                        }
                    }
                }
            }
        }
    }

    /// Why the server does not want to hear more: it may have said so before it closed the connection.
    async fn last_words(
        &mut self,
        reader: &mut (impl AsyncRead + Unpin),
        error: &std::io::Error,
    ) -> RpcError {
        let listening = async {
            loop {
                self.frames()?;
                if !matches!(self.outer.read(reader).await, Ok(true)) {
                    return Ok(());
                }
            }
        };
        match timeout(LAST_WORDS, listening).await {
            Ok(Err(said)) => said,
            _ => self.lost(error.to_string()),
        }
    }

    /// When there is something to do though nothing comes.
    fn wake(&self) -> Instant {
        match self.pending.values().map(|pending| pending.deadline).min() {
            Some(deadline) => deadline.min(self.heard.max(self.pinged) + self.options.ping_interval),
            None => self.busy + self.options.max_idle,
        }
    }

    fn is_idle(&self) -> bool {
        self.pending.is_empty() && Instant::now() >= self.busy + self.options.max_idle
    }

    fn call(&mut self, call: Call) -> Result<(), RpcError> {
        let Call { id, retry, method, body, deadline, after, reply } = call;
        if reply.is_closed() {
            return Ok(());
        }
        self.write(&frame::call(&self.client_id, id, retry, &body))?;
        let since = Instant::now();
        self.busy = since;
        self.pending.insert(id, Pending { method, since, deadline, after, reply });
        Ok(())
    }

    /// Gives up calls whose time is over, and pings.
    fn expire(&mut self) -> Result<(), RpcError> {
        let now = Instant::now();
        let mut silent = false;
        let late: Vec<i32> =
            self.pending.iter().filter(|(_, pending)| pending.deadline <= now).map(|(id, _)| *id).collect();
        for id in late {
            let Some(Pending { method, since, after, reply, .. }) = self.pending.remove(&id) else {
                continue;
            };
            silent |= self.heard <= since;
            let _ = reply.send(Err(RpcError::Timeout { address: self.address.clone(), method, after }));
            self.busy = now;
        }
        if silent {
            // Nothing at all has come since: the host may be gone, and TCP would not tell for a quarter of an hour.
            return Err(self.lost("nothing came while a call waited".into()));
        }
        if !self.pending.is_empty() && now >= self.heard.max(self.pinged) + self.options.ping_interval {
            self.pinged = now;
            self.write(&frame::ping(&self.client_id))?;
        }
        Ok(())
    }

    /// Queues a frame, wrapped if that was agreed on.
    fn write(&mut self, bytes: &[u8]) -> Result<(), RpcError> {
        let Some(layer) = &mut self.layer else {
            self.waiting.extend_from_slice(bytes);
            return Ok(());
        };
        for part in bytes.chunks(Layer::MAX_WRAPPED) {
            let token = layer.wrap(part);
            let token = token.map_err(|source| RpcError::Sasl { address: self.address.clone(), source })?;
            let message = RpcSasl { state: sasl_state::WRAP, token: Some(token), ..RpcSasl::default() };
            self.waiting.extend_from_slice(&frame::sasl(&message));
        }
        Ok(())
    }

    /// Takes every frame that is whole.
    fn frames(&mut self) -> Result<(), RpcError> {
        let limit = self.options.max_response;
        if self.layer.is_none() {
            while let Some(frame) = self.outer.frame(limit).map_err(|what| self.malformed(what))? {
                self.answer(&frame)?;
            }
            return Ok(());
        }
        while let Some(frame) =
            self.outer.frame(limit.saturating_add(MAX_WRAPPING)).map_err(|what| self.malformed(what))?
        {
            self.unwrap(&frame)?;
            while let Some(frame) = self.inner.frame(limit).map_err(|what| self.malformed(what))? {
                self.answer(&frame)?;
            }
        }
        Ok(())
    }

    /// Opens a wrapped message. One that is not wrapped was not necessarily sent by the server: it ends the connection,
    /// and what it says is not believed.
    fn unwrap(&mut self, frame: &[u8]) -> Result<(), RpcError> {
        let mut rest = frame;
        let header = frame::response(&mut rest).map_err(|what| self.malformed(what))?;
        if header.status != status::SUCCESS || header.call_id as i32 != frame::CALL_SASL {
            return Err(self.malformed(format!(
                "an unprotected message ({}: {})",
                header.exception_class_name(),
                header.error_msg().lines().next().unwrap_or_default()
            )));
        }
        let message: RpcSasl = frame::only(rest).map_err(|what| self.malformed(what))?;
        let Some(layer) = self.layer.as_mut().filter(|_| message.state == sasl_state::WRAP) else {
            return Err(self.malformed(format!("the state {} of SASL after authentication", message.state)));
        };
        let opened = layer.unwrap(message.token.as_deref().unwrap_or_default());
        let opened = opened.map_err(|source| RpcError::Sasl { address: self.address.clone(), source })?;
        self.inner.push(&opened);
        Ok(())
    }

    /// Gives a response to whom it belongs. One that nobody waits for came too late.
    fn answer(&mut self, frame: &[u8]) -> Result<(), RpcError> {
        let mut rest = frame;
        let header = frame::response(&mut rest).map_err(|what| self.malformed(what))?;
        let id = header.call_id as i32;
        let exception = |fatal| {
            let (class, text) = (header.exception_class_name(), header.error_msg());
            RpcError::Remote(RemoteException::new(&self.address, class, text, fatal))
        };
        let answer = match header.status {
            status::SUCCESS => Ok(rest.to_vec()),
            status::ERROR => Err(exception(false)),
            status::FATAL => return Err(exception(true)),
            other => return Err(self.malformed(format!("a response of the status {other}"))),
        };
        match self.pending.remove(&id) {
            Some(pending) => {
                let _ = pending.reply.send(answer);
                self.busy = Instant::now();
            }
            None => tracing::debug!(address = %self.address, id, "a response that nobody waits for"),
        }
        Ok(())
    }

    fn lost(&self, reason: String) -> RpcError {
        RpcError::Lost { address: self.address.clone(), reason }
    }

    fn malformed(&self, what: String) -> RpcError {
        RpcError::Malformed { address: self.address.clone(), what }
    }
}
