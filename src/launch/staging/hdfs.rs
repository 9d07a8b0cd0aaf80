//! Puts the program into HDFS, from where nodes fetch it.
//!
//! It lies under its SHA-256 in the user's home, `/user/NAME/.warcdl/SHA256/warcdl-node`, where runs of the same program
//! share it. Beside it each run has an empty file with the name of its application, so that the last one knows that it is
//! the last, and removes all.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hdfs_native::{Client, ClientBuilder, HdfsError, WriteOptions, client::FileStatus};
use warcdl_yarn::{ApplicationId, Conf, ConfError};

use super::{Artifact, PROGRAM, StagingError, read_piece};

/// How long HDFS may take at first, and for one call or piece once it has answered.
const FIRST_PATIENCE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(60);
/// Only its user sees the program, and nobody changes it.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o500;
/// More copies than this are of no use, however many nodes there are; Hadoop's own clients stop here as well.
const MOST_COPIES: u32 = 10;
/// The key that says where HDFS is.
const DEFAULT_FS: &str = "fs.defaultFS";
/// Files with names that start so belong to runs.
const MARK: &str = "application_";

/// Why the program cannot be put into HDFS.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nodes would have to show tokens.
    #[error(
        "yarn.staging = \"hdfs\" does not work on a cluster with Kerberos, where nodes need tokens for HDFS, which are not \
         made: set yarn.staging = \"http\""
    )]
    Secure,
    /// There is no HDFS, or more than one.
    #[error(
        "yarn.staging = \"hdfs\" needs an fs.defaultFS such as hdfs://namenode.example.org:8020, and core-site.xml in \
         HADOOP_CONF_DIR says {value:?}: correct it, or set yarn.staging = \"http\""
    )]
    NoHdfs {
        /// What it says.
        value: String,
    },
    /// Hadoop's configuration is wrong.
    #[error(transparent)]
    Conf(#[from] ConfError),
    /// HDFS refuses, or is not there.
    #[error(
        "cannot put the program into {place}: {what}; see to it that HDFS is there and lets you write, or set yarn.staging = \
         \"http\""
    )]
    Refused {
        /// The folder.
        place: String,
        /// What HDFS says.
        what: String,
    },
}

/// The folder of programs of a user in HDFS.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    /// Such as `hdfs://namenode.example.org:8020`.
    service: String,
    folder: String,
}

/// The program in HDFS, for one run.
#[derive(Debug)]
pub struct Stored {
    store: Store,
    /// Where the program is.
    folder: String,
    /// The run's file there.
    mark: String,
    /// The whole URL of the program.
    pub url: String,
    /// Time of its last change in milliseconds since 1970, by the NameNode's account.
    pub modified_ms: i64,
}

/// What another run has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its application.
    pub application: String,
    /// How long ago it was made.
    pub age: Duration,
}

impl Store {
    /// That of a user, in the HDFS that `conf` names; connects with the first call. Needs a runtime.
    pub fn of(conf: &Conf, user: &str) -> Result<Store, StoreError> {
        if conf.is_secure()? {
            return Err(StoreError::Secure);
        }
        let service = service(&conf.require(DEFAULT_FS)?)?;
        let homes = conf.get("dfs.user.home.dir.prefix")?;
        let folder = folder(homes.as_deref().unwrap_or("/user"), user);
        let client = ClientBuilder::new()
            .with_url(&service)
            .with_user(user)
            // No folder can be there: the client knows neither ${…} nor <final>, so it reads no file itself.
            .with_config_dir("/dev/null")
            .with_config(conf.values())
            .build();
        match client {
            Ok(client) => Ok(Store { client, service, folder }),
            Err(error) => {
                Err(StoreError::Refused { place: format!("{service}{folder}"), what: first_line(&error) })
            }
        }
    }

    /// Whether HDFS answers.
    pub async fn reach(&self) -> Result<(), StoreError> {
        self.within(FIRST_PATIENCE, self.client.get_file_info("/")).await.map(drop)
    }

