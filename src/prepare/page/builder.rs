//! The stack of open elements, kept as the HTML standard's tree construction would: implied end tags, scopes, formatting
//! elements. So the carelessly closed tags of real pages do not look like depth. Where it departs from the standard it
//! counts too much rather than too little.

use warcdl_actors::Exclusion;

use crate::prepare::markup::Tag;
use crate::prepare::page::{Hints, Limits, Node};

/// Steps that a comparison of two tags counts: of their nodes and of up to [`SAME_BYTES`] bytes.
const COMPARED: usize = 8;
/// Formatting elements with the same tag that are opened again ("Noah's Ark clause" of the standard).
const SAME_FORMATTING: usize = 3;
/// Bytes by which tags are compared.
const SAME_BYTES: usize = 256;

#[derive(Clone, Copy)]
struct Open {
    tag: Tag,
    node: u32,
}

pub(super) struct Builder<'a> {
    source: &'a [u8],
    limits: Limits,
    nodes: Vec<Node>,
    open: Vec<Open>,
    /// Formatting elements to be opened again.
    waiting: Vec<Open>,
    /// How many elements of each number are open, so that nothing is looked for that is not there.
    counts: Box<[u32; Tag::NUMBERS]>,
    spaced: bool,
    elements: usize,
    foreign: usize,
    selects: usize,
    headings: usize,
    budget: u64,
    steps: u64,
}

impl<'a> Builder<'a> {
    pub(super) fn new(source: &'a str, limits: Limits, budget: u64) -> Self {
        let page = Node {
            tag: Tag::HTML,
            spaced: false,
            hints: Hints::default(),
            parent: 0,
            end: 0,
            from: 0,
            to: 0,
        };
        let mut nodes = Vec::with_capacity(source.len() / 40 + 1);
        nodes.push(page);
        Self {
            source: source.as_bytes(),
            limits,
            nodes,
            open: Vec::new(),
            waiting: Vec::new(),
            counts: Box::new([0; Tag::NUMBERS]),
            spaced: false,
            elements: 0,
            foreign: 0,
            selects: 0,
            headings: 0,
            budget,
            steps: 0,
        }
    }

    #[cfg(test)]
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// The nodes.
    pub(super) fn finish(mut self) -> Vec<Node> {
        for index in (0..self.nodes.len()).rev() {
            let end = self.nodes[index].end.max(index as u32 + 1);
            self.nodes[index].end = end;
            let parent = self.nodes[index].parent as usize;
            self.nodes[parent].end = self.nodes[parent].end.max(end);
        }
        self.nodes
    }

    /// Adds text.
    pub(super) fn text(&mut self, from: usize, to: usize) -> Result<(), Exclusion> {
        if self.source[from..to].iter().all(u8::is_ascii_whitespace) && !self.has(Tag::PRE) {
            self.spaced = true;
            return Ok(());
        }
        self.open_waiting()?;
        self.raw_text(from, to)
    }

    /// Adds text that opens nothing again.
    pub(super) fn raw_text(&mut self, from: usize, to: usize) -> Result<(), Exclusion> {
        // A `<` that starts nothing goes on with the text before it.
        if let Some(last) = self.nodes.last_mut()
            && last.tag == Tag::TEXT
            && last.to as usize == from
        {
            last.to = to as u32;
            return self.step(1);
        }
        self.add(Tag::TEXT, from, to, Hints::default());
        // Between comments there are texts without elements.
        if self.nodes.len() > self.limits.elements.saturating_mul(2) {
            return Err(Exclusion::HtmlLimits);
        }
        self.step(1)
    }

    /// Adds an element; `true` if what follows its tag is raw text.
    pub(super) fn start(
        &mut self,
        tag: Tag,
        self_closing: bool,
        from: usize,
        to: usize,
        hints: Hints,
    ) -> Result<bool, Exclusion> {
        if self.foreign > 0 && tag.breaks_out() {
            while self.foreign > 0 {
                self.pop();
            }
        }
        if self.foreign == 0 {
            if tag.is_frame() {
                self.nodes[0].hints.merge(hints);
                self.count(1)?;
                return Ok(false);
            }
            self.close_implied(tag)?;
        }
        if tag.is_formatting() {
            self.open_waiting()?;
        }
        self.count(1)?;
        let node = self.add(tag, from, to, hints);
        if (self.foreign > 0 && self_closing) || tag.is_void() {
            return Ok(false);
        }
        // Inside `select` and frames most raw text elements are ignored, and their content is markup.
        let raw = self.foreign == 0
            && tag.is_raw()
            && (self.selects == 0 || tag == Tag::SCRIPT)
            && !self.has(Tag::FRAMESET);
        if raw {
            return Ok(true);
        }
        self.push(Open { tag, node })?;
        Ok(false)
    }

