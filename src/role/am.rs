//! `--role am`: the application master, in a container of the cluster.
//!
//! It keeps as many readers alive as the GPU node says over the control link. It holds nothing that it does not get anew:
//! its running containers from the ResourceManager, everything else from the GPU node.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use warcdl_yarn::driver::Told;
use warcdl_yarn::engine::Event;
use warcdl_yarn::{AM_RM_TOKEN, AttemptId, Credentials};

use crate::bootstrap::{self, Bootstrap, BootstrapError, MasterOrders};
use crate::config::MasterPlace;
use crate::control::{FromMaster, NodeLink, Standing};
use crate::exit::Exit;
use crate::launch::yarn::conduct::{self, ConductError, Conductor};
use warcdl_actors::wire::JobSecret;

/// Between tries to reach the GPU node.
const REDIAL: Duration = Duration::from_secs(1);
const REDIAL_LONGEST: Duration = Duration::from_secs(10);
/// How long the GPU node may take to read how it ended.
const FAREWELL: Duration = Duration::from_secs(2);
/// What the GPU node has not been told yet; without a link the oldest wait, and the newest are only logged.
const UNSAID: usize = 4096;

/// Why there is no application master.
#[derive(Debug, thiserror::Error)]
pub enum MasterRunError {
    /// It does not know what it is to do.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// It has no token of the ResourceManager.
    #[error(
        "the credentials of this container hold no token of a master: YARN starts --role am, nobody else"
    )]
    NoToken,
    /// It cannot begin.
    #[error(transparent)]
    Conduct(#[from] ConductError),
    /// The ResourceManager was not told that the application is over, and may start another attempt.
    #[error("the ResourceManager was not told of an end: {0}")]
    Untold(String),
}

impl MasterRunError {
    /// How the process ends.
    pub fn exit(&self) -> Exit {
        match self {
            MasterRunError::Bootstrap(_) | MasterRunError::NoToken => Exit::Usage,
            MasterRunError::Conduct(_) | MasterRunError::Untold(_) => Exit::Network,
        }
    }
}

