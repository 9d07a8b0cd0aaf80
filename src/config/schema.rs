//! The keys that exist and the type of each, read off the shipped file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use toml::de::{DeInteger, DeValue};
use toml::{Spanned, Table, Value};

use super::{DEFAULTS, SECRETS, tree};

/// Lists that are empty by default and hold numbers; the other empty ones hold texts.
const LISTS_OF_INTEGERS: [&str; 1] = ["record.http_status"];
/// Keys that take one text or a list of them.
const ONE_OR_MORE: [&str; 1] = ["model.device"];
/// Characters of a text that a message quotes.
const QUOTED_CHARS: usize = 40;

/// Every key and section of the shipped file.
pub(super) struct Schema {
    defaults: Table,
    shapes: BTreeMap<String, Shape>,
}

impl Schema {
    /// The schema of [`DEFAULTS`].
    pub(super) fn shipped() -> &'static Schema {
        static SHIPPED: LazyLock<Schema> = LazyLock::new(|| {
            let defaults: Table = DEFAULTS.parse().expect("the shipped file is TOML");
            let mut shapes = BTreeMap::new();
            collect("", &defaults, &mut shapes);
            Schema { defaults, shapes }
        });
        &SHIPPED
    }

    /// The shipped values.
    pub(super) fn defaults(&self) -> &Table {
        &self.defaults
    }

    /// What `key` takes, if it exists.
    pub(super) fn shape(&self, key: &str) -> Option<Shape> {
        self.shapes.get(key).copied()
    }

    /// The key that was probably meant by `key`, which does not exist.
    pub(super) fn nearest(&self, key: &str) -> Option<&str> {
        let name = last(key);
        // A slip in one place of four, and one more to let short names be found.
        let limit = 1 + name.chars().count() / 4;
        self.shapes
            .keys()
            .map(|known| {
                // The right name in the wrong section is as good a guess as a slip of the pen.
                let elsewhere = edits(name, last(known)) + usize::from(name != known);
                (edits(key, known).min(elsewhere), section(known) != section(key), known)
            })
            .filter(|&(distance, ..)| distance <= limit)
            .min()
            .map(|(.., known)| known.as_str())
    }

    /// The names of the keys of the section that `key` is in: none, if it is in none or in one that does not exist.
    pub(super) fn neighbours(&self, key: &str) -> Vec<&str> {
        let Some(wanted) = section(key) else { return Vec::new() };
        self.shapes.keys().filter(|known| section(known) == Some(wanted)).map(|known| last(known)).collect()
    }
}

fn collect(prefix: &str, table: &Table, shapes: &mut BTreeMap<String, Shape>) {
    for (name, value) in table {
        let key = tree::join(prefix, name);
        let shape = match value {
            Value::Table(inner) => {
                collect(&key, inner, shapes);
                Shape::Section
            }
            Value::String(_) if ONE_OR_MORE.contains(&key.as_str()) => Shape::TextOrTexts,
            Value::String(_) | Value::Datetime(_) => Shape::Text,
            Value::Integer(_) => Shape::Integer,
            Value::Float(_) => Shape::Float,
            Value::Boolean(_) => Shape::Boolean,
            Value::Array(_) if LISTS_OF_INTEGERS.contains(&key.as_str()) => Shape::Integers(None),
            Value::Array(items) if items.first().is_some_and(Value::is_integer) => {
                Shape::Integers(Some(items.len()))
            }
            Value::Array(_) => Shape::Texts,
        };
        shapes.insert(key, shape);
    }
}

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Section,
    Text,
    Integer,
    Float,
    Boolean,
    Texts,
    /// With their number, where it is fixed.
    Integers(Option<usize>),
    TextOrTexts,
}

/// Why a value does not fit, and where in its source if more exactly known than by the key.
#[derive(Debug, PartialEq)]
pub(super) struct Misfit {
    pub(super) message: String,
    pub(super) span: Option<Range<usize>>,
}

