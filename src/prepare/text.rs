//! From an HTML page to text and token ids.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use warcdl_actors::{Exclusion, Input, Prepared};
use whatlang::Lang;

use crate::filter::{Filter, FilterSettings};
use crate::prepare::charset;
use crate::prepare::guards::{Limits, scan};
use crate::prepare::main_text::main_text;
use crate::prepare::plain::{normalise, plain_text};
use crate::prepare::tokens::TextTokenizer;
use crate::prepare::{PrepareError, confine};
use crate::source::Response;
use crate::source::response::PLAIN_TEXT;

/// Characters that the language is recognised by.
const LANGUAGE_CHARS: usize = 2_000;
/// Bytes of a page that [`look`] takes: behind long scripts and styles there is still text.
const LOOK_BYTES: usize = 256 << 10;

/// What becomes of a page's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Extractor {
    /// The main text; all visible text where no main text is found.
    Main,
    /// All visible text.
    Plain,
}

/// First bytes of files that are no pages whatever the server calls them: decoded, they would be text of random
/// characters. PNG, JPEG, GIF, RIFF (WebP), TIFF, icons, PDF, ZIP, gzip, Ogg, web fonts, WebAssembly.
const NO_PAGES: [&[u8]; 14] = [
    b"\x89PNG\r\n",
    b"\xff\xd8\xff",
    b"GIF87a",
    b"GIF89a",
    b"RIFF",
    b"II*\0",
    b"MM\0*",
    b"\0\0\x01\0",
    b"%PDF-",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"OggS",
    b"wOF",
    b"\0asm",
];

/// `[text]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSettings {
    /// Which text is taken.
    pub extractor: Extractor,
    /// Most elements inside each other.
    pub max_depth: usize,
    /// Most elements.
    pub max_elements: usize,
}

/// Prepares HTML pages.
pub struct TextPreparer {
    extractor: Extractor,
    limits: Limits,
    filter: Filter,
    tokenizer: Option<TextTokenizer>,
}

impl TextPreparer {
    /// Checks the settings and reads the tokenizer. Without one the prepared records carry [`Input::None`], and the
    /// settings are checked all the same. `max_tokens` counts special tokens.
    pub fn new(
        text: &TextSettings,
        filter: &FilterSettings,
        tokenizer_json: Option<&[u8]>,
        max_tokens: usize,
    ) -> Result<Self, PrepareError> {
        for (key, value) in [("text.max_depth", text.max_depth), ("text.max_elements", text.max_elements)] {
            if value == 0 {
                return Err(PrepareError::Zero { key });
            }
        }
        Ok(Self {
            extractor: text.extractor,
            limits: Limits { depth: text.max_depth, elements: text.max_elements },
            filter: Filter::new(filter)?,
            tokenizer: tokenizer_json.map(|json| TextTokenizer::new(json, max_tokens)).transpose()?,
        })
    }

    /// Prepares one page, or a text that is one already, or says why it is left out. Conditions are tested as soon as they can be, cheapest first.
    pub fn prepare(&mut self, response: Response) -> Result<Prepared, Exclusion> {
        let Response { mut meta, http_charset, body } = response;
        self.filter.url(&meta.url)?;
        let (html, charset) = decode(&body, &http_charset)?;
        drop(body);
        let (title, text) = if meta.content_mime_type == PLAIN_TEXT {
            (None, html.trim().to_owned())
        } else {
            let title = scan(&html, self.limits)?
                .map(|title| normalise(&html_escape::decode_html_entities(title)).replace('\n', " "));
            let text = match self.extractor {
                Extractor::Main => main_text(&html).unwrap_or_else(|| plain_text(&html)),
                Extractor::Plain => plain_text(&html),
            };
            (title, text)
        };
        self.filter.chars(&text)?;
        self.filter.text(&text)?;
        let language = language(&text);
        self.filter.language(language)?;
        let input = match &mut self.tokenizer {
            Some(tokenizer) => Input::Tokens(tokenizer.encode(&text)?),
            None => Input::None,
        };
        meta.content_charset = charset.to_owned();
        meta.content_languages = language.map_or_else(String::new, |lang| lang.code().to_owned());
        meta.title = title.unwrap_or_default();
        Ok(Prepared { meta, input, keep: Bytes::from(text) })
    }
}

/// Charset and language of a page, the language by the visible text at its start: a quick look, without limits, filter
/// and model.
pub(crate) fn look(response: &Response) -> Result<(&'static str, Option<Lang>), Exclusion> {
    confine(|| {
        let (html, charset) = decode(&response.body, &response.http_charset)?;
        let start = html.floor_char_boundary(LOOK_BYTES);
        Ok((charset, language(&plain_text(&html[..start]))))
    })
}

/// The page as UTF-8, and its charset.
fn decode(body: &[u8], http_charset: &str) -> Result<(String, &'static str), Exclusion> {
    if NO_PAGES.iter().any(|magic| body.starts_with(magic)) {
        return Err(Exclusion::HtmlParse);
    }
    charset::decode(body, http_charset)
}

fn language(text: &str) -> Option<Lang> {
    let start = text.char_indices().nth(LANGUAGE_CHARS).map_or(text.len(), |(index, _)| index);
    whatlang::detect_lang(&text[..start])
}

#[cfg(test)]
mod tests;
