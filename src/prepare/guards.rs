//! What a page would cost, found in one pass over its tags, before any tree is built.
//!
//! Tree builders and extractors are linear on real pages and quadratic or worse on hostile ones: in the depth of the
//! tree, in the attributes of one tag, in formatting elements that are opened again in every block. This pass keeps the
//! stack of open elements as the HTML standard's tree construction would (implied end tags, scopes, formatting
//! elements), so that the carelessly closed tags of real pages do not look like depth. Where it departs from the
//! standard it counts too much rather than too little.

mod tag;

use memchr::{memchr, memchr2, memmem};
use warcdl_actors::Exclusion;

use crate::prepare::guards::tag::raw_name;
pub(super) use crate::prepare::guards::tag::{Tag, Token, next_token};

/// Attributes of one tag: parsers look for duplicates among them one by one.
const MAX_ATTRIBUTES: usize = 256;
/// Mean depth over all elements of a page that has as many as allowed; extractors walk from elements to their root.
const MEAN_DEPTH: usize = 64;
/// Formatting elements with the same tag that are opened again ("Noah's Ark clause" of the standard).
const SAME_FORMATTING: usize = 3;

/// Limits of a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Elements inside each other.
    pub(super) depth: usize,
    /// Elements.
    pub(super) elements: usize,
}

/// Refuses pages above the limits with [`Exclusion::HtmlLimits`]; else gives the source of the page's title, in which
/// character references still stand.
pub(super) fn scan(html: &str, limits: Limits) -> Result<Option<&str>, Exclusion> {
    let mut tree = Tree::new(limits);
    let mut title = None;
    let bytes = html.as_bytes();
    let mut at = 0;
    while let Some(found) = memchr(b'<', &bytes[at..]) {
        let text = bytes[at..at + found].iter().any(|byte| !byte.is_ascii_whitespace());
        if text {
            tree.text()?;
        }
        let (token, end) = next_token(bytes, at + found);
        at = end;
        match token {
            Token::Start { tag, attributes, self_closing, source } => {
                if attributes > MAX_ATTRIBUTES {
                    return Err(Exclusion::HtmlLimits);
                }
                let raw = tree.start(tag, self_closing, source)?;
                if raw {
                    let close = raw_end(bytes, at, tag);
                    if tag == Tag::TITLE && title.is_none() {
                        title = html.get(at..close);
                    }
                    at = close;
                }
            }
            Token::End { tag } => {
                tree.end(tag)?;
            }
            Token::Other => {}
        }
    }
    Ok(title)
}

/// Where the content of a raw text element that starts at `from` ends: at its end tag, or with the page.
pub(super) fn raw_end(bytes: &[u8], from: usize, tag: Tag) -> usize {
    match tag {
        Tag::PLAINTEXT => return bytes.len(),
        Tag::SCRIPT => return script_end(bytes, from),
        _ => {}
    }
    memmem::find_iter(&bytes[from..], b"</")
        .map(|found| from + found)
        .find(|&end| raw_name(&bytes[end + 2..]) == Some(tag))
        .unwrap_or(bytes.len())
}

/// Where a script ends. Between `<!--` and `-->` it may hold another script with an end tag of its own (the standard's
/// "script data double escaped state").
fn script_end(bytes: &[u8], from: usize) -> usize {
    let (mut comment, mut inner) = (false, false);
    let mut at = from;
    while let Some(found) = memchr2(b'<', if comment { b'-' } else { b'<' }, &bytes[at..]) {
        at += found;
        let rest = &bytes[at..];
        if rest.starts_with(b"-->") {
            (comment, inner) = (false, false);
        } else if rest.starts_with(b"<!--") {
            // Its own dashes may begin the `-->`.
            comment = true;
            at += 1;
        } else if rest.starts_with(b"</") && raw_name(&rest[2..]) == Some(Tag::SCRIPT) {
            if !inner {
                return at;
            }
            inner = false;
        } else if comment && rest[0] == b'<' && raw_name(&rest[1..]) == Some(Tag::SCRIPT) {
            inner = true;
        }
        at += 1;
    }
    bytes.len()
}

