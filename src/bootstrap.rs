//! What processes on a cluster get from the GPU node: the secrets of their launch context, which YARN writes into a file
//! that only they can read. What is secret travels here and nowhere else: not in arguments, environments or logs.

use serde::{Deserialize, Serialize};
use warcdl_actors::wire::JobSecret;
use warcdl_yarn::{AM_RM_TOKEN, Credentials, CredentialsError};

use crate::source::{S3Settings, Secret};

/// Name of the job's secret among the credentials.
const SECRET: &str = "warcdl.secret";
/// Name of the S3 keys.
const S3: &str = "warcdl.s3";
/// Name of what only the application master needs.
const MASTER: &str = "warcdl.master";

/// Why a process on a cluster does not know what it is to do.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// There is no file, or it is none of Hadoop's.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The GPU node gave it something else.
    #[error("the credentials of this container have no {name:?}: it was not started by a GPU node of warcdl")]
    Missing {
        /// What is missing.
        name: &'static str,
    },
    /// The GPU node is of another build.
    #[error("{name:?} of the credentials cannot be understood, run the same build everywhere: {source}")]
    Json {
        /// What is malformed.
        name: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

/// The S3 keys of the configuration or, where it has none, of the GPU node's environment or `~/.aws`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Keys {
    access_key_id: String,
    secret_access_key: Secret,
    session_token: Secret,
}

impl S3Keys {
    /// Those that stand in these settings.
    pub fn of(settings: &S3Settings) -> Option<S3Keys> {
        settings.has_keys().then(|| S3Keys {
            access_key_id: settings.access_key_id.clone(),
            secret_access_key: settings.secret_access_key.clone(),
            session_token: settings.session_token.clone(),
        })
    }

    /// Has `settings` use these keys, unless it has some.
    pub fn complete(self, settings: &mut S3Settings) {
        if !settings.has_keys() {
            settings.access_key_id = self.access_key_id;
            settings.secret_access_key = self.secret_access_key;
            settings.session_token = self.session_token;
        }
    }
}

/// The program as YARN fetches it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// From where.
    pub url: String,
    /// Bytes.
    pub size: u64,
    /// Time of the last change in milliseconds since 1970, as YARN finds it there; 0 over HTTP.
    pub timestamp_ms: i64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// What the application master has to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MasterOrders {
    /// `HOST:PORT` of the GPU node's control port.
    pub control: String,
    /// `HOST:PORT` of its data port.
    pub connect: String,
    /// What is started in readers' containers.
    pub program: Program,
    /// Who the containers run as.
    pub user: String,
    /// Memory of a reader, in MB.
    pub reader_memory_mb: u64,
    /// Cores of a reader.
    pub reader_vcores: u32,
    /// Threads of a reader that prepare records.
    pub reader_threads: usize,
    /// Label of their nodes; empty for any.
    pub node_label: String,
    /// Seconds for which a GPU node that is gone is waited for.
    pub gpu_grace_s: u64,
    /// Seconds for which a ResourceManager that is gone is waited for.
    pub rm_patience_s: u64,
    /// The page that YARN's pages lead to; may be empty.
    pub tracking_url: String,
    /// `HOST:PORT` of the scheduler of each ResourceManager.
    pub schedulers: Vec<String>,
    /// How Hadoop RPC is protected, in the words of `hadoop.rpc.protection`.
    pub protection: Vec<String>,
    /// Nodes serve their pages by HTTPS.
    pub secure_pages: bool,
}

/// What a process on a cluster gets.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    /// The job's secret.
    pub secret: JobSecret,
    /// The S3 keys, if the GPU node has any for others.
    pub s3: Option<S3Keys>,
}

impl Bootstrap {
    /// As it travels to readers.
    pub fn credentials(&self) -> Credentials {
        let mut credentials = Credentials::default();
        credentials.secrets.insert(SECRET.to_owned(), self.secret.expose().to_vec());
        if let Some(keys) = &self.s3 {
            let keys = serde_json::to_vec(keys).expect("strings make good JSON");
            credentials.secrets.insert(S3.to_owned(), keys);
        }
        credentials
    }

