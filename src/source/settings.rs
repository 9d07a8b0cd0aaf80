//! The keys of `[source]`, `[source.s3]` and `[record]`; their defaults stand in the configuration file.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{CommonCrawlSettings, WarcType};

/// `[source]`: where the archives lie.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSettings {
    /// Files, folders, globs, `s3://bucket/prefix`, `https://` and `http://`; names that end with `.paths` or `.paths.gz` are lists.
    pub paths: Vec<String>,
    /// A list, here or with a server, gzipped or not: one of the above a line; empty for none.
    pub list: String,
    /// Indexes, here or with a server, gzipped or not: of archives that are named nowhere else, only the records in them are read.
    pub index: Vec<String>,
    /// Folder, `s3://bucket` or `https://host` in which archives lie that an index names without; empty for none.
    pub index_base: String,
    /// Endings of the names that are taken in folders, buckets and globs.
    pub suffixes: Vec<String>,
    /// Seconds without a byte after which a fetch is given up.
    pub retry_s: u64,
    /// Milliseconds without a byte after which a connection is given up.
    pub stall_ms: u64,
    /// Access to S3.
    pub s3: S3Settings,
    /// A crawl of Common Crawl.
    pub common_crawl: CommonCrawlSettings,
}

impl SourceSettings {
    /// How long servers are waited for.
    pub fn waits(&self) -> Waits {
        Waits { stall: Duration::from_millis(self.stall_ms), retry: Duration::from_secs(self.retry_s) }
    }
}

/// How long a server is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// Silence after which a connection is given up, and the object asked for from where it broke off.
    pub stall: Duration,
    /// Time without a byte after which a fetch is given up, however often it was begun again.
    pub retry: Duration,
}

/// `[source.s3]`: access to S3 or a server that speaks its protocol. Empty strings mean "not set".
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct S3Settings {
    /// `bucket` or `bucket/prefix`.
    pub buckets: Vec<String>,
    /// URL of the server, for MinIO, Ceph and the like.
    pub endpoint_url: String,
    /// Region.
    pub region: String,
    /// `https://endpoint/bucket/key` instead of `https://bucket.endpoint/key`.
    pub path_style: bool,
    /// Profile of `~/.aws`.
    pub profile: String,
    /// Key id; wins over the environment and the profile.
    pub access_key_id: String,
    /// The key's secret.
    pub secret_access_key: Secret,
    /// Token of a temporary key.
    pub session_token: Secret,
    /// Unsigned requests.
    pub anonymous: bool,
}

impl S3Settings {
    /// Whether keys stand in the configuration.
    pub fn has_keys(&self) -> bool {
        !self.access_key_id.is_empty()
    }

    /// The same without the keys.
    #[must_use]
    pub fn without_keys(&self) -> S3Settings {
        let (access_key_id, none) = (String::new(), Secret::default());
        S3Settings { access_key_id, secret_access_key: none.clone(), session_token: none, ..self.clone() }
    }
}

/// `[record]`: which records are taken.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RecordSettings {
    /// Types of records taken; at least one.
    pub types: Vec<RecordType>,
    /// Shortest HTTP body, in bytes as archived.
    pub min_body_bytes: u64,
    /// Longest HTTP body, in bytes as archived and as decoded.
    pub max_body_bytes: u64,
    /// HTTP statuses taken; empty takes all.
    pub http_status: Vec<u16>,
    /// MIME types taken; empty takes those of the kind.
    pub content_types: Vec<String>,
}

/// A type of records that hold what a run can look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordType {
    /// What a server answered, with its HTTP headers.
    Response,
    /// A file as it is.
    Resource,
    /// A capture in another format: the texts of WET files.
    Conversion,
}

impl RecordType {
    /// The type as it stands in archives.
    pub const fn warc_type(self) -> WarcType {
        match self {
            RecordType::Response => WarcType::Response,
            RecordType::Resource => WarcType::Resource,
            RecordType::Conversion => WarcType::Conversion,
        }
    }
}

/// A string that is never shown in logs.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
