//! An object that lies with a server.

use std::fmt;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::fetch::Got;
use super::https::Https;
use super::s3::S3;
use super::trouble::{Trouble, root_cause};

/// An object of S3 or of a server of HTTP.
#[derive(Clone, Debug)]
pub(super) enum Remote {
    S3 { s3: S3, bucket: String, key: String },
    Https { https: Https, url: String },
}

/// What is known of an object without fetching it.
#[derive(Clone, Debug, Default)]
pub(super) struct Described {
    /// Bytes; 0 if the server does not tell.
    pub(super) size: u64,
    /// Empty if there is none.
    pub(super) etag: String,
}

/// The body of an answer as it arrives.
pub(super) enum Pieces {
    S3(ByteStream),
    Https(Incoming),
}

impl Remote {
    /// Asks for a range of the object with this entity tag, or any if it is empty.
    pub(super) async fn get(&self, range: &str, etag: &str) -> Result<Got, Trouble> {
        match self {
            Remote::S3 { s3, bucket, key } => s3.get(bucket, key, range, etag).await,
            Remote::Https { https, url } => https.get(url, range, etag).await,
        }
    }

    /// Asks for size and entity tag.
    pub(super) async fn describe(&self) -> Result<Described, Trouble> {
        match self {
            Remote::S3 { s3, bucket, key } => s3.describe(bucket, key).await,
            Remote::Https { https, url } => https.describe(url).await,
        }
    }

    /// Where it lies, for messages.
    pub(super) fn place(&self) -> String {
        match self {
            Remote::S3 { s3, .. } => format!("{self} at {}", s3.endpoint()),
            // What stands before an @ may be a password.
            Remote::Https { url, .. } => match url.split_once('@') {
                Some((_, rest)) => format!("https://…@{rest}"),
                None => url.clone(),
            },
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remote::S3 { bucket, key, .. } => write!(f, "s3://{bucket}/{key}"),
            Remote::Https { url, .. } => f.write_str(url),
        }
    }
}

impl Pieces {
    /// The next piece; `None` at the end. An error is told in one line.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, String>> {
        match self {
            Pieces::S3(body) => Some(body.next().await?.map_err(|error| root_cause(&error))),
            Pieces::Https(body) => loop {
                match body.frame().await? {
                    // Trailers are no part of the body.
                    Ok(frame) => match frame.into_data() {
                        Ok(data) => return Some(Ok(data)),
                        Err(_) => continue,
                    },
                    Err(error) => return Some(Err(root_cause(&error))),
                }
            },
        }
    }
}
