//! Opens archives: files of this machine, and objects of S3.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Credentials, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::error::DisplayErrorContext;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, mpsc};

use super::S3Settings;
use super::listing::Archive;

/// Bytes handed over at a time.
const CHUNK: usize = 256 << 10;
/// Chunks fetched ahead of the reader.
const AHEAD: usize = 4;
/// Attempts without a byte of progress before an object is given up.
const ATTEMPTS: u32 = 5;

/// Why a source cannot be listed or opened.
#[derive(Debug, Error)]
pub enum SourceError {
    /// A local path.
    #[error("cannot read {path}: {source}")]
    Path {
        /// The path.
        path: String,
        /// What the system reports.
        source: io::Error,
    },
    /// A broken glob.
    #[error("source.paths: {pattern} is no valid glob: {reason}")]
    Glob {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing was found.
    #[error(
        "no archives in {looked_at}: nothing there ends with {suffixes}; see source.paths and source.suffixes"
    )]
    Empty {
        /// The places.
        looked_at: String,
        /// The suffixes.
        suffixes: String,
    },
    /// S3 refused or did not answer.
    #[error("s3://{bucket} at {endpoint}: {reason}; {cure}")]
    S3 {
        /// Bucket, and prefix or key.
        bucket: String,
        /// The endpoint.
        endpoint: String,
        /// What the server or the connection reports.
        reason: String,
        /// What to do.
        cure: &'static str,
    },
}

/// Knows how to reach local files and S3.
#[derive(Clone, Debug)]
pub struct Store {
    settings: S3Settings,
    runtime: Handle,
    client: Arc<OnceCell<Client>>,
}

impl Store {
    /// Connects to nothing yet; S3 is fetched on `runtime`.
    pub fn new(settings: &S3Settings, runtime: Handle) -> Self {
        Store { settings: settings.clone(), runtime, client: Arc::default() }
    }

    /// Opens an archive at a byte offset. The result blocks: it is for worker threads outside the runtime.
    pub fn open(&self, archive: &Archive, offset: u64) -> Result<Box<dyn Read + Send>, SourceError> {
        if let Some((bucket, key)) = archive.name.strip_prefix("s3://").and_then(|name| name.split_once('/'))
        {
            let (sender, chunks) = mpsc::channel(AHEAD);
            let fetch = Fetch {
                store: self.clone(),
                bucket: bucket.to_owned(),
                key: key.to_owned(),
                archive: archive.clone(),
                offset,
            };
            self.runtime.spawn(fetch.run(sender));
            return Ok(Box::new(Body { chunks, chunk: Bytes::new(), offset, size: archive.size }));
        }
        let failed = |source| SourceError::Path { path: archive.name.clone(), source };
        let mut file = File::open(&archive.name).map_err(failed)?;
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        Ok(Box::new(file))
    }

    pub(super) async fn client(&self) -> &Client {
        self.client.get_or_init(|| connect(&self.settings)).await
    }

    /// One line that names the endpoint and the cure.
    pub(super) fn s3_error<E>(&self, bucket: &str, code: Option<&str>, error: E) -> SourceError
    where
        E: std::error::Error,
    {
        let cure = match code {
            Some("NoSuchBucket") => "no such bucket: see source.s3.buckets and source.paths",
            Some("NoSuchKey") => "the object is gone: list the source again",
            Some("AccessDenied" | "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "NotSignedUp") => {
                "access denied: check the keys in source.s3, or set source.s3.anonymous for a public bucket"
            }
            Some(_) => "the server refused the request",
            None => "check source.s3.endpoint_url, the network and the credentials",
        };
        let endpoint = match self.settings.endpoint_url.as_str() {
            "" => std::env::var("AWS_ENDPOINT_URL").unwrap_or_else(|_| "AWS".to_owned()),
            url => url.to_owned(),
        };
        let reason = match code {
            Some(code) => code.to_owned(),
            None => DisplayErrorContext(&error).to_string().replace('\n', " "),
        };
        SourceError::S3 { bucket: bucket.to_owned(), endpoint, reason, cure }
    }
}

