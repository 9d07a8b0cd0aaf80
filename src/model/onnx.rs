//! A model as an ONNX graph, run by ONNX Runtime on one device.

use std::{borrow::Cow, path::Path};

use bytes::Bytes;
use ort::{
    session::{Session, SessionInputValue},
    value::Outlet,
};
use warcdl_actors::{Input, Model, ModelError};

use super::{
    DEFAULT_MAX_TOKENS, ModelSettings, OpenError, Opened,
    device::{self, Device, DeviceError},
    files::{Config, ModelFiles, Preprocessor},
    head::{Head, describe, find_output},
    pixels::PixelFeed,
    runtime::{Runtime, runtime},
    tokens::TokenFeed,
};
use crate::kind::Kind;

/// Opens the graph on every device; see [`super::open`].
pub(super) fn open(
    settings: &ModelSettings,
    kind: Kind,
    image_size: Option<(u32, u32)>,
    threads: usize,
) -> Result<Opened, OpenError> {
    let files = ModelFiles::find(&settings.path)?;
    let config = files.config()?;
    let (tokenizer_json, declared_tokens) = match kind {
        Kind::Text => {
            let tokenizer = files.tokenizer()?;
            let declared = files.max_tokens(&tokenizer, &config)?;
            (Some(tokenizer), declared)
        }
        Kind::Image => (None, None),
    };
    let preprocessor = match kind {
        Kind::Text => None,
        Kind::Image => files.preprocessor()?,
    };
    let opening = Opening {
        settings,
        kind,
        image_size,
        threads,
        declared_tokens,
        graph: &files.graph,
        config: &config,
        preprocessor: preprocessor.as_ref(),
        runtime: runtime()?,
    };
    let mut opened = Opened {
        models: Vec::with_capacity(settings.device.len()),
        label: String::new(),
        tokenizer_json,
        max_tokens: DEFAULT_MAX_TOKENS,
        image_size: None,
        threads,
        digests: files.digests()?,
    };
    for &device in settings.device.iter() {
        let (model, max_tokens) = opening.on(device)?;
        opened.label.clone_from(&model.head.label);
        opened.max_tokens = max_tokens;
        opened.image_size = model.graph.feed.image_size();
        opened.models.push(Box::new(model));
    }
    Ok(opened)
}

/// All that opening the graph on a device takes.
struct Opening<'a> {
    settings: &'a ModelSettings,
    kind: Kind,
    image_size: Option<(u32, u32)>,
    threads: usize,
    declared_tokens: Option<usize>,
    graph: &'a Path,
    config: &'a Config,
    preprocessor: Option<&'a Preprocessor>,
    runtime: Runtime,
}

impl Opening<'_> {
    /// The model on the device, and the token ids to which texts are to be cut.
    fn on(&self, device: Device) -> Result<(OnnxModel, usize), OpenError> {
        let session = self.session(device)?;
        let feed = self.feed(&session)?;
        let max_tokens = self.max_tokens(&feed)?;
        let output = find_output(session.outputs(), self.graph)?.name().to_owned();
        let mut graph = Graph { session, feed, output };
        let (trial, described) = graph.feed.trial(max_tokens);
        let count = graph.run(&[&trial], |_, count| Ok(count)).map_err(|error| OpenError::Trial {
            path: self.graph.to_owned(),
            trial: described,
            message: error.message,
        })?;
        let ModelSettings { label, activation, .. } = self.settings;
        let head = Head::new(&graph.output, count, label, *activation, self.config, self.graph)?;
        Ok((OnnxModel { graph, head }, max_tokens))
    }

    fn session(&self, device: Device) -> Result<Session, OpenError> {
        let refused = |error: ort::Error| self.refused(device, error);
        let library = &self.runtime.dylib;
        let builder = Session::builder(&self.runtime.environment).map_err(refused)?;
        let builder = builder.with_intra_threads(self.threads).map_err(|error| refused(error.into()))?;
        // Between batches the cores belong to the readers, not to threads that spin in wait of work.
        let builder = builder
            .with_config_entry("session.force_spinning_stop", "1")
            .map_err(|error| refused(error.into()))?;
        let mut builder = device::register(device, builder, library)?;
        let session = builder.commit_from_file(self.graph).map_err(refused)?;
        device::verify(device, &session, library)?;
        Ok(session)
    }

    /// A refusal on a GPU may be the fault of the GPU, and is told as such where the message names it.
    fn refused(&self, device: Device, error: ort::Error) -> OpenError {
        let message = error.to_string();
        let is_of_gpu = ["CUDA", "cuda", "cudnn", "CUBLAS"].iter().any(|word| message.contains(word));
        match device {
            Device::Cuda(_) if is_of_gpu => {
                let error: DeviceError = device::unavailable(device, &self.runtime.dylib, message);
                error.into()
            }
            _ => OpenError::Load { path: self.graph.to_owned(), message },
        }
    }

    fn feed(&self, session: &Session) -> Result<Feed, OpenError> {
        let inputs = session.inputs();
        let feed = match self.kind {
            Kind::Text => TokenFeed::new(inputs, self.config.pad_token_id.unwrap_or(0)).map(Feed::Tokens),
            Kind::Image => {
                PixelFeed::new(inputs, self.image_size, self.settings.normalize, self.preprocessor)
                    .map(Feed::Pixels)
            }
        };
        feed.map_err(|problem| OpenError::Inputs {
            path: self.graph.to_owned(),
            problem,
            inputs: list(inputs),
        })
    }

    fn max_tokens(&self, feed: &Feed) -> Result<usize, OpenError> {
        let fixed_length = match feed {
            Feed::Tokens(feed) => feed.fixed_length,
            Feed::Pixels(_) => None,
        };
        match (self.settings.max_tokens, fixed_length) {
            (0, Some(length)) => Ok(self.declared_tokens.unwrap_or(length).min(length)),
            (0, None) => Ok(self.declared_tokens.unwrap_or(DEFAULT_MAX_TOKENS)),
            (max_tokens, Some(length)) if max_tokens > length => {
                Err(OpenError::MaxTokens { max_tokens, path: self.graph.to_owned(), length })
            }
            (max_tokens, _) => Ok(max_tokens),
        }
    }
}

