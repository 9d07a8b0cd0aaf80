//! All visible text of a page, without a tree.
//!
//! Read by the scanner of tags that the tree is read by too. A streaming parser, `lol_html` 3.0, was measured in its place
//! on 1,479 real pages of 172 kB in the mean, optimised: 1.0 ms a page with element handlers for blocks and skipped
//! elements, against 0.3 ms here; its text handler alone takes 0.4 ms. The texts were the same but for 2 % of the pages,
//! most of which misnest their end tags. It remains the reference in the tests.

use memchr::memchr;

use crate::prepare::entities;
use crate::prepare::markup::{Tag, Token, next_token, raw_end};

/// Skipped elements that are kept track of inside each other; text in deeper ones counts as that of the deepest.
const MAX_OPEN: usize = 512;

/// The page's text outside navigation, page furniture, scripts and pictures, normalised as by [`normalise`], block
/// elements on lines of their own.
///
/// The text of a skipped element is taken back only at its end tag, so one that is never closed skips nothing: losing
/// its mark is better than losing the page. Forms are not skipped, only their controls: there are servers that wrap
/// whole pages in one.
pub(super) fn plain_text(html: &str) -> String {
    let bytes = html.as_bytes();
    let mut text = Lines::default();
    let mut skipped: Vec<(Tag, Mark)> = Vec::new();
    // In SVG and MathML the names of raw text elements mean other elements.
    let mut foreign = false;
    let mut at = 0;
    while at < bytes.len() {
        let tag_at = memchr(b'<', &bytes[at..]).map_or(bytes.len(), |found| at + found);
        text.push(&entities::decode(&html[at..tag_at]));
        if tag_at == bytes.len() {
            break;
        }
        let (token, end) = next_token(bytes, tag_at, |_, _, _| ());
        at = end;
        match token {
            Token::Start { tag, self_closing } => {
                if tag.is_block() {
                    text.end_line();
                }
                foreign &= !tag.breaks_out();
                if tag.is_raw() && !foreign {
                    at = raw_end(bytes, at, tag);
                } else if tag.is_skipped() && !self_closing && skipped.len() < MAX_OPEN {
                    skipped.push((tag, text.mark()));
                    foreign |= tag.is_foreign_root();
                }
            }
            Token::End { tag } => {
                if tag.is_skipped()
                    && let Some(index) = skipped.iter().rposition(|(open, _)| *open == tag)
                {
                    text.take_back(skipped[index].1);
                    skipped.truncate(index);
                    foreign &= skipped.last().is_some_and(|(open, _)| open.is_foreign_root());
                }
                if tag.is_block() {
                    text.end_line();
                }
            }
            Token::Other if end == tag_at + 1 => text.push("<"),
            Token::Other => {}
        }
    }
    text.finish()
}

/// White space runs as one space; line breaks kept, but no empty lines and no space at the ends of lines.
pub(super) fn normalise(text: &str) -> String {
    let mut lines = Lines::default();
    for line in text.lines() {
        lines.push(line);
        lines.end_line();
    }
    lines.finish()
}

/// A state of [`Lines`] to go back to.
#[derive(Clone, Copy)]
struct Mark {
    len: usize,
    blank: bool,
    line_end: bool,
}

#[derive(Default)]
struct Lines {
    out: String,
    blank: bool,
    line_end: bool,
}

impl Lines {
    fn push(&mut self, text: &str) {
        for (index, word) in text.split(char::is_whitespace).enumerate() {
            self.blank |= index > 0;
            if word.is_empty() {
                continue;
            }
            if !self.out.is_empty() && (self.line_end || self.blank) {
                self.out.push(if self.line_end { '\n' } else { ' ' });
            }
            (self.blank, self.line_end) = (false, false);
            self.out.push_str(word);
        }
    }

    fn end_line(&mut self) {
        self.line_end = true;
    }

    fn mark(&self) -> Mark {
        Mark { len: self.out.len(), blank: self.blank, line_end: self.line_end }
    }

    /// Drops what was pushed since `mark`.
    fn take_back(&mut self, mark: Mark) {
        self.out.truncate(mark.len);
        (self.blank, self.line_end) = (mark.blank, mark.line_end);
    }

    fn finish(self) -> String {
        self.out
    }
}

#[cfg(test)]
mod tests;