    /// Closes what an end tag closes.
    pub(super) fn end(&mut self, tag: Tag) -> Result<(), Exclusion> {
        if tag.is_frame() {
            return Ok(());
        }
        let Some(index) = self.closed_by(tag)? else {
            self.stop_waiting(tag);
            // `</p>` and `</br>` even make an element.
            if matches!(tag, Tag::P | Tag::BR) {
                self.add(tag, 0, 0, Hints::default());
            }
            return self.count(1);
        };
        if tag.is_formatting() && self.open[index..].iter().skip(1).any(|open| open.tag.is_special()) {
            // Misnested: the standard takes the formatting element out and leaves the blocks in it open, with copies.
            self.step(self.open.len() - index)?;
            self.remove(index);
            return self.count(8);
        }
        self.close(index)?;
        if tag.is_formatting() {
            self.stop_waiting(tag);
        }
        Ok(())
    }

    fn add(&mut self, tag: Tag, from: usize, to: usize, hints: Hints) -> u32 {
        let parent = self.open.last().map_or(0, |open| open.node);
        let spaced = std::mem::take(&mut self.spaced);
        let node = self.nodes.len() as u32;
        self.nodes.push(Node { tag, spaced, hints, parent, end: 0, from: from as u32, to: to as u32 });
        node
    }

    /// Opens again the formatting elements that were closed only because their block was.
    fn open_waiting(&mut self) -> Result<(), Exclusion> {
        for Open { tag, node } in std::mem::take(&mut self.waiting) {
            self.count(1)?;
            let Node { from, to, hints, .. } = self.nodes[node as usize];
            let node = self.add(tag, from as usize, to as usize, hints);
            self.push(Open { tag, node })?;
        }
        Ok(())
    }

    fn stop_waiting(&mut self, tag: Tag) {
        self.waiting.retain(|waiting| waiting.tag != tag);
    }

    fn count(&mut self, elements: usize) -> Result<(), Exclusion> {
        self.elements += elements;
        if self.elements > self.limits.elements {
            return Err(Exclusion::HtmlLimits);
        }
        self.step(elements + self.waiting.len())
    }

    fn step(&mut self, steps: usize) -> Result<(), Exclusion> {
        self.steps += steps as u64;
        if self.steps > self.budget { Err(Exclusion::HtmlLimits) } else { Ok(()) }
    }

    fn push(&mut self, element: Open) -> Result<(), Exclusion> {
        if self.open.len() >= self.limits.depth {
            return Err(Exclusion::HtmlLimits);
        }
        self.tally(element.tag, 1);
        self.open.push(element);
        Ok(())
    }

    fn pop(&mut self) -> Option<Open> {
        let element = self.open.pop()?;
        self.tally(element.tag, u32::MAX);
        Some(element)
    }

    fn remove(&mut self, index: usize) {
        let element = self.open.remove(index);
        self.tally(element.tag, u32::MAX);
    }

    /// Adds 1 or −1, as `u32` wraps, to what is counted of open elements.
    fn tally(&mut self, tag: Tag, by: u32) {
        let count = &mut self.counts[tag.number()];
        *count = count.wrapping_add(by);
        let add = |sum: &mut usize| *sum = sum.wrapping_add_signed(by as i32 as isize);
        if tag.is_foreign_root() {
            add(&mut self.foreign);
        }
        if tag.is_heading() {
            add(&mut self.headings);
        }
        if tag == Tag::SELECT {
            add(&mut self.selects);
        }
    }

    /// Whether such an element may be open.
    fn has(&self, tag: Tag) -> bool {
        self.counts[tag.number()] > 0
    }

    /// Closes everything from `index` on. Formatting elements above it wait, unless a cell or the like ends there.
    fn close(&mut self, index: usize) -> Result<(), Exclusion> {
        let named = self.open.get(index).map(|element| element.tag);
        while self.open.len() > index {
            let Some(element) = self.pop() else { break };
            self.step(1)?;
            if element.tag.is_formatting() && Some(element.tag) != named {
                self.step(self.waiting.len() * COMPARED)?;
                let same =
                    |other: &&Open| other.tag == element.tag && self.source(other) == self.source(&element);
                if self.waiting.iter().filter(same).count() < SAME_FORMATTING {
                    self.waiting.push(element);
                }
            } else if element.tag.is_marker() {
                self.waiting.clear();
            }
        }
        Ok(())
    }

