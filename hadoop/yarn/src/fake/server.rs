//! The server's side of Hadoop RPC.

use super::digest::{DigestServer, Offer};
use super::fault::{Fault, Faults};
use crate::proto::rpc::{
    IpcConnectionContext, RequestHeader, RpcRequestHeader, RpcResponseHeader, RpcSasl, SaslAuth,
};
use crate::rpc::frame::{self, Gathering, framed, sasl_state, status};
use crate::sasl::Layer;
use prost::Message;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Longest request.
const LIMIT: usize = 16 * 1024 * 1024;

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Somebody who says that this is his name.
    Named(String),
    /// The holder of a token, by its identifier.
    Holder(Vec<u8>),
}

/// An answer: a message, or the class and the message of an exception.
pub(crate) type Answer = Result<Vec<u8>, Exception>;

/// An exception of the server.
#[derive(Clone, Debug)]
pub(crate) struct Exception {
    pub(crate) class: &'static str,
    pub(crate) message: String,
}

impl Exception {
    pub(crate) fn new(class: &'static str, message: impl Into<String>) -> Exception {
        Exception { class, message: message.into() }
    }
}

/// A protocol that is served.
pub(crate) trait Service: Send + Sync + 'static {
    /// Its name.
    fn protocol(&self) -> &'static str;
    /// How tokens are checked.
    fn offer(&self) -> Offer;
    /// Whether names are believed.
    fn believes_names(&self) -> bool;
    /// The password of a token, if it is a good one.
    fn password(&self, identifier: &[u8]) -> Option<Vec<u8>>;
    /// Whether a connection that came is accepted.
    fn admits(&self) -> bool;
    /// Faults on purpose.
    fn faults(&self) -> &Faults;
    /// Answers a call; each of its containers is refused if `refusal` says so.
    fn call(&self, caller: &Caller, method: &str, message: &[u8], refusal: Option<&str>) -> Answer;
    /// Notes that a ping came.
    fn pinged(&self) {}
}

