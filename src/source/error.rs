//! Why a source cannot be listed or opened.

use std::io;

use thiserror::Error;

/// Why a source cannot be listed or opened.
#[derive(Debug, Error)]
pub enum SourceError {
    /// A local path.
    #[error("cannot read {path}: {source}")]
    Path {
        /// The path.
        path: String,
        /// What the system reports.
        source: io::Error,
    },
    /// A line of a list or an index.
    #[error("{path}:{line}: {reason}")]
    Line {
        /// The file.
        path: String,
        /// Its number, from 1 on.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// More records than a lease can name.
    #[error(
        "the index names {records} records of {archive}, too many for one archive: list it in source.paths, to read it whole"
    )]
    TooManyNamed {
        /// The archive.
        archive: String,
        /// Their number.
        records: usize,
    },
    /// An address of a kind that cannot be read.
    #[error("{place}: {scheme}:// is not known, there are paths, s3://, https:// and http://; {cure}")]
    Scheme {
        /// The address.
        place: String,
        /// What it begins with.
        scheme: String,
        /// What to do.
        cure: &'static str,
    },
    /// A broken glob.
    #[error("source.paths: {pattern} is no valid glob: {reason}")]
    Glob {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing was found.
    #[error(
        "no archives in {looked_at}: nothing there ends with {suffixes}; see source.paths and source.suffixes"
    )]
    Empty {
        /// The places.
        looked_at: String,
        /// The suffixes.
        suffixes: String,
    },
    /// Lists or indexes that are empty.
    #[error(
        "{files}: nothing is named there, all lines are empty or comments; see source.paths, source.list and source.index"
    )]
    Nameless {
        /// Their names.
        files: String,
    },
    /// A server refused or did not answer, or answered with something else.
    #[error("{place}: {reason}; {cure}")]
    Remote {
        /// The address; of S3, bucket and key, and at what endpoint.
        place: String,
        /// What the server or the connection reports.
        reason: String,
        /// What to do.
        cure: &'static str,
    },
}
