//! The tree of a page, built in one pass over its source, within limits.
//!
//! Nodes lie in one list in the order of the source, so that what is in an element is the run of nodes behind it, and
//! refer to the source instead of copying from it: a node is 24 bytes. What a page may cost is bounded in three ways:
//! elements inside each other, elements, and *steps*. Steps count what the builder looks at beyond the bytes of the page
//! itself, above all open elements; their limit grows with the page, which makes the time linear in its size. They are
//! counted rather than timed, so that a page gets the same verdict on every machine and under every load.

mod builder;
mod hints;

use warcdl_actors::Exclusion;

use crate::prepare::markup::{Tag, Token, next_token, raw_end};
use crate::prepare::page::builder::Builder;
pub(super) use crate::prepare::page::hints::Hints;

/// Attributes of one tag that are looked at. One with more is rather a `<` in front of a word, and what follows it up to the
/// next `>` is read as attributes, as browsers do.
const MAX_ATTRIBUTES: usize = 256;
/// Steps that every page has.
const STEPS: u64 = 1_000_000;
/// Steps that a page has beside those for each of its bytes. Real pages take less than one.
const STEPS_PER_BYTE: u64 = 32;

/// Limits of a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Elements inside each other.
    pub(super) depth: usize,
    /// Elements.
    pub(super) elements: usize,
}

/// An element, or text between tags.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// Its name; [`Tag::TEXT`] for text.
    pub(super) tag: Tag,
    /// Whether white space without text stands before it.
    pub(super) spaced: bool,
    /// What its attributes say of it.
    pub(super) hints: Hints,
    /// The element that it is in, by its index; the first node is its own.
    pub(super) parent: u32,
    /// Index behind the last node in it.
    pub(super) end: u32,
    /// Where in the source the text stands, or the start tag.
    from: u32,
    to: u32,
}

/// A tree over its source. The first node stands for the page; it is no element.
#[derive(Debug)]
pub(super) struct Page<'a> {
    source: &'a str,
    pub(super) nodes: Vec<Node>,
    pub(super) heads: Vec<Head<'a>>,
    #[cfg(test)]
    steps: u64,
}

/// What a page says of itself, as it is written: character references still stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head<'a> {
    /// Content of a `title` outside pictures.
    Title(&'a str),
    /// A `meta` with its `name`, `property` or `itemprop`, and its content.
    Meta(&'a str, &'a str),
    /// A script of type `application/ld+json`.
    Data(&'a str),
    /// `datetime` of a `time`.
    Time(&'a str),
}

/// `head`s that are kept; a page with more has the rest ignored.
const MAX_HEADS: usize = 256;

impl<'a> Page<'a> {
    /// Reads a page. Above the limits it is refused with [`Exclusion::HtmlLimits`].
    pub(super) fn parse(source: &'a str, limits: Limits) -> Result<Self, Exclusion> {
        if u32::try_from(source.len()).is_err() {
            return Err(Exclusion::HtmlLimits);
        }
        let bytes = source.as_bytes();
        let budget = STEPS + STEPS_PER_BYTE * source.len() as u64;
        let mut builder = Builder::new(source, limits, budget);
        let mut heads = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let tag_at = memchr::memchr(b'<', &bytes[at..]).map_or(bytes.len(), |found| at + found);
            if tag_at > at {
                builder.text(at, tag_at)?;
            }
            if tag_at == bytes.len() {
                break;
            }
            let mut seen = Seen::default();
            let (token, end) = next_token(bytes, tag_at, |tag, name, value| seen.attribute(tag, name, value));
            at = end;
            match token {
                Token::Start { tag, self_closing } => {
                    let raw = builder.start(tag, self_closing, tag_at, end, seen.hints)?;
                    let mut head = None;
                    if raw {
                        let close = raw_end(bytes, at, tag);
                        let content = source.get(at..close).unwrap_or_default();
                        head = match tag {
                            Tag::TITLE => Some(Head::Title(content)),
                            Tag::SCRIPT if seen.is_data => Some(Head::Data(content)),
                            _ => None,
                        };
                        if matches!(tag, Tag::XMP | Tag::PLAINTEXT) {
                            builder.raw_text(at, close)?;
                        }
                        at = close;
                    } else if tag == Tag::META && !seen.key.is_empty() {
                        head = Some(Head::Meta(text(seen.key), text(seen.content)));
                    } else if tag == Tag::TIME && !seen.content.is_empty() {
                        head = Some(Head::Time(text(seen.content)));
                    }
                    heads.extend(head.filter(|_| heads.len() < MAX_HEADS));
                }
                Token::End { tag } => builder.end(tag)?,
                Token::Other if end == tag_at + 1 => builder.text(tag_at, end)?,
                Token::Other => {}
            }
        }
        #[cfg(test)]
        let steps = builder.steps();
        Ok(Self {
            source,
            nodes: builder.finish(),
            heads,
            #[cfg(test)]
            steps,
        })
    }

    /// The source of a text, in which character references still stand.
    pub(super) fn text(&self, node: &Node) -> &'a str {
        self.source.get(node.from as usize..node.to as usize).unwrap_or_default()
    }

    /// What reading the page took, beyond its bytes.
    #[cfg(test)]
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }
}

/// Attributes end at ASCII characters, so they are UTF-8 as the page is.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// What was seen of a tag's attributes.
#[derive(Default)]
struct Seen<'a> {
    attributes: usize,
    hints: Hints,
    key: &'a [u8],
    content: &'a [u8],
    is_data: bool,
}

impl<'a> Seen<'a> {
    fn attribute(&mut self, tag: Tag, name: &'a [u8], value: &'a [u8]) {
        self.attributes += 1;
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        match tag {
            _ if self.attributes > MAX_ATTRIBUTES => {}
            Tag::META => {
                if is("name") || is("property") || is("itemprop") {
                    self.key = value;
                } else if is("content") {
                    self.content = value;
                }
            }
            Tag::SCRIPT => {
                self.is_data |= is("type") && value.eq_ignore_ascii_case(b"application/ld+json");
            }
            Tag::TIME if is("datetime") => self.content = value,
            _ if tag.is_container() => self.hints.attribute(name, value),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
