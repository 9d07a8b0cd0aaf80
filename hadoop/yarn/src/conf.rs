//! Hadoop's configuration: the `*-site.xml` files of a folder over what Hadoop has built in.

mod cluster;
mod error;
mod expand;
mod file;

pub use error::ConfError;

use file::{Files, Property};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The files that are read, in this order; what a later one says counts, unless an earlier one calls its value final.
const FILES: [&str; 4] = ["core-site.xml", "hdfs-site.xml", "mapred-site.xml", "yarn-site.xml"];

/// What Hadoop has built in, of the keys that are read here.
const BUILT_IN: [(&str, &str); 20] = [
    ("fs.defaultFS", "file:///"),
    ("hadoop.rpc.protection", "authentication"),
    ("hadoop.security.authentication", "simple"),
    ("ipc.client.connect.timeout", "20000"),
    ("ipc.client.connection.maxidletime", "10000"),
    ("ipc.client.fallback-to-simple-auth-allowed", "false"),
    ("ipc.client.rpc-timeout.ms", "120000"),
    ("ipc.maximum.data.length", "134217728"),
    ("ipc.maximum.response.length", "134217728"),
    ("ipc.ping.interval", "60000"),
    ("yarn.http.policy", "HTTP_ONLY"),
    ("yarn.log-aggregation-enable", "false"),
    ("yarn.nodemanager.remote-app-log-dir", "/tmp/logs"),
    ("yarn.resourcemanager.address", "${yarn.resourcemanager.hostname}:8032"),
    ("yarn.resourcemanager.connect.max-wait.ms", "900000"),
    ("yarn.resourcemanager.ha.enabled", "false"),
    ("yarn.resourcemanager.hostname", "0.0.0.0"),
    ("yarn.resourcemanager.scheduler.address", "${yarn.resourcemanager.hostname}:8030"),
    ("yarn.resourcemanager.webapp.address", "${yarn.resourcemanager.hostname}:8088"),
    ("yarn.resourcemanager.webapp.https.address", "${yarn.resourcemanager.hostname}:8090"),
];

/// A configuration.
#[derive(Clone, Debug)]
pub struct Conf {
    folder: PathBuf,
    properties: BTreeMap<String, Property>,
    environment: BTreeMap<String, String>,
}

impl Conf {
    /// The configuration in the folder that `HADOOP_CONF_DIR` or `YARN_CONF_DIR` names, or in `$HADOOP_HOME/etc/hadoop`.
    pub fn from_env() -> Result<Conf, ConfError> {
        let named = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        let home = || Some(named("HADOOP_HOME")?.join("etc/hadoop"));
        let folder = named("HADOOP_CONF_DIR").or_else(|| named("YARN_CONF_DIR")).or_else(home);
        Conf::load(&folder.ok_or(ConfError::NoFolder)?)
    }

    /// The configuration in a folder. Of the files that Hadoop reads there, some may be missing, but not all.
    pub fn load(folder: &Path) -> Result<Conf, ConfError> {
        Conf::load_with(
            folder,
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// The same, with these variables as the environment that `${env.NAME}` looks into.
    pub fn load_with(
        folder: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Conf, ConfError> {
        let mut conf = Conf::built_in(folder, environment);
        let mut found = false;
        for path in FILES.map(|name| folder.join(name)) {
            if path.exists() {
                found = true;
                for (key, property) in Files::default().read(&path)? {
                    conf.insert(key, property);
                }
            }
        }
        if found { Ok(conf) } else { Err(ConfError::NoFiles { folder: folder.to_owned(), files: FILES }) }
    }

    /// What Hadoop has built in, and nothing else.
    fn built_in(folder: &Path, environment: impl IntoIterator<Item = (String, String)>) -> Conf {
        let property = |(key, value): (&str, &str)| {
            (key.to_owned(), Property { value: value.to_owned(), file: None, is_final: false })
        };
        Conf {
            folder: folder.to_owned(),
            properties: BUILT_IN.into_iter().map(property).collect(),
            environment: environment.into_iter().collect(),
        }
    }

    fn insert(&mut self, key: String, property: Property) {
        if let Some(before) = self.properties.get(&key).filter(|before| before.is_final) {
            if before.value != property.value {
                tracing::warn!(key, file = %before.place(), "is final; what another file says does not count");
            }
            return;
        }
        self.properties.insert(key, property);
    }

    /// Sets a value, over whatever the files say.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.properties.insert(key.into(), Property { value: value.into(), file: None, is_final: true });
    }

    /// Where the files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The value of a key, without space around it, with `${…}` replaced; `None` where it is empty or not set.
    pub fn get(&self, key: &str) -> Result<Option<String>, ConfError> {
        let Some(property) = self.properties.get(key) else { return Ok(None) };
        let expanded = expand::expand(
            &property.value,
            |key| self.properties.get(key).map(|property| &*property.value),
            |name| self.environment.get(name).map(|value| &**value),
        );
        let value = expanded.map_err(|variable| ConfError::Expansion {
            key: key.to_owned(),
            file: property.place(),
            variable,
        })?;
        let value = value.trim();
        Ok((!value.is_empty()).then(|| value.to_owned()))
    }

    /// The value of a key that must be set.
    pub fn require(&self, key: &str) -> Result<String, ConfError> {
        self.get(key)?.ok_or_else(|| ConfError::Unset { key: key.to_owned(), folder: self.folder.clone() })
    }

    /// All keys that have a value, with it, for programs that do not read the files as Hadoop does. What names itself in
    /// `${…}` has none.
    pub fn values(&self) -> impl Iterator<Item = (&str, String)> {
        self.properties.keys().filter_map(|key| Some((&**key, self.get(key).ok()??)))
    }

    /// `true` or `false`, in whatever case.
    pub fn bool(&self, key: &str) -> Result<bool, ConfError> {
        match &*self.require(key)?.to_ascii_lowercase() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.malformed(key, "true or false")),
        }
    }

    /// A number, which may be below zero: Hadoop often reads that as "no limit".
    pub fn number(&self, key: &str) -> Result<i64, ConfError> {
        self.require(key)?.parse().map_err(|_| self.malformed(key, "a number"))
    }

    /// A time: a number of milliseconds, or one with a unit (`ms`, `s`, `m`, `h`, `d`). What is below zero, which Hadoop reads as
    /// "no limit", is zero.
    pub fn millis(&self, key: &str) -> Result<Duration, ConfError> {
        let value = self.require(key)?.to_ascii_lowercase();
        let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &value[digits.len()..] {
            "" | "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(self.malformed(key, "a time such as 500ms or 20s")),
        };
        let number = digits.trim().parse::<i64>().ok().map(|number| u64::try_from(number).unwrap_or(0));
        let number = number.and_then(|number| number.checked_mul(unit));
        number.map(Duration::from_millis).ok_or_else(|| self.malformed(key, "a time such as 500ms or 20s"))
    }

    /// Words between commas; none where the key is not set.
    pub fn list(&self, key: &str) -> Result<Vec<String>, ConfError> {
        let value = self.get(key)?.unwrap_or_default();
        Ok(value.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect())
    }

    /// What to say about a value that is not what it should be.
    fn malformed(&self, key: &str, expected: &'static str) -> ConfError {
        ConfError::Malformed {
            key: key.to_owned(),
            file: self.place(key),
            value: self.get(key).ok().flatten().unwrap_or_default(),
            expected,
        }
    }

    /// Which file says what a key is.
    fn place(&self, key: &str) -> String {
        self.properties.get(key).map(Property::place).unwrap_or_else(|| self.folder.display().to_string())
    }
}

#[cfg(test)]
mod tests;
