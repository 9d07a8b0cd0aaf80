//! The main text of a page, by the rules of Mozilla's Readability.

use dom_smoothie::{Config, Readability, TextMode};

use crate::prepare::plain::normalise;

/// The article of the page, normalised, or `None` where none is found. The page must have passed the guards.
pub(super) fn main_text(html: &str) -> Option<String> {
    let config = Config { disable_json_ld: true, text_mode: TextMode::Formatted, ..Config::default() };
    let article = Readability::new(html, None, Some(config)).ok()?.parse().ok()?;
    let text = normalise(&article.text_content);
    (!text.is_empty()).then_some(text)
}
