//! What is measured of every node, and what its text is worth.

use crate::prepare::markup::Tag;
use crate::prepare::page::{Hints, Page};

/// Figures of a node. Lengths are in letters of alphabets; see [`length`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Measure {
    /// Text straight in a block: in it, but not in a block in it. For blocks only.
    pub(super) own: u32,
    own_links: u32,
    /// Sentences straight in a block, by their marks.
    marks: u32,
    /// Text in all of it.
    pub(super) text: u32,
    /// Text of links in all of it.
    pub(super) links: u32,
    /// What the text straight in a block is worth; less than nothing if it is no prose.
    pub(super) worth: f32,
    /// The sum of what all text in it is worth, without what is left out.
    pub(super) gain: f32,
    /// The sum of what the good text in it is worth.
    pub(super) mass: f32,
    /// The block that it is in, or itself.
    block: u32,
    is_link: bool,
    /// Shows no text.
    pub(super) silent: bool,
    /// Left out.
    pub(super) cut: bool,
}

/// The figures of all nodes of a page, by their index.
pub(super) struct Measures {
    pub(super) all: Vec<Measure>,
}

impl Measures {
    pub(super) fn of(page: &Page<'_>) -> Self {
        let mut all: Vec<Measure> = Vec::with_capacity(page.nodes.len());
        for (index, node) in page.nodes.iter().enumerate() {
            let mut measure = if index == 0 {
                Measure::default()
            } else {
                let above = all[node.parent as usize];
                Measure {
                    block: above.block,
                    is_link: above.is_link,
                    silent: above.silent,
                    ..Measure::default()
                }
            };
            if node.tag == Tag::TEXT {
                if !measure.silent {
                    let (length, marks) = length(page.text(node));
                    measure.text = length;
                    let block = &mut all[measure.block as usize];
                    block.own += length;
                    block.marks += marks;
                    if measure.is_link {
                        measure.links = length;
                        block.own_links += length;
                    }
                }
            } else {
                measure.silent |= node.tag.is_silent();
                // Without an address it is a place that links lead to.
                measure.is_link |= node.tag == Tag::A && node.hints.any(Hints::HREF);
                if node.tag.is_block() {
                    measure.block = index as u32;
                }
            }
            all.push(measure);
        }
        let mut measures = Self { all };
        measures.sum(page);
        measures
    }

    /// Bottom-up: children come after their parents.
    fn sum(&mut self, page: &Page<'_>) {
        for index in (1..self.all.len()).rev() {
            let node = &page.nodes[index];
            let measure = &mut self.all[index];
            if node.tag.is_block() {
                measure.worth = measure.own_worth(node.tag);
                measure.mass += measure.worth.max(0.0);
            }
            let Measure { text, links, mass, .. } = *measure;
            let above = &mut self.all[node.parent as usize];
            above.text += text;
            above.links += links;
            above.mass += mass;
        }
        // Text straight in the page is worth what it would be in a block of its own.
        let page = &mut self.all[0];
        page.worth = page.own_worth(Tag::DIV);
        page.mass += page.worth.max(0.0);
    }
}

impl Measure {
    /// What the text straight in a block is worth.
    fn own_worth(&self, tag: Tag) -> f32 {
        if self.own == 0 {
            return 0.0;
        }
        let (own, links) = (self.own as f32, self.own_links as f32);
        let density = links / own;
        if tag.is_heading() {
            return if density > 0.5 { -own } else { 0.0 };
        }
        if density > 0.5 {
            -own * (2.0 * density - 1.0) - 10.0
        } else if self.is_prose() {
            let bonus = if matches!(tag, Tag::P | Tag::BLOCKQUOTE | Tag::PRE) { 1.2 } else { 1.0 };
            own * (1.0 - 2.0 * density) * bonus
        } else if links == 0.0 && tag == Tag::LI {
            own * 0.5
        } else if links == 0.0 && matches!(tag, Tag::TD | Tag::TH | Tag::DD | Tag::DT | Tag::P | Tag::TR) {
            0.0
        } else {
            -10.0
        }
    }

    /// Sentences end in marks, and running text is long.
    pub(super) fn is_prose(&self) -> bool {
        self.own >= 80 || (self.own >= 25 && self.marks > 0)
    }
}

/// How long a text is, white space but for single spaces left out, and how many sentences it has by their marks. A letter
/// counts 1, a character of Chinese, Japanese and Korean 3: about as much as a letter each says.
pub(super) fn length(text: &str) -> (u32, u32) {
    let (mut length, mut marks) = (0_u32, 0_u32);
    let mut blank = true;
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b' ' | b'\n' | b'\t' | b'\r' | b'\x0c' => {
                length += u32::from(!blank);
                blank = true;
                continue;
            }
            b'.' | b'!' | b'?' | b',' | b';' => {
                marks += 1;
                length += 1;
            }
            // A character reference is one character.
            b'&' => {
                at += bytes[at..].iter().take(10).position(|&byte| byte == b';').map_or(0, |end| end + 1);
                length += 1;
            }
            0x80..0xc0 => continue,
            0xe3 if matches!(bytes.get(at..at + 2), Some([0x80, 0x81 | 0x82])) => {
                // The ideographic comma and full stop.
                marks += 1;
                length += 3;
            }
            0xe3..=0xef => length += 3,
            _ => length += 1,
        }
        blank = false;
    }
    (length, marks)
}
