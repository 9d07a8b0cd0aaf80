//! Places: what the source, a list or an index names.

use std::sync::Arc;

use crate::source::SourceError;

/// Schemes of addresses.
const KNOWN: [&str; 3] = ["s3", "https", "http"];

/// Something to be read or searched, by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::source) struct Place {
    /// A path, a glob or an address.
    pub name: String,
    /// Who names it, if not the configuration.
    pub line: Option<Line>,
}

/// A line of a list or an index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::source) struct Line {
    /// The list or index.
    pub file: Arc<str>,
    /// Its number, from 1 on.
    pub number: u64,
}

impl Place {
    /// What the configuration names.
    pub fn given(name: &str) -> Place {
        Place { name: name.to_owned(), line: None }
    }

    /// What is wrong with the place, with the line that names it.
    pub fn told(&self, error: SourceError) -> SourceError {
        match &self.line {
            None => error,
            Some(Line { file, number }) => {
                SourceError::Line { path: file.to_string(), line: *number, reason: error.to_string() }
            }
        }
    }
}

/// Whether a name is a path, or an address of a kind that can be read.
///
/// # Errors
/// One of another kind, which would be looked for among the files of this machine. `is_local`: whether those may be named here.
pub(in crate::source) fn check_scheme(name: &str, is_local: bool) -> Result<(), SourceError> {
    let Some((scheme, _)) = name.split_once("://") else { return Ok(()) };
    let of_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if scheme.is_empty() || !scheme.chars().all(of_scheme) || KNOWN.contains(&scheme) {
        return Ok(());
    }
    let cure = match &*scheme.to_ascii_lowercase() {
        lower if KNOWN.contains(&lower) => "write the scheme in lower case",
        "file" if is_local => "write the path alone",
        "file" => "what lies elsewhere names no files of this machine",
        "hdfs" | "webhdfs" | "viewfs" => "mount it, or read it through a gateway that speaks S3 or HTTP",
        "s3a" | "s3n" => "write s3://",
        _ => "copy it to a place of these kinds, or mount it",
    };
    Err(SourceError::Scheme { place: name.to_owned(), scheme: scheme.to_owned(), cure })
}

#[cfg(test)]
mod tests {
    use super::check_scheme;

    #[test]
    fn schemes_that_are_not_known_are_told_with_a_cure() {
        for name in [
            "a.warc.gz",
            "/a/b",
            "*.gz",
            "s3://b/c",
            "https://h/a",
            "http://h/a",
            "a/b?u=ftp://c",
            "://a",
            "a:b",
        ] {
            assert!(check_scheme(name, true).is_ok(), "{name}");
        }
        for (name, is_local, cure) in [
            ("hdfs://n/a.warc.gz", true, "a gateway"),
            ("file:///a.warc.gz", true, "write the path alone"),
            ("file:///a.warc.gz", false, "no files of this machine"),
            ("ftp://h/a.warc.gz", true, "mount it"),
            ("s3a://b/a", true, "write s3://"),
            ("HTTPS://h/a", true, "lower case"),
        ] {
            let error = check_scheme(name, is_local).unwrap_err().to_string();
            let scheme = name.split_once("://").unwrap().0;
            for part in [name, &format!("{scheme}:// is not known"), "s3://, https:// and http://", cure] {
                assert!(error.contains(part), "{name}: no {part:?} in {error}");
            }
        }
    }
}
