//! `--role gpu`: lists the archives, has readers read them, scores what they send and keeps the positives.
//!
//! Everything that can be wrong with the configuration, the inputs or the model shows before the first reader is started
//! and before the results' folder is touched.

use crate::bootstrap::S3Keys;
use crate::cli::{GpuArgs, Verbosity};
use crate::config::{Config, Launcher};
use crate::control;
use crate::exit::Exit;
use crate::identity::identity;
use crate::job::Job;
use crate::launch::yarn::{self, Cluster, YarnReaders};
use crate::launch::{LocalReaders, Rendezvous};
use crate::model::{self, Opened};
use crate::secret_file::SecretFile;
use crate::sink::{self, OpenFolder, write_whole};
use crate::source::{self, Access, Keys, Store};
use crate::summary::{Highlights, Processes, RunEnd, Summary, counted};
use crate::telemetry::{Console, serve};
use progress::{BusyShare, reporter, snapshot, watch};
use prometheus::Registry;
use readers::{End, Readers};
use signals::Signals;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use warcdl_actors::batch::BatchRules;
use warcdl_actors::lease::{Archive, TakeoverRules};
use warcdl_actors::listener::LinkLimits;
use warcdl_actors::metrics::Metrics;
use warcdl_actors::pipeline::{Outcome, Pipeline, Plan, Stopper};
use warcdl_actors::writer::{CommitRules, Decision};
use warcdl_actors::{PartOver, PartState};

pub use error::RunError;

mod error;
mod progress;
mod readers;
mod signals;

/// A lease is not taken over before it has lasted so long.
const SETTLED: Duration = Duration::from_secs(5);