impl Shape {
    /// `value` as the type that `key`, which has this shape, holds.
    pub(super) fn accept(self, key: &str, value: &DeValue<'_>) -> Result<Value, Misfit> {
        let fits = match (self, value) {
            (Shape::Text | Shape::TextOrTexts, DeValue::String(text)) => {
                Some(Value::String(text.clone().into_owned()))
            }
            (Shape::Boolean, DeValue::Boolean(flag)) => Some(Value::Boolean(*flag)),
            (Shape::Integer, DeValue::Integer(number)) => natural(number).map(Value::Integer),
            (Shape::Float, DeValue::Integer(number)) => {
                whole(number).map(|number| Value::Float(number as f64))
            }
            (Shape::Float, DeValue::Float(number)) => number.as_str().parse().ok().map(Value::Float),
            (Shape::Texts | Shape::TextOrTexts, DeValue::Array(items)) => {
                return list(key, Shape::Text, "texts", items.iter());
            }
            (Shape::Integers(count), DeValue::Array(items))
                if count.is_none_or(|count| count == items.len()) =>
            {
                return list(key, Shape::Integer, "whole numbers", items.iter());
            }
            _ => None,
        };
        fits.ok_or_else(|| {
            let cure = match (self, value) {
                (Shape::Texts, DeValue::String(text)) if !SECRETS.contains(&key) => {
                    format!("; write [{}]", quote(text))
                }
                _ => String::new(),
            };
            let message = format!("\"{key}\" must be {}, not {}{cure}", self.noun(), found(key, value));
            Misfit { message, span: None }
        })
    }

    fn noun(self) -> String {
        match self {
            Shape::Section => "a section".to_owned(),
            Shape::Text => "a text in quotes".to_owned(),
            Shape::Integer => "a whole number, 0 or more".to_owned(),
            Shape::Float => "a number".to_owned(),
            Shape::Boolean => "true or false".to_owned(),
            Shape::Texts => "a list of texts".to_owned(),
            Shape::Integers(None) => "a list of whole numbers".to_owned(),
            Shape::Integers(Some(count)) => format!("a list of {count} whole numbers"),
            Shape::TextOrTexts => "a text in quotes or a list of them".to_owned(),
        }
    }
}

fn list<'a, 'i: 'a>(
    key: &str,
    element: Shape,
    elements: &str,
    items: impl Iterator<Item = &'a Spanned<DeValue<'i>>>,
) -> Result<Value, Misfit> {
    let mut accepted = Vec::new();
    for (index, item) in items.enumerate() {
        let value = element.accept(key, item.get_ref()).map_err(|_| Misfit {
            message: format!(
                "\"{key}\" must be a list of {elements}; element {} is {}",
                index + 1,
                found(key, item.get_ref())
            ),
            span: Some(item.span()),
        })?;
        accepted.push(value);
    }
    Ok(Value::Array(accepted))
}

/// No key of the shipped file that takes a whole number takes one below 0.
fn natural(number: &DeInteger<'_>) -> Option<i64> {
    whole(number).filter(|&number| number >= 0)
}

fn whole(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn found(key: &str, value: &DeValue<'_>) -> String {
    let secret = SECRETS.contains(&key);
    match value {
        DeValue::String(text) if !secret => format!("the text {}", quote(text)),
        DeValue::Integer(number) if !secret => format!("the number {number}"),
        DeValue::Float(number) if !secret => format!("the number {number}"),
        DeValue::String(_) => "a text".to_owned(),
        DeValue::Integer(_) | DeValue::Float(_) => "a number".to_owned(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(items) => match items.len() {
            1 => "a list of 1 element".to_owned(),
            count => format!("a list of {count} elements"),
        },
        DeValue::Table(_) => "a section".to_owned(),
    }
}

/// In quotes, control characters escaped, long ones cut.
fn quote(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS) {
        Some((end, _)) => format!("{:?}", format!("{}…", &text[..end])),
        None => format!("{text:?}"),
    }
}

/// What a dotted key is in.
fn section(key: &str) -> Option<&str> {
    key.rsplit_once('.').map(|(section, _)| section)
}

/// The last name of a dotted key.
pub(super) fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// Levenshtein distance in characters.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, &right) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