struct Formatting {
    tag: Tag,
    /// Hash of the whole tag: elements count as the same only with the same attributes.
    source: u64,
}

/// The stack of open elements and the formatting elements waiting to be opened again.
struct Tree {
    limits: Limits,
    open: Vec<Formatting>,
    waiting: Vec<Formatting>,
    elements: usize,
    depths: usize,
    foreign: usize,
    selects: usize,
}

impl Tree {
    fn new(limits: Limits) -> Self {
        Self { limits, open: Vec::new(), waiting: Vec::new(), elements: 0, depths: 0, foreign: 0, selects: 0 }
    }

    /// Counts a start tag; `true` if what follows is raw text.
    fn start(&mut self, tag: Tag, self_closing: bool, source: u64) -> Result<bool, Exclusion> {
        if self.foreign > 0 && tag.breaks_out() {
            while self.foreign > 0 {
                self.pop();
            }
        }
        if self.foreign == 0 {
            if matches!(tag, Tag::HTML | Tag::HEAD | Tag::BODY) {
                return self.count(1);
            }
            self.close_implied(tag);
        }
        if tag.is_formatting() {
            self.text()?;
        }
        self.count(1)?;
        if (self.foreign > 0 && self_closing) || tag.is_void() {
            return Ok(false);
        }
        // Inside `select` and frames most raw text elements are ignored, and their content is markup.
        let raw = self.foreign == 0
            && tag.is_raw()
            && (self.selects == 0 || tag == Tag::SCRIPT)
            && !self.open.iter().any(|open| open.tag == Tag::FRAMESET);
        if raw {
            return Ok(true);
        }
        self.push(Formatting { tag, source })?;
        Ok(false)
    }

    /// Counts an end tag.
    fn end(&mut self, tag: Tag) -> Result<bool, Exclusion> {
        if matches!(tag, Tag::HTML | Tag::HEAD | Tag::BODY) {
            return Ok(false);
        }
        let Some(index) = self.closed_by(tag) else {
            self.waiting.retain(|waiting| waiting.tag != tag);
            // Looked for all the way up, and `</p>` and `</br>` even make an element.
            return self.count(1);
        };
        if tag.is_formatting() && self.open[index..].iter().skip(1).any(|open| open.tag.is_special()) {
            // Misnested: the standard takes the formatting element out and leaves the blocks in it open, with copies.
            self.open.remove(index);
            return self.count(8);
        }
        self.close(index);
        if tag.is_formatting() {
            self.waiting.retain(|waiting| waiting.tag != tag);
        }
        Ok(false)
    }

    /// Opens again the formatting elements that were closed only because their block was.
    fn text(&mut self) -> Result<(), Exclusion> {
        for formatting in std::mem::take(&mut self.waiting) {
            self.count(1)?;
            self.push(formatting)?;
        }
        Ok(())
    }

    fn count(&mut self, elements: usize) -> Result<bool, Exclusion> {
        self.elements += elements;
        self.depths += elements * self.open.len();
        let too_many = self.elements > self.limits.elements;
        if too_many || self.depths > self.limits.elements.saturating_mul(MEAN_DEPTH) {
            return Err(Exclusion::HtmlLimits);
        }
        Ok(false)
    }

    fn push(&mut self, element: Formatting) -> Result<(), Exclusion> {
        if self.open.len() >= self.limits.depth {
            return Err(Exclusion::HtmlLimits);
        }
        self.foreign += usize::from(element.tag.is_foreign_root());
        self.selects += usize::from(element.tag == Tag::SELECT);
        self.open.push(element);
        Ok(())
    }

    fn pop(&mut self) -> Option<Formatting> {
        let element = self.open.pop()?;
        self.foreign -= usize::from(element.tag.is_foreign_root());
        self.selects -= usize::from(element.tag == Tag::SELECT);
        Some(element)
    }

    /// Closes everything from `index` on. Formatting elements above it wait, unless a cell or the like ends there.
    fn close(&mut self, index: usize) {
        let named = self.open.get(index).map(|element| element.tag);
        while self.open.len() > index {
            let Some(element) = self.pop() else { break };
            if element.tag.is_formatting() && Some(element.tag) != named {
                let same = |other: &&Formatting| other.tag == element.tag && other.source == element.source;
                if self.waiting.iter().filter(same).count() < SAME_FORMATTING {
                    self.waiting.push(element);
                }
            } else if element.tag.is_marker() {
                self.waiting.clear();
            }
        }
    }

