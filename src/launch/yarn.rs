//! The launcher for YARN: an application whose master keeps readers alive in containers of a cluster.
//!
//! The application master works in a container of its own (`yarn.am = "managed"`), from where it dials the control port;
//! or in this process. Either way it is told how many readers are wanted, and tells what becomes of them.

mod address;
mod cluster;
pub mod conduct;
pub mod container;
mod error;
mod kill;
mod place;
mod reports;
mod seen;
mod state;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use prometheus::IntGauge;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use warcdl_actors::pipeline::Stopper;
use warcdl_actors::wire::JobSecret;
use warcdl_yarn::rpc::{ExceptionKind, Patience, RpcError};
use warcdl_yarn::{ApplicationId, ClientError, Conf, Master, Report, Resource, Submission, User, YarnClient};

pub use cluster::Cluster;
pub use error::YarnError;
pub use kill::kill;
pub use state::State;

use self::address::{host_of, narrowed, tracking_url};
use self::conduct::Conductor;
use self::kill::{PATIENCE as KILL_PATIENCE, Withdrawn, withdraw};
use self::place::Place;
use self::reports::Reports;
use self::seen::Seen;
use crate::bootstrap::{Bootstrap, MasterOrders, S3Keys};
use crate::config::MasterPlace;
use crate::control::{Control, Ending, FromMaster, MasterSaid, Progress, ReaderEvent, Standing, ToMaster};

/// How long the ResourceManager is tried for at first, and once it has answered.
const FIRST_PATIENCE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(60);
/// How long an application may take to end: a good run is not marked as killed because a node is busy. And when the operator
/// waits for it.
const END_PATIENCE: Duration = Duration::from_secs(60);
const STOP_PATIENCE: Duration = Duration::from_secs(15);
/// How long the master may take to go once the application is over.
const FAREWELL: Duration = Duration::from_secs(3);
/// How often the master may be started; the cluster has a limit of its own, often 2. Failures that lie back longer than
/// the time below do not count.
const MASTER_ATTEMPTS: u32 = 4;
const MASTER_FORGIVEN_AFTER: Duration = Duration::from_secs(600);
/// How long the master in this process waits for its token: as long as the queue is full.
const TOKEN_PATIENCE: Duration = Duration::from_secs(7 * 24 * 3600);

/// What readers have to know, and what is theirs.
#[derive(Clone, Debug)]
pub struct Readers {
    /// `HOST:PORT` of the data port, as nodes of the cluster reach it.
    pub connect: String,
    /// The job's secret, and the file that holds it.
    pub secret: JobSecret,
    /// The file.
    pub secret_file: PathBuf,
    /// S3 keys for them.
    pub s3: Option<S3Keys>,
    /// Threads of each that prepare records; 0: one a core of its container.
    pub threads: usize,
    /// How many are wanted at first.
    pub count: u32,
    /// Where the metrics are.
    pub metrics: Option<SocketAddr>,
    /// The folder of results.
    pub output: PathBuf,
    /// Lets a reader go.
    pub stopper: Stopper,
    /// How many readers are wanted and do not run.
    pub pending: IntGauge,
}

/// An application with readers. Dropping it leaves the application to its master, which ends it once it has missed this
/// process for `yarn.gpu_grace_s`.
pub struct YarnReaders {
    /// Does not wait for a ResourceManager that is gone.
    client: YarnClient,
    id: ApplicationId,
    control: Control,
    output: PathBuf,
    stopper: Stopper,
    pending: IntGauge,
    seen: Seen,
    reports: Reports,
    place: Place,
    _master: JoinSet<()>,
}

