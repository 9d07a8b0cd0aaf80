//! What the fuzz targets share: the settings that are shipped, what memory costs, and what must hold of the entries of
//! any file whatever.

mod archive;

pub use archive::{Wanted, check_archive, gzip, read};

use peak_alloc::PeakAlloc;
use serde::de::DeserializeOwned;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// A section of the shipped configuration.
pub fn shipped<T: DeserializeOwned>(section: &str) -> T {
    let all: toml::Table = include_str!("../../config/warcdl.toml").parse().expect("valid");
    all[section].clone().try_into().expect("a section of settings")
}

/// What `work` gives. Fails if at any moment it holds more than `most` bytes beyond what was held before.
pub fn within<T>(most: usize, work: impl FnOnce() -> T) -> T {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let result = work();
    let held = MEMORY.peak_usage().saturating_sub(before);
    assert!(held <= most, "{held} bytes were held, more than {most}");
    result
}