    /// The open element that this end tag closes.
    fn closed_by(&self, tag: Tag) -> Option<usize> {
        for (index, open) in self.open.iter().enumerate().rev() {
            let matches = open.tag == tag || (tag.is_heading() && open.tag.is_heading());
            if matches {
                return Some(index);
            }
            let barrier = if tag.is_table_part() {
                matches!(open.tag, Tag::TABLE | Tag::TEMPLATE)
            } else if tag.is_special() || tag.is_formatting() {
                open.tag.is_scope() || (tag == Tag::P && open.tag == Tag::BUTTON)
            } else {
                open.tag.is_special()
            };
            if barrier {
                return None;
            }
        }
        None
    }

    /// Closes what the start tag `tag` ends by implication.
    fn close_implied(&mut self, tag: Tag) {
        if tag.closes_p() {
            self.close_nearest(|open| open == Tag::P, |open| open.is_scope() || open == Tag::BUTTON);
        }
        let top = self.open.last().map(|element| element.tag);
        match tag {
            _ if tag.is_heading() && top.is_some_and(Tag::is_heading) => self.close(self.open.len() - 1),
            Tag::LI => self.close_nearest(|open| open == Tag::LI, Tag::ends_item_search),
            Tag::DD | Tag::DT => {
                self.close_nearest(|open| matches!(open, Tag::DD | Tag::DT), Tag::ends_item_search);
            }
            Tag::OPTION | Tag::OPTGROUP => {
                if top == Some(Tag::OPTION) {
                    self.close(self.open.len() - 1);
                }
                if tag == Tag::OPTGROUP && self.open.last().is_some_and(|open| open.tag == Tag::OPTGROUP) {
                    self.close(self.open.len() - 1);
                }
            }
            Tag::A | Tag::NOBR => {
                self.waiting.retain(|waiting| waiting.tag != tag);
                let marker = |open: Tag| open.is_marker();
                if let Some(index) = self.nearest(|open| open == tag, marker) {
                    if self.open[index..].iter().any(|open| open.tag.is_special()) {
                        self.open.remove(index);
                    } else {
                        self.close(index);
                    }
                }
            }
            Tag::BUTTON => self.close_nearest(|open| open == Tag::BUTTON, Tag::is_scope),
            Tag::TD | Tag::TH => {
                self.close_nearest(|open| matches!(open, Tag::TD | Tag::TH), Tag::is_table_scope)
            }
            Tag::TR => self.close_nearest(|open| open == Tag::TR, Tag::is_table_scope),
            Tag::TBODY | Tag::THEAD | Tag::TFOOT => self.close_nearest(
                |open| matches!(open, Tag::TBODY | Tag::THEAD | Tag::TFOOT | Tag::CAPTION | Tag::COLGROUP),
                Tag::is_table_scope,
            ),
            // A table straight in a table (not in its cell) ends the outer one.
            Tag::TABLE => self.close_nearest(
                |open| open == Tag::TABLE,
                |open| matches!(open, Tag::TD | Tag::TH | Tag::CAPTION | Tag::TEMPLATE),
            ),
            _ if tag.is_ruby_part() && top.is_some_and(Tag::is_ruby_part) => {
                self.close(self.open.len() - 1);
            }
            _ => {}
        }
    }

    fn nearest(&self, wanted: impl Fn(Tag) -> bool, barrier: impl Fn(Tag) -> bool) -> Option<usize> {
        for (index, open) in self.open.iter().enumerate().rev() {
            if wanted(open.tag) {
                return Some(index);
            }
            if barrier(open.tag) {
                return None;
            }
        }
        None
    }

    fn close_nearest(&mut self, wanted: impl Fn(Tag) -> bool, barrier: impl Fn(Tag) -> bool) {
        if let Some(index) = self.nearest(wanted, barrier) {
            self.close(index);
        }
    }
}

#[cfg(test)]
mod tests;