fn list(outlets: &[Outlet]) -> String {
    if outlets.is_empty() {
        return "none".to_owned();
    }
    outlets.iter().map(describe).collect::<Vec<_>>().join(", ")
}

/// A graph on a device, and how its output is read.
struct OnnxModel {
    graph: Graph,
    head: Head,
}

impl Model for OnnxModel {
    fn score(&mut self, inputs: &[&Input]) -> Result<Vec<f32>, ModelError> {
        let mut scores = Vec::with_capacity(inputs.len());
        let OnnxModel { graph, head } = self;
        for inputs in inputs.chunks(graph.feed.fixed_batch().unwrap_or(inputs.len()).max(1)) {
            graph.run(inputs, |values, count| {
                if count != head.count {
                    let message = format!("{count} values a record, but {} at first", head.count);
                    return Err(ModelError { message });
                }
                head.scores(values, &mut scores);
                Ok(())
            })?;
        }
        Ok(scores)
    }
}

/// A graph on a device.
struct Graph {
    session: Session,
    feed: Feed,
    /// Name of the output that is read.
    output: String,
}

impl Graph {
    /// Runs one batch and hands the output to `read`: the values of each record in turn, and how many there are of
    /// each.
    fn run<T>(
        &mut self,
        inputs: &[&Input],
        read: impl FnOnce(&[f32], usize) -> Result<T, ModelError>,
    ) -> Result<T, ModelError> {
        let failed = |error: ort::Error| ModelError { message: error.to_string() };
        let rows = self.feed.fixed_batch().unwrap_or(inputs.len());
        let values = self.feed.fill(inputs)?;
        let outputs = self.session.run(values).map_err(failed)?;
        let (shape, values) = outputs[self.output.as_str()].try_extract_tensor::<f32>().map_err(failed)?;
        let count = match **shape {
            [batch] if usize::try_from(batch) == Ok(rows) => 1,
            [batch, count] if usize::try_from(batch) == Ok(rows) && count > 0 => count as usize,
            _ => {
                let message = format!("output \"{}\" has shape {shape} for {rows} records", self.output);
                return Err(ModelError { message });
            }
        };
        read(&values[..inputs.len() * count], count)
    }
}

/// No trial is longer than this, in token ids, whatever the configuration says.
const LONGEST_TRIAL: usize = 1 << 16;

/// What turns records into the graph's inputs.
enum Feed {
    Tokens(TokenFeed),
    Pixels(PixelFeed),
}

impl Feed {
    fn fill(&mut self, inputs: &[&Input]) -> Result<Vec<(Cow<'_, str>, SessionInputValue<'_>)>, ModelError> {
        match self {
            Feed::Tokens(feed) => feed.fill(inputs),
            Feed::Pixels(feed) => feed.fill(inputs),
        }
    }

    fn fixed_batch(&self) -> Option<usize> {
        match self {
            Feed::Tokens(feed) => feed.fixed_batch,
            Feed::Pixels(feed) => feed.fixed_batch,
        }
    }

    fn image_size(&self) -> Option<(u32, u32)> {
        match self {
            Feed::Tokens(_) => None,
            Feed::Pixels(feed) => Some(feed.size),
        }
    }

    /// A made-up record, as large as any that can come, and its name: if the graph takes this one, it takes all.
    fn trial(&self, max_tokens: usize) -> (Input, String) {
        match self {
            Feed::Tokens(_) => {
                let max_tokens = max_tokens.min(LONGEST_TRIAL);
                let ids = vec![0; max_tokens * 4];
                (Input::Tokens(Bytes::from(ids)), format!("{max_tokens} token ids"))
            }
            Feed::Pixels(feed) => {
                let (height, width) = feed.size;
                let data = Bytes::from(vec![0; height as usize * width as usize * 3]);
                (Input::Pixels { height, width, data }, format!("{height} × {width} pixels"))
            }
        }
    }
}
