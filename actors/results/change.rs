//! How what makes a run this run differs from what made the run that began the results.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter, Write as _};

/// Begins the keys of archives, whose values are a size in bytes and, behind a comma, what else tells them apart.
pub const ARCHIVE: &str = "archive ";
/// Begins the keys of the model's files, whose values are digests.
pub const MODEL_FILE: &str = "model file ";

/// Settings that are named, and archives.
const NAMED: usize = 5;

/// A setting, a file of the model, or an archive that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its key.
    pub key: String,
    /// Its value when the results were begun.
    pub was: Option<String>,
    /// Its value now.
    pub is: Option<String>,
}

/// What differs, by key.
pub(super) fn changes(was: &BTreeMap<String, String>, is: &BTreeMap<String, String>) -> Vec<Change> {
    let keys: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let change =
        |key: &String| Change { key: key.clone(), was: was.get(key).cloned(), is: is.get(key).cloned() };
    keys.into_iter().map(change).filter(|change| change.was != change.is).collect()
}

impl Display for Change {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.key.strip_prefix(ARCHIVE) {
            return match (&self.was, &self.is) {
                (None, _) => write!(f, "added {}", Shown(name)),
                (_, None) => write!(f, "removed {}", Shown(name)),
                (Some(was), Some(is)) => {
                    write!(f, "changed {} ({})", Shown(name), Shown(&difference(was, is)))
                }
            };
        }
        if self.key.starts_with(MODEL_FILE) {
            let what = match (&self.was, &self.is) {
                (None, _) => "was added",
                (_, None) => "was removed",
                // Nobody compares digests by eye.
                _ => "was changed",
            };
            return write!(f, "{} {what}", Shown(&self.key));
        }
        let value = |value: &Option<String>| value.clone().unwrap_or("not set".to_owned());
        write!(f, "{} was {} and is {}", self.key, Shown(&value(&self.was)), Shown(&value(&self.is)))
    }
}

/// How an archive differs from itself.
fn difference(was: &str, is: &str) -> String {
    let size = |value: &str| value.split(',').next().unwrap_or_default().to_owned();
    let (was_size, is_size) = (size(was), size(is));
    if was_size == is_size {
        return format!("{is_size} as before, but another version, or other records of it");
    }
    format!("was {was_size}, is {is_size}")
}

/// The first of a list of changes: settings, then archives.
pub(super) struct Few<'a>(pub(super) &'a [Change]);

impl Display for Few<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (archives, settings): (Vec<_>, Vec<_>) =
            self.0.iter().partition(|change| change.key.starts_with(ARCHIVE));
        let mut separator = "";
        for (changes, noun) in [(settings, "setting"), (archives, "archive")] {
            for change in changes.iter().take(NAMED) {
                write!(f, "{separator}{change}")?;
                separator = "; ";
            }
            match changes.len().saturating_sub(NAMED) {
                0 => {}
                1 => write!(f, "; and 1 more {noun}")?,
                more => write!(f, "; and {more} more {noun}s")?,
            }
        }
        Ok(())
    }
}

/// A text of others, which cannot steer a terminal.
struct Shown<'a>(&'a str);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c.is_control() {
            true => write!(f, "{}", c.escape_default()),
            false => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(was: &[(&str, &str)], is: &[(&str, &str)]) -> String {
        let identity = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        Few(&changes(&identity(was), &identity(is))).to_string()
    }

    #[test]
    fn settings_come_before_archives_and_are_toml() {
        assert_eq!(
            told(
                &[
                    ("archive a.warc.gz", "7 bytes"),
                    ("archive b.warc.gz", "100 bytes, version 1"),
                    ("archive c.warc.gz", "8 bytes, version 1"),
                    ("filter.languages", "[]"),
                    ("model file model.onnx", "ab"),
                    ("output.format", "\"files\""),
                ],
                &[
                    ("archive b.warc.gz", "120 bytes, version 2"),
                    ("archive c.warc.gz", "8 bytes, version 2"),
                    ("archive d.warc.gz", "9 bytes"),
                    ("filter.languages", "[\"en\"]"),
                    ("model file model.onnx", "cd"),
                    ("model file tokenizer.json", "ef"),
                    ("output.format", "\"jsonl\""),
                ]
            ),
            "filter.languages was [] and is [\"en\"]; model file model.onnx was changed; model file tokenizer.json was added; \
             output.format was \"files\" and is \"jsonl\"; removed a.warc.gz; changed b.warc.gz (was 100 bytes, is 120 bytes); \
             changed c.warc.gz (8 bytes as before, but another version, or other records of it); added d.warc.gz"
        );
    }

    #[test]
    fn of_many_some_are_named_and_the_rest_counted() {
        let archives: Vec<String> = (0..9).map(|n| format!("archive {n}.warc")).collect();
        let archives: Vec<(&str, &str)> = archives.iter().map(|name| (&**name, "1 bytes")).collect();
        let settings = ["a", "b", "c", "d", "e", "f"].map(|key| (key, "1"));
        assert_eq!(
            told(&[], &[&settings[..], &archives].concat()),
            "a was not set and is 1; b was not set and is 1; c was not set and is 1; d was not set and is 1; e was not set and \
             is 1; and 1 more setting; added 0.warc; added 1.warc; added 2.warc; added 3.warc; added 4.warc; and 4 more archives"
        );
    }

    #[test]
    fn names_cannot_steer_a_terminal() {
        assert_eq!(told(&[], &[("archive \u{1b}[2J.warc", "1 bytes")]), "added \\u{1b}[2J.warc");
    }
}
