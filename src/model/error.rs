//! Why a model could not be opened.

use std::{io, path::PathBuf};

use super::{DeviceError, RuntimeError};

/// Why a model could not be opened, and what helps.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// `model.device` is an empty list.
    #[error("model.device is empty: set it to \"cpu\", \"cuda:0\" or a list of devices")]
    NoDevice,
    /// `model.path` is empty.
    #[error(
        "model.path is not set: name a folder with model.onnx, or an .onnx file, or set model.kind = \"passthrough\""
    )]
    NoPath,
    /// A file that the model needs is not there.
    #[error("{} does not exist: {cure}", path.display())]
    Missing {
        /// The file or folder.
        path: PathBuf,
        /// What helps.
        cure: &'static str,
    },
    /// A file of the model could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A JSON file of the model is not what it should be.
    #[error("cannot understand {}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// ONNX Runtime is missing or unusable.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The device is not to be had.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// ONNX Runtime refuses the model.
    #[error("cannot load {}: {message}", path.display())]
    Load {
        /// The graph.
        path: PathBuf,
        /// ONNX Runtime's words.
        message: String,
    },
    /// The model does not take what this kind of pipeline gives.
    #[error("{} does not fit: {problem}; its inputs are {inputs}", path.display())]
    Inputs {
        /// The graph.
        path: PathBuf,
        /// What does not fit.
        problem: String,
        /// Name, type and shape of each input.
        inputs: String,
    },
    /// None of the model's outputs is a score for each record and label.
    #[error(
        "{} has no float32 output of shape [batch], [batch, 1] or [batch, labels]; its outputs are {outputs}",
        path.display()
    )]
    Outputs {
        /// The graph.
        path: PathBuf,
        /// Name, type and shape of each output.
        outputs: String,
    },
    /// `model.label` is none of the model's labels.
    #[error("model.label = \"{label}\" is none of the labels of {}: {labels}", path.display())]
    UnknownLabel {
        /// As configured.
        label: String,
        /// The graph.
        path: PathBuf,
        /// Index and name of each label.
        labels: String,
    },
    /// The model has several labels and none is chosen.
    #[error("model.label is not set, and {} has {count} labels: set it to one of {labels}", path.display())]
    LabelNeeded {
        /// The graph.
        path: PathBuf,
        /// How many labels.
        count: usize,
        /// Index and name of each label.
        labels: String,
    },
    /// Softmax over one value is always 1.
    #[error("model.activation = \"softmax\" makes no sense: {} has one output value a record", path.display())]
    SoftmaxOfOne {
        /// The graph.
        path: PathBuf,
    },
    /// `model.max_tokens` is more than the graph can take.
    #[error("model.max_tokens = {max_tokens}, but {} takes exactly {length} token ids: lower it", path.display())]
    MaxTokens {
        /// As configured.
        max_tokens: usize,
        /// The graph.
        path: PathBuf,
        /// The graph's fixed length.
        length: usize,
    },
    /// The model loads but does not score.
    #[error("{} fails on a trial record of {trial}: {message}", path.display())]
    Trial {
        /// The graph.
        path: PathBuf,
        /// What it was given.
        trial: String,
        /// What it said.
        message: String,
    },
}
