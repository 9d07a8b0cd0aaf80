//! The `[output]` section of the configuration.

use serde::{Deserialize, Serialize};

/// `[output]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSettings {
    /// Folder.
    pub path: String,
    /// `jsonl` or `files`.
    pub format: String,
    /// Whether an earlier run's results are removed.
    pub overwrite: bool,
    /// Bytes.
    pub part_bytes: u64,
}
