//! How far the run is, for the terminal.

use crate::cli::Verbosity;
use crate::config::Config;
use crate::telemetry::{Console, Progress, Reporter};
use std::time::{Duration, Instant};
use warcdl_actors::metrics::Metrics;

/// How often progress is looked at; the reporter decides what is shown.
const TICK: Duration = Duration::from_millis(200);
/// How long without a reader before the operator is reminded that one is needed.
const REMIND_AFTER: Duration = Duration::from_secs(30);

/// Shows what `watch` sees as the configuration and the flags say.
pub(super) fn reporter(config: &Config, verbosity: Verbosity, console: &Console) -> Reporter {
    if !verbosity.shows_progress() {
        return Reporter::hidden();
    }
    let devices: Vec<String> = config.model.device.iter().map(ToString::to_string).collect();
    Reporter::new(console, devices.join("+"), config.telemetry.progress_interval())
}

/// Shows progress, for ever.
pub(super) async fn watch(reporter: &mut Reporter, metrics: &Metrics, start: Instant) {
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
pub(super) struct BusyShare {
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

/// How far the run is.
pub(super) fn snapshot(metrics: &Metrics, start: Instant, busy: &mut BusyShare) -> Progress {
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
        readers_pending: session.pending.get() as u32,
        device_busy: busy.next(inference.busy.get(), inference.starved.get()),
        elapsed: start.elapsed(),
    }
}