/// Runs to the end of the application.
pub async fn run() -> Result<(), MasterRunError> {
    let credentials = Credentials::from_env().map_err(BootstrapError::from)?;
    let Bootstrap { secret, .. } = Bootstrap::read(&credentials)?;
    let orders = MasterOrders::read(&credentials)?;
    let token = credentials.token(AM_RM_TOKEN).cloned().ok_or(MasterRunError::NoToken)?;
    let attempt = token.attempt().ok_or(MasterRunError::NoToken)?;
    tracing::info!("master of {}, attempt {}", attempt.application, attempt.attempt);
    let credentials = bootstrap::for_readers(credentials);
    let Conductor { events, mut told, outcome } =
        Conductor::start(&orders, token, credentials, MasterPlace::Managed)?;
    let (say, unsaid) = mpsc::channel(UNSAID);
    let standing = watch::Sender::new(Standing::default());
    let mut link = JoinSet::new();
    link.spawn(keep_link(orders.control, secret, attempt, events, unsaid, standing.subscribe()));
    while let Some(told) = told.recv().await {
        if let Told::Report(report) = &told {
            tracing::info!("{report}");
        }
        match conduct::message(told) {
            // The newest is the one that counts, and is not lost while there is no link.
            FromMaster::Standing(now) => drop(standing.send_replace(now)),
            message => {
                if say.try_send(message).is_err() {
                    tracing::debug!("the GPU node hears nothing at present");
                }
            }
        }
    }
    let outcome = match outcome.await {
        Ok(outcome) => outcome,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    let (code, diagnostics) = (outcome.code, outcome.diagnostics.clone());
    // Otherwise it is not the application that is over, as far as this attempt knows: another one may go on with it, and what
    // became of it the GPU node learns from the ResourceManager.
    if code == 0 {
        let _ = say.try_send(conduct::finished(outcome));
    }
    drop(say);
    let _ = tokio::time::timeout(FAREWELL, link.join_next()).await;
    if code == 0 { Ok(()) } else { Err(MasterRunError::Untold(diagnostics)) }
}

/// Keeps a link to the GPU node, until there is nothing more to say.
async fn keep_link(
    address: String,
    secret: JobSecret,
    attempt: AttemptId,
    events: mpsc::Sender<Event>,
    mut unsaid: mpsc::Receiver<FromMaster>,
    mut standing: watch::Receiver<Standing>,
) {
    let application = attempt.application.to_string();
    let number = u32::try_from(attempt.attempt).unwrap_or(0);
    let mut wait = REDIAL;
    loop {
        match NodeLink::dial(&address, &secret, &application, number).await {
            // The node has said something by now, so it is the right one.
            Ok(link) => {
                wait = REDIAL;
                let _ = events.send(Event::GpuBack).await;
                if talk(link, &events, &mut unsaid, &mut standing).await.is_over() {
                    return;
                }
                let _ = events.send(Event::GpuLost).await;
            }
            Err(error) => tracing::warn!("cannot reach the GPU node at {address}: {error}"),
        }
        if unsaid.is_closed() && unsaid.is_empty() {
            return;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(REDIAL_LONGEST);
    }
}

/// How a link ended.
#[derive(PartialEq, Eq)]
enum LinkEnd {
    /// All was said.
    Over,
    /// It broke.
    Lost,
}

impl LinkEnd {
    fn is_over(&self) -> bool {
        *self == LinkEnd::Over
    }
}

async fn talk(
    mut link: NodeLink,
    events: &mpsc::Sender<Event>,
    unsaid: &mut mpsc::Receiver<FromMaster>,
    standing: &mut watch::Receiver<Standing>,
) -> LinkEnd {
    // A sign of life, the first at once.
    let mut beat = tokio::time::interval(crate::control::BEAT);
    loop {
        let said = tokio::select! {
            heard = link.hear() => match heard {
                Ok(heard) => {
                    let _ = events.send(conduct::event(heard)).await;
                    Ok(())
                }
                Err(error) => Err(error),
            },
            message = unsaid.recv() => match message {
                Some(message) => link.say(&message).await,
                None => return LinkEnd::Over,
            },
            Ok(()) = standing.changed() => {
                let now = *standing.borrow_and_update();
                link.say(&FromMaster::Standing(now)).await
            }
            _ = beat.tick() => {
                let now = *standing.borrow();
                link.say(&FromMaster::Standing(now)).await
            }
        };
        if let Err(error) = said {
            tracing::warn!("the link to the GPU node is lost: {error}");
            return LinkEnd::Lost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use tokio::net::TcpListener;
    use tokio_util::codec::Framed;
    use warcdl_actors::wire::handshake::{Welcome, admit, send_welcome};
    use warcdl_actors::wire::{FrameCodec, MAX_CONTROL_FRAME};

    use crate::control::Control;

    #[tokio::test]
    async fn a_node_that_works_for_others_is_not_taken_for_the_gpu_node() {
        let secret = JobSecret::new(b"0123456789abcdef");
        let attempt: AttemptId = "appattempt_1763812345678_0042_000001".parse().unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (events, mut heard) = mpsc::channel(8);
        let (_say, unsaid) = mpsc::channel(1);
        let standing = watch::Sender::new(Standing::default());
        let address = socket.local_addr().unwrap().to_string();
        let mut link = JoinSet::new();
        link.spawn(keep_link(address, secret.clone(), attempt, events, unsaid, standing.subscribe()));
        // It knows the secret, and hangs up when it hears who calls.
        let (stream, _) = socket.accept().await.unwrap();
        let mut framed = Framed::new(stream, FrameCodec::new());
        admit(&mut framed, &secret).await.unwrap();
        let welcome =
            Welcome { session: 0, granted: 0, max_record: MAX_CONTROL_FRAME as u32, job: Bytes::new() };
        send_welcome(&mut framed, welcome).await.unwrap();
        drop(framed);
        let application = attempt.application.to_string();
        let _control = Control::start(socket, secret, application, 3).unwrap();
        assert!(matches!(heard.recv().await, Some(Event::GpuBack)), "once, and not lost before");
        assert!(matches!(heard.recv().await, Some(Event::TargetSet { readers: 3, .. })));
    }
}
