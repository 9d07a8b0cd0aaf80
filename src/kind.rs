//! What a run is about.

use serde::{Deserialize, Serialize};

/// What records are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// HTML pages, scored by their text.
    Text,
    /// Pictures.
    Image,
}
