//! `yarn.json` in the folder of results: which application works for a run, and how its GPU node is told something.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};
use warcdl_actors::SinkError;

use crate::sink::{YARN_STATE, write_whole};

/// What a run leaves for `warcdl-node yarn` while it lasts. A run that ends in order removes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Such as `application_1763812345678_0042`.
    pub application: String,
    /// `HOST:PORT` of the control port.
    pub control: String,
    /// The file with the job's secret.
    pub secret_file: PathBuf,
}

impl State {
    /// Where it is, in a folder of results.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join(YARN_STATE)
    }

    /// Writes it into a folder of results.
    pub fn write(&self, folder: &Path) -> Result<(), SinkError> {
        let json = serde_json::to_vec_pretty(self).expect("strings make good JSON");
        write_whole(&State::path(folder), &json)
    }

    /// What a run has left in a folder of results; `None` if it has left nothing.
    pub fn read(folder: &Path) -> io::Result<Option<State>> {
        match fs::read(State::path(folder)) {
            Ok(json) => Ok(Some(serde_json::from_slice(&json)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes it from a folder of results.
    pub fn remove(folder: &Path) {
        // Nothing is lost if it stays: it names an application that is over.
        let _ = fs::remove_file(State::path(folder));
    }
}