impl YarnReaders {
    /// Submits the application.
    pub async fn start(cluster: Cluster, readers: Readers) -> Result<YarnReaders, YarnError> {
        let host = host_of(&readers.connect).to_owned();
        let address = narrowed(cluster.settings.control, &host);
        let failed = |source| YarnError::Control { address, source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let control = Control::start(socket, readers.secret.clone(), cluster.id.to_string(), readers.count)
            .map_err(failed)?;

        let (place, program) = Place::prepare(&cluster, &host).await?;
        let Cluster { conf, user, client, artifact, settings, id, doubt } = cluster;
        let (size, path) = (artifact.size, artifact.path);
        let megabytes = size as f64 / 1e6;
        eprintln!("yarn: program {} ({megabytes:.1} MB, SHA-256 {}…)", path.display(), &program.sha256[..12]);

        let orders = MasterOrders {
            control: format!("{host}:{}", control.address().port()),
            connect: readers.connect.clone(),
            program: program.clone(),
            user: user.clone(),
            reader_memory_mb: settings.reader_memory_mb,
            reader_vcores: settings.reader_vcores,
            reader_threads: match readers.threads {
                0 => settings.reader_vcores as usize,
                threads => threads,
            },
            node_label: settings.node_label.clone(),
            gpu_grace_s: settings.gpu_grace_s,
            rm_patience_s: conf.patience()?.total.as_secs(),
            tracking_url: tracking_url(readers.metrics, &host),
            schedulers: conf.schedulers()?.iter().map(ToString::to_string).collect(),
            protection: conf.rpc()?.protection.iter().map(ToString::to_string).collect(),
            secure_pages: conf.has_secure_pages()?,
        };
        let bootstrap = Bootstrap { secret: readers.secret.clone(), s3: readers.s3.clone() };
        let master = match settings.am {
            MasterPlace::Managed => Master::Managed {
                launch: container::master(&program, bootstrap.with_orders(&orders))?,
                resource: Resource { memory_mb: settings.am_memory_mb, vcores: 1 },
            },
            MasterPlace::Unmanaged => Master::Unmanaged,
        };
        let submission = Submission {
            queue: settings.queue.clone(),
            tags: settings.tags.clone(),
            kind: "WARCDL".to_owned(),
            max_attempts: MASTER_ATTEMPTS,
            keep_containers: true,
            failures_forgotten_after: Some(MASTER_FORGIVEN_AFTER),
            // No rolled logs: nodes delete what they have collected while a process still writes to it.
            ..Submission::new(id, settings.name.clone(), master)
        };
        let state = State {
            application: id.to_string(),
            control: orders.control.clone(),
            secret_file: std::path::absolute(&readers.secret_file).unwrap_or(readers.secret_file.clone()),
        };
        let login = conf.login(User::named(user))?;
        let another = || YarnClient::new(conf.resource_managers()?, login.clone(), conf.rpc()?);
        // What can be wrong with them shows before the application is there.
        let (watcher, reporter) = (another()?, another()?);
        // While it waits for its token the master bears a ResourceManager that is away as long as it will later.
        let sitter = another()?.with_patience(conf.patience()?);
        state.write(&readers.output)?;
        let report = match client.submit(&submission).await {
            Ok(report) => report,
            Err(error) => {
                let withdrawn = withdraw(client, id).await;
                if withdrawn != Withdrawn::Left {
                    State::remove(&readers.output);
                    place.clear(&watcher).await;
                }
                return Err(match (withdrawn, doubt, error) {
                    (Withdrawn::Unknown, Some(doubt), ClientError::Rpc(RpcError::Remote(refusal))) => {
                        doubt.refused(refusal.to_string())
                    }
                    (_, _, error) => error.into(),
                });
            }
        };
        eprintln!("yarn: submitted {id}");
        if let Some(page) = conf.web_pages().ok().and_then(|pages| pages.into_iter().next()) {
            eprintln!("yarn: tracking URL {page}/proxy/{id}/");
        }

        let mut in_process = JoinSet::new();
        if settings.am == MasterPlace::Unmanaged {
            in_process.spawn(sit(sitter, id, orders, bootstrap, control.seat()));
        }
        let mut readers = YarnReaders {
            reports: Reports::start(reporter.with_patience(Patience::NONE), id),
            client: watcher.with_patience(Patience::NONE),
            id,
            control,
            output: readers.output,
            stopper: readers.stopper,
            pending: readers.pending,
            seen: Seen::new(id, doubt, Instant::now()),
            place,
            _master: in_process,
        };
        match readers.reported(report) {
            Some(error) => {
                readers.clear().await;
                Err(error)
            }
            None => Ok(readers),
        }
    }

    /// Nothing is left to read: readers that have finished are not replaced, and those that have not are sent away.
    pub fn want_none(&self) {
        self.control.want_none();
    }

    /// Says how far the run is, for the pages of the cluster and for the master: while records come, failures of readers
    /// are no reason to give up.
    pub fn set_progress(&self, progress: Progress) {
        self.control.set_progress(progress);
    }

    /// Tells the operator what happens, until no reader will come any more. May be dropped and called again.
    pub async fn gone(&mut self) -> YarnError {
        loop {
            let error = tokio::select! {
                said = self.control.hear() => self.heard(said),
                report = self.reports.next() => self.answered(report),
            };
            if let Some(error) = error {
                return error;
            }
        }
    }

    /// Ends the application in order; or kills it, if that takes too long or `hurry` is over, which then is asked once more.
    pub async fn end(mut self, ending: Ending, diagnostics: String, mut hurry: impl AsyncFnMut()) {
        // Before the first master is there, nobody could end it in order.
        if !self.seen.master_was && !self.seen.is_over() {
            return self.kill(&diagnostics, hurry()).await;
        }
        let patience = if ending == Ending::Killed { STOP_PATIENCE } else { END_PATIENCE };
        self.seen.ending = true;
        self.control.want(ToMaster::Finish { ending, diagnostics });
        self.reports.hurry();
        let over = async {
            // Its end is reported a moment before the master has seen it, and is no error here.
            while !self.seen.is_over() {
                let _ = self.gone().await;
            }
            let farewell = async {
                while self.seen.master {
                    let _ = self.gone().await;
                }
            };
            let _ = tokio::time::timeout(FAREWELL, farewell).await;
        };
        let why = tokio::select! {
            over = tokio::time::timeout(patience, over) => match over {
                Ok(()) => return self.clear().await,
                Err(_) => "it does not end when it is asked to",
            },
            () = hurry() => "it is not waited for",
        };
        self.kill(why, hurry()).await;
    }

    /// Kills the application. It is left to whoever runs the next command if that takes too long, or `hurry` is over.
    pub async fn kill(self, why: &str, hurry: impl Future<Output = ()>) {
        eprintln!("yarn: {} is killed: {why}; once more not to wait for that", self.id);
        // The time for one call, by Hadoop's configuration, is far longer than anybody would wait here.
        let left = tokio::select! {
            killed = tokio::time::timeout(KILL_PATIENCE, kill(&self.client, self.id, why)) => match killed {
                Ok(Ok(report)) => {
                    eprintln!("yarn: {} ({})", report.state, report.final_status);
                    return self.clear().await;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("it is not over after {} s", KILL_PATIENCE.as_secs()),
            },
            () = hurry => "it is not waited for".to_owned(),
        };
        tracing::error!("{} may go on and was not killed: {left}; run warcdl-node yarn kill {0}", self.id);
    }

    /// Removes what the run needed while its application was not over.
    async fn clear(&self) {
        State::remove(&self.output);
        self.place.clear(&self.client).await;
    }

    fn heard(&mut self, said: MasterSaid) -> Option<YarnError> {
        match said {
            MasterSaid::Arrived { application, attempt } => {
                tracing::debug!("the master of {application}, attempt {attempt}, is there");
                (self.seen.master, self.seen.master_was) = (true, true);
            }
            MasterSaid::Lost => {
                self.seen.master = false;
                if !self.seen.ending {
                    eprintln!("yarn: the link to the application master is lost; it will call again");
                }
            }
            MasterSaid::Scaled { readers } => eprintln!("yarn: {readers} readers are wanted"),
            MasterSaid::Message(FromMaster::Standing(standing)) => self.counted(standing),
            MasterSaid::Message(FromMaster::Event(ReaderEvent { warning, message })) => {
                // A large fleet has a lot of these: -q wants what is wrong only, -qq not even that.
                let is_wanted = match warning {
                    true => tracing::enabled!(tracing::Level::WARN),
                    false => tracing::enabled!(tracing::Level::INFO),
                };
                if is_wanted {
                    eprintln!("yarn: {message}");
                }
            }
            MasterSaid::Message(FromMaster::Dismiss { reader }) => self.stopper.dismiss(&reader),
            MasterSaid::Message(FromMaster::Finished { ending, diagnostics }) => {
                self.seen.master = false;
                if ending == Ending::Failed {
                    return Some(YarnError::GaveUp { id: self.id, diagnostics });
                }
            }
        }
        None
    }

    fn counted(&mut self, standing: Standing) {
        self.pending.set(standing.pending.into());
        if let Some(line) = self.seen.counted(standing, Instant::now()) {
            eprintln!("yarn: {line}");
        }
    }

    fn answered(&mut self, report: Result<Report, ClientError>) -> Option<YarnError> {
        match report {
            Ok(report) => {
                if std::mem::take(&mut self.seen.unanswered) {
                    eprintln!("yarn: the ResourceManager answers again");
                }
                // A master that has nothing new is silent.
                self.counted(self.seen.standing);
                self.reported(report)
            }
            Err(ClientError::Rpc(error)) if error.kind() == Some(ExceptionKind::ApplicationNotFound) => {
                Some(ClientError::Rpc(error).into())
            }
            Err(error) => {
                if !std::mem::replace(&mut self.seen.unanswered, true) {
                    eprintln!("yarn: the ResourceManager does not answer, the readers run on: {error}");
                }
                None
            }
        }
    }

    fn reported(&mut self, report: Report) -> Option<YarnError> {
        for line in self.seen.reported(&report, Instant::now()) {
            eprintln!("yarn: {line}");
        }
        self.seen.over(&report)
    }
}

/// The master in this process, from its token to its end.
async fn sit(
    client: YarnClient,
    id: ApplicationId,
    orders: MasterOrders,
    bootstrap: Bootstrap,
    seat: crate::control::Seat,
) {
    let said = seat.said.clone();
    let conductor = match client.master_token(id, TOKEN_PATIENCE).await {
        Ok(token) => Conductor::start(&orders, token, bootstrap.credentials(), MasterPlace::Unmanaged)
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match conductor {
        Ok(conductor) => {
            let _ = said.send(MasterSaid::Arrived { application: id.to_string(), attempt: 1 }).await;
            conductor.sit(seat).await;
        }
        Err(diagnostics) => {
            let finished = FromMaster::Finished { ending: Ending::Failed, diagnostics };
            let _ = said.send(MasterSaid::Message(finished)).await;
        }
    }
}

/// A client of the ResourceManager that `conf` names, once that has answered.
pub async fn connect(conf: &Conf, user: User) -> Result<YarnClient, YarnError> {
    let addresses = conf.resource_managers()?;
    let client = YarnClient::new(addresses.clone(), conf.login(user)?, conf.rpc()?)?;
    let client = client.with_patience(Patience::of(FIRST_PATIENCE));
    match client.cluster_metrics().await {
        Ok(_) => Ok(client.with_patience(Patience::of(PATIENCE))),
        Err(source) => Err(YarnError::Unreachable { addresses, source: Box::new(source) }),
    }
}
