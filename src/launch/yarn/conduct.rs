//! What the application master does and says, wherever it works.

use std::time::Duration;

use tokio::sync::mpsc;
use warcdl_yarn::driver::{Outcome, Plan, Told, drive};
use warcdl_yarn::engine::{Census, Event, Settings};
use warcdl_yarn::rpc::{Options, Patience};
use warcdl_yarn::{
    Address, AddressError, AppMaster, Credentials, FinalStatus, MasterError, Qop, Resource, Token, UrlError,
};

use super::container;
use crate::bootstrap::MasterOrders;
use crate::config::MasterPlace;
use crate::control::{Ending, FromMaster, MasterSaid, ReaderEvent, Seat, Standing, ToMaster};

/// How long readers have to go, once the GPU node was asked to let them go or has said that the work is done. One that is
/// stopped before it has gone loses nothing: its work is taken over.
const DRAIN: Duration = Duration::from_secs(5);
/// Events that are under way to the engine, and what it says: a large fleet may be told to go at once.
const QUEUE: usize = 4096;

/// Longest report, in characters: it must fit into a line of the control link, whatever YARN says.
const LONGEST: usize = 4096;

/// Why there is no application master.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ConductError {
    #[error("the address of the ResourceManager's scheduler: {0}")]
    Address(#[from] AddressError),
    #[error("hadoop.rpc.protection of the GPU node: {word:?} is none of authentication, integrity, privacy")]
    Protection { word: String },
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error(transparent)]
    Master(#[from] MasterError),
}

/// A master that works, and the way to talk to it.
pub struct Conductor {
    /// For what the GPU node wants.
    pub events: mpsc::Sender<Event>,
    /// What it says.
    pub told: mpsc::Receiver<Told>,
    /// How it ended.
    pub outcome: tokio::task::JoinHandle<Outcome>,
}

impl Conductor {
    /// Starts the master whose token this is, and which works at `place`. Readers get `credentials`.
    pub fn start(
        orders: &MasterOrders,
        token: Token,
        credentials: Credentials,
        place: MasterPlace,
    ) -> Result<Conductor, ConductError> {
        let addresses: Result<Vec<Address>, AddressError> =
            orders.schedulers.iter().map(|address| address.parse()).collect();
        let qop =
            |word: &String| word.parse::<Qop>().map_err(|()| ConductError::Protection { word: word.clone() });
        let protection = orders.protection.iter().map(qop).collect::<Result<_, _>>()?;
        let options = Options { protection, ..Options::default() };
        // The rules decide how long the ResourceManager is tried for.
        let master = AppMaster::connect(addresses?, token, options.clone())?.with_patience(Patience::NONE);
        let reader = Resource { memory_mb: orders.reader_memory_mb, vcores: orders.reader_vcores };
        let settings = Settings {
            node_label: Some(orders.node_label.clone()).filter(|label| !label.is_empty()),
            user: orders.user.clone(),
            secure_pages: orders.secure_pages,
            managed: place == MasterPlace::Managed,
            drain_budget: DRAIN,
            gpu_grace: Duration::from_secs(orders.gpu_grace_s),
            rm_patience: Duration::from_secs(orders.rm_patience_s),
            ..Settings::new(reader)
        };
        let plan = Plan {
            settings,
            launch: container::reader(orders, credentials)?,
            host: std::env::var("NM_HOST").unwrap_or_default(),
            tracking_url: orders.tracking_url.clone(),
            options,
        };
        let (events, event_receiver) = mpsc::channel(QUEUE);
        let (telling, told) = mpsc::channel(QUEUE);
        let outcome = tokio::spawn(drive(master, plan, event_receiver, telling));
        Ok(Conductor { events, told, outcome })
    }

    /// Works in the GPU node's process, to the end.
    pub async fn sit(mut self, mut seat: Seat) {
        let wanted = seat.wanted.borrow_and_update().clone();
        for event in [Event::GpuBack, event(wanted)] {
            let _ = self.events.send(event).await;
        }
        let mut told_all = false;
        let outcome = loop {
            tokio::select! {
                Ok(()) = seat.wanted.changed() => {
                    let wanted = seat.wanted.borrow_and_update().clone();
                    let _ = self.events.send(event(wanted)).await;
                }
                Ok(()) = seat.progress.changed() => {
                    let progress = *seat.progress.borrow_and_update();
                    let _ = self.events.send(event(ToMaster::Progress(progress))).await;
                }
                told = self.told.recv(), if !told_all => match told.map(message) {
                    Some(message) => drop(seat.said.send(MasterSaid::Message(message)).await),
                    None => told_all = true,
                },
                outcome = &mut self.outcome, if told_all => break outcome,
            }
        };
        let finished = match outcome {
            Ok(outcome) => finished(outcome),
            Err(error) => FromMaster::Finished { ending: Ending::Failed, diagnostics: error.to_string() },
        };
        let _ = seat.said.send(MasterSaid::Message(finished)).await;
    }
}

/// What the GPU node wants, to the rules.
pub fn event(said: ToMaster) -> Event {
    match said {
        ToMaster::Target { readers } => Event::TargetSet { readers, idle: Vec::new() },
        ToMaster::Finish { ending, diagnostics } => {
            let status = match ending {
                Ending::Succeeded => FinalStatus::Succeeded,
                Ending::Failed => FinalStatus::Failed,
                Ending::Killed => FinalStatus::Killed,
            };
            Event::Finish { status, diagnostics }
        }
        ToMaster::Progress(progress) => {
            Event::Progress { done: f32::from(progress.permille) / 1000.0, delivered: progress.records }
        }
    }
}

/// What the driver says, to the GPU node.
pub fn message(told: Told) -> FromMaster {
    match told {
        Told::Report(report) => {
            let (warning, mut message) = (report.is_warning(), report.to_string());
            if let Some((cut, _)) = message.char_indices().nth(LONGEST) {
                message.truncate(cut);
            }
            FromMaster::Event(ReaderEvent { warning, message })
        }
        Told::Census(census) => FromMaster::Standing(standing(&census)),
        Told::Drain { container, .. } => FromMaster::Dismiss { reader: container.to_string() },
    }
}

fn standing(census: &Census) -> Standing {
    let running = census.running + census.draining;
    Standing { running, pending: census.target.saturating_sub(census.running) }
}

/// How it ended, to the GPU node.
pub fn finished(outcome: Outcome) -> FromMaster {
    let ending = match outcome.status {
        FinalStatus::Succeeded => Ending::Succeeded,
        FinalStatus::Killed => Ending::Killed,
        _ => Ending::Failed,
    };
    FromMaster::Finished { ending, diagnostics: outcome.diagnostics }
}
