//! An object that lies with a server.

use std::fmt;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::SourceError;
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
            Remote::Https { .. } => self.to_string(),
        }
    }

    /// What is told of trouble that no further attempt will help.
    pub(super) fn error(&self, Trouble { reason, cure, .. }: Trouble) -> SourceError {
        SourceError::Remote { place: self.place(), reason, cure }
    }
}

/// For messages and logs.
impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remote::S3 { bucket, key, .. } => write!(f, "s3://{bucket}/{key}"),
            Remote::Https { url, .. } => match user_info(url) {
                Some((scheme, rest)) => write!(f, "{scheme}…@{rest}"),
                None => f.write_str(url),
            },
        }
    }
}

/// What stands before and behind a user's name in an address, if there is one: a password may belong to it. An @ behind the
/// server's name is part of the path.
fn user_info(url: &str) -> Option<(&str, &str)> {
    let authority = url.find("://")? + "://".len();
    let end = url[authority..].find(['/', '?', '#']).map_or(url.len(), |length| authority + length);
    let at = authority + url[authority..end].rfind('@')?;
    Some((&url[..authority], &url[at + 1..]))
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Https, Remote};

    #[test]
    fn a_password_is_hidden_and_nothing_else() {
        for (url, told) in [
            ("http://h/a@b.warc.gz", "http://h/a@b.warc.gz"),
            ("https://h?a@b", "https://h?a@b"),
            ("http://user:password@h:1/a@b.warc.gz", "http://…@h:1/a@b.warc.gz"),
            ("https://user:p@ssword@h", "https://…@h"),
        ] {
            let remote = Remote::Https { https: Https::new(Duration::ZERO), url: url.to_owned() };
            assert_eq!((remote.to_string(), remote.place()), (told.to_owned(), told.to_owned()));
        }
    }
}
