//! The master of an application: what it says to the ResourceManager, and what it hears.

mod heartbeat;

pub use heartbeat::{Allocation, Ask, Beat, Heartbeat};

use crate::application::FinalStatus;
use crate::container::Container;
use crate::proto::message;
use crate::rpc::{ExceptionKind, Failover, Login, MASTER_PROTOCOL, Options, Patience, RpcError};
use crate::{AM_RM_TOKEN, Address, NodeToken, Resource, Token};
use heartbeat::{node_tokens, request};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long registering and finishing are tried for by default.
const PATIENCE: Patience = Patience::of(Duration::from_secs(30));
/// How often the end is announced until the ResourceManager has written it down.
const FINISH_POLL: Duration = Duration::from_millis(100);

/// Why a master has no answer.
#[derive(Debug, thiserror::Error)]
pub enum MasterError {
    /// The ResourceManager does not know the attempt, or no longer: there is nothing left to do but to stop.
    #[error("the ResourceManager no longer knows this attempt: {0}")]
    Forgotten(String),
    /// The token is not one for a master.
    #[error("a token of the kind {kind:?} where {AM_RM_TOKEN} is wanted")]
    Kind {
        /// What it is for.
        kind: String,
    },
    /// There is no address to connect to.
    #[error("no address of a ResourceManager's scheduler")]
    NoAddress,
    /// The call failed. Whether it may be repeated, [`RpcError::is_passing`] says.
    #[error(transparent)]
    Rpc(RpcError),
}

impl From<RpcError> for MasterError {
    fn from(error: RpcError) -> MasterError {
        match error.kind() {
            Some(ExceptionKind::AttemptNotFound) => MasterError::Forgotten(error.to_string()),
            _ => MasterError::Rpc(error),
        }
    }
}

/// What the ResourceManager says to a master that registers.
#[derive(Clone, Debug, Default)]
pub struct Registration {
    /// The largest container that there can be; `None` where an earlier registration's answer was lost.
    pub maximum: Option<Resource>,
    /// The queue.
    pub queue: String,
    /// Containers of earlier attempts that go on.
    pub containers: Vec<Container>,
    /// Tokens for their nodes.
    pub node_tokens: Vec<NodeToken>,
}

/// The master of an application, as the ResourceManager knows it. Heartbeats keep it alive: without one for ten minutes
/// (`yarn.am.liveness-monitor.expiry-interval-ms`), it counts as dead.
#[derive(Debug)]
pub struct AppMaster {
    rpc: Failover,
    token: Token,
    patience: Patience,
    registering: message::RegisterRequest,
    response_id: i32,
    /// A heartbeat without an answer: the ResourceManager may have heard it.
    unanswered: Option<Heartbeat>,
    /// An answer that was not given on yet.
    kept: Option<Box<Allocation>>,
    /// The ResourceManager has lost the registration, and its answer to another one was not heard.
    unregistered: bool,
}

impl AppMaster {
    /// A master by its token; connects with the first call. The addresses are those of schedulers
    /// ([`Conf::schedulers`](crate::Conf::schedulers)).
    pub fn connect(
        addresses: Vec<Address>,
        token: Token,
        options: Options,
    ) -> Result<AppMaster, MasterError> {
        if token.kind != AM_RM_TOKEN {
            return Err(MasterError::Kind { kind: token.kind });
        }
        if addresses.is_empty() {
            return Err(MasterError::NoAddress);
        }
        let rpc = Failover::new(addresses, MASTER_PROTOCOL, Login::Token(token.clone()), options)?;
        let registering = message::RegisterRequest::default();
        Ok(AppMaster {
            rpc,
            token,
            patience: PATIENCE,
            registering,
            response_id: 0,
            unanswered: None,
            kept: None,
            unregistered: false,
        })
    }

    /// Registers and finishes for as long as this instead of half a minute.
    pub fn with_patience(self, patience: Patience) -> AppMaster {
        AppMaster { patience, ..self }
    }

    /// The newest token. Whoever starts this master anew needs it.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Registers. `host` and `port` are where the master serves clients, or empty and -1; the ResourceManager's pages lead to
    /// `tracking_url`.
    pub async fn register(
        &mut self,
        host: &str,
        port: i32,
        tracking_url: &str,
    ) -> Result<Registration, MasterError> {
        self.registering = message::RegisterRequest {
            host: Some(host.to_owned()),
            rpc_port: Some(port),
            tracking_url: Some(tracking_url.to_owned()),
        };
        self.register_again().await
    }

