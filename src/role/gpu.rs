//! `--role gpu`: lists the archives, has readers read them, scores what they send and keeps the positives.
//!
//! Everything that can be wrong with the configuration, the inputs or the model shows before the first reader is started
//! and before the results' folder is touched.

use crate::cli::{GpuArgs, Verbosity};
use crate::config::{Config, ConfigError, Launcher};
use crate::exit::Exit;
use crate::identity::identity;
use crate::job::{Job, JobError};
use crate::launch::{LaunchError, LocalReaders, Rendezvous};
use crate::model::{self, Opened};
use crate::prepare::PrepareError;
use crate::secret_file::{SecretError, SecretFile};
use crate::sink::{self, OpenFolder, write_whole};
use crate::source::{self, SourceError, Store};
use crate::summary::{Highlights, Processes, RunEnd, Summary, counted};
use crate::telemetry::{Console, Progress, Reporter, TelemetryError, serve};
use prometheus::Registry;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use warcdl_actors::batch::BatchRules;
use warcdl_actors::exit::Fault;
use warcdl_actors::lease::{Archive, TakeoverRules};
use warcdl_actors::listener::LinkLimits;
use warcdl_actors::metrics::{Metrics, RegisterError};
use warcdl_actors::pipeline::{Outcome, Pipeline, Plan, StartError, Stopper};
use warcdl_actors::writer::{CommitRules, Decision};
use warcdl_actors::{PartOver, PartState, SinkError};

/// A lease is not taken over before it has lasted so long.
const SETTLED: Duration = Duration::from_secs(5);
/// How long readers may take to go once the run is over, and once it was stopped.
const FAREWELL: Duration = Duration::from_secs(5);
const HASTE: Duration = Duration::from_millis(500);
/// How often progress is looked at; the reporter decides what is shown.
const TICK: Duration = Duration::from_millis(200);
/// How long without a reader before the operator is reminded that one is needed.
const REMIND_AFTER: Duration = Duration::from_secs(30);

