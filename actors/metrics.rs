//! Every metric of the dataflow: name, help and labels in one place. Labels come from enums only, never from a record.
//!
//! One struct an actor, registered once and handed in. A queue shows as two counters (in, out) and a gauge.

use crate::Exclusion;
use crate::batch::Closed;
use prometheus::{
    Counter, Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

/// What can go wrong while registering: a name that is taken already.
pub type RegisterError = prometheus::Error;

macro_rules! metrics {
    ($( $(#[doc = $struct_doc:literal])+ $name:ident { $( $(#[doc = $help:literal])+ $field:ident: $kind:ident $args:tt; )+ } )+) => {
        $(
            $(#[doc = $struct_doc])+
            #[derive(Clone, Debug)]
            pub struct $name { $( $(#[doc = $help])+ pub $field: $kind, )+ }

            impl $name {
                fn register(registry: &Registry) -> Result<$name, RegisterError> {
                    Ok($name { $( $field: metrics!(@register registry, $kind, concat!($($help),+), $args), )+ })
                }
            }
        )+
    };
    (@register $registry:ident, IntCounterVec, $help:expr, ($metric:literal, $label:literal, $values:expr)) => {{
        let metric = IntCounterVec::new(Opts::new($metric, $help.trim()), &[$label])?;
        // All series exist from the start, so that a dashboard shows zeros and not gaps.
        for value in $values { metric.with_label_values(&[value.name()]); }
        $registry.register(Box::new(metric.clone()))?;
        metric
    }};
    (@register $registry:ident, Histogram, $help:expr, ($metric:literal, $buckets:expr)) => {{
        let metric = Histogram::with_opts(HistogramOpts::new($metric, $help.trim()).buckets($buckets))?;
        $registry.register(Box::new(metric.clone()))?;
        metric
    }};
    (@register $registry:ident, $kind:ident, $help:expr, ($metric:literal)) => {{
        let metric = $kind::with_opts(Opts::new($metric, $help.trim()))?;
        $registry.register(Box::new(metric.clone()))?;
        metric
    }};
}

metrics! {
    /// Figures of the dispatcher: the archives, and the funnel down to what reaches the GPU node.
    DispatcherMetrics {
        /// Archives of the run.
        archives: IntGauge("warcdl_archives");
        /// Archives that are over, read or given up.
        archives_over: IntGauge("warcdl_archives_over");
        /// Bytes of all archives as stored, as far as known, less what earlier runs have read.
        archive_bytes: IntGauge("warcdl_archive_bytes");
        /// Bytes of archives read, as stored.
        bytes_read: IntCounter("warcdl_bytes_read_total");
        /// Records that readers came across.
        seen: IntCounter("warcdl_records_seen_total");
        /// Records left out before scoring, by reason.
        excluded: IntCounterVec("warcdl_records_excluded_total", "reason", Exclusion::ALL);
        /// Records that reached the GPU node.
        delivered: IntCounter("warcdl_records_delivered_total");
        /// Leases that ended before their archive did.
        interruptions: IntCounter("warcdl_lease_interruptions_total");
        /// Leases taken back because other readers had nothing to do.
        takeovers: IntCounter("warcdl_lease_takeovers_total");
    }

    /// Figures of the sessions, all together.
    SessionMetrics {
        /// Readers connected now.
        connected: IntGauge("warcdl_readers_connected");
        /// Readers that are wanted of a cluster and do not run there now.
        pending: IntGauge("warcdl_readers_pending");
        /// Connections accepted.
        accepted: IntCounter("warcdl_sessions_total");
        /// Connections refused in the handshake.
        refused: IntCounter("warcdl_sessions_refused_total");
        /// Frames of leases that had been taken back.
        fenced: IntCounter("warcdl_fenced_frames_total");
        /// Bytes of the data lane received.
        received_bytes: IntCounter("warcdl_link_received_bytes_total");
        /// Bytes of credit that records hold now, all readers together.
        credit_in_use: IntGauge("warcdl_credit_in_use_bytes");
        /// Bytes of credit that are granted and neither used nor free to grant again: the windows of the connected readers.
        credit_window: IntGauge("warcdl_credit_window_bytes");
    }

    /// Figures of the interleaver's queue.
    InterleaverMetrics {
        /// Records queued.
        enqueued: IntCounter("warcdl_interleaver_in_total");
        /// Records taken by batchers.
        dequeued: IntCounter("warcdl_interleaver_out_total");
        /// Records in the queue now.
        queued: IntGauge("warcdl_interleaver_records");
    }

    /// Figures of the batchers.
    BatcherMetrics {
        /// Records that wait for their batch now.
        held: IntGauge("warcdl_batcher_records");
        /// Batches, by what closed them.
        closed: IntCounterVec("warcdl_batches_total", "closed_by", Closed::ALL);
        /// Records in a batch.
        records: Histogram("warcdl_batch_records", vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0]);
        /// Token ids in batches without padding.
        tokens: IntCounter("warcdl_batch_tokens_total");
        /// Token ids in batches with padding.
        padded_tokens: IntCounter("warcdl_batch_padded_tokens_total");
    }

    /// Figures of the inference threads, all devices together.
    InferenceMetrics {
        /// Seconds for one batch, from the first copy to the last score.
        seconds: Histogram("warcdl_inference_seconds", prometheus::exponential_buckets(0.001, 2.0, 14)?);
        /// Seconds in which devices worked.
        busy: Counter("warcdl_inference_busy_seconds_total");
        /// Seconds in which devices waited for a batch.
        starved: Counter("warcdl_inference_starved_seconds_total");
    }

    /// Figures of the writer: the verdicts.
    WriterMetrics {
        /// Records scored.
        scored: IntCounter("warcdl_records_scored_total");
        /// Records above the threshold.
        positives: IntCounter("warcdl_records_positive_total");
        /// Records not above it.
        negatives: IntCounter("warcdl_records_negative_total");
        /// Scored batches that wait for the writer now.
        waiting: IntGauge("warcdl_writer_batches");
        /// Records with a verdict, or passed by, that are committed: nothing takes them away any more.
        committed: IntCounter("warcdl_records_committed_total");
        /// Positives that wait for the next commit, in bytes of memory.
        pending_bytes: IntGauge("warcdl_writer_pending_bytes");
        /// Seconds that a commit took.
        commit_seconds: Histogram("warcdl_commit_seconds", prometheus::exponential_buckets(0.001, 2.0, 14)?);
        /// 1 while the disk of the results is full and the run waits for room.
        disk_full: IntGauge("warcdl_disk_full");
    }

    /// The readers' own figures, summed over all readers; they come over the data link.
    ReaderMetrics {
        /// Bytes that readers fetched from storage.
        fetched_bytes: IntCounter("warcdl_reader_fetched_bytes_total");
        /// Bytes of the data lane that readers sent.
        sent_bytes: IntCounter("warcdl_reader_sent_bytes_total");
        /// Records that readers sent.
        sent_records: IntCounter("warcdl_reader_sent_records_total");
        /// Seconds that readers spent reading, filtering and preparing.
        work_seconds: Counter("warcdl_reader_work_seconds_total");
        /// Seconds that readers waited for credit or the network.
        blocked_seconds: Counter("warcdl_reader_blocked_seconds_total");
        /// Seconds that readers waited for a lease.
        unemployed_seconds: Counter("warcdl_reader_unemployed_seconds_total");
        /// CPU seconds of the reader processes.
        cpu_seconds: Counter("warcdl_reader_cpu_seconds_total");
        /// Largest resident memory of a reader so far.
        peak_memory: Gauge("warcdl_reader_peak_memory_bytes");
        /// Pieces of archives that are fetched and not read yet.
        pieces_ahead: IntGauge("warcdl_reader_pieces_ahead");
        /// Records that are taken from archives, and not yet asked for by whoever sends them.
        records_ahead: IntGauge("warcdl_reader_records_ahead");
        /// Frames that wait for credit or the network.
        frames_ahead: IntGauge("warcdl_reader_frames_ahead");
    }
}

/// All metrics of the dataflow.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Metrics {
    pub dispatcher: DispatcherMetrics,
    pub session: SessionMetrics,
    pub interleaver: InterleaverMetrics,
    pub batcher: BatcherMetrics,
    pub inference: InferenceMetrics,
    pub writer: WriterMetrics,
    pub reader: ReaderMetrics,
}

impl Metrics {
    /// Registers all of them.
    pub fn register(registry: &Registry) -> Result<Metrics, RegisterError> {
        Ok(Metrics {
            dispatcher: DispatcherMetrics::register(registry)?,
            session: SessionMetrics::register(registry)?,
            interleaver: InterleaverMetrics::register(registry)?,
            batcher: BatcherMetrics::register(registry)?,
            inference: InferenceMetrics::register(registry)?,
            writer: WriterMetrics::register(registry)?,
            reader: ReaderMetrics::register(registry)?,
        })
    }

    /// Metrics that nobody scrapes, for tests and single use.
    ///
    /// # Panics
    /// If two metrics have the same name, which a test excludes.
    pub fn unscraped() -> Metrics {
        Metrics::register(&Registry::new()).expect("the names are unique")
    }
}

/// What a reader tells of itself, in the order of the STATS frame. Append, never reorder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ReaderFigure {
    /// Bytes fetched from storage.
    FetchedBytes,
    /// Bytes of the data lane sent.
    SentBytes,
    /// Records sent.
    SentRecords,
    /// Microseconds of reading, filtering and preparing.
    WorkMicros,
    /// Microseconds of waiting for credit or the network.
    BlockedMicros,
    /// Microseconds of waiting for a lease.
    UnemployedMicros,
    /// Microseconds of CPU, all threads.
    CpuMicros,
    /// Largest resident memory in bytes.
    PeakMemory,
    /// Signs of life of the worker: pieces fetched, attempts to fetch, records read.
    Pulse,
    /// Pieces of the archive that are fetched and not read yet.
    PiecesAhead,
    /// Records that are taken from the archive and not asked for yet.
    RecordsAhead,
    /// Frames that wait for credit or the network.
    FramesAhead,
}

impl ReaderFigure {
    /// Number of figures.
    pub const COUNT: usize = 12;
}

impl ReaderMetrics {
    /// Adds what changed between two STATS frames of one reader, of which that of one who is gone is empty. Figures that this
    /// build does not know are ignored.
    pub fn add(&self, before: &[u64], now: &[u64]) {
        let value = |stats: &[u64], figure: ReaderFigure| stats.get(figure as usize).copied().unwrap_or(0);
        let delta = |figure| value(now, figure).saturating_sub(value(before, figure));
        let seconds = |figure| delta(figure) as f64 / 1e6;
        self.fetched_bytes.inc_by(delta(ReaderFigure::FetchedBytes));
        self.sent_bytes.inc_by(delta(ReaderFigure::SentBytes));
        self.sent_records.inc_by(delta(ReaderFigure::SentRecords));
        self.work_seconds.inc_by(seconds(ReaderFigure::WorkMicros));
        self.blocked_seconds.inc_by(seconds(ReaderFigure::BlockedMicros));
        self.unemployed_seconds.inc_by(seconds(ReaderFigure::UnemployedMicros));
        self.cpu_seconds.inc_by(seconds(ReaderFigure::CpuMicros));
        self.peak_memory.set(self.peak_memory.get().max(value(now, ReaderFigure::PeakMemory) as f64));
        for (gauge, figure) in [
            (&self.pieces_ahead, ReaderFigure::PiecesAhead),
            (&self.records_ahead, ReaderFigure::RecordsAhead),
            (&self.frames_ahead, ReaderFigure::FramesAhead),
        ] {
            // A reader may claim anything, but takes back with it what it has claimed.
            gauge.add((value(now, figure) as i64).wrapping_sub(value(before, figure) as i64));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_registers_with_a_name_of_the_convention_and_a_help() {
        let registry = Registry::new();
        Metrics::register(&registry).unwrap();
        for family in registry.gather() {
            let name = family.name();
            assert!(name.starts_with("warcdl_"), "{name}");
            let counter = family.get_field_type() == prometheus::proto::MetricType::COUNTER;
            assert_eq!(counter, name.ends_with("_total"), "{name}: counters, and only they, end in _total");
            assert!(family.help().ends_with('.'), "{name}: {}", family.help());
        }
        assert!(Metrics::register(&registry).is_err(), "a second registration is told");
    }

    #[test]
    fn a_readers_cumulative_figures_are_added_as_differences() {
        let metrics = Metrics::unscraped().reader;
        metrics.add(&[], &[100, 50, 1, 2_000_000]);
        metrics.add(&[100, 50, 1, 2_000_000], &[150, 50, 2, 3_000_000, 0, 0, 0, 77, 999]);
        assert_eq!((metrics.fetched_bytes.get(), metrics.sent_records.get()), (150, 2));
        assert_eq!((metrics.work_seconds.get(), metrics.peak_memory.get()), (3.0, 77.0));
    }

    #[test]
    fn a_reader_that_is_gone_has_nothing_in_its_queues() {
        let metrics = Metrics::unscraped().reader;
        let one = [100, 50, 1, 0, 0, 0, 0, 0, 0, 4, 30, 2];
        metrics.add(&[], &one);
        metrics.add(&[], &one);
        let queued = || (metrics.pieces_ahead.get(), metrics.records_ahead.get(), metrics.frames_ahead.get());
        assert_eq!(queued(), (8, 60, 4));
        metrics.add(&one, &[]);
        assert_eq!((queued(), metrics.fetched_bytes.get()), ((4, 30, 2), 200));
    }
}
