//! The main text of a page: what its readers came for, without the furniture around it.
//!
//! Three passes over the nodes, each linear. The first measures every block: how much text it has, how much of it in
//! links, what that makes it worth. The second sums the worth bottom-up and finds the element in which most of it lies
//! together. The third walks through that element, leaves out what is furniture after all, and writes both texts.

mod choice;
mod measure;
mod writer;

use crate::prepare::main_text::choice::choose;
use crate::prepare::main_text::measure::Measures;
use crate::prepare::main_text::writer::write;
use crate::prepare::page::Page;

/// The two texts of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// For the model: one line, words a single space apart.
    pub model: String,
    /// To be kept: paragraphs and headings with empty lines between them, items of lists with bullets.
    pub kept: String,
}

/// The main text, or `None` where none is found.
pub(super) fn main_text(page: &Page<'_>) -> Option<Texts> {
    let mut measures = Measures::of(page);
    let root = choose(page, &mut measures)?;
    let texts = write(page, &measures, root);
    (!texts.model.is_empty()).then_some(texts)
}

#[cfg(test)]
mod tests;