/// Why a run ends without its results.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum RunError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Model(#[from] model::OpenError),
    #[error(transparent)]
    Output(#[from] sink::OpenError),
    #[error(transparent)]
    Write(#[from] SinkError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Job(#[from] JobError),
    #[error(
        "cannot listen on transport.listen = \"{address}\": {source}; set it to a free address of this machine"
    )]
    Listen { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Metrics(#[from] RegisterError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(
        "stopped at once, as asked twice; what was committed is intact: run the same command again to go on"
    )]
    StoppedAtOnce,
    #[error("cannot watch for signals: {0}")]
    Signal(io::Error),
    #[error("the books do not balance, which is a defect of warcdl; the results are stored: {0}")]
    Imbalance(#[from] warcdl_actors::ledger::Imbalance),
    #[error("the summary cannot be written as JSON: {0}")]
    Summary(#[from] serde_json::Error),
}

impl RunError {
    /// How the process ends.
    pub fn exit(&self) -> Exit {
        match self {
            RunError::Config(_) | RunError::Prepare(_) | RunError::Secret(_) | RunError::Job(_) => {
                Exit::Usage
            }
            RunError::Source(_) => Exit::Source,
            RunError::Model(_) | RunError::Fault(Fault::Model { .. } | Fault::ScoreCount { .. }) => {
                Exit::Model
            }
            RunError::Output(sink::OpenError::InUse { .. }) => Exit::InUse,
            RunError::Output(_) => Exit::Output,
            RunError::Write(error) | RunError::Fault(Fault::Sink(error)) => match error {
                SinkError::Full { .. } => Exit::DiskFull,
                SinkError::Io { .. } => Exit::Disk,
            },
            RunError::Listen { .. } | RunError::Telemetry(_) | RunError::Launch(_) => Exit::Network,
            RunError::StoppedAtOnce | RunError::Fault(Fault::StuckStopping) => Exit::Interrupted,
            RunError::Metrics(_)
            | RunError::Start(_)
            | RunError::Signal(_)
            | RunError::Imbalance(_)
            | RunError::Summary(_)
            | RunError::Fault(Fault::Panicked { .. } | Fault::Stale(_) | Fault::Thread(_)) => Exit::Internal,
        }
    }
}

/// Runs to the end, with the model that the configuration names. Must run within an actix system.
pub async fn run(args: &GpuArgs, verbosity: Verbosity, console: &Console) -> Result<Exit, RunError> {
    run_with(args, verbosity, console, |config| {
        let image_size = Some((config.image.size[0], config.image.size[1])).filter(|&size| size != (0, 0));
        model::open(&config.model, config.kind, image_size)
    })
    .await
}

/// As [`run`], with a model of one's own: `open_model` makes it of the configuration.
pub async fn run_with(
    args: &GpuArgs,
    verbosity: Verbosity,
    console: &Console,
    open_model: impl FnOnce(&Config) -> Result<Opened, model::OpenError>,
) -> Result<Exit, RunError> {
    let start = Instant::now();
    let config = Config::load(&args.config, &args.overrides)?;
    console.init_tracing(&config.telemetry.log, verbosity)?;

    let store = Store::new(&config.source.s3, tokio::runtime::Handle::current());
    let archives = source::list(&config.source, &store).await?;
    let archives: Vec<Archive> = archives
        .into_iter()
        .map(|source::Archive { name, size, etag }| Archive { name: name.into(), size, etag })
        .collect();
    let bytes: u64 = archives.iter().map(|archive| archive.size).sum();
    let size = crate::telemetry::bytes(bytes as f64);
    eprintln!("{}, {size}", counted(archives.len() as u64, "archive"));

    let model = open_model(&config)?;
    let keys_travel = config.transport.listen.ip().is_loopback();
    let job = Job::new(&config, &model, keys_travel)?;
    // Only to be checked: the readers prepare.
    job.preparer()?;
    if args.check {
        eprintln!("configuration, inputs and model are in order");
        return Ok(Exit::Done);
    }

    let registry = Registry::new();
    let metrics = Metrics::register(&registry)?;
    let address = config.transport.listen;
    let socket = TcpListener::bind(address).await.map_err(|source| RunError::Listen { address, source })?;
    if let Some(address) = config.telemetry.metrics {
        let (bound, _) = serve(address, registry).await?;
        eprintln!("metrics at http://{bound}/metrics");
    }
    let secret = SecretFile::open(config.transport.secret_file.as_deref())?;
    let Opened { models, label, digests, .. } = model;
    let identity = identity(&config, &digests, &label, &archives);
    let OpenFolder { sink, recovered, lock: _lock } = sink::open(&config.output, config.kind, identity)?;
    write_whole(&config.output.path.join(sink::RESOLVED_CONFIG), config.resolved_toml().as_bytes())?;
    let resumed = recovered.resumed;
    let parts = parts_of(recovered.parts, archives.len());
    let all_over = parts.iter().all(|part| part.over == Some(PartOver::Done));
    if recovered.torn_bytes > 0 {
        tracing::info!(
            bytes = recovered.torn_bytes,
            "a commit that a crash broke off was cut from the journal"
        );
    }
    if resumed {
        let rows = counted(recovered.rows, "positive");
        let done = Outcome::of(archives.clone(), &parts).archives_done();
        eprintln!(
            "going on with {}: {rows}, {done} of {} archives done",
            config.output.path.display(),
            archives.len()
        );
    }

    let highlights = Highlights::default();
    let pipeline = Pipeline::start(Plan {
        archives,
        parts,
        takeover: TakeoverRules { split_bytes: config.transport.split_bytes, settled: SETTLED },
        models,
        sink: highlights.watch(sink),
        decision: Decision { threshold: config.model.threshold, label: label.into() },
        commit: CommitRules {
            every: Duration::from_millis(config.output.commit_ms),
            bytes: config.output.commit_bytes,
            full_disk: Duration::from_secs(config.output.full_disk_s),
        },
        batch: batch_rules(&config),
        limits: LinkLimits::new(
            config.transport.window_bytes as u64,
            u32::try_from(config.transport.max_record_bytes).unwrap_or(u32::MAX),
            config.transport.progress_timeout(),
        ),
        socket,
        secret: secret.secret.clone(),
        job: job.encode()?,
        metrics: metrics.clone(),
    })?;

    let rendezvous = Rendezvous::new(pipeline.address(), config.transport.advertise.as_deref(), &secret.path);
    if !keys_travel && config.source.s3.has_keys() {
        tracing::warn!(
            "transport.listen is no loopback address and the link is not encrypted, so the S3 keys of the configuration \
             are not sent; readers need their own, in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile"
        );
    }
    let readers = match config.launcher {
        _ if all_over => Readers::Elsewhere,
        Launcher::Local => Readers::Local(LocalReaders::start(config.readers, &rendezvous, verbosity)?),
        Launcher::None => {
            eprintln!("start readers with:\n  warcdl-node {}", rendezvous.arguments().join(" "));
            Readers::Elsewhere
        }
    };

    let mut reporter = reporter(&config, verbosity, console);
    let ended = tokio::select! {
        ended = play(pipeline, readers) => ended,
        () = watch(&mut reporter, &metrics, start) => unreachable!("watches for ever"),
    };
    reporter.finish(&snapshot(&metrics, start, &mut BusyShare::default()));
    let (outcome, end) = ended?;
    let run_end = RunEnd { interrupted: matches!(end, End::Interrupted), resumed };

    let processes = Processes::sample(&metrics.reader);
    let summary = Summary::new(&outcome, run_end, start.elapsed(), processes);
    let path = config.output.path.join(sink::SUMMARY);
    write_whole(&path, &serde_json::to_vec_pretty(&summary)?)?;
    if let Some(table) = highlights.table() {
        print!("\n{table}");
    }
    println!("\n{}\nresults in {}", summary.report(), config.output.path.display());
    outcome.check()?;
    match end {
        End::NoReaders(error) => Err(error.into()),
        End::Interrupted => Ok(Exit::Interrupted),
        End::Work if summary.complete => Ok(Exit::Done),
        End::Work => Ok(Exit::Incomplete),
    }
}

/// The parts of a run that goes on from what was committed: those that nobody has begun are not there.
fn parts_of(committed: Vec<PartState>, archives: usize) -> Vec<PartState> {
    let mut parts = PartState::all_whole(archives);
    for state in committed {
        match parts.get_mut(state.part as usize) {
            Some(part) => *part = state.resumed(),
            // Cut off another one; these come in the order of their numbers.
            None => parts.push(state.resumed()),
        }
    }
    parts
}

fn batch_rules(config: &Config) -> BatchRules {
    BatchRules {
        max_records: config.batch.max_records,
        max_tokens: config.batch.max_tokens,
        max_wait: config.batch.max_wait(),
        window_records: config.batch.window_records,
    }
}

enum Readers {
    Local(LocalReaders),
    Elsewhere,
}

/// What brought a run to its end.
enum End {
    /// All work was done, or given up by name.
    Work,
    /// A signal.
    Interrupted,
    /// No reader could be kept alive.
    NoReaders(LaunchError),
}

/// Waits for the end. Whatever it is, what is scored by then is stored.
async fn play(pipeline: Pipeline, readers: Readers) -> Result<(Outcome, End), RunError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signal)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signal)?;
    let stopper: Stopper = pipeline.stopper();
    let mut end = End::Work;
    let mut local = match readers {
        Readers::Local(local) => Some(local),
        Readers::Elsewhere => None,
    };
    let ended = {
        let wait = pipeline.wait();
        tokio::pin!(wait);
        loop {
            tokio::select! {
                outcome = &mut wait => break outcome.map_err(RunError::from),
                _ = interrupt.recv() => {},
                _ = terminate.recv() => {},
                gone = async { match &mut local {
                    Some(local) => local.gone().await,
                    None => std::future::pending().await,
                }} => {
                    local = None;
                    // Otherwise all readers were told to finish, and the pipeline is about to end.
                    if let Err(error) = gone {
                        end = End::NoReaders(error);
                        stopper.stop();
                    }
                    continue;
                }
            }
            if matches!(end, End::Interrupted) {
                break Err(RunError::StoppedAtOnce);
            }
            end = End::Interrupted;
            eprintln!("stopping: what has arrived is being scored and committed; once more to stop at once");
            stopper.stop();
        }
    };
    if let Some(local) = local {
        // Who stops a run wants it to be over.
        local.end(if matches!(end, End::Work) { FAREWELL } else { HASTE }).await;
    }
    ended.map(|outcome| (outcome, end))
}