    /// The tag as it is written, or the start of a long one.
    fn source(&self, open: &Open) -> &[u8] {
        let Node { from, to, .. } = self.nodes[open.node as usize];
        &self.source[from as usize..to.min(from + SAME_BYTES as u32) as usize]
    }

    /// The open element that this end tag closes.
    fn closed_by(&mut self, tag: Tag) -> Result<Option<usize>, Exclusion> {
        let is_heading = tag.is_heading();
        if !(self.has(tag) || is_heading && self.headings > 0) {
            return Ok(None);
        }
        let mut index = self.open.len();
        while index > 0 {
            index -= 1;
            self.step(1)?;
            let open = self.open[index].tag;
            if open == tag || (is_heading && open.is_heading()) {
                return Ok(Some(index));
            }
            let barrier = if tag.is_table_part() {
                matches!(open, Tag::TABLE | Tag::TEMPLATE)
            } else if tag.is_special() || tag.is_formatting() {
                open.is_scope() || (tag == Tag::P && open == Tag::BUTTON)
            } else {
                open.is_special()
            };
            if barrier {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Closes what the start tag `tag` ends by implication.
    fn close_implied(&mut self, tag: Tag) -> Result<(), Exclusion> {
        if tag.closes_p() {
            self.close_nearest(&[Tag::P], |open| open.is_scope() || open == Tag::BUTTON)?;
        }
        let top = self.open.last().map(|element| element.tag);
        match tag {
            _ if tag.is_heading() && top.is_some_and(Tag::is_heading) => self.close(self.open.len() - 1)?,
            Tag::LI => self.close_nearest(&[Tag::LI], Tag::ends_item_search)?,
            Tag::DD | Tag::DT => self.close_nearest(&[Tag::DD, Tag::DT], Tag::ends_item_search)?,
            Tag::OPTION | Tag::OPTGROUP => {
                if top == Some(Tag::OPTION) {
                    self.close(self.open.len() - 1)?;
                }
                if tag == Tag::OPTGROUP && self.open.last().is_some_and(|open| open.tag == Tag::OPTGROUP) {
                    self.close(self.open.len() - 1)?;
                }
            }
            Tag::A | Tag::NOBR => {
                self.stop_waiting(tag);
                if let Some(index) = self.nearest(&[tag], Tag::is_marker)? {
                    if self.open[index..].iter().any(|open| open.tag.is_special()) {
                        self.step(self.open.len() - index)?;
                        self.remove(index);
                    } else {
                        self.close(index)?;
                    }
                }
            }
            Tag::BUTTON => self.close_nearest(&[Tag::BUTTON], Tag::is_scope)?,
            Tag::TD | Tag::TH => self.close_nearest(&[Tag::TD, Tag::TH], Tag::is_table_scope)?,
            Tag::TR => self.close_nearest(&[Tag::TR], Tag::is_table_scope)?,
            Tag::TBODY | Tag::THEAD | Tag::TFOOT => self.close_nearest(
                &[Tag::TBODY, Tag::THEAD, Tag::TFOOT, Tag::CAPTION, Tag::COLGROUP],
                Tag::is_table_scope,
            )?,
            // A table straight in a table (not in its cell) ends the outer one.
            Tag::TABLE => self.close_nearest(&[Tag::TABLE], |open| {
                matches!(open, Tag::TD | Tag::TH | Tag::CAPTION | Tag::TEMPLATE)
            })?,
            _ if tag.is_ruby_part() && top.is_some_and(Tag::is_ruby_part) => {
                self.close(self.open.len() - 1)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn nearest(&mut self, wanted: &[Tag], barrier: impl Fn(Tag) -> bool) -> Result<Option<usize>, Exclusion> {
        if !wanted.iter().any(|&tag| self.has(tag)) {
            return Ok(None);
        }
        let mut index = self.open.len();
        while index > 0 {
            index -= 1;
            self.step(1)?;
            let open = self.open[index].tag;
            if wanted.contains(&open) {
                return Ok(Some(index));
            }
            if barrier(open) {
                return Ok(None);
            }
        }
        Ok(None)
    }

    fn close_nearest(&mut self, wanted: &[Tag], barrier: impl Fn(Tag) -> bool) -> Result<(), Exclusion> {
        match self.nearest(wanted, barrier)? {
            Some(index) => self.close(index),
            None => Ok(()),
        }
    }
}