/// Serves a protocol until this is dropped, or breaks all connections each time `epoch` changes.
pub(crate) async fn serve(listener: TcpListener, service: Arc<dyn Service>, mut epoch: watch::Receiver<u64>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((io, _)) = accepted else { continue };
                if service.admits() {
                    let service = service.clone();
                    connections.spawn(async move { connection(io, &*service).await });
                }
            }
            changed = epoch.changed() => {
                connections.abort_all();
                if changed.is_err() {
                    return;
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one connection until it ends.
pub(crate) async fn connection(mut io: impl AsyncRead + AsyncWrite + Unpin, service: &dyn Service) {
    // A connection that breaks is the client's to complain about.
    let _ = converse(&mut io, service).await;
    let _ = io.shutdown().await;
}

async fn converse(
    io: &mut (impl AsyncRead + AsyncWrite + Unpin),
    service: &dyn Service,
) -> std::io::Result<()> {
    let mut preamble = [0; 7];
    io.read_exact(&mut preamble).await?;
    if preamble[..6] != frame::PREAMBLE {
        return Ok(());
    }
    let mut gathering = Gathering::default();
    let (holder, layer) = match preamble[6] {
        frame::AUTH_SASL => match authenticate(io, &mut gathering, service).await? {
            Ok(proved) => proved,
            Err(exception) => {
                return io.write_all(&failure(frame::CALL_SASL, status::FATAL, &exception)).await;
            }
        },
        _ if service.believes_names() => (None, None),
        _ => {
            let message = "SIMPLE authentication is not enabled.  Available:[TOKEN]";
            let exception = Exception::new("org.apache.hadoop.security.AccessControlException", message);
            return io.write_all(&failure(-1, status::FATAL, &exception)).await;
        }
    };
    let (answers, ready) = mpsc::unbounded_channel();
    let inner = Gathering::default();
    Conversation { service, caller: holder.map(Caller::Holder), layer, inner, answers }
        .run(io, gathering, ready)
        .await
}

type Proof = (Option<Vec<u8>>, Option<Layer>);

async fn authenticate(
    io: &mut (impl AsyncRead + AsyncWrite + Unpin),
    gathering: &mut Gathering,
    service: &dyn Service,
) -> std::io::Result<Result<Proof, Exception>> {
    let refuse = |message: &str| Ok(Err(Exception::new("javax.security.sasl.SaslException", message)));
    let digest = DigestServer::new(service.offer());
    let mut auths = vec![digest.entry()];
    if service.believes_names() {
        auths.push(SaslAuth { method: "SIMPLE".into(), ..SaslAuth::default() });
    }
    let Some(message) = step(io, gathering).await? else { return refuse("no SASL") };
    if message.state != sasl_state::NEGOTIATE {
        return refuse("no negotiation");
    }
    io.write_all(&sasl_answer(sasl_state::NEGOTIATE, None, auths)).await?;
    let Some(message) = step(io, gathering).await? else { return refuse("no SASL") };
    let chosen = message.auths.first().cloned().unwrap_or_default();
    if message.state != sasl_state::INITIATE {
        return refuse("no initiation");
    }
    if chosen.method == "SIMPLE" && service.believes_names() {
        return Ok(Ok((None, None)));
    }
    if chosen != (SaslAuth { challenge: None, ..digest.entry() }) {
        return refuse("an entry that was not offered");
    }
    let mut response = message.token;
    if response.is_none() {
        let challenge = Some(digest.challenge().into_bytes());
        io.write_all(&sasl_answer(sasl_state::CHALLENGE, challenge, Vec::new())).await?;
        response = step(io, gathering).await?.and_then(|message| message.token);
    }
    let proved = match digest.check(&response.unwrap_or_default(), |identifier| service.password(identifier))
    {
        Ok(proved) => proved,
        Err(message) if message.contains("can't be found") => {
            let class = "org.apache.hadoop.security.token.SecretManager$InvalidToken";
            return Ok(Err(Exception::new(class, message)));
        }
        Err(message) => return refuse(&message),
    };
    io.write_all(&sasl_answer(sasl_state::SUCCESS, Some(proved.last.into_bytes()), Vec::new())).await?;
    Ok(Ok((Some(proved.identifier), proved.layer.map(Layer::Digest))))
}

/// The next message of SASL.
async fn step(
    io: &mut (impl AsyncRead + Unpin),
    gathering: &mut Gathering,
) -> std::io::Result<Option<RpcSasl>> {
    let Some(bytes) = gathering.next(io, LIMIT).await.map_err(std::io::Error::other)? else {
        return Ok(None);
    };
    let mut rest = &*bytes;
    let header = RpcRequestHeader::decode_length_delimited(&mut rest).map_err(std::io::Error::other)?;
    let message = RpcSasl::decode_length_delimited(rest).map_err(std::io::Error::other)?;
    Ok((header.call_id == frame::CALL_SASL).then_some(message))
}

/// A connection after its authentication.
struct Conversation<'a> {
    service: &'a dyn Service,
    caller: Option<Caller>,
    layer: Option<Layer>,
    inner: Gathering,
    answers: mpsc::UnboundedSender<Vec<u8>>,
}

impl Conversation<'_> {
    async fn run(
        mut self,
        io: &mut (impl AsyncRead + AsyncWrite + Unpin),
        mut outer: Gathering,
        mut ready: mpsc::UnboundedReceiver<Vec<u8>>,
    ) -> std::io::Result<()> {
        loop {
            while let Some(bytes) = outer.frame(LIMIT).map_err(std::io::Error::other)? {
                if !self.received(&bytes)? {
                    return Ok(());
                }
            }
            tokio::select! {
                Some(answer) = ready.recv() => {
                    let answer = match &mut self.layer {
                        Some(layer) => {
                            let token = layer.wrap(&answer).map_err(std::io::Error::other)?;
                            sasl_answer(sasl_state::WRAP, Some(token), Vec::new())
                        }
                        None => answer,
                    };
                    io.write_all(&answer).await?;
                }
                more = outer.read(io) => {
                    if !more? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Takes a frame; `false` ends the connection.
    fn received(&mut self, bytes: &[u8]) -> std::io::Result<bool> {
        let Some(layer) = &mut self.layer else { return self.message(bytes) };
        let mut rest = bytes;
        let header = RpcRequestHeader::decode_length_delimited(&mut rest).map_err(std::io::Error::other)?;
        let wrapped = RpcSasl::decode_length_delimited(rest).map_err(std::io::Error::other)?;
        if header.call_id != frame::CALL_SASL || wrapped.state != sasl_state::WRAP {
            return Ok(false);
        }
        let token = wrapped.token.unwrap_or_default();
        if token.len() > 65_536 {
            return Ok(false);
        }
        self.inner.push(&layer.unwrap(&token).map_err(std::io::Error::other)?);
        while let Some(bytes) = self.inner.frame(LIMIT).map_err(std::io::Error::other)? {
            if !self.message(&bytes)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn message(&mut self, bytes: &[u8]) -> std::io::Result<bool> {
        let mut rest = bytes;
        let header = RpcRequestHeader::decode_length_delimited(&mut rest).map_err(std::io::Error::other)?;
        match header.call_id {
            frame::CALL_PING => self.service.pinged(),
            frame::CALL_CONTEXT => {
                let context =
                    IpcConnectionContext::decode_length_delimited(rest).map_err(std::io::Error::other)?;
                let user = context.user_info.and_then(|user| user.effective_user);
                // A holder of a token is whom the token is for, and may not claim to be another.
                match (&self.caller, user) {
                    (None, Some(user)) => self.caller = Some(Caller::Named(user)),
                    (Some(_), None) => {}
                    _ => return Ok(false),
                }
                return Ok(context.protocol.as_deref() == Some(self.service.protocol()));
            }
            id if id >= 0 && header.rpc_kind == Some(2) && header.rpc_op == Some(0) => {
                return self.call(&header, rest);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn call(&mut self, header: &RpcRequestHeader, mut rest: &[u8]) -> std::io::Result<bool> {
        let method = RequestHeader::decode_length_delimited(&mut rest).map_err(std::io::Error::other)?;
        let len = prost::decode_length_delimiter(&mut rest).map_err(std::io::Error::other)?;
        if len != rest.len() {
            return Ok(false);
        }
        let Some(caller) = &self.caller else { return Ok(false) };
        let fault = self.service.faults().take(&method.method_name);
        let refusal = match &fault {
            Some(Fault::LoseRequest) => return Ok(false),
            Some(Fault::Refuse(message)) => Some(*message),
            _ => None,
        };
        let answer = match &fault {
            Some(Fault::Exception(class, message)) => Err(Exception::new(class, *message)),
            _ => self.service.call(caller, &method.method_name, rest, refusal),
        };
        let answer = match answer {
            Ok(message) => {
                let header = RpcResponseHeader {
                    call_id: header.call_id as u32,
                    status: status::SUCCESS,
                    server_ipc_version_num: Some(9),
                    client_id: Some(header.client_id.clone()),
                    retry_count: header.retry_count,
                    ..RpcResponseHeader::default()
                };
                let mut len = Vec::new();
                prost::encoding::encode_varint(message.len() as u64, &mut len);
                framed(&[&header.encode_length_delimited_to_vec(), &len, &message])
            }
            Err(exception) => failure(header.call_id, status::ERROR, &exception),
        };
        match fault {
            Some(Fault::LoseReply) => return Ok(false),
            Some(Fault::Silence) => {}
            Some(Fault::Delay(time)) => {
                let answers = self.answers.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    let _ = answers.send(answer);
                });
            }
            _ => {
                let _ = self.answers.send(answer);
            }
        }
        Ok(true)
    }
}

pub(crate) fn sasl_answer(state: i32, token: Option<Vec<u8>>, auths: Vec<SaslAuth>) -> Vec<u8> {
    let header = RpcResponseHeader {
        call_id: frame::CALL_SASL as u32,
        status: status::SUCCESS,
        server_ipc_version_num: Some(9),
        ..RpcResponseHeader::default()
    };
    let message = RpcSasl { version: Some(0), state, token, auths };
    framed(&[&header.encode_length_delimited_to_vec(), &message.encode_length_delimited_to_vec()])
}

/// A failure as Java sends it: the message is the first line of a stack trace.
fn failure(call_id: i32, status: i32, exception: &Exception) -> Vec<u8> {
    let Exception { class, message } = exception;
    let header = RpcResponseHeader {
        call_id: call_id as u32,
        status,
        server_ipc_version_num: Some(9),
        exception_class_name: Some((*class).to_owned()),
        error_msg: Some(format!("{message}\n\tat fake.Server.call(Server.java:1)\n")),
        error_detail: Some(1),
        ..RpcResponseHeader::default()
    };
    framed(&[&header.encode_length_delimited_to_vec()])
}