fn reporter(config: &Config, verbosity: Verbosity, console: &Console) -> Reporter {
    if !verbosity.shows_progress() {
        return Reporter::hidden();
    }
    let devices: Vec<String> = config.model.device.iter().map(ToString::to_string).collect();
    Reporter::new(console, devices.join("+"), config.telemetry.progress_interval())
}

/// Shows progress, for ever.
async fn watch(reporter: &mut Reporter, metrics: &Metrics, start: Instant) {
    let mut busy = BusyShare::default();
    let mut ticks = tokio::time::interval(TICK);
    let mut lonely_since = Instant::now();
    loop {
        ticks.tick().await;
        let progress = snapshot(metrics, start, &mut busy);
        let all_read = progress.archives_done == progress.archives_total;
        if progress.readers_connected > 0 || all_read {
            lonely_since = Instant::now();
        } else if lonely_since.elapsed() > REMIND_AFTER {
            tracing::warn!("no reader is connected; the run waits for one");
            lonely_since = Instant::now();
        }
        reporter.tick(&progress);
    }
}

/// The share of time in which the devices worked since it was last asked.
#[derive(Default)]
struct BusyShare {
    busy: f64,
    starved: f64,
    share: f64,
}

impl BusyShare {
    fn next(&mut self, busy: f64, starved: f64) -> f64 {
        let (busy_delta, starved_delta) = (busy - self.busy, starved - self.starved);
        let total = busy_delta + starved_delta;
        // Counted batch by batch: while a long one is at work, what was last known holds.
        if total > 0.0 {
            *self = BusyShare { busy, starved, share: busy_delta / total };
        }
        self.share
    }
}