    /// As it travels to the application master.
    pub fn with_orders(&self, orders: &MasterOrders) -> Credentials {
        let mut credentials = self.credentials();
        let orders = serde_json::to_vec(orders).expect("strings and numbers make good JSON");
        credentials.secrets.insert(MASTER.to_owned(), orders);
        credentials
    }

    /// As it arrived.
    pub fn read(credentials: &Credentials) -> Result<Bootstrap, BootstrapError> {
        let secret = credentials.secrets.get(SECRET).ok_or(BootstrapError::Missing { name: SECRET })?;
        let s3 = match credentials.secrets.get(S3) {
            None => None,
            Some(keys) => Some(
                serde_json::from_slice(keys).map_err(|source| BootstrapError::Json { name: S3, source })?,
            ),
        };
        Ok(Bootstrap { secret: JobSecret::new(secret), s3 })
    }
}

impl MasterOrders {
    /// As they arrived.
    pub fn read(credentials: &Credentials) -> Result<MasterOrders, BootstrapError> {
        let orders = credentials.secrets.get(MASTER).ok_or(BootstrapError::Missing { name: MASTER })?;
        serde_json::from_slice(orders).map_err(|source| BootstrapError::Json { name: MASTER, source })
    }
}

/// What of the master's credentials its readers get: neither its token nor its orders.
pub fn for_readers(credentials: Credentials) -> Credentials {
    let mut credentials = credentials.without(AM_RM_TOKEN);
    credentials.secrets.remove(MASTER);
    credentials
}

#[cfg(test)]
mod tests {
    use super::*;
    use warcdl_yarn::Token;

    fn orders() -> MasterOrders {
        MasterOrders {
            control: "gpu:1".into(),
            connect: "gpu:2".into(),
            program: Program { url: "http://gpu:3/p".into(), size: 4, timestamp_ms: 0, sha256: "ab".into() },
            user: "u".into(),
            reader_memory_mb: 64,
            reader_vcores: 1,
            reader_threads: 1,
            node_label: String::new(),
            gpu_grace_s: 5,
            rm_patience_s: 6,
            tracking_url: String::new(),
            schedulers: vec!["rm:8030".into()],
            protection: vec!["privacy".into()],
            secure_pages: true,
        }
    }

    #[test]
    fn what_is_sent_arrives_and_readers_get_nothing_of_the_masters() {
        let keys = S3Keys {
            access_key_id: "id".into(),
            secret_access_key: Secret("key".into()),
            session_token: Secret::default(),
        };
        let sent = Bootstrap { secret: JobSecret::new(b"0123456789abcdef"), s3: Some(keys.clone()) };
        let mut credentials = sent.with_orders(&orders());
        let token = Token { kind: AM_RM_TOKEN.into(), ..Token::default() };
        credentials.tokens.insert(String::new(), token);
        let credentials = Credentials::from_bytes(&credentials.to_bytes()).unwrap();
        let arrived = Bootstrap::read(&credentials).unwrap();
        assert_eq!((arrived.secret.expose(), &arrived.s3), (&b"0123456789abcdef"[..], &Some(keys)));
        assert_eq!(MasterOrders::read(&credentials).unwrap(), orders());

        let readers = for_readers(credentials);
        assert!(readers.tokens.is_empty());
        assert_eq!(readers.secrets.keys().collect::<Vec<_>>(), [S3, SECRET]);
        assert!(matches!(MasterOrders::read(&readers), Err(BootstrapError::Missing { name: MASTER })));
        assert!(matches!(Bootstrap::read(&Credentials::default()), Err(BootstrapError::Missing { .. })));
    }

    #[test]
    fn keys_are_not_shown() {
        let keys = S3Keys {
            access_key_id: "id".into(),
            secret_access_key: Secret("hidden".into()),
            session_token: Secret("hidden".into()),
        };
        let bootstrap = Bootstrap { secret: JobSecret::new(b"hidden hidden hidden"), s3: Some(keys) };
        assert!(!format!("{bootstrap:?} {:?}", bootstrap.credentials()).contains("hidden"));
    }
}
