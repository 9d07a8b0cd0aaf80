//! What is wrong with a configuration.

use std::path::PathBuf;

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfError {
    /// No folder is named.
    #[error("no configuration of Hadoop: set HADOOP_CONF_DIR to the folder of the cluster's yarn-site.xml")]
    NoFolder,
    /// The folder has none of the files.
    #[error("{folder}: has none of {}; is HADOOP_CONF_DIR right?", .files.join(", "))]
    NoFiles {
        /// The folder.
        folder: PathBuf,
        /// What it should have.
        files: [&'static str; 4],
    },
    /// A file cannot be read.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is no configuration.
    #[error("{file}: {what}")]
    Xml {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A key that must be set is not.
    #[error("{key} is not set in the files of {folder}")]
    Unset {
        /// The key.
        key: String,
        /// Where it should be.
        folder: PathBuf,
    },
    /// A value is not what it should be.
    #[error("{file}: {key} is {value:?}, which is not {expected}")]
    Malformed {
        /// The key.
        key: String,
        /// The file that sets it.
        file: String,
        /// What it is.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A value refers to itself, or too often to others.
    #[error("{file}: {key} leads in circles by ${{{variable}}}")]
    Expansion {
        /// The key.
        key: String,
        /// The file that sets it.
        file: String,
        /// Where it was given up.
        variable: String,
    },
    /// Nobody says where the ResourceManager is.
    #[error(
        "{file}: {key} is {value:?}, where nobody can connect to; set {cure} to the ResourceManager's host"
    )]
    NoAddress {
        /// The key.
        key: String,
        /// The file that sets it, or what is built in.
        file: String,
        /// What it is.
        value: String,
        /// The key that cures it.
        cure: String,
    },
    /// Security is on, and this program has no means for it.
    #[error(
        "{file}: hadoop.security.authentication is kerberos, and this program is built without the feature kerberos"
    )]
    NoKerberos {
        /// The file that says so.
        file: String,
    },
}
