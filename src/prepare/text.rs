//! From an HTML page to text and token ids.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use warcdl_actors::{Exclusion, Input, Prepared};
use whatlang::Lang;

use crate::filter::{Filter, FilterSettings};
use crate::prepare::charset;
use crate::prepare::main_text::{Texts, main_text};
use crate::prepare::metadata::Metadata;
use crate::prepare::page::{Limits, Page};
use crate::prepare::plain::plain_text;
use crate::prepare::tokens::TextTokenizer;
use crate::prepare::{PrepareError, confine};
use crate::source::Response;
use crate::source::response::PLAIN_TEXT;

/// Pieces of a text that its language is recognised by, and bytes of each. They are spread over it: pages that are translated in
/// part begin in the language of the original.
const LANGUAGE_PIECES: usize = 10;
const LANGUAGE_BYTES: usize = 300;
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
/// characters. PNG, JPEG, GIF, TIFF, icons, PDF, ZIP, gzip, Ogg, web fonts, WebAssembly.
const NO_PAGES: [&[u8]; 14] = [
    b"\x89PNG\r\n",
    b"\xff\xd8\xff",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",
    b"MM\0*",
    b"\0\0\x01\0",
    b"%PDF-",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"OggS",
    b"wOFF",
    b"wOF2",
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

impl TextSettings {
    fn limits(&self) -> Limits {
        Limits { depth: self.max_depth, elements: self.max_elements }
    }
}

/// Prepares HTML pages.
#[derive(Clone)]
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
            limits: text.limits(),
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
        let (metadata, Texts { model: text, kept }) = if meta.content_mime_type == PLAIN_TEXT {
            let text = html.trim().to_owned();
            (Metadata::default(), Texts { kept: text.clone(), model: text })
        } else {
            extract(&html, self.extractor, self.limits)?
        };
        drop(html);
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
        (meta.title, meta.author, meta.published) = (metadata.title, metadata.author, metadata.published);
        Ok(Prepared { meta, input, keep: Bytes::from(kept) })
    }
}

/// Charset and language of a page or a text, the language by the visible text at its start: a quick look, without limits, filter
/// and model.
pub fn look(response: &Response) -> Result<(&'static str, Option<Lang>), Exclusion> {
    confine(|| {
        let (html, charset) = decode(&response.body, &response.http_charset)?;
        let start = &html[..html.floor_char_boundary(LOOK_BYTES)];
        let is_text = response.meta.content_mime_type == PLAIN_TEXT;
        let text = if is_text { start.to_owned() } else { plain_text(start) };
        Ok((charset, language(&text)))
    })
}

/// The two texts of a page, without the rest of its preparation, or [`Exclusion::HtmlLimits`].
pub fn texts(html: &str, settings: &TextSettings) -> Result<Texts, Exclusion> {
    extract(html, settings.extractor, settings.limits()).map(|(_, texts)| texts)
}

/// What a page says of itself, and its texts.
fn extract(html: &str, extractor: Extractor, limits: Limits) -> Result<(Metadata, Texts), Exclusion> {
    let page = Page::parse(html, limits)?;
    let texts = match extractor {
        Extractor::Main => main_text(&page),
        Extractor::Plain => None,
    };
    Ok((Metadata::of(&page), texts.unwrap_or_else(|| visible(html))))
}

/// All visible text, as both texts.
fn visible(html: &str) -> Texts {
    let kept = plain_text(html);
    Texts { model: kept.replace('\n', " "), kept }
}

/// The page as UTF-8, and its charset.
fn decode(body: &[u8], http_charset: &str) -> Result<(String, &'static str), Exclusion> {
    // A text may begin with "RIFF" too.
    let is_riff = body.starts_with(b"RIFF") && matches!(body.get(8..12), Some(b"WEBP" | b"WAVE" | b"AVI "));
    if is_riff || NO_PAGES.iter().any(|magic| body.starts_with(magic)) {
        return Err(Exclusion::HtmlParse);
    }
    charset::decode(body, http_charset)
}

/// The language of most of the text.
fn language(text: &str) -> Option<Lang> {
    let Some(rest) = text.len().checked_sub(LANGUAGE_PIECES * LANGUAGE_BYTES).filter(|&rest| rest > 0) else {
        return whatlang::detect_lang(text);
    };
    let between = rest / (LANGUAGE_PIECES - 1);
    let mut sample = String::with_capacity(LANGUAGE_PIECES * (LANGUAGE_BYTES + 1));
    for piece in 0..LANGUAGE_PIECES {
        let start = text.floor_char_boundary(piece * (LANGUAGE_BYTES + between));
        sample.push_str(&text[start..text.floor_char_boundary(start + LANGUAGE_BYTES)]);
        sample.push(' ');
    }
    whatlang::detect_lang(&sample)
}

#[cfg(test)]
mod tests;
