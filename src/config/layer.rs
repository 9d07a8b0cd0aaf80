//! What one file or one `--set` says, checked by itself against the schema.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Value;
use toml::de::{DeTable, DeValue};

use super::problem::{Origin, Problem};
use super::schema::{Schema, Shape, last};
use super::{SECRETS, tree};

/// One key with its value and where it was set.
pub(super) struct Setting {
    pub(super) key: String,
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// Settings in the order in which they apply: a later one wins.
#[derive(Default)]
pub(super) struct Layer {
    pub(super) settings: Vec<Setting>,
    pub(super) problems: Vec<Problem>,
    /// Keys that exist and were given a value that does not fit.
    pub(super) rejected: BTreeSet<String>,
}

impl Layer {
    /// What a file with this text says.
    pub(super) fn of_file(schema: &Schema, path: &Path, text: &str) -> Layer {
        let source = Source { path: path.into(), text };
        let mut layer = Layer::default();
        let (table, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            layer.read_table(schema, &source, "", table.get_ref());
        }
        for error in errors {
            let span = error.span().unwrap_or_default();
            let reason = match source.unquoted(span.start) {
                Some(text) => format!("a text needs quotes, as in \"{text}\""),
                None => error.message().to_owned(),
            };
            let origin = source.origin(span);
            // The parser may stumble several times over one slip.
            if layer.problems.last().is_none_or(|previous| previous.origin.as_ref() != Some(&origin)) {
                layer.problems.push(Problem::new(Some(origin), format!("not TOML: {reason}")));
            }
        }
        layer
    }

    /// What `--set KEY=VALUE` says.
    pub(super) fn of_flag(schema: &Schema, assignment: &str) -> Layer {
        let mut layer = Layer::default();
        let Some((key, value)) = assignment.split_once('=') else {
            // Not quoted: it may be a secret's value with its key forgotten.
            layer.problems.push(Problem::new(None, "--set needs KEY=VALUE, such as --set readers=4"));
            return layer;
        };
        let (key, value) = (key.trim(), value.trim());
        let origin = Origin::Flag { key: key.to_owned() };
        let Some(shape) = schema.shape(key) else {
            layer.problems.push(unknown(schema, origin, key));
            return layer;
        };
        let parsed = match shape {
            // `--set model.label=1` means the label "1".
            Shape::Text | Shape::TextOrTexts if !value.starts_with(['"', '\'', '[']) => None,
            _ => Some(DeValue::parse(value)),
        };
        match parsed {
            Some(Ok(value)) => layer.accept(shape, key, value.get_ref(), |_| origin.clone()),
            Some(Err(error)) if value.starts_with(['"', '\'', '[', '{']) => {
                let message = format!("the value is not TOML: {}", error.message());
                layer.problems.push(Problem::new(Some(origin), message));
                layer.rejected.insert(key.to_owned());
            }
            // Shells take the quotes away from `--set model.path="m"`, so a text needs none.
            _ => layer.accept(shape, key, &DeValue::String(value.into()), |_| origin.clone()),
        }
        layer
    }

    /// Puts `other` on top.
    pub(super) fn append(&mut self, other: Layer) {
        self.settings.extend(other.settings);
        self.problems.extend(other.problems);
        self.rejected.extend(other.rejected);
    }

    fn read_table(&mut self, schema: &Schema, source: &Source<'_>, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = tree::join(prefix, name.get_ref());
            let origin = |span: Option<Range<usize>>| source.origin(span.unwrap_or_else(|| name.span()));
            if name.get_ref().contains('.') {
                let message = format!("unknown key \"{key}\": leave the quotes around its name out");
                self.problems.push(Problem::new(Some(origin(None)), message));
                continue;
            }
            match (schema.shape(&key), value.get_ref()) {
                (None, _) => self.problems.push(unknown(schema, origin(None), &key)),
                (Some(Shape::Section), DeValue::Table(inner)) => self.read_table(schema, source, &key, inner),
                (Some(shape), value) => self.accept(shape, &key, value, origin),
            }
        }
    }

    fn accept(
        &mut self,
        shape: Shape,
        key: &str,
        value: &DeValue<'_>,
        origin: impl Fn(Option<Range<usize>>) -> Origin,
    ) {
        match shape.accept(key, value) {
            Ok(value) => {
                self.settings.push(Setting { key: key.to_owned(), value, origin: origin(None) });
            }
            Err(misfit) => {
                self.problems.push(Problem::new(Some(origin(misfit.span)), misfit.message));
                self.rejected.insert(key.to_owned());
            }
        }
    }
}

fn unknown(schema: &Schema, origin: Origin, key: &str) -> Problem {
    let guess = match schema.nearest(key) {
        Some(known) => format!("; did you mean \"{known}\"?"),
        None => match schema.neighbours(key).as_slice() {
            [] => String::new(),
            names => format!("; that section has {}", names.join(", ")),
        },
    };
    Problem::new(Some(origin), format!("unknown key \"{key}\"{guess}"))
}

/// A file's text, to tell lines.
struct Source<'a> {
    path: Arc<Path>,
    text: &'a str,
}

impl Source<'_> {
    /// The text that lacks quotes in the line of this byte, if that is what is wrong there: the parser takes
    /// `kind = image` for an attempt at `inf`.
    fn unquoted(&self, offset: usize) -> Option<&str> {
        let offset = offset.min(self.text.len());
        let start = self.text.get(..offset)?.rfind('\n').map_or(0, |newline| newline + 1);
        let (key, value) = self.text.get(start..)?.lines().next()?.split_once('=')?;
        if SECRETS.iter().any(|secret| secret.ends_with(last(key.trim()))) {
            return None;
        }
        let value = value.split('#').next()?.trim();
        let is_word = value.starts_with(|first: char| first.is_alphabetic() || "/.~".contains(first))
            && !value.contains(['"', '\'', '=', ',', '['])
            && !["true", "false", "inf", "nan"].contains(&value);
        is_word.then_some(value)
    }

    fn origin(&self, span: Range<usize>) -> Origin {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        Origin::File { path: Arc::clone(&self.path), line }
    }
}
