//! The listener: accepts connections, sees the handshake through, and starts a session for each reader.

use crate::deadline::within;
use crate::session::{Session, SessionContext};
use crate::wire::handshake::{Welcome, admit, send_welcome};
use crate::wire::{FrameCodec, HandshakeError, JobSecret, RECORD_COST, RECORD_OVERHEAD};
use actix_rt::ArbiterHandle;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::codec::Framed;

/// Peers that may be in the handshake at once; further ones wait in the kernel's queue.
const MAX_HANDSHAKES: usize = 64;
/// How long a peer may take to prove that it knows the secret.
const PROOF_DEADLINE: Duration = Duration::from_secs(5);
/// How long it may take to read the job, which may hold a tokenizer of many megabytes, while others read it too.
const WELCOME_DEADLINE: Duration = Duration::from_secs(120);

/// Limits of a reader's connection.
#[derive(Clone, Copy, Debug)]
pub struct LinkLimits {
    /// Bytes that one reader may have under way; at least `max_record` and [`RECORD_OVERHEAD`].
    pub window: u64,
    /// Longest data frame in bytes.
    pub max_record: u32,
    /// Silence, or work without progress, after which a reader is given up.
    pub patience: Duration,
}

impl LinkLimits {
    /// Limits for prepared records of at most `max_record` bytes; the window grows to hold one of them at least.
    pub fn new(window: u64, max_record: u32, patience: Duration) -> LinkLimits {
        let max_record = max_record.saturating_add(RECORD_OVERHEAD as u32);
        LinkLimits { window: window.max(u64::from(max_record) + RECORD_COST), max_record, patience }
    }
}

/// What the listener is made of.
pub struct Listener {
    /// The bound socket.
    pub socket: TcpListener,
    /// The job's secret.
    pub secret: JobSecret,
    /// The job's description for the readers.
    pub job: Bytes,
    /// Limits of each connection.
    pub limits: LinkLimits,
    /// Threads on which sessions run, in turn.
    pub arbiters: Vec<ArbiterHandle>,
    /// What the sessions share.
    pub sessions: SessionContext,
}

impl Listener {
    /// Accepts until it is dropped.
    pub async fn run(self) {
        let this = Arc::new(self);
        let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
        for id in 1.. {
            let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else { return };
            let stream = match this.socket.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, or a peer that went at once: the next one may succeed.
                    tracing::warn!("cannot accept a connection: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let arbiter = this.arbiters[id as usize % this.arbiters.len()].clone();
            let this = Arc::clone(&this);
            arbiter.spawn(async move {
                this.greet(id, stream).await;
                drop(permit);
            });
        }
    }

    async fn greet(&self, id: u64, stream: TcpStream) {
        let peer = stream.peer_addr().map_or_else(|_| "?".to_owned(), |peer| peer.to_string());
        // Small frames (grants, leases) must not wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let mut framed = Framed::new(stream, FrameCodec::new());
        let name = match self.shake_hands(&mut framed, id).await {
            Ok(name) => name,
            Err(error) => {
                self.sessions.metrics.refused.inc();
                return tracing::warn!(%peer, "connection refused: {error}");
            }
        };
        Session::start_on(framed, id, name.into(), peer, self.sessions.clone());
    }

    /// Gives the reader's name.
    async fn shake_hands(
        &self,
        framed: &mut Framed<TcpStream, FrameCodec>,
        id: u64,
    ) -> Result<String, HandshakeError> {
        let proof = within(PROOF_DEADLINE, admit(framed, &self.secret));
        let name = proof.await.ok_or(HandshakeError::Late)??;
        let LinkLimits { window, max_record, .. } = self.limits;
        let welcome = Welcome { session: id, granted: window, max_record, job: self.job.clone() };
        let welcomed = within(WELCOME_DEADLINE, send_welcome(framed, welcome));
        welcomed.await.ok_or(HandshakeError::Late)??;
        Ok(name)
    }
}