async fn connect(settings: &S3Settings) -> Client {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    if !settings.profile.is_empty() {
        loader = loader.profile_name(&settings.profile);
    }
    if !settings.endpoint_url.is_empty() {
        loader = loader.endpoint_url(&settings.endpoint_url);
    }
    if !settings.region.is_empty() {
        loader = loader.region(Region::new(settings.region.clone()));
    }
    if settings.anonymous {
        loader = loader.no_credentials();
    } else if !settings.access_key_id.is_empty() {
        let token = Some(settings.session_token.0.clone()).filter(|token| !token.is_empty());
        let secret = settings.secret_access_key.0.clone();
        loader = loader.credentials_provider(Credentials::new(
            &settings.access_key_id,
            secret,
            token,
            None,
            "config",
        ));
    }
    let shared = loader.load().await;
    let mut config = aws_sdk_s3::config::Builder::from(&shared).force_path_style(settings.path_style);
    if shared.region().is_none() {
        config = config.region(Region::new("us-east-1"));
    }
    if shared.endpoint_url().is_some() {
        // MinIO and Ceph know no default checksums.
        config = config
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    }
    Client::from_conf(config.build())
}

struct Fetch {
    store: Store,
    bucket: String,
    key: String,
    archive: Archive,
    offset: u64,
}

impl Fetch {
    async fn run(mut self, sender: mpsc::Sender<io::Result<Bytes>>) {
        let mut attempt = 0;
        while self.offset < self.archive.size {
            let before = self.offset;
            let result = self.range(&sender).await;
            if sender.is_closed() {
                return;
            }
            attempt = if self.offset > before { 0 } else { attempt + 1 };
            if let Err(error) = result
                && attempt >= ATTEMPTS
            {
                let _ = sender.send(Err(io::Error::other(error))).await;
                return;
            }
            if attempt >= ATTEMPTS {
                // The reader's check of the size tells of it.
                return;
            }
            if self.offset < self.archive.size {
                // The clock is jitter enough to part many fetches.
                let jitter = u64::from(
                    std::time::UNIX_EPOCH.elapsed().map_or(0, |age| age.subsec_nanos()) / 1000 % 97,
                );
                tokio::time::sleep(Duration::from_millis((100 << attempt) + jitter)).await;
            }
        }
    }

    /// Sends what one GET yields; `offset` moves with every byte that is handed over.
    async fn range(&mut self, sender: &mpsc::Sender<io::Result<Bytes>>) -> Result<(), SourceError> {
        let client = self.store.client().await;
        let mut request =
            client.get_object().bucket(&self.bucket).key(&self.key).range(format!("bytes={}-", self.offset));
        if !self.archive.etag.is_empty() {
            request = request.if_match(&self.archive.etag);
        }
        let name = format!("{}/{}", self.bucket, self.key);
        let response = request.send().await.map_err(|error| {
            let code = error.as_service_error().and_then(|error| error.meta().code()).map(str::to_owned);
            self.store.s3_error(&name, code.as_deref(), error)
        })?;
        let mut body = response.body;
        let mut chunk = BytesMut::with_capacity(CHUNK);
        loop {
            let piece = body.next().await;
            if let Some(Ok(piece)) = &piece {
                chunk.extend_from_slice(piece);
            }
            if chunk.len() >= CHUNK || !matches!(piece, Some(Ok(_))) && !chunk.is_empty() {
                let full = std::mem::replace(&mut chunk, BytesMut::with_capacity(CHUNK)).freeze();
                let length = full.len() as u64;
                if sender.send(Ok(full)).await.is_err() {
                    return Ok(());
                }
                self.offset += length;
            }
            match piece {
                None => return Ok(()),
                Some(Err(error)) => return Err(self.store.s3_error(&name, None, error)),
                Some(Ok(_)) => {}
            }
        }
    }
}

/// The blocking end of a fetch.
struct Body {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    chunk: Bytes,
    offset: u64,
    size: u64,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.chunk = chunk?,
                None if self.offset == self.size => return Ok(0),
                None => {
                    let text = format!("got {} bytes of an object of {}", self.offset, self.size);
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
                }
            }
        }
        let count = buffer.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut buffer[..count]);
        self.offset += count as u64;
        Ok(count)
    }
}
