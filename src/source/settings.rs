//! The `[source]` and `[record]` sections of the configuration.

use serde::{Deserialize, Serialize};

/// `[source]`: where the archives are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSettings {
    /// Files, folders, globs and `s3://` prefixes.
    pub paths: Vec<String>,
    /// A file that names one of them a line; empty for none.
    pub list: String,
    /// Name endings that are taken in folders and buckets.
    pub suffixes: Vec<String>,
    /// Access to buckets.
    pub s3: S3Settings,
}

/// `[source.s3]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Settings {
    /// `bucket` or `bucket/prefix`.
    pub buckets: Vec<String>,
    /// Endpoint; empty for the environment's.
    pub endpoint_url: String,
    /// Region; empty for the environment's.
    pub region: String,
    /// Whether the bucket is part of the path.
    pub path_style: bool,
    /// Profile of `~/.aws`.
    pub profile: String,
    /// Access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// Session token.
    pub session_token: String,
    /// Unsigned requests.
    pub anonymous: bool,
}

/// `[record]`: which records are taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordSettings {
    /// Bytes.
    pub min_body_bytes: u64,
    /// Bytes.
    pub max_body_bytes: u64,
    /// Status codes taken; empty for all.
    pub http_status: Vec<u16>,
    /// Content types taken; empty for the kind's.
    pub content_types: Vec<String>,
}
