//! What a reader has to know of the job. The GPU node sends it with its welcome, so that a reader is started with an
//! address and a secret alone, and all readers agree.

use crate::config::Config;
use crate::filter::FilterSettings;
use crate::kind::Kind;
use crate::model::Opened;
use crate::prepare::{ImagePreparer, ImageSettings, PrepareError, Preparer, TextPreparer, TextSettings};
use crate::source::{RecordSettings, S3Settings, Store, Waits};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::runtime::Handle;

/// The job as readers see it. Travels as JSON.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// What records are taken.
    pub kind: Kind,
    /// How buckets are reached.
    pub s3: S3Settings,
    /// How long servers are waited for: `source.stall_ms` and `source.retry_s`.
    pub stall_ms: u64,
    #[allow(missing_docs)]
    pub retry_s: u64,
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
    /// The job of this configuration and model, with this access to S3. What it holds travels over a link that is not
    /// encrypted: keys are for readers on this machine only.
    pub fn new(config: &Config, s3: S3Settings, model: &Opened) -> Result<Job, JobError> {
        let tokenizer_json = match &model.tokenizer_json {
            None => None,
            Some(json) => Some(String::from_utf8(json.clone()).map_err(|_| JobError::Tokenizer)?),
        };
        Ok(Job {
            kind: config.kind,
            s3,
            stall_ms: config.source.stall_ms,
            retry_s: config.source.retry_s,
            record: config.record.clone(),
            text: config.text.clone(),
            image: config.image.clone(),
            filter: config.filter.clone(),
            tokenizer_json,
            max_tokens: model.max_tokens,
            image_size: model.image_size,
        })
    }

    /// Opens the job's archives; what is not local is fetched on `runtime`.
    pub fn store(&self, runtime: Handle) -> Store {
        let Job { stall_ms, retry_s, .. } = *self;
        let waits = Waits { stall: Duration::from_millis(stall_ms), retry: Duration::from_secs(retry_s) };
        Store::new(&self.s3, waits, runtime)
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
