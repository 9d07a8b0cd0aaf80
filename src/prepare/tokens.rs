//! Token ids of a text, as Hugging Face's `tokenizers` gives them.
//!
//! Up to its version 0.23 BERT's splitting knew the punctuation of Unicode 8 only; from 1.0 on it also splits at the
//! 143 characters that have become punctuation since, such as U+061D. On web pages these are found in binary garbage.

use bytes::Bytes;
use serde_json::Value;
use tokenizers::pipeline::{EncodeOptions, Override, PipelineToken, PipelineTokenizer};
use warcdl_actors::Exclusion;

use crate::prepare::PrepareError;

/// Bytes of text a token that are tried first; several times what languages need, so once is mostly enough.
const BYTES_PER_TOKEN: usize = 8;

/// A tokenizer and the length of the model's input.
#[derive(Clone)]
pub(super) struct TextTokenizer {
    tokenizer: PipelineTokenizer,
    /// Never pads; truncates and adds special tokens here, not there.
    options: EncodeOptions,
    prefix: Vec<u32>,
    suffix: Vec<u32>,
    /// Ids of the text itself.
    room: usize,
    keep_end: bool,
    cuts: Cuts,
    ids: Vec<PipelineToken>,
}

/// Where a text may be cut without changing the ids before the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cuts {
    /// Nowhere known.
    Nowhere,
    /// Before a space that follows another character.
    BeforeSpaces,
}

impl TextTokenizer {
    /// Reads a `tokenizer.json` of any version. Its own truncation length and padding are not used, but the side on
    /// which it truncates is.
    pub(super) fn new(json: &[u8], max_tokens: usize) -> Result<Self, PrepareError> {
        let refused = |reason: String| PrepareError::Tokenizer { reason };
        let mut value: Value = serde_json::from_slice(json).map_err(|error| refused(error.to_string()))?;
        let keep_end =
            value["truncation"]["direction"].as_str().is_some_and(|side| side.eq_ignore_ascii_case("left"));
        let cuts = if keep_end { Cuts::Nowhere } else { cuts(&value) };
        tokenizers::canonicalize_value(&mut value).map_err(|error| refused(error.to_string()))?;
        let tokenizer =
            tokenizers::from_json(&value.to_string()).map_err(|error| refused(error.to_string()))?;
        let template = &tokenizer.get_post_processor().single;
        let ids = |run: &[(PipelineToken, u8)]| run.iter().map(|(token, _)| token.id()).collect::<Vec<_>>();
        let (prefix, suffix) = (ids(&template.prefix), ids(&template.suffix));
        let special = prefix.len() + suffix.len();
        if max_tokens <= special {
            return Err(PrepareError::MaxTokens { max_tokens, special });
        }
        let options = EncodeOptions {
            add_special_tokens: false,
            padding: Override::Off,
            truncation: Override::Off,
            ..EncodeOptions::default()
        };
        let room = max_tokens - special;
        Ok(Self { tokenizer, options, prefix, suffix, room, keep_end, cuts, ids: Vec::new() })
    }

    /// The ids of `text`, `u32` little-endian, special tokens included, truncated, not padded.
    pub(super) fn encode(&mut self, text: &str) -> Result<Bytes, Exclusion> {
        let mut tried = self.room.saturating_mul(BYTES_PER_TOKEN);
        loop {
            let head = self.cuts.head(text, tried);
            self.ids.clear();
            self.tokenizer
                .encode_into(head, &self.options, &mut self.ids)
                .map_err(|_| Exclusion::Tokenizer)?;
            if self.ids.len() >= self.room || head.len() == text.len() {
                break;
            }
            tried = tried.saturating_mul(4);
        }
        let surplus = self.ids.len().saturating_sub(self.room);
        let kept = if self.keep_end { &self.ids[surplus..] } else { &self.ids[..self.ids.len() - surplus] };
        let ids = self
            .prefix
            .iter()
            .copied()
            .chain(kept.iter().map(|token| token.id()))
            .chain(self.suffix.iter().copied());
        Ok(ids.flat_map(u32::to_le_bytes).collect::<Vec<_>>().into())
    }
}

impl Cuts {
    /// About the first `len` bytes of `text`, or all of it.
    fn head(self, text: &str, len: usize) -> &str {
        if self == Cuts::Nowhere || text.len() <= len {
            return text;
        }
        let bytes = text.as_bytes();
        let cut = memchr::memchr_iter(b' ', &bytes[len..])
            .map(|found| len + found)
            .find(|&at| at > 0 && !bytes[at - 1].is_ascii_whitespace());
        cut.and_then(|at| text.get(..at)).unwrap_or(text)
    }
}

/// Where texts may be cut for this tokenizer: at spaces, if every part of it is known not to look across one.
fn cuts(tokenizer: &Value) -> Cuts {
    let added = tokenizer["added_tokens"].as_array().map_or(&[][..], Vec::as_slice);
    let added_without_spaces = added
        .iter()
        .all(|token| token["content"].as_str().is_some_and(|text| !text.contains(char::is_whitespace)));
    let local_normalizer =
        parts(&tokenizer["normalizer"], "normalizers").all(|part| match part["type"].as_str() {
            Some(
                "BertNormalizer" | "Lowercase" | "StripAccents" | "NFC" | "NFD" | "NFKC" | "NFKD" | "Prepend",
            ) => true,
            Some("Precompiled") => true,
            Some("Replace") => part["pattern"]["Regex"] == " {2,}" || part["pattern"]["String"] == " ",
            None => part.is_null(),
            Some(_) => false,
        });
    let splits = |part: &Value| match part["type"].as_str() {
        Some("BertPreTokenizer" | "Whitespace" | "WhitespaceSplit") => Some(true),
        Some("ByteLevel") => Some(part["use_regex"].as_bool().unwrap_or(true)),
        Some("Metaspace") => Some(part["split"].as_bool().unwrap_or(true)),
        Some("Punctuation" | "Digits") => Some(false),
        _ => None,
    };
    let pre_tokenizers = || parts(&tokenizer["pre_tokenizer"], "pretokenizers").map(splits);
    let splits_at_spaces =
        pre_tokenizers().all(|part| part.is_some()) && pre_tokenizers().any(|part| part == Some(true));
    if added_without_spaces && local_normalizer && splits_at_spaces {
        Cuts::BeforeSpaces
    } else {
        Cuts::Nowhere
    }
}

/// The members of a sequence, or the one part itself.
fn parts<'a>(part: &'a Value, members: &str) -> impl Iterator<Item = &'a Value> {
    let list = if part["type"] == "Sequence" { part[members].as_array() } else { None };
    list.map_or(std::slice::from_ref(part), Vec::as_slice).iter()
}

#[cfg(test)]
mod tests;