    /// Registers as before. Having been registered already means that an answer was lost.
    async fn register_again(&mut self) -> Result<Registration, MasterError> {
        let answer: Result<message::RegisterResponse, RpcError> =
            self.rpc.call("registerApplicationMaster", &self.registering, self.patience).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.kind() == Some(ExceptionKind::InvalidMasterRequest) => {
                tracing::info!(%error, "registered already");
                (self.response_id, self.unanswered, self.unregistered) = (0, None, false);
                return Ok(Registration::default());
            }
            Err(error) => return Err(error.into()),
        };
        (self.response_id, self.unanswered, self.unregistered) = (0, None, false);
        Ok(Registration {
            maximum: answer.maximum_capability.as_ref().map(Resource::from),
            queue: answer.queue.unwrap_or_default(),
            containers: answer.containers_from_previous_attempts.into_iter().map(Container::from).collect(),
            node_tokens: node_tokens(answer.nm_tokens_from_previous_attempts),
        })
    }

    /// The same in place of a heartbeat, now or, where it fails, before the next one: whoever says heartbeats must hear of it.
    async fn registered_again(&mut self) -> Result<Beat, MasterError> {
        self.unregistered = true;
        Ok(Beat::Registered(Box::new(self.register_again().await?)))
    }

    /// Says what is wanted, and hears what there is. Tries every ResourceManager once and does not wait.
    ///
    /// A heartbeat whose answer was lost, or that was dropped before it came, is said once more with the next one, before it:
    /// the ResourceManager knows by its number whether it has heard it, and then gives the same answer again. So it does no
    /// harm to say the same again or something else, and nothing is lost.
    pub async fn heartbeat(&mut self, heartbeat: &Heartbeat) -> Result<Beat, MasterError> {
        if self.unregistered {
            return self.registered_again().await;
        }
        if let Some(unanswered) = self.unanswered.clone().filter(|unanswered| unanswered != heartbeat) {
            match self.beat(&unanswered).await? {
                Beat::Allocation(allocation) => self.keep(allocation),
                other => return Ok(other),
            }
        }
        match self.beat(heartbeat).await {
            Ok(Beat::Allocation(allocation)) => self.keep(allocation),
            Ok(other) => return Ok(other),
            Err(error) if self.kept.is_none() => return Err(error),
            // There is an answer to the heartbeat before; this one is said again, and its error told, with the next.
            Err(_) => self.unanswered = Some(heartbeat.clone()),
        }
        Ok(Beat::Allocation(self.kept.take().unwrap_or_default()))
    }

    /// Adds an answer to what was not given on yet.
    fn keep(&mut self, allocation: Box<Allocation>) {
        self.kept = Some(match self.kept.take() {
            Some(kept) => Box::new(kept.followed_by(*allocation)),
            None => allocation,
        });
    }

    /// One heartbeat, and its answer.
    async fn beat(&mut self, heartbeat: &Heartbeat) -> Result<Beat, MasterError> {
        let mut request = request(heartbeat);
        request.response_id = Some(self.response_id);
        self.unanswered = Some(heartbeat.clone());
        let answer = match self.allocate(&request).await {
            Err(error) if error.kind() == Some(ExceptionKind::InvalidMasterRequest) => {
                let Some(expected) = expected_id(&error) else {
                    return self.registered_again().await;
                };
                tracing::info!(%error, "going on with the number that the ResourceManager expects");
                request.response_id = Some(expected);
                self.allocate(&request).await
            }
            answer => answer,
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.kind() == Some(ExceptionKind::NotRegistered) => {
                tracing::info!(%error, "registering again");
                return self.registered_again().await;
            }
            Err(error) => {
                if !error.is_passing() {
                    self.unanswered = None;
                }
                return Err(error.into());
            }
        };
        self.unanswered = None;
        self.response_id = answer.response_id();
        if let Some(token) = answer.am_rm_token.clone() {
            self.roll(token.into()).await;
        }
        // Said by servers before Hadoop 2.7 instead of an exception.
        match answer.a_m_command {
            Some(1) => self.registered_again().await,
            Some(2) => Ok(Beat::ShutDown),
            _ => Ok(Beat::Allocation(Box::new(answer.into()))),
        }
    }

    async fn allocate(
        &self,
        request: &message::AllocateRequest,
    ) -> Result<message::AllocateResponse, RpcError> {
        self.rpc.call("allocate", request, Patience::NONE).await
    }

    /// Takes a newer token. The ResourceManager repeats it until somebody authenticates by it, so that is done at once.
    async fn roll(&mut self, token: Token) {
        if token.identifier != self.token.identifier || token.password != self.token.password {
            tracing::info!("a newer token for this master");
            self.token = token;
            self.rpc.set_login(Login::Token(self.token.clone())).await;
        }
    }

    /// Says how the application ended, until the ResourceManager has written it down; `false` where that took longer than
    /// `limit`. An attempt that is not known any more counts as ended.
    pub async fn finish(
        &mut self,
        status: FinalStatus,
        diagnostics: &str,
        tracking_url: &str,
        limit: Duration,
    ) -> Result<bool, MasterError> {
        let request = message::FinishRequest {
            diagnostics: Some(diagnostics.to_owned()),
            tracking_url: Some(tracking_url.to_owned()),
            final_application_status: Some(status.number()),
        };
        let begin = Instant::now();
        loop {
            let answer: Result<message::FinishResponse, RpcError> =
                self.rpc.call("finishApplicationMaster", &request, self.patience).await;
            match answer {
                Ok(answer) if answer.is_unregistered() => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind() == Some(ExceptionKind::NotRegistered) => {
                    self.register_again().await?;
                }
                // The second comes between the end of an attempt without a container of its own and that of its application.
                Err(error)
                    if matches!(
                        error.kind(),
                        Some(ExceptionKind::AttemptNotFound | ExceptionKind::InvalidMasterRequest)
                    ) =>
                {
                    return Ok(true);
                }
                Err(error) => return Err(error.into()),
            }
            if begin.elapsed() > limit {
                return Ok(false);
            }
            sleep(FINISH_POLL).await;
        }
    }
}

/// The number that an exception says is expected: "… expect responseId to be 5, but get 3".
fn expected_id(error: &RpcError) -> Option<i32> {
    let RpcError::Remote(exception) = error else { return None };
    let (_, rest) = exception.message.split_once("expect responseId to be ")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}
