//! The GPU node's end of the control link.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::codec::Framed;
use warcdl_actors::deadline::within;
use warcdl_actors::wire::handshake::{Welcome, admit, send_welcome};
use warcdl_actors::wire::{FrameCodec, JobSecret, MAX_CONTROL_FRAME};

use super::{
    Answer, BEAT, Caller, ControlError, FromMaster, HANDSHAKE, Link, MAX_READERS, Progress, ToMaster,
};

/// What masters said that was not looked at yet; a master that says more waits.
const UNREAD: usize = 64;
/// Peers that may be in the handshake, and links that may be open, at once.
const LINKS: usize = 8;

/// Something that was heard, in the order of each link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MasterSaid {
    /// A master is there.
    Arrived {
        /// Its application.
        application: String,
        /// Its attempt, from 1.
        attempt: u32,
    },
    /// It said so.
    Message(FromMaster),
    /// The master that counts is gone.
    Lost,
    /// An operator wants so many readers; the master hears of it.
    Scaled {
        /// Readers.
        readers: u32,
    },
}

/// Listens for the application master and tells it what is wanted.
#[derive(Debug)]
pub struct Control {
    address: SocketAddr,
    wanted: Arc<watch::Sender<ToMaster>>,
    progress: watch::Sender<Progress>,
    saying: mpsc::Sender<MasterSaid>,
    said: mpsc::Receiver<MasterSaid>,
    _accepting: JoinSet<()>,
}

/// The place of a master in the GPU node's own process.
#[derive(Debug)]
pub struct Seat {
    /// What is wanted.
    pub wanted: watch::Receiver<ToMaster>,
    /// How far the run is.
    pub progress: watch::Receiver<Progress>,
    /// Where it says what it has to say.
    pub said: mpsc::Sender<MasterSaid>,
}

/// What every link needs.
struct Shared {
    secret: JobSecret,
    wanted: Arc<watch::Sender<ToMaster>>,
    progress: watch::Receiver<Progress>,
    said: mpsc::Sender<MasterSaid>,
    /// The run's application: no other's master is listened to.
    application: String,
    /// Attempt of the newest master, and the number of its newest link, which is the one that counts: older ones end when they
    /// see it.
    newest: watch::Sender<(u32, u64)>,
}

impl Control {
    /// Accepts masters of this application that know `secret` on `socket`, and has them keep `readers` alive.
    pub fn start(
        socket: TcpListener,
        secret: JobSecret,
        application: String,
        readers: u32,
    ) -> std::io::Result<Control> {
        let address = socket.local_addr()?;
        let wanted = Arc::new(watch::Sender::new(ToMaster::Target { readers }));
        let progress = watch::Sender::new(Progress::default());
        let (saying, said) = mpsc::channel(UNREAD);
        let shared = Shared {
            secret,
            wanted: Arc::clone(&wanted),
            progress: progress.subscribe(),
            said: saying.clone(),
            application,
            newest: watch::Sender::new((0, 0)),
        };
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(socket, Arc::new(shared)));
        Ok(Control { address, wanted, progress, saying, said, _accepting: accepting })
    }

    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces what is wanted: the master hears it now, or as soon as it calls.
    pub fn want(&self, wanted: ToMaster) {
        self.wanted.send_replace(wanted);
    }

    /// Has no reader started any more, and those that are there sent away, whatever an operator says: nothing is left to read.
    pub fn want_none(&self) {
        set_target(&self.wanted, 0);
    }

    /// Says how far the run is; the master hears it within some seconds.
    pub fn set_progress(&self, progress: Progress) {
        self.progress.send_replace(progress);
    }

    /// A master in this process takes this in place of a link.
    pub fn seat(&self) -> Seat {
        Seat {
            wanted: self.wanted.subscribe(),
            progress: self.progress.subscribe(),
            said: self.saying.clone(),
        }
    }

    /// The next thing that a master says.
    pub async fn hear(&mut self) -> MasterSaid {
        match self.said.recv().await {
            Some(said) => said,
            // This value holds a sender itself.
            None => std::future::pending().await,
        }
    }
}

/// Whether readers are wanted at all: neither is the end, nor is it known that nothing is left to read.
fn set_target(wanted: &watch::Sender<ToMaster>, readers: u32) -> bool {
    let mut runs = false;
    wanted.send_if_modified(|wanted| {
        let ToMaster::Target { readers: target @ 1.. } = wanted else { return false };
        runs = true;
        std::mem::replace(target, readers) != readers
    });
    runs
}

