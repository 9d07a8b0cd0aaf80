//! The model: from a folder of files to something that scores.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use warcdl_actors::Model;

use crate::kind::Kind;

pub mod device;
mod error;
mod files;
mod head;
mod onnx;
mod passthrough;
mod pixels;
mod runtime;
mod tokens;

pub use device::{Device, DeviceError, Devices};
pub use error::OpenError;
pub use passthrough::Passthrough;
pub use runtime::RuntimeError;

/// The `[model]` table of the configuration.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// What scores.
    pub kind: ModelKind,
    /// A folder with `model.onnx` and its companions, or one `.onnx` file; empty means "not set".
    pub path: PathBuf,
    /// Where it runs: one instance of the model a device.
    pub device: Devices,
    /// CPU threads of one inference; 0: one a core.
    pub threads: usize,
    /// How the output becomes a probability.
    pub activation: Activation,
    /// Name or index of the label whose probability is the score; empty means "not set".
    pub label: String,
    /// A record whose score is greater is a positive.
    pub threshold: f32,
    /// Longer texts are cut, in token ids; 0: what the model's files say, else 512.
    pub max_tokens: usize,
    /// How pictures become numbers.
    pub normalize: Normalize,
}

/// What scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// An ONNX graph, run by ONNX Runtime.
    Onnx,
    /// Nothing: every record scores 1.0.
    Passthrough,
}

/// How the output of the model becomes a probability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// By the shape and the name of the output, and by `problem_type` in config.json.
    Auto,
    /// Softmax over the labels.
    Softmax,
    /// The logistic function of the label's own value.
    Sigmoid,
    /// The value as it is.
    None,
}

/// How the bytes of a picture become the numbers that the model was trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalize {
    /// As preprocessor_config.json says, else `Unit`.
    Auto,
    /// 0..1
    Unit,
    /// 0..1, less the mean and divided by the standard deviation of ImageNet, channel by channel.
    Imagenet,
    /// -1..1
    Symmetric,
    /// 0..255
    None,
}

/// A model that is ready to score, and what preparing records for it takes.
pub struct Opened {
    /// One a device, in the order of `model.device`.
    pub models: Vec<Box<dyn Model>>,
    /// Name of the label whose probability is the score.
    pub label: String,
    /// `tokenizer.json` as it is stored; `None` for pictures and for the passthrough model.
    pub tokenizer_json: Option<Vec<u8>>,
    /// Texts are cut to this many token ids, special tokens included.
    pub max_tokens: usize,
    /// Height and width to which pictures are brought; `None` for texts and for the passthrough model.
    pub image_size: Option<(u32, u32)>,
    /// CPU threads of one inference.
    pub threads: usize,
    /// SHA-256 of each file that decides about scores, by name: a run is not gone on with if one has changed.
    pub digests: BTreeMap<String, String>,
}

/// Token ids of a text where neither the configuration nor the model's files say how many.
pub const DEFAULT_MAX_TOKENS: usize = 512;

/// Opens the model on every device and lets each score one made-up record, so that a model that cannot run fails
/// here and not in the middle of a crawl.
///
/// `image_size` is `image.size` (height, width) where it is set.
pub fn open(
    settings: &ModelSettings,
    kind: Kind,
    image_size: Option<(u32, u32)>,
) -> Result<Opened, OpenError> {
    if settings.device.is_empty() {
        return Err(OpenError::NoDevice);
    }
    let threads = match settings.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    match settings.kind {
        ModelKind::Onnx => onnx::open(settings, kind, image_size, threads),
        ModelKind::Passthrough => Ok(passthrough::open(settings, threads)),
    }
}

#[cfg(test)]
mod tests;