    /// Puts the program there for a run, unless it is there; with so many copies as are good for so many nodes.
    pub async fn put(
        &self,
        artifact: &Artifact,
        run: ApplicationId,
        nodes: u32,
    ) -> Result<Stored, StagingError> {
        let folder = format!("{}/{}", self.folder, artifact.sha256);
        let path = format!("{folder}/{PROGRAM}");
        self.call(self.client.mkdirs(&folder, FOLDER_MODE, true)).await?;
        // Before anything is looked for, so that no other run takes it away.
        let mark = format!("{folder}/{run}");
        self.write(&mark, WriteOptions::default().permission(0o600).overwrite(true), None).await?;
        let mut stored = Stored {
            store: self.clone(),
            folder,
            mark,
            url: format!("{}{path}", self.service),
            modified_ms: 0,
        };
        match self.put_marked(artifact, &path, run, nodes).await {
            Ok(status) => {
                stored.modified_ms = i64::try_from(status.modification_time).unwrap_or(i64::MAX);
                Ok(stored)
            }
            Err(error) => {
                // What it says is of more use than whether this works.
                let _ = self.call(self.client.delete(&stored.mark, false)).await;
                Err(error)
            }
        }
    }

    async fn put_marked(
        &self,
        artifact: &Artifact,
        path: &str,
        run: ApplicationId,
        nodes: u32,
    ) -> Result<FileStatus, StagingError> {
        let is_whole = |status: &FileStatus| status.length as u64 == artifact.size;
        if let Some(status) = self.find(path).await?.filter(is_whole) {
            return Ok(status);
        }
        let new = format!("{path}.{run}");
        let options = WriteOptions::default().permission(FILE_MODE).overwrite(true);
        self.write(&new, options.replication(nodes.clamp(1, MOST_COPIES)), Some(artifact)).await?;
        // Whoever comes second has the same.
        if self.find(path).await?.filter(is_whole).is_none() {
            self.call(self.client.rename(&new, path, true)).await?;
        } else {
            self.call(self.client.delete(&new, false)).await?;
        }
        Ok(self.call(self.client.get_file_info(path)).await?)
    }

    /// Writes a file with the program's bytes, or with none.
    async fn write(
        &self,
        path: &str,
        options: WriteOptions,
        artifact: Option<&Artifact>,
    ) -> Result<(), StagingError> {
        let mut writer = self.call(self.client.create(path, options)).await?;
        if let Some(artifact) = artifact {
            let unreadable = |source| StagingError::Artifact { path: artifact.path.clone(), source };
            let mut from = (Arc::clone(&artifact.file), 0);
            while let Some((piece, rest)) = read_piece(from).await.map_err(unreadable)? {
                from = rest;
                self.call(writer.write_bytes(piece)).await?;
            }
        }
        Ok(self.call(writer.close()).await?)
    }

    async fn find(&self, path: &str) -> Result<Option<FileStatus>, StoreError> {
        let found = async {
            match self.client.get_file_info(path).await {
                Err(HdfsError::FileNotFound(_)) => Ok(None),
                answer => answer.map(Some),
            }
        };
        self.call(found).await
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T, HdfsError>>) -> Result<T, StoreError> {
        self.within(PATIENCE, call).await
    }

    async fn within<T>(
        &self,
        patience: Duration,
        call: impl Future<Output = Result<T, HdfsError>>,
    ) -> Result<T, StoreError> {
        let what = match tokio::time::timeout(patience, call).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => first_line(&error),
            Err(_) => format!("no answer in {} s", patience.as_secs()),
        };
        Err(StoreError::Refused { place: format!("{}{}", self.service, self.folder), what })
    }
}

impl Stored {
    /// Takes this run's mark away, and says which other runs have theirs there.
    pub async fn leave(&self) -> Result<Vec<Mark>, StoreError> {
        let Store { client, .. } = &self.store;
        self.store.call(client.delete(&self.mark, false)).await?;
        // It changed just now, so that this is the time by the same clock that the marks were made by.
        let now = self.store.call(client.get_file_info(&self.folder)).await?.modification_time;
        let files = self.store.call(client.list_status(&self.folder, false)).await?;
        let marks = files.iter().filter_map(|file| {
            let application = file.path.rsplit('/').next().filter(|name| name.starts_with(MARK))?.to_owned();
            Some(Mark { application, age: Duration::from_millis(now.saturating_sub(file.modification_time)) })
        });
        Ok(marks.collect())
    }