async fn accept(socket: TcpListener, shared: Arc<Shared>) {
    let mut links = JoinSet::new();
    loop {
        while links.len() >= LINKS {
            links.join_next().await;
        }
        let (stream, peer) = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("cannot accept an application master: {error}");
                tokio::time::sleep(BEAT).await;
                continue;
            }
        };
        let shared = Arc::clone(&shared);
        links.spawn(async move {
            let greeted = within(HANDSHAKE, greet(stream, &shared.secret)).await;
            let ended = match greeted {
                Some(Ok((link, Caller::Master { application, attempt }))) => {
                    shared.serve(link, application, attempt).await
                }
                Some(Ok((link, Caller::Operator { readers }))) => shared.obey(link, readers).await,
                Some(Err(error)) => return tracing::warn!(%peer, "control link refused: {error}"),
                None => return tracing::warn!(%peer, "control link refused: no handshake in time"),
            };
            if let Err(error) = ended {
                tracing::debug!(%peer, "control link lost: {error}");
            }
        });
        while links.try_join_next().is_some() {}
    }
}

async fn greet(stream: TcpStream, secret: &JobSecret) -> Result<(Link<TcpStream>, Caller), ControlError> {
    let _ = stream.set_nodelay(true);
    let mut framed = Framed::new(stream, FrameCodec::new());
    let welcome = Welcome { session: 0, granted: 0, max_record: MAX_CONTROL_FRAME as u32, job: Bytes::new() };
    admit(&mut framed, secret).await?;
    send_welcome(&mut framed, welcome).await?;
    let mut link = Link::new(framed);
    let caller = link.hear().await?;
    Ok((link, caller))
}

impl Shared {
    /// A master, until it is lost or a newer one has come.
    async fn serve(
        &self,
        link: Link<TcpStream>,
        application: String,
        attempt: u32,
    ) -> Result<(), ControlError> {
        if application != self.application {
            tracing::warn!(
                "the master of {application} calls, which is not this run's: it is not listened to"
            );
            return Ok(());
        }
        let mut own = 0;
        // An attempt that was cut off from the ResourceManager may live on beside the one that replaced it.
        let is_newest = self.newest.send_if_modified(|(newest, number)| {
            let is_newest = attempt >= *newest;
            if is_newest {
                (*newest, *number) = (attempt, *number + 1);
                own = *number;
            }
            is_newest
        });
        if !is_newest {
            tracing::debug!(
                "attempt {attempt} of the master calls, which was replaced: it is not listened to"
            );
            return Ok(());
        }
        let mut turns = self.newest.subscribe();
        let _ = self.said.send(MasterSaid::Arrived { application, attempt }).await;
        let ended = tokio::select! {
            ended = self.talk(link) => ended,
            _ = turns.wait_for(|&(_, number)| number != own) => return Ok(()),
        };
        if self.newest.borrow().1 == own {
            let _ = self.said.send(MasterSaid::Lost).await;
        }
        ended
    }

    async fn talk(&self, mut link: Link<TcpStream>) -> Result<(), ControlError> {
        let mut wants = self.wanted.subscribe();
        let mut beat = tokio::time::interval(BEAT);
        let wanted = wants.borrow_and_update().clone();
        link.say(&wanted).await?;
        loop {
            tokio::select! {
                heard = link.hear::<FromMaster>() => {
                    if self.said.send(MasterSaid::Message(heard?)).await.is_err() {
                        return Ok(());
                    }
                }
                changed = wants.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let wanted = wants.borrow_and_update().clone();
                    link.say(&wanted).await?;
                }
                _ = beat.tick() => {
                    let progress = *self.progress.borrow();
                    link.say(&ToMaster::Progress(progress)).await?;
                }
            }
        }
    }

    /// An operator, once.
    async fn obey(&self, mut link: Link<TcpStream>, readers: u32) -> Result<(), ControlError> {
        let answer = if readers == 0 || readers > MAX_READERS {
            Answer::Refused { why: format!("{readers} is no number of readers from 1 to {MAX_READERS}") }
        } else if set_target(&self.wanted, readers) {
            let _ = self.said.send(MasterSaid::Scaled { readers }).await;
            Answer::Target { readers }
        } else {
            Answer::Refused { why: "the run is ending".to_owned() }
        };
        link.say(&answer).await
    }
}
