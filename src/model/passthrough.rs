//! The model that takes everything: for collecting what the filter leaves, and for measuring all but inference.

use std::collections::BTreeMap;

use warcdl_actors::{Input, Model, ModelError};

use super::{DEFAULT_MAX_TOKENS, ModelSettings, Opened};

/// Scores 1.0 whatever it gets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Passthrough;

impl Model for Passthrough {
    fn score(&mut self, inputs: &[&Input]) -> Result<Vec<f32>, ModelError> {
        Ok(vec![1.0; inputs.len()])
    }
}

/// One instance a device, so that the node need not know that none is used.
pub(super) fn open(settings: &ModelSettings, threads: usize) -> Opened {
    let label = if settings.label.is_empty() { "passthrough" } else { &settings.label };
    Opened {
        models: settings.device.iter().map(|_| Box::new(Passthrough) as Box<dyn Model>).collect(),
        label: label.to_owned(),
        tokenizer_json: None,
        max_tokens: if settings.max_tokens == 0 { DEFAULT_MAX_TOKENS } else { settings.max_tokens },
        image_size: None,
        threads,
        digests: BTreeMap::new(),
    }
}
