//! The worker thread: reads, filters and prepares the records of one lease after the other.

use super::figures::Figures;
use crate::Exclusion;
use crate::ledger::Tally;
use crate::message::{Lost, Position};
use crate::metrics::ReaderFigure;
use crate::part::PartId;
use crate::port::{Pulse, Source};
use crate::wire::{Frame, Lease, LeaseEnd, MAX_LOST, Progress, RecordFrame};
use crossbeam::channel::Receiver;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Without a record to send, progress is told this often.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// The worker thread.
pub(super) struct Worker {
    pub(super) source: Box<dyn Source>,
    pub(super) max_record: u32,
    pub(super) leases: Receiver<Lease>,
    pub(super) goes: Receiver<()>,
    pub(super) fence: Arc<Fence>,
    pub(super) frames: mpsc::Sender<Frame>,
    pub(super) figures: Arc<Figures>,
    pub(super) pulse: Pulse,
}

/// The other end of the queue is gone: so is the connection.
struct Disconnected;

impl Worker {
    pub(super) fn run(mut self) {
        loop {
            let idle_since = Instant::now();
            let Ok(lease) = self.leases.recv() else { return };
            self.figures.add_time(ReaderFigure::UnemployedMicros, idle_since);
            if self.read(&lease).is_err() {
                return;
            }
        }
    }

    /// Reads one part to its end, to the first error, or until the lease is taken back.
    fn read(&mut self, lease: &Lease) -> Result<(), Disconnected> {
        let Worker { source, max_record, goes, fence, frames, figures, pulse, .. } = self;
        let Lease { part, epoch, mut careful, .. } = *lease;
        // A leave that was given to the last lease.
        let _ = goes.try_recv();
        let mut log = ProgressLog::new(lease);
        let start = Instant::now();
        let opened = source.open(lease, pulse);
        figures.add_time(ReaderFigure::WorkMicros, start);
        let failure = match opened {
            Err(error) => Some(error.message),
            Ok(mut stream) => loop {
                if fence.is_set(lease) {
                    break None;
                }
                if careful > 0 {
                    careful -= 1;
                    send(frames, figures, Frame::Attempt { part, epoch, progress: log.take() })?;
                    let start = Instant::now();
                    goes.recv().map_err(|_| Disconnected)?;
                    figures.add_time(ReaderFigure::BlockedMicros, start);
                    if fence.is_set(lease) {
                        break None;
                    }
                }
                let start = Instant::now();
                let step = stream.next();
                figures.add_time(ReaderFigure::WorkMicros, start);
                pulse.beat();
                let step = match step {
                    Ok(Some(step)) => step,
                    Ok(None) => break None,
                    Err(error) => break Some(error.message),
                };
                let fetched = step.bytes_read.saturating_sub(log.bytes_read);
                figures.add(ReaderFigure::FetchedBytes, fetched);
                log.pass(step.next, step.bytes_read);
                match step.outcome {
                    Err(reason) => {
                        let length = step.next.offset.saturating_sub(step.at.offset);
                        log.exclude(Lost { at: step.at, length, reason });
                    }
                    Ok(prepared) => {
                        let mut record =
                            RecordFrame { part, epoch, at: step.at, progress: Progress::default(), prepared };
                        let bound = 1 + record.encoded_len() + Progress::deltas_bound();
                        if bound > *max_record as usize {
                            log.count(Exclusion::RecordTooLarge);
                        } else {
                            record.progress = log.take();
                            figures.add(ReaderFigure::SentRecords, 1);
                            send(frames, figures, Frame::Record(Box::new(record)))?;
                        }
                    }
                }
                if log.is_due() {
                    send(frames, figures, Frame::Progress { part, epoch, progress: log.take() })?;
                }
            },
        };
        let end = LeaseEnd { part, epoch, progress: log.take(), failure };
        send(frames, figures, Frame::LeaseEnd(end))
    }
}

fn send(frames: &mpsc::Sender<Frame>, figures: &Figures, frame: Frame) -> Result<(), Disconnected> {
    let start = Instant::now();
    let sent = frames.blocking_send(frame).map_err(|_| Disconnected);
    figures.add_time(ReaderFigure::BlockedMicros, start);
    sent
}

/// What has happened since the last frame of a lease.
struct ProgressLog {
    next: Position,
    bytes_read: u64,
    excluded: Tally,
    lost: Vec<Lost>,
    told: Instant,
}

impl ProgressLog {
    fn new(lease: &Lease) -> ProgressLog {
        ProgressLog {
            next: lease.start,
            bytes_read: lease.start.offset,
            excluded: Tally::default(),
            lost: Vec::new(),
            told: Instant::now(),
        }
    }

    fn pass(&mut self, next: Position, bytes_read: u64) {
        self.next = next;
        self.bytes_read = bytes_read;
    }

    fn count(&mut self, reason: Exclusion) {
        self.excluded.add(reason, 1);
    }

    /// Counts the record, and keeps its place if it is to be listed.
    fn exclude(&mut self, record: Lost) {
        self.count(record.reason);
        if record.reason.is_listed() {
            self.lost.push(record);
        }
    }

    fn is_due(&self) -> bool {
        let is_late = !self.excluded.is_empty() && self.told.elapsed() >= PROGRESS_EVERY;
        is_late || self.lost.len() == MAX_LOST
    }

    fn take(&mut self) -> Progress {
        self.told = Instant::now();
        let (excluded, lost) = (self.excluded.drain(), std::mem::take(&mut self.lost));
        Progress { next: self.next, bytes_read: self.bytes_read, excluded, lost }
    }
}

/// The lease that was taken back last.
#[derive(Debug, Default)]
pub(super) struct Fence(AtomicU64);

impl Fence {
    /// A part and an epoch in one number, and never zero.
    fn number(part: PartId, epoch: u32) -> u64 {
        (u64::from(part) << 32 | u64::from(epoch)).wrapping_add(1)
    }

    pub(super) fn set(&self, part: PartId, epoch: u32) {
        self.0.store(Fence::number(part, epoch), Ordering::Release);
    }

    pub(super) fn is_set(&self, lease: &Lease) -> bool {
        self.0.load(Ordering::Acquire) == Fence::number(lease.part, lease.epoch)
    }
}
