//! What a reader has to know of the job. The GPU node sends it with its welcome, so that a reader is started with an
//! address and a secret alone, and all readers agree.

use crate::config::Config;
use crate::filter::FilterSettings;
use crate::kind::Kind;
use crate::model::Opened;
use crate::prepare::{ImagePreparer, ImageSettings, PrepareError, Preparer, TextPreparer, TextSettings};
use crate::source::{RecordSettings, S3Settings};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The job as readers see it. Travels as JSON.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// What records are taken.
    pub kind: Kind,
    /// How buckets are reached.
    pub s3: S3Settings,
    /// Which records are taken.
    pub record: RecordSettings,
    /// How pages become text.
    pub text: TextSettings,
    /// How pictures become pixels.
    pub image: ImageSettings,
    /// The cheap filter.
    pub filter: FilterSettings,
    /// The model's `tokenizer.json`; `None` if it takes none.
    pub tokenizer_json: Option<String>,
    /// Token ids at most.
    pub max_tokens: usize,
    /// Height and width of the model's input; `None` if it takes no pictures.
    pub image_size: Option<(u32, u32)>,
}

/// Why a job cannot be described or understood.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// `tokenizer.json` is not UTF-8.
    #[error("tokenizer.json is not UTF-8: export it again")]
    Tokenizer,
    /// The description is not one.
    #[error("the job's description cannot be understood, run the same build on both sides: {0}")]
    Json(#[from] serde_json::Error),
}

impl Job {
    /// The job of this configuration and model. S3 keys of the configuration are left out unless `with_keys`: the link
    /// is not encrypted, so they go to readers on this machine only.
    pub fn new(config: &Config, model: &Opened, with_keys: bool) -> Result<Job, JobError> {
        let s3 = if with_keys { config.source.s3.clone() } else { config.source.s3.without_keys() };
        let tokenizer_json = match &model.tokenizer_json {
            None => None,
            Some(json) => Some(String::from_utf8(json.clone()).map_err(|_| JobError::Tokenizer)?),
        };
        Ok(Job {
            kind: config.kind,
            s3,
            record: config.record.clone(),
            text: config.text.clone(),
            image: config.image.clone(),
            filter: config.filter.clone(),
            tokenizer_json,
            max_tokens: model.max_tokens,
            image_size: model.image_size,
        })
    }

    /// As it travels.
    pub fn encode(&self) -> Result<Bytes, JobError> {
        Ok(serde_json::to_vec(self)?.into())
    }

    /// As it arrived.
    pub fn decode(bytes: &[u8]) -> Result<Job, JobError> {
        Ok(serde_json::from_slice(bytes)?)
    }

    /// Checks the filter and the limits, and reads the tokenizer.
    pub fn preparer(&self) -> Result<Preparer, PrepareError> {
        Ok(match self.kind {
            Kind::Text => {
                let tokenizer = self.tokenizer_json.as_deref().map(str::as_bytes);
                let text = TextPreparer::new(&self.text, &self.filter, tokenizer, self.max_tokens)?;
                Preparer::Text(Box::new(text))
            }
            Kind::Image => {
                let image = ImagePreparer::new(&self.image, &self.filter, self.image_size)?;
                Preparer::Image(Box::new(image))
            }
        })
    }
}
