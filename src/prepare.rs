//! From an HTTP response to what the model gets: text and token ids, or pixels.

mod charset;
mod entities;
mod image;
mod main_text;
mod markup;
mod metadata;
mod names;
mod page;
mod plain;
mod text;
mod tokens;

use std::panic::{AssertUnwindSafe, catch_unwind};

use warcdl_actors::{Exclusion, Prepared};

use crate::filter::FilterError;
pub use crate::prepare::image::{ImagePreparer, ImageSettings};
pub use crate::prepare::main_text::Texts;
pub use crate::prepare::text::{Extractor, TextPreparer, TextSettings, look, texts};
use crate::source::Response;

/// Why a preparer cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A key of `[filter]`.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// A limit of 0, which nothing could keep.
    #[error("{key} = 0 would leave out every record; set it to 1 or more")]
    Zero {
        /// The TOML key.
        key: &'static str,
    },
    /// A picture size of which no tensor can be made.
    #[error("image.size = [{height}, {width}] is no size of a model's input; each side must be 1 to {max}")]
    Size {
        /// Rows.
        height: u32,
        /// Columns.
        width: u32,
        /// Greatest side allowed.
        max: u32,
    },
    /// The tokenizer cannot be read.
    #[error("tokenizer.json cannot be read: {reason}; export it again with a current version of tokenizers")]
    Tokenizer {
        /// What the reader says.
        reason: String,
    },
    /// The special tokens alone fill the model's input.
    #[error(
        "model.max_tokens = {max_tokens} leaves no room beside {special} special tokens; set it to more than {special}"
    )]
    MaxTokens {
        /// The limit.
        max_tokens: usize,
        /// Special tokens that the tokenizer adds.
        special: usize,
    },
}

/// Either kind of preparer. One per thread: its buffers are reused from record to record. A clone shares what is large, such as
/// the tokenizer's vocabulary.
#[derive(Clone)]
pub enum Preparer {
    /// HTML pages.
    Text(Box<TextPreparer>),
    /// Pictures.
    Image(Box<ImagePreparer>),
}

impl Preparer {
    /// Prepares one record, or says why it is left out. A panic stays confined to the record.
    pub fn prepare(&mut self, response: Response) -> Result<Prepared, Exclusion> {
        confine(|| match self {
            Preparer::Text(preparer) => preparer.prepare(response),
            Preparer::Image(preparer) => preparer.prepare(response),
        })
    }
}

/// Runs `work`, turning a panic into [`Exclusion::Panicked`]. Preparers hold no state between records but scratch
/// buffers that are cleared before use, so going on after one is sound.
fn confine<T>(work: impl FnOnce() -> Result<T, Exclusion>) -> Result<T, Exclusion> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Exclusion::Panicked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_confined_to_its_record() {
        let outcomes: Vec<_> = (0..3)
            .map(|record| confine(|| if record == 1 { panic!("record {record}") } else { Ok(record) }))
            .collect();
        assert_eq!(outcomes, [Ok(0), Err(Exclusion::Panicked), Ok(2)]);
    }
}
