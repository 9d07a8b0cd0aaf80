//! What a run looks for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of record that a run takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// HTML pages, scored by their text.
    Text,
    /// Pictures.
    Image,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Text => "text",
            Kind::Image => "image",
        })
    }
}
