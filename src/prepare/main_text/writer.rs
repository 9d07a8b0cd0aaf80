//! Writes the text of an element, both ways.

use crate::prepare::entities;
use crate::prepare::main_text::Texts;
use crate::prepare::main_text::measure::Measures;
use crate::prepare::markup::Tag;
use crate::prepare::page::Page;

/// The texts of what is in the element `root`, without what is cut.
pub(super) fn write(page: &Page<'_>, measures: &Measures, root: usize) -> Texts {
    let mut writer = Writer::default();
    // Elements that are open: where each ends.
    let mut open: Vec<(u32, Tag)> = Vec::new();
    let mut index = root;
    let end = page.nodes[root].end as usize;
    while index < end {
        while let Some(&(_, tag)) = open.last().filter(|(end, _)| *end as usize <= index) {
            open.pop();
            writer.end(tag);
        }
        let node = &page.nodes[index];
        if node.spaced {
            writer.blank = true;
        }
        if measures.all[index].cut && index != root {
            if node.tag.is_block() {
                writer.at_least(Gap::Line);
            }
            index = node.end as usize;
            continue;
        }
        if node.tag == Tag::TEXT {
            writer.text(&entities::decode(page.text(node)));
        } else if node.tag.is_block() {
            writer.start(node.tag);
            if !node.tag.is_void() {
                open.push((node.end, node.tag));
            }
        }
        index += 1;
    }
    writer.texts
}

/// What stands between two words of the kept text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    #[default]
    None,
    Cell,
    Line,
    Paragraph,
}

#[derive(Default)]
struct Writer {
    texts: Texts,
    gap: Gap,
    blank: bool,
    /// Lists inside each other.
    lists: usize,
    bullet: bool,
    preformatted: usize,
}

impl Writer {
    fn at_least(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }

    fn start(&mut self, tag: Tag) {
        match tag {
            Tag::UL | Tag::OL => {
                self.at_least(if self.lists == 0 { Gap::Paragraph } else { Gap::Line });
                self.lists += 1;
            }
            Tag::LI => {
                self.at_least(Gap::Line);
                self.bullet = true;
            }
            Tag::PRE => {
                self.at_least(Gap::Paragraph);
                self.preformatted += 1;
            }
            _ => self.edge(tag),
        }
    }

    fn end(&mut self, tag: Tag) {
        match tag {
            Tag::UL | Tag::OL => {
                self.lists -= 1;
                self.at_least(if self.lists == 0 { Gap::Paragraph } else { Gap::Line });
            }
            Tag::PRE => {
                self.at_least(Gap::Paragraph);
                self.preformatted -= 1;
            }
            Tag::LI => {
                self.at_least(Gap::Line);
                self.bullet = false;
            }
            _ => self.edge(tag),
        }
    }

    fn edge(&mut self, tag: Tag) {
        let gap = match tag {
            Tag::TD | Tag::TH => Gap::Cell,
            Tag::P | Tag::BLOCKQUOTE | Tag::TABLE | Tag::HR => Gap::Paragraph,
            tag if tag.is_heading() => Gap::Paragraph,
            _ => Gap::Line,
        };
        self.at_least(gap);
    }

    fn text(&mut self, text: &str) {
        for (index, line) in text.split('\n').enumerate() {
            if index > 0 {
                self.blank = true;
                if self.preformatted > 0 {
                    self.at_least(Gap::Line);
                }
            }
            for (index, word) in line.split(char::is_whitespace).enumerate() {
                self.blank |= index > 0;
                if !word.is_empty() {
                    self.word(word);
                }
            }
        }
    }

    fn word(&mut self, word: &str) {
        let Texts { model, kept } = &mut self.texts;
        if !model.is_empty() && (self.blank || self.gap > Gap::None) {
            model.push(' ');
            kept.push_str(match self.gap {
                Gap::None => " ",
                Gap::Cell => "\t",
                Gap::Line => "\n",
                Gap::Paragraph => "\n\n",
            });
        }
        if std::mem::take(&mut self.bullet) {
            for _ in 1..self.lists.min(8) {
                kept.push_str("  ");
            }
            kept.push_str("• ");
        }
        (self.blank, self.gap) = (false, Gap::None);
        model.push_str(word);
        kept.push_str(word);
    }
}
