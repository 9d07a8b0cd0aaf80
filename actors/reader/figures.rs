//! The reader's own figures, counted by all its threads.

use crate::metrics::ReaderFigure;
use crate::wire::Stats;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The reader's own figures; see [`ReaderFigure`].
#[derive(Debug, Default)]
pub(super) struct Figures([AtomicU64; ReaderFigure::COUNT]);

impl Figures {
    pub(super) fn add(&self, figure: ReaderFigure, n: u64) {
        self.0[figure as usize].fetch_add(n, Ordering::Relaxed);
    }

    pub(super) fn add_time(&self, figure: ReaderFigure, since: Instant) {
        self.add(figure, since.elapsed().as_micros() as u64);
    }

    pub(super) fn set(&self, figure: ReaderFigure, n: u64) {
        self.0[figure as usize].store(n, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> Stats {
        Stats(self.0.iter().map(|value| value.load(Ordering::Relaxed)).collect())
    }
}
