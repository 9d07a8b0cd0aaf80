//! Where positives go: a folder of results.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use warcdl_actors::{Sink, SinkError};

use crate::kind::Kind;

mod files;
mod folder;
mod jsonl;
mod row;
mod store;
mod whole;

pub use folder::{FolderLock, RESOLVED_CONFIG, SUMMARY};
pub use whole::write_whole;

/// The `[output]` table of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSettings {
    /// The folder of results.
    pub path: PathBuf,
    /// How positives are laid out in it.
    pub format: OutputFormat,
    /// Whether an earlier run's results in the folder are removed first.
    pub overwrite: bool,
    /// A jsonl part is closed at this size in bytes.
    pub part_bytes: u64,
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
        "output.path = \"{}\" is not empty: name another folder, or set output.overwrite = true to remove an earlier \
         run's results there", path.display()
    )]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// Another run is writing there.
    #[error("output.path = \"{}\" is being written to by another run: name another folder", path.display())]
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
    /// The folder cannot be read or written.
    #[error(transparent)]
    Io(#[from] SinkError),
}

/// Takes possession of the folder (creating it, or removing an earlier run's results as far as the settings allow) and
/// opens the sink in it. The folder is this run's as long as the lock is kept.
pub fn open(settings: &OutputSettings, kind: Kind) -> Result<(Box<dyn Sink>, FolderLock), OpenError> {
    let lock = folder::claim(&settings.path, settings.overwrite)?;
    let sink: Box<dyn Sink> = match settings.format {
        OutputFormat::Jsonl => Box::new(jsonl::Jsonl::new(&settings.path, kind, settings.part_bytes)),
        OutputFormat::Files => Box::new(files::Files::new(&settings.path, kind)),
    };
    Ok((sink, lock))
}

#[cfg(test)]
mod tests;