fn snapshot(metrics: &Metrics, start: Instant, busy: &mut BusyShare) -> Progress {
    let Metrics { dispatcher, session, inference, writer, .. } = metrics;
    let excluded = |damage: bool| -> u64 {
        warcdl_actors::Exclusion::ALL
            .iter()
            .filter(|reason| !damage || reason.is_damage())
            .map(|reason| dispatcher.excluded.with_label_values(&[reason.name()]).get())
            .sum()
    };
    Progress {
        archives_done: dispatcher.archives_over.get() as u64,
        archives_total: dispatcher.archives.get() as u64,
        bytes_read: dispatcher.bytes_read.get(),
        bytes_total: dispatcher.archive_bytes.get() as u64,
        records_seen: dispatcher.seen.get(),
        scored: writer.scored.get(),
        positives: writer.positives.get(),
        excluded: excluded(false),
        damaged: excluded(true),
        readers_connected: session.connected.get() as u32,
        device_busy: busy.next(inference.busy.get(), inference.starved.get()),
        elapsed: start.elapsed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_supervisor_has_to_tell_apart_has_exit_codes_of_its_own() {
        let path = std::path::PathBuf::from("results");
        let full = || SinkError::Full { path: path.clone() };
        let io = || SinkError::Io { path: path.clone(), source: io::Error::other("the disk is on fire") };
        let cases = [
            (RunError::Fault(Fault::Sink(io())), Exit::Disk),
            (RunError::Fault(Fault::Sink(full())), Exit::DiskFull),
            (RunError::Write(full()), Exit::DiskFull),
            (RunError::Output(sink::OpenError::InUse { path: path.clone() }), Exit::InUse),
            (RunError::Output(sink::OpenError::NotEmpty { path: path.clone() }), Exit::Output),
            (RunError::StoppedAtOnce, Exit::Interrupted),
            (RunError::Fault(Fault::Panicked { actor: "writer" }), Exit::Internal),
        ];
        for (error, exit) in cases {
            assert_eq!(error.exit(), exit, "{error}");
        }
    }
}
