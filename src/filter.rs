//! The cheap filter.

use serde::{Deserialize, Serialize};

/// `[filter]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterSettings {
    /// Characters.
    pub min_chars: usize,
    /// Characters; 0 for no limit.
    pub max_chars: usize,
    /// ISO 639-1 or 639-3.
    pub languages: Vec<String>,
    /// Pattern of the URL.
    pub url_regex: String,
    /// Pattern of the text.
    pub text_regex: String,
    /// Pixels.
    pub min_width: u32,
    /// Pixels; 0 for no limit.
    pub max_width: u32,
    /// Pixels.
    pub min_height: u32,
    /// Pixels; 0 for no limit.
    pub max_height: u32,
}
