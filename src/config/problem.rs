//! What is wrong with a configuration, and where.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file does not exist.
    #[error("configuration file \"{}\" does not exist (working directory: {})", .path.display(), .directory.display())]
    Missing {
        /// As given.
        path: PathBuf,
        /// Where a relative path was looked for.
        directory: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read configuration file \"{}\": {source}", .path.display())]
    Unreadable {
        /// As given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not UTF-8.
    #[error("configuration file \"{}\" is not UTF-8 text: byte {offset} is the first that is wrong", .path.display())]
    NotText {
        /// As given.
        path: PathBuf,
        /// Bytes from the start of the file.
        offset: usize,
    },
    /// Everything that is wrong with what the file and the flags say, one line each.
    #[error("{}", lines(.problems))]
    Invalid {
        /// In the order of the file, then of the flags.
        problems: Vec<Problem>,
    },
}

impl ConfigError {
    pub(super) fn unreadable(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => {
                ConfigError::Missing { path, directory: std::env::current_dir().unwrap_or_default() }
            }
            _ => ConfigError::Unreadable { path, source },
        }
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A line of a file, from 1.
    File {
        /// The file.
        path: Arc<Path>,
        /// The line.
        line: usize,
    },
    /// A `--set` of the command line; its value is not kept, it may be a secret.
    Flag {
        /// The key that it sets.
        key: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Flag { key } => write!(f, "--set {key}"),
        }
    }
}

/// One thing that is wrong, in one line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where; none where it is what is not there that is wrong.
    pub origin: Option<Origin>,
    /// What, and the cure.
    pub message: String,
}

impl Problem {
    pub(super) fn new(origin: Option<Origin>, message: impl Into<String>) -> Self {
        Problem { origin, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "{origin}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}
