//! Calls to whichever of several servers is the active one, repeated when they are lost.

use super::{Connection, ExceptionKind, Identity, Login, Options, RpcError, frame};
use crate::Address;
use prost::Message;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a call is repeated, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// After so long, the last error is given back. Each server is tried once in any case.
    pub total: Duration,
    /// The wait after the first round; it doubles from round to round.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Patience {
    /// Each server once, without waiting.
    pub const NONE: Patience =
        Patience { total: Duration::ZERO, first: Duration::ZERO, longest: Duration::ZERO };

    /// From half a second to ten between the rounds, for so long.
    pub const fn of(total: Duration) -> Patience {
        Patience { total, first: Duration::from_millis(500), longest: Duration::from_secs(10) }
    }
}

/// A connection to the active one of several servers. Calls may be made at the same time; they share it.
#[derive(Debug)]
pub struct Failover {
    addresses: Vec<Address>,
    protocol: &'static str,
    options: Arc<Options>,
    identity: Arc<Identity>,
    login: Mutex<Login>,
    /// Held while connecting, so that calls at the same time make one connection.
    current: tokio::sync::Mutex<Current>,
}

#[derive(Debug, Default)]
struct Current {
    /// Which of the addresses.
    at: usize,
    connection: Option<Connection>,
}

impl Failover {
    /// For servers of a protocol; nothing is connected yet.
    ///
    /// # Panics
    /// If there is no address.
    pub fn new(
        addresses: Vec<Address>,
        protocol: &'static str,
        login: Login,
        options: Options,
    ) -> Result<Failover, RpcError> {
        let address = addresses.first().expect("at least one address").clone();
        let identity = Identity::new().map_err(|source| RpcError::Sasl { address, source })?;
        Ok(Failover {
            addresses,
            protocol,
            options: Arc::new(options),
            identity,
            login: Mutex::new(login),
            current: tokio::sync::Mutex::default(),
        })
    }

    /// The servers, in the order in which they are tried.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Lets the next call connect anew, as somebody else, or by a newer token. Calls on their way are not disturbed.
    pub async fn set_login(&self, login: Login) {
        *self.login.lock().unwrap_or_else(PoisonError::into_inner) = login;
        self.current.lock().await.connection = None;
    }

    /// Calls a method; what may pass is tried again, on every server, for as long as `patience` says. The server may see
    /// such a call twice.
    pub async fn call<Response: Message + Default>(
        &self,
        method: &'static str,
        request: &impl Message,
        patience: Patience,
    ) -> Result<Response, RpcError> {
        let body = frame::body(self.protocol, method, request);
        let id = self.identity.next_call();
        let begin = Instant::now();
        let mut wait = patience.first;
        let mut tries = 0;
        loop {
            let (at, result) = self.attempt(method, &body, id, tries as i32).await;
            let error = match result {
                Ok(response) => return Ok(response),
                Err(error) if error.is_passing() => error,
                Err(error) => {
                    // The next call may find the server elsewhere.
                    if error.is_strange() {
                        self.leave(at).await;
                    }
                    return Err(error);
                }
            };
            tries += 1;
            let same = matches!(error.kind(), Some(ExceptionKind::Retriable | ExceptionKind::NotYetReady));
            if !same {
                self.leave(at).await;
            }
            if !same && tries % self.addresses.len() != 0 {
                tracing::debug!(%error, method, "trying the next server");
                continue;
            }
            if begin.elapsed() + wait > patience.total || patience.total.is_zero() {
                return Err(error);
            }
            tracing::info!(%error, method, ?wait, "calling again");
            // Many clients wait for the same server to come back.
            sleep(wait.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
            wait = (wait * 2).min(patience.longest);
        }
    }

    async fn attempt<Response: Message + Default>(
        &self,
        method: &'static str,
        body: &[u8],
        id: i32,
        retry: i32,
    ) -> (usize, Result<Response, RpcError>) {
        let (at, connection) = match self.connection().await {
            (at, Ok(connection)) => (at, connection),
            (at, Err(error)) => return (at, Err(error)),
        };
        (at, connection.send(method, body.to_vec(), id, retry).await)
    }

    /// The open connection, or a new one to the current server.
    async fn connection(&self) -> (usize, Result<Connection, RpcError>) {
        let mut current = self.current.lock().await;
        if let Some(connection) = current.connection.as_ref().filter(|connection| !connection.is_closed()) {
            return (current.at, Ok(connection.clone()));
        }
        let login = self.login.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let address = &self.addresses[current.at];
        let opened = Connection::open(address, self.protocol, &login, &self.options, &self.identity).await;
        current.connection = opened.as_ref().ok().cloned();
        (current.at, opened)
    }

    /// Goes on to the next server, if nobody else has.
    async fn leave(&self, at: usize) {
        let mut current = self.current.lock().await;
        if current.at == at {
            *current = Current { at: (at + 1) % self.addresses.len(), connection: None };
        }
    }
}
