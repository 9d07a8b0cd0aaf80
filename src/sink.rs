//! Where positives go: a folder of results, in commits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use warcdl_actors::disk::FsDisk;
use warcdl_actors::results::names::JOURNAL;
use warcdl_actors::results::{self, JOURNAL_BYTES, Layout, Recovered, Results, ResultsError};
use warcdl_actors::{Listed, PartState, Positive, Sink, SinkError};

use crate::kind::Kind;
use folder::MARKER;

mod folder;
mod quarantine;
mod row;
mod store;
mod whole;

pub use folder::{FolderLock, RESOLVED_CONFIG, SUMMARY, YARN_STATE};
pub use whole::write_whole;

/// The `[output]` table of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSettings {
    /// The folder of results.
    pub path: PathBuf,
    /// How positives are laid out in it.
    pub format: OutputFormat,
    /// Whether an earlier run's results in the folder are removed first, instead of going on with them.
    pub overwrite: bool,
    /// A jsonl part is closed at this size in bytes.
    pub part_bytes: u64,
    /// Milliseconds after which what has its verdict is committed.
    pub commit_ms: u64,
    /// Bytes of positives at which they are committed at once.
    pub commit_bytes: u64,
    /// Seconds for which a full disk is waited for.
    pub full_disk_s: u64,
}

/// How positives are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// `part-00000.jsonl`, ...: a line a positive, with its text; pictures beside them under `images/`.
    Jsonl,
    /// A file a positive under `positives/`, and `index.jsonl` with a line for each.
    Files,
}

/// Why the folder of results cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// `output.path` is empty.
    #[error("output.path is not set: name the folder of results")]
    NoPath,
    /// Something is in the folder already.
    #[error(
        "output.path = \"{}\" is not empty, and what is there was not written by warcdl: name another folder",
        path.display()
    )]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// There are results, but not the mark of their folder.
    #[error(
        "output.path = \"{}\" has a {JOURNAL} but no {MARKER}, by which a folder is known as warcdl's: copy {MARKER} too \
         (it is hidden, and empty), or name another folder",
        path.display()
    )]
    Unmarked {
        /// The folder.
        path: PathBuf,
    },
    /// Another run is writing there.
    #[error(
        "output.path = \"{}\" is being written to by another run: wait for its end, or name another folder",
        path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// Something in the folder was not written by warcdl.
    #[error(
        "output.overwrite = true removes only what warcdl wrote, and {} is something else: move it away, or name \
         another output.path", path.display()
    )]
    Foreign {
        /// What is not recognised.
        path: PathBuf,
    },
    /// The results there cannot be gone on with.
    #[error("cannot go on with the results in output.path = \"{}\": {source}", path.display())]
    Resume {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: results::OpenError,
    },
    /// It is a file, or lies in one.
    #[error("output.path = \"{}\" must be a folder, and {} is a file: name another", path.display(), file.display())]
    NoFolder {
        /// The folder.
        path: PathBuf,
        /// The folder itself, or one above it.
        file: PathBuf,
    },
    /// The folder cannot be read or written.
    #[error("output.path = \"{}\" cannot be used: {source}; name a folder that can be written to", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What lies in it or above it, and why.
        source: SinkError,
    },
}

/// A folder of results that belongs to this run.
pub struct OpenFolder {
    /// Where positives go.
    pub sink: Box<dyn Sink>,
    /// What was found there.
    pub recovered: Recovered,
    /// Keeps other runs out until it is dropped.
    pub lock: FolderLock,
}

/// Takes possession of the folder and goes on with what is in it: nothing yet, or the results of a run of the same
/// `identity`. With `output.overwrite` an earlier run's results are removed first.
pub fn open(
    settings: &OutputSettings,
    kind: Kind,
    identity: BTreeMap<String, String>,
) -> Result<OpenFolder, OpenError> {
    let lock = folder::claim(&settings.path, settings.overwrite)?;
    let part_bytes = (settings.format == OutputFormat::Jsonl).then_some(settings.part_bytes);
    let layout = Layout { part_bytes, journal_bytes: JOURNAL_BYTES };
    let disk = Box::new(FsDisk::new(settings.path.clone()));
    let (results, recovered) = Results::open(disk, identity, layout).map_err(resume(settings))?;
    let sink = ResultsSink { results, root: settings.path.clone(), kind, format: settings.format };
    Ok(OpenFolder { sink: Box::new(sink), recovered, lock })
}

/// What [`open`] would say of the folder, which is left as it is. A lock of another run is seen on Linux, and not from another
/// machine or container.
pub fn check(settings: &OutputSettings, identity: BTreeMap<String, String>) -> Result<(), OpenError> {
    if folder::probe(&settings.path, settings.overwrite)? {
        let disk = Box::new(FsDisk::new(settings.path.clone()));
        Results::check(disk, identity).map_err(resume(settings))?;
    }
    Ok(())
}

fn resume(settings: &OutputSettings) -> impl FnOnce(results::OpenError) -> OpenError {
    |source| OpenError::Resume { path: settings.path.clone(), source }
}

/// Positives as rows of [`Results`].
struct ResultsSink {
    results: Results,
    root: PathBuf,
    kind: Kind,
    format: OutputFormat,
}

impl ResultsSink {
    fn check(&self, result: Result<(), ResultsError>) -> Result<(), SinkError> {
        let at =
            |path: &str| if path.is_empty() { self.root.clone() } else { self.root.join(Path::new(path)) };
        result.map_err(|error| match error {
            ResultsError::Full { path } => SinkError::Full { path: at(&path) },
            ResultsError::Io { path, source } => SinkError::Io { path: at(&path), source },
            broken @ ResultsError::Broken { .. } => {
                SinkError::Io { path: self.root.clone(), source: std::io::Error::other(broken) }
            }
        })
    }
}

impl Sink for ResultsSink {
    fn put(&mut self, positive: &Positive) -> Result<(), SinkError> {
        let row = row::layout(positive, self.kind, self.format)
            .map_err(|source| SinkError::Io { path: self.root.clone(), source: source.into() })?;
        self.results.put(row);
        Ok(())
    }

    fn list(&mut self, listed: &Listed) -> Result<(), SinkError> {
        let row = quarantine::row(listed)
            .map_err(|source| SinkError::Io { path: self.root.clone(), source: source.into() })?;
        self.results.put(row);
        Ok(())
    }

    fn commit(&mut self, parts: &[PartState]) -> Result<(), SinkError> {
        let done = self.results.commit(parts);
        self.check(done)
    }

    fn finish(&mut self, parts: &[PartState]) -> Result<(), SinkError> {
        let done = self.results.finish(parts);
        self.check(done)
    }
}

#[cfg(test)]
mod tests;
