//! The `[text]` and `[image]` sections of the configuration.

use serde::{Deserialize, Serialize};

/// `[text]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSettings {
    /// `main` or `plain`.
    pub extractor: String,
    /// Levels.
    pub max_depth: usize,
    /// Elements.
    pub max_elements: usize,
}

/// `[image]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSettings {
    /// Height and width in pixels.
    pub size: [u32; 2],
    /// Pixels.
    pub max_side: u32,
    /// Pixels.
    pub max_pixels: u64,
}
