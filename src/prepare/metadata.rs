//! What a page says of itself in its head: title, author, date.

use serde_json::Value;

use crate::prepare::entities;
use crate::prepare::page::{Head, Page};
use crate::prepare::plain::normalise;

/// Longest JSON-LD that is read, in bytes. Those of articles have a few thousand.
const MAX_DATA: usize = 128 << 10;
/// Longest author that is taken for one, in characters.
const MAX_AUTHOR: usize = 200;
/// Longest date: RFC 3339 with nanoseconds and an offset.
const MAX_DATE: usize = 35;

/// `name`s of `meta` for the author, best first: of HTML, of Open Graph, of Dublin Core, of analytics.
const AUTHORS: [&str; 6] =
    ["author", "article:author", "dc.creator", "dcterms.creator", "parsely-author", "sailthru.author"];
/// The same for the date.
const DATES: [&str; 9] = [
    "article:published_time",
    "datepublished",
    "og:published_time",
    "dc.date.issued",
    "dcterms.created",
    "dc.date",
    "parsely-pub-date",
    "publish_date",
    "date",
];

/// Empty where not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    /// One line.
    pub(super) title: String,
    /// One line; several authors are separated by commas.
    pub(super) author: String,
    /// As it is written, but always beginning with year, month and day: `2026-11-24` or RFC 3339.
    pub(super) published: String,
}

impl Metadata {
    /// The title of `title`, else of Open Graph. Author and date of JSON-LD, else of `meta`, else the first `time`.
    pub(super) fn of(page: &Page<'_>) -> Self {
        let mut metadata = Self::default();
        let title = page.heads.iter().find_map(|head| match head {
            Head::Title(title) if !title.trim().is_empty() => Some(*title),
            _ => None,
        });
        metadata.title = match title {
            // A text, and no attribute.
            Some(title) => one_line(&entities::decode(title)),
            None => named(page, "og:title").map(line).unwrap_or_default(),
        };
        for head in &page.heads {
            if let Head::Data(data) = head
                && data.len() <= MAX_DATA
                && (data.contains("\"author\"") || data.contains("\"datePublished\""))
                && let Ok(data) = serde_json::from_str(data)
            {
                metadata.read(&data);
            }
        }
        if metadata.author.is_empty() {
            metadata.author = AUTHORS.iter().find_map(|name| author(named(page, name)?)).unwrap_or_default();
        }
        if metadata.published.is_empty() {
            let times = page.heads.iter().filter_map(|head| match head {
                Head::Time(time) => Some(*time),
                _ => None,
            });
            metadata.published = DATES
                .iter()
                .filter_map(|name| named(page, name))
                .chain(times)
                .find_map(date)
                .unwrap_or_default();
        }
        metadata
    }

    /// Takes the first author and the first date of the things described, which may stand in a list or a graph.
    fn read(&mut self, data: &Value) {
        match data {
            Value::Array(things) => things.iter().for_each(|thing| self.read(thing)),
            Value::Object(thing) => {
                if self.author.is_empty() {
                    let names = thing.get("author").map(names).unwrap_or_default();
                    self.author = author(&names.join(", ")).unwrap_or_default();
                }
                if self.published.is_empty() {
                    let written = thing.get("datePublished").and_then(Value::as_str);
                    self.published = written.and_then(date).unwrap_or_default();
                }
                if let Some(graph) = thing.get("@graph") {
                    self.read(graph);
                }
            }
            _ => {}
        }
    }
}

/// The content of the first `meta` of this name.
fn named<'a>(page: &Page<'a>, wanted: &str) -> Option<&'a str> {
    page.heads.iter().find_map(|head| match head {
        Head::Meta(name, content) if name.eq_ignore_ascii_case(wanted) && !content.trim().is_empty() => {
            Some(*content)
        }
        _ => None,
    })
}

/// Names of persons or organisations: texts, things with a name, or lists of either.
fn names(value: &Value) -> Vec<&str> {
    match value {
        Value::String(name) => vec![name],
        Value::Array(list) => list.iter().filter_map(name).collect(),
        thing => name(thing).into_iter().collect(),
    }
}

fn name(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("name")?.as_str())
}

/// A name rather than the address of a profile, or nothing.
fn author(text: &str) -> Option<String> {
    let author = line(text);
    let is_name = !author.is_empty() && !author.contains("://") && author.chars().count() <= MAX_AUTHOR;
    is_name.then_some(author)
}

/// A date that begins with year, month and day, or nothing.
fn date(text: &str) -> Option<String> {
    let date = text.trim();
    let is_date = date.len() <= MAX_DATE
        && date.is_ascii()
        && date.len() >= 10
        && date.bytes().take(10).enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    is_date.then(|| date.to_owned())
}

/// An attribute's value, on one line.
fn line(value: &str) -> String {
    one_line(&entities::decode_attribute(value))
}

/// Runs of white space as one space.
fn one_line(text: &str) -> String {
    normalise(text).replace('\n', " ")
}

#[cfg(test)]
mod tests;
