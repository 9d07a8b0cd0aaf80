//! The configuration of a run: the shipped defaults, under the user's file, under `--set`.
//!
//! Two steps. First each layer is checked by itself against the keys and types of the shipped file, with line numbers,
//! and the layers are merged; then the merged table is deserialized into [`Config`] and the rules between keys are
//! checked. A problem never hides another: [`ConfigError::Invalid`] holds all of them.

mod layer;
mod problem;
mod rules;
mod schema;
mod settings;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use toml::{Table, Value};

use self::layer::{Layer, Setting};
pub use self::problem::{ConfigError, Origin, Problem};
use self::schema::Schema;
pub(crate) use self::settings::is_host_and_port;
pub use self::settings::{
    BatchSettings, Launcher, MasterPlace, StagingPlace, TelemetrySettings, TransportSettings, YarnSettings,
};
use crate::filter::FilterSettings;
use crate::kind::Kind;
use crate::model::ModelSettings;
use crate::prepare::{ImageSettings, TextSettings};
use crate::sink::OutputSettings;
use crate::source::{RecordSettings, SourceSettings};

/// The shipped file: every key with its default and its meaning.
pub const DEFAULTS: &str = include_str!("../config/warcdl.toml");

/// Keys whose values are neither written into results nor shown in messages.
const SECRETS: [&str; 3] =
    ["source.s3.access_key_id", "source.s3.secret_access_key", "source.s3.session_token"];

/// Every setting of a run. The meaning of each key is told in [`DEFAULTS`].
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What records are taken.
    pub kind: Kind,
    /// Who starts the readers.
    pub launcher: Launcher,
    /// How many readers the local launcher starts.
    pub readers: usize,
    /// Threads that each reader prepares records on; 0: its share of the machine's cores.
    pub reader_threads: usize,
    /// Where the archives are.
    pub source: SourceSettings,
    /// Which records are taken.
    pub record: RecordSettings,
    /// How pages become text.
    pub text: TextSettings,
    /// How pictures become pixels.
    pub image: ImageSettings,
    /// The filter before the model.
    pub filter: FilterSettings,
    /// The model.
    pub model: ModelSettings,
    /// How batches are formed.
    pub batch: BatchSettings,
    /// The link between readers and the GPU node.
    pub transport: TransportSettings,
    /// Where the positives go.
    pub output: OutputSettings,
    /// What the operator sees.
    pub telemetry: TelemetrySettings,
    /// Readers on a cluster.
    pub yarn: YarnSettings,
    /// The merged table from which the above was made.
    #[serde(skip)]
    merged: Table,
}

impl Config {
    /// Reads `file`, puts `overrides` (`key=value`, the key dotted, the value as in TOML; where the key takes a text
    /// the quotes may be left out) on top of it in their order, and checks the whole.
    ///
    /// Paths in the configuration stay as written: relative to the working directory.
    pub fn load(file: &Path, overrides: &[String]) -> Result<Config, ConfigError> {
        let text = std::fs::read(file).map_err(|source| ConfigError::unreadable(file, source))?;
        let text = String::from_utf8(text).map_err(|error| ConfigError::NotText {
            path: file.to_owned(),
            offset: error.utf8_error().valid_up_to(),
        })?;
        Self::parse(file, &text, overrides)
    }

    /// As [`Config::load`], of a file whose content is `text`; `file` is its name in messages.
    pub fn parse(file: &Path, text: &str, overrides: &[String]) -> Result<Config, ConfigError> {
        let schema = Schema::shipped();
        let mut layer = Layer::of_file(schema, file, text);
        for assignment in overrides {
            layer.append(Layer::of_flag(schema, assignment));
        }
        merge(schema, layer)
    }

    /// Every key with its value, the defaults among them.
    pub(crate) fn table(&self) -> &Table {
        &self.merged
    }

    /// The whole configuration as TOML, defaults included and secrets blanked. Loading it gives the same run, to go on with:
    /// it removes no results.
    pub fn resolved_toml(&self) -> String {
        let mut table = self.merged.clone();
        for key in SECRETS {
            tree::set(&mut table, key, Value::String(String::new()));
        }
        tree::set(&mut table, "output.overwrite", Value::Boolean(false));
        format!("# The configuration of this run with its defaults; secrets are left out.\n\n{table}")
    }
}

impl fmt::Debug for Config {
    /// The resolved TOML: no secret gets into a log by way of `{:?}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resolved_toml())
    }
}

fn merge(schema: &Schema, layer: Layer) -> Result<Config, ConfigError> {
    let Layer { settings, mut problems, mut rejected } = layer;
    let mut merged = schema.defaults().clone();
    let mut origins = BTreeMap::new();
    for Setting { key, value, origin } in settings {
        // Alone on top of the defaults, a value that its section refuses can be told with its own line.
        let mut alone = schema.defaults().clone();
        tree::set(&mut alone, &key, value.clone());
        if let Err(error) = Config::deserialize(Value::Table(alone)) {
            problems.push(Problem::new(Some(origin), format!("\"{key}\": {}", error.message())));
            rejected.insert(key);
            continue;
        }
        tree::set(&mut merged, &key, value);
        origins.insert(key, origin);
    }

    problems.extend(violations(&merged, &origins, &rejected, problems.is_empty()));
    if problems.is_empty() {
        match Config::deserialize(Value::Table(merged.clone())) {
            Ok(config) => return Ok(Config { merged, ..config }),
            Err(error) => problems.push(Problem::new(None, error.to_string().trim_end().replace('\n', " "))),
        }
    }
    problems.sort();
    problems.dedup();
    Err(ConfigError::Invalid { problems })
}

/// The broken rules, each told at the first of its keys that the user set. A rule over a key whose value was refused
/// is not judged; nor, where some key could not be understood, one over keys that are all as shipped: "no source is
/// given" would only confuse beside "unknown key `source.pths`".
fn violations(
    merged: &Table,
    origins: &BTreeMap<String, Origin>,
    rejected: &BTreeSet<String>,
    all_understood: bool,
) -> Vec<Problem> {
    rules::check(merged)
        .into_iter()
        .filter(|violation| !violation.keys.iter().any(|&key| rejected.contains(key)))
        .map(|violation| {
            let origin = violation.keys.iter().find_map(|&key| origins.get(key)).cloned();
            Problem::new(origin, violation.message)
        })
        .filter(|problem| all_understood || problem.origin.is_some())
        .collect()
}
