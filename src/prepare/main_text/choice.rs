//! Which element holds the main text, and what in it does not belong to it.

use crate::prepare::main_text::measure::Measures;
use crate::prepare::markup::Tag;
use crate::prepare::page::{Hints, Node, Page};

/// What is no part of the text, by its hints, and the share of the page's good text above which it is all the same: a
/// name is not always meant as it reads.
const FOREIGN: [(Hints, f32); 6] = [
    (Hints::COMMENTS, 0.9),
    (Hints::APPEAL, 0.7),
    (Hints::HIDDEN, 0.5),
    (Hints::FURNITURE.or(Hints::RELATED), 0.4),
    (Hints::SHARING.or(Hints::CAPTION), 0.25),
    (Hints::BYLINE, 0.2),
];

/// Worth of good text below which another look is taken, with less belief in names: about two sentences.
const ENOUGH: f32 = 250.0;
/// Length up to which a line by itself is no text.
const LINE: u32 = 40;
/// Share of links above which there is little else.
const LINKS: f32 = 0.6;

/// The element to take the text from, by its index. Marks what is left out.
pub(super) fn choose(page: &Page<'_>, measures: &mut Measures) -> Option<usize> {
    let mut best = None;
    for belief in [Belief::Names, Belief::Some, Belief::Tags, Belief::Nothing] {
        let (root, gain) = look(page, measures, belief);
        best = root.or(best);
        if gain >= ENOUGH {
            break;
        }
    }
    let root = best?;
    trim(page, measures, root);
    Some(root)
}

/// How far hints are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Belief {
    /// Only what is never shown is left out.
    Nothing,
    /// Elements that say by themselves what they are.
    Tags,
    /// The names that mislead least: of comments, and of what is wanted of readers.
    Some,
    /// All names.
    Names,
}

/// The element with the greatest gain, and this.
fn look(page: &Page<'_>, measures: &mut Measures, belief: Belief) -> (Option<usize>, f32) {
    let all = &mut measures.all;
    let total = all[0].mass;
    for measure in all.iter_mut() {
        measure.gain = 0.0;
    }
    // Bottom-up: what is left out gives nothing upwards.
    for index in (0..all.len()).rev() {
        let node = &page.nodes[index];
        if node.tag == Tag::TEXT {
            continue;
        }
        let measure = &mut all[index];
        measure.cut = index > 0 && (measure.silent || measure.mass <= total * allowance(node, belief));
        measure.gain += measure.worth;
        if !measure.cut && index > 0 {
            let gain = measure.gain;
            all[node.parent as usize].gain += gain;
        }
    }
    // Of elements with the same gain the innermost.
    let (mut best, mut most) = (None, 0.0);
    let mut index = 0;
    while index < all.len() {
        let node = &page.nodes[index];
        if all[index].cut {
            index = node.end as usize;
            continue;
        }
        let gain = all[index].gain * boost(node);
        if node.tag != Tag::TEXT && gain > 0.0 && gain >= most {
            (best, most) = (Some(index), gain);
        }
        index += 1;
    }
    (best, most)
}

/// How much more than its text an element counts for what it says of itself.
fn boost(node: &Node) -> f32 {
    if node.hints.any(Hints::MARKED) {
        2.5
    } else if node.hints.any(Hints::ARTICLE_BODY) {
        1.2
    } else if matches!(node.tag, Tag::ARTICLE | Tag::MAIN) || node.hints.any(Hints::MAIN) {
        1.1
    } else {
        1.0
    }
}

/// Marks what in the element is furniture after all.
fn trim(page: &Page<'_>, measures: &mut Measures, root: usize) {
    let end = page.nodes[root].end as usize;
    for index in root + 1..end {
        let node = &page.nodes[index];
        let measure = &mut measures.all[index];
        if node.tag == Tag::TEXT || !node.tag.is_block() || measure.text == 0 {
            continue;
        }
        let is_lone_line =
            measure.text == measure.own && measure.text < LINE && !measure.is_prose() && is_loose(node.tag);
        let density = measure.links as f32 / measure.text as f32;
        let is_links = density > LINKS && measure.text > 10 && measure.mass < LINE as f32;
        // The headline is the page's title, which is told beside the text.
        measure.cut |= node.tag == Tag::H1 || is_lone_line || is_links && !node.tag.is_table_part();
    }
}

/// The share of the page's good text up to which an element is left out; less than nothing for one that belongs.
fn allowance(node: &Node, belief: Belief) -> f32 {
    let by_tag = match node.tag {
        Tag::FIGCAPTION => 1.0,
        Tag::NAV | Tag::FOOTER => 0.6,
        Tag::ASIDE | Tag::FORM => 0.4,
        // Quotations are named after where they are from.
        Tag::BLOCKQUOTE => return -1.0,
        _ => -1.0,
    };
    let names = match belief {
        Belief::Nothing => return -1.0,
        Belief::Tags => &[],
        Belief::Some => &FOREIGN[..2],
        Belief::Names => &FOREIGN[..],
    };
    names.iter().filter(|(hints, _)| node.hints.any(*hints)).map(|(_, share)| *share).fold(by_tag, f32::max)
}

/// Elements in which a short line may be anything.
fn is_loose(tag: Tag) -> bool {
    matches!(tag, Tag::DIV | Tag::SECTION | Tag::FIGURE | Tag::HEADER | Tag::ARTICLE | Tag::ASIDE)
}
