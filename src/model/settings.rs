//! The `[model]` section of the configuration.

use serde::{Deserialize, Serialize};

/// `[model]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// `onnx` or `passthrough`.
    pub kind: String,
    /// Folder or `.onnx` file.
    pub path: String,
    /// One device or several.
    pub device: Device,
    /// CPU threads; 0 for one a core.
    pub threads: usize,
    /// `auto`, `softmax`, `sigmoid`, `none`.
    pub activation: String,
    /// Label name or index.
    pub label: String,
    /// A greater score is a positive.
    pub threshold: f32,
    /// Tokens.
    pub max_tokens: usize,
    /// Normalisation of pictures.
    pub normalize: String,
}

/// `model.device`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Device {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}