/// How often it is looked whether anything is left to read: well within the time for which a master waits when a reader has
/// finished, before it asks for the next one.
const LOOK: Duration = Duration::from_millis(500);

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

    let store = Store::new(&config.source.s3, config.source.waits(), tokio::runtime::Handle::current());
    let archives = source::list(&config.source, &store).await?;
    let archives: Vec<Archive> = archives
        .into_iter()
        .map(|source::Archive { name, size, etag, named }| Archive { name: name.into(), size, etag, named })
        .collect();
    let bytes: u64 = archives.iter().map(|archive| archive.size).sum();
    let size =
        match archives.iter().filter(|archive| archive.size == 0 && archive.name.contains("://")).count() {
            0 => crate::telemetry::bytes(bytes as f64),
            unknown => format!("the sizes of {unknown} not known"),
        };
    eprintln!("{}, {size}", counted(archives.len() as u64, "archive"));

    let model = open_model(&config)?;
    let on_cluster = config.launcher == Launcher::Yarn;
    // On a cluster they come with the credentials of the containers.
    let keys_travel = config.transport.listen.ip().is_loopback() && !on_cluster;
    let on_s3 = archives.iter().any(|archive| archive.name.starts_with("s3://"));
    let access = match on_cluster && on_s3 {
        true => store.access().await,
        false => Access { settings: config.source.s3.clone(), keys: Keys::Configured },
    };
    let s3 = if keys_travel { access.settings.clone() } else { access.settings.without_keys() };
    let job = Job::new(&config, s3, &model)?;
    // Only to be checked: the readers prepare.
    job.preparer()?;
    let cluster = if on_cluster { Some(Cluster::reach(&config).await?) } else { None };
    match &access.keys {
        Keys::Configured => {}
        Keys::Found { temporary } => {
            eprintln!("readers on the cluster get the S3 keys of this machine's environment or profile");
            if *temporary {
                tracing::warn!(
                    "those keys are temporary, and readers cannot renew them: they must last as long as the run"
                );
            }
        }
        Keys::None { why } => tracing::warn!(
            "no S3 keys stand in the configuration, the environment or a profile ({why}): readers on the cluster use what \
             their nodes have"
        ),
    }
    let identity = identity(&config, &model.digests, &model.label, &archives);
    if args.check {
        sink::check(&config.output, identity)?;
        eprintln!("configuration, inputs, model and output are in order");
        return Ok(Exit::Done);
    }

    let registry = Registry::new();
    let metrics = Metrics::register(&registry)?;
    let address = config.transport.listen;
    let socket = TcpListener::bind(address).await.map_err(|source| RunError::Listen { address, source })?;
    let mut metrics_at = None;
    if let Some(address) = config.telemetry.metrics {
        let (bound, _) = serve(address, registry).await?;
        eprintln!("metrics at http://{bound}/metrics");
        metrics_at = Some(bound);
    }
    let secret = SecretFile::open(config.transport.secret_file.as_deref())?;
    let Opened { models, label, .. } = model;
    let OpenFolder { sink, recovered, lock: _lock } = sink::open(&config.output, config.kind, identity)?;
    // Now that the folder is this run's: as long as it was another's, that one's application had an owner.
    if let Some(cluster) = &cluster {
        cluster.end_predecessor(&config.output.path).await?;
    }
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
    if !keys_travel && !on_cluster && config.source.s3.has_keys() {
        tracing::warn!(
            "transport.listen is no loopback address and the link is not encrypted, so the S3 keys of the configuration \
             are not sent; readers need their own, in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile"
        );
    }
    // From here on a signal ends the run in order: an application that is just being submitted must not be left behind.
    let mut signals = Signals::watch().map_err(RunError::Signal)?;
    let readers = match (config.launcher, cluster) {
        _ if all_over => Readers::Elsewhere,
        (_, Some(cluster)) => {
            let readers = yarn::Readers {
                connect: rendezvous.connect.clone(),
                secret: secret.secret.clone(),
                secret_file: secret.path.clone(),
                s3: S3Keys::of(&access.settings),
                threads: config.reader_threads,
                count: u32::try_from(config.readers).unwrap_or(u32::MAX),
                metrics: metrics_at,
                output: config.output.path.clone(),
                stopper: pipeline.stopper(),
                pending: metrics.session.pending.clone(),
            };
            let id = cluster.id();
            let Some(started) = signals.bear(YarnReaders::start(cluster, readers)).await else {
                eprintln!("yarn: {id} may have been submitted; it is ended by: warcdl-node yarn kill {id}");
                return Err(RunError::StoppedAtOnce);
            };
            Readers::Yarn(Box::new(started?))
        }
        (Launcher::Local, None) => {
            let (count, threads) = (config.readers, config.reader_threads);
            Readers::Local(LocalReaders::start(count, threads, &rendezvous, verbosity)?)
        }
        (Launcher::None | Launcher::Yarn, None) => {
            let mut arguments = rendezvous.arguments();
            if config.reader_threads > 0 {
                arguments.extend(["--threads".to_owned(), config.reader_threads.to_string()]);
            }
            eprintln!("start readers with:\n  warcdl-node {}", arguments.join(" "));
            if address.ip().is_unspecified() && config.transport.advertise.is_none() {
                eprintln!(
                    "that is for this machine; transport.advertise = \"HOST:PORT\" says how others reach it"
                );
            }
            Readers::Elsewhere
        }
    };

    let mut reporter = reporter(&config, verbosity, console);
    let ended = tokio::select! {
        ended = play(pipeline, readers, &metrics, signals) => ended,
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
        End::NoReaders(error) if summary.complete => {
            tracing::warn!("by then all work was done: {error}");
            Ok(Exit::Done)
        }
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

/// Whether every archive is over, read or given up. None comes back from there: what waits for its scores was taken over from
/// the readers, and those who fail on it are no readers.
fn is_all_read(metrics: &Metrics) -> bool {
    metrics.dispatcher.archives_over.get() >= metrics.dispatcher.archives.get()
}

/// Waits for the end. Whatever it is, what is scored by then is stored.
async fn play(
    pipeline: Pipeline,
    mut readers: Readers,
    metrics: &Metrics,
    mut signals: Signals,
) -> Result<(Outcome, End), RunError> {
    let stopper: Stopper = pipeline.stopper();
    let mut end = End::Work;
    if signals.heard() > 0 {
        end = End::Interrupted;
        stopper.stop();
        readers.want_none();
    }
    let mut all_gone = false;
    let mut all_read = false;
    let mut look = tokio::time::interval(LOOK);
    let mut progress = tokio::time::interval(control::BEAT);
    let ended = {
        let wait = pipeline.wait();
        tokio::pin!(wait);
        loop {
            tokio::select! {
                outcome = &mut wait => break outcome.map_err(RunError::from),
                () = signals.next() => {}
                _ = progress.tick() => {
                    readers.set_progress(metrics);
                    continue;
                }
                _ = look.tick(), if !all_read => {
                    all_read = is_all_read(metrics);
                    if all_read {
                        readers.all_is_read();
                    }
                    continue;
                }
                gone = readers.gone(), if !all_gone => {
                    all_gone = true;
                    // Otherwise all readers were told to finish, and the pipeline is about to end.
                    if let Err(error) = gone {
                        // Whoever is stopping the run is the reason.
                        if matches!(end, End::Work) {
                            end = End::NoReaders(error);
                        }
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
            readers.want_none();
        }
    };
    readers.end(&ended, &end, async || signals.next().await).await;
    ended.map(|outcome| (outcome, end))
}