    /// Removes the program, and the folder of programs with it if that is empty then.
    pub async fn remove(&self) -> Result<(), StoreError> {
        let Store { client, folder, .. } = &self.store;
        self.store.call(client.delete(&self.folder, true)).await?;
        // It is refused as long as there are others.
        let _ = self.store.call(client.delete(folder, false)).await;
        Ok(())
    }
}

/// Scheme and authority of `fs.defaultFS`, if that is an HDFS: one NameNode, or the name of several.
fn service(default_fs: &str) -> Result<String, StoreError> {
    let refuse = || StoreError::NoHdfs { value: default_fs.to_owned() };
    let rest = default_fs.strip_prefix("hdfs://").ok_or_else(refuse)?;
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.is_empty() || authority.starts_with(':') || authority.contains(['@', '?', '#', ' ']) {
        return Err(refuse());
    }
    Ok(format!("hdfs://{authority}"))
}

/// The folder of a user's programs.
fn folder(homes: &str, user: &str) -> String {
    format!("{}/{user}/.warcdl", homes.trim_end_matches('/'))
}

/// Java says more than is of use.
fn first_line(error: &HdfsError) -> String {
    error.to_string().lines().next().unwrap_or_default().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(values: &[(&str, &str)]) -> Conf {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("core-site.xml"), "<configuration/>").unwrap();
        let mut conf = Conf::load_with(folder.path(), []).unwrap();
        values.iter().for_each(|(key, value)| conf.set(*key, *value));
        conf
    }

    #[test]
    fn the_default_file_system_must_be_one_hdfs() {
        for (value, expected) in [
            ("hdfs://nn:8020", "hdfs://nn:8020"),
            ("hdfs://nn:8020/", "hdfs://nn:8020"),
            ("hdfs://ns/some/where", "hdfs://ns"),
            ("hdfs://[::1]:9000/", "hdfs://[::1]:9000"),
        ] {
            assert_eq!(service(value).unwrap(), expected);
        }
        for value in ["file:///", "viewfs://all/", "hdfs:///", "hdfs://:8020", "hdfs://u@nn:1", "nn:8020", ""]
        {
            let error = service(value).unwrap_err().to_string();
            assert!(error.contains(&format!("{value:?}")) && error.contains("fs.defaultFS"), "{error}");
        }
    }

    #[test]
    fn programs_are_in_the_home_of_their_user() {
        assert_eq!(folder("/user", "u"), "/user/u/.warcdl");
        assert_eq!(folder("/homes/", "u"), "/homes/u/.warcdl");
    }

    #[tokio::test]
    async fn what_cannot_work_is_refused_with_its_cure() {
        let secure = conf(&[("hadoop.security.authentication", "kerberos"), ("fs.defaultFS", "hdfs://nn")]);
        let local = conf(&[]);
        for conf in [secure, local] {
            let error = Store::of(&conf, "u").unwrap_err().to_string();
            assert!(error.contains("yarn.staging = \"hdfs\""), "{error}");
            assert!(error.contains("set yarn.staging = \"http\""), "{error}");
        }
    }

    #[tokio::test]
    async fn a_name_node_that_is_not_there_is_told() {
        // Nobody listens there, and nobody else can.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = socket.local_addr().unwrap().port();
        let store = Store::of(
            &conf(&[
                ("nn.port", &port.to_string()),
                ("fs.defaultFS", "hdfs://127.0.0.1:${nn.port}"),
                ("dfs.client.failover.max.attempts", "${attempts}"),
                ("attempts", "0"),
            ]),
            "u",
        );
        let error = store.unwrap().reach().await.unwrap_err().to_string();
        // It would try for longer than it is waited for if it had not been told how often.
        assert!(!error.contains("no answer"), "{error}");
        assert!(error.contains(&format!("hdfs://127.0.0.1:{port}/user/u/.warcdl")), "{error}");
    }
}
