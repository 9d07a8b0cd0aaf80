//! Opens archives: files of this machine, and objects of S3.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use aws_config::environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider};
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::StalledStreamProtectionConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Credentials, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, mpsc};
use warcdl_actors::port::Pulse;

use super::S3Settings;
use super::listing::Archive;

/// Bytes handed over at a time.
const CHUNK: usize = 256 << 10;
/// Chunks fetched ahead of the reader.
const AHEAD: usize = 4;
/// Attempts without a byte of progress before an object is given up.
const ATTEMPTS: u32 = 5;
/// Silence after which a connection is given up and the object resumed.
const STALL: Duration = Duration::from_secs(10);
/// Bounds of the pause before an attempt, doubled with each; the pause itself is drawn from zero to the bound.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

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
    stall: Duration,
}

impl Store {
    /// Connects to nothing yet; S3 is fetched on `runtime`.
    pub fn new(settings: &S3Settings, runtime: Handle) -> Self {
        Store { settings: settings.clone(), runtime, client: Arc::default(), stall: STALL }
    }

    /// The same with another silence (10 s by default) after which an object is resumed.
    #[must_use]
    pub fn with_stall_timeout(mut self, stall: Duration) -> Self {
        self.stall = stall;
        self
    }

    /// Opens an archive at a byte offset. The result blocks: it is for worker threads outside the runtime. Each piece of an
    /// object that arrives beats the pulse, and each attempt to get one.
    pub fn open(
        &self,
        archive: &Archive,
        offset: u64,
        pulse: &Pulse,
    ) -> Result<Box<dyn Read + Send>, SourceError> {
        if let Some((bucket, key)) = archive.name.strip_prefix("s3://").and_then(|name| name.split_once('/'))
        {
            let (sender, chunks) = mpsc::channel(AHEAD);
            let fetch = Fetch {
                store: self.clone(),
                bucket: bucket.to_owned(),
                key: key.to_owned(),
                archive: archive.clone(),
                offset,
                pulse: pulse.clone(),
            };
            self.runtime.spawn(fetch.run(sender));
            return Ok(Box::new(Body {
                name: archive.name.clone(),
                chunks,
                chunk: Bytes::new(),
                offset,
                size: archive.size,
            }));
        }
        let failed = |source| SourceError::Path { path: archive.name.clone(), source };
        let mut file = File::open(&archive.name).map_err(failed)?;
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        Ok(Box::new(file))
    }

    pub(super) async fn client(&self) -> &Client {
        self.client.get_or_init(|| connect(&self.settings, self.stall)).await
    }

    /// What the server or the way to it refused, in one line with the cure; `name` is `bucket/key`.
    pub(super) fn s3_error<E>(&self, name: &str, error: &SdkError<E>) -> SourceError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let status = status(error);
        let reason = match (error.code(), status) {
            (Some(code), _) => code.to_owned(),
            (None, Some(status)) => format!("HTTP status {status}"),
            (None, None) => root_cause(error),
        };
        let cure = match (error.code(), status) {
            (Some("NoSuchBucket"), _) => "no such bucket: see source.s3.buckets and source.paths",
            (Some("NoSuchKey"), _) => "the object is gone: list the source again",
            (_, Some(412)) => "the object has changed since it was listed: start the run again",
            (_, Some(401 | 403)) => {
                "access denied: check the keys in source.s3, or set source.s3.anonymous for a public bucket"
            }
            (_, Some(404)) => "not found: see source.s3.endpoint_url and source.s3.buckets",
            (_, Some(_)) => "the server refused the request",
            (_, None) => "check source.s3.endpoint_url, the network and the credentials",
        };
        self.failed(name, reason, cure)
    }

    fn failed(&self, name: &str, reason: String, cure: &'static str) -> SourceError {
        let endpoint = match self.settings.endpoint_url.as_str() {
            "" => std::env::var("AWS_ENDPOINT_URL").unwrap_or_else(|_| "AWS".to_owned()),
            url => url.to_owned(),
        };
        SourceError::S3 { bucket: name.to_owned(), endpoint, reason, cure }
    }
}

fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// The innermost error: the SDK's own say little ("dispatch failure").
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string().replace('\n', " ")
}

async fn connect(settings: &S3Settings, stall: Duration) -> Client {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http.clone())
        .timeout_config(TimeoutConfig::builder().connect_timeout(stall).read_timeout(stall).build())
        // A body that stalls is resumed by `Fetch`.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if !settings.profile.is_empty() {
        loader = loader.profile_name(&settings.profile);
    }
    if !settings.endpoint_url.is_empty() {
        loader = loader.endpoint_url(&settings.endpoint_url);
    }
    // The SDK's own chains end at the metadata service of Amazon's machines, whose silence elsewhere takes seconds and
    // whose errors mislead; a region is always found here, and keys for a server of one's own are never found there.
    let profile = Some(&settings.profile).filter(|profile| !profile.is_empty());
    let mut profile_region = ProfileFileRegionProvider::builder();
    if let Some(profile) = profile {
        profile_region = profile_region.profile_name(profile);
    }
    let configured = Some(&settings.region).filter(|region| !region.is_empty());
    let region = RegionProviderChain::first_try(configured.cloned().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(profile_region.build())
        .or_else("us-east-1");
    loader = loader.region(region);
    let own_server = !settings.endpoint_url.is_empty() || std::env::var_os("AWS_ENDPOINT_URL").is_some();
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
    } else if own_server {
        let provider = ProviderConfig::default().with_http_client(http);
        let mut profile_keys = ProfileFileCredentialsProvider::builder().configure(&provider);
        if let Some(profile) = profile {
            profile_keys = profile_keys.profile_name(profile);
        }
        let chain =
            CredentialsProviderChain::first_try("environment", EnvironmentVariableCredentialsProvider::new())
                .or_else("profile", profile_keys.build());
        loader = loader.credentials_provider(chain);
    }
    let shared = loader.load().await;
    let mut config = aws_sdk_s3::config::Builder::from(&shared).force_path_style(settings.path_style);
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
    pulse: Pulse,
}

/// Why a GET ended before the object did.
enum Failure {
    /// Asking again would change nothing.
    Final(SourceError),
    Transient(SourceError),
}

impl Fetch {
    async fn run(mut self, sender: mpsc::Sender<io::Result<Bytes>>) {
        let mut attempt = 0;
        while self.offset < self.archive.size {
            let before = self.offset;
            self.pulse.beat();
            let result = self.range(&sender).await;
            if sender.is_closed() {
                return;
            }
            attempt = if self.offset > before { 0 } else { attempt + 1 };
            match result {
                Err(Failure::Final(error)) => {
                    let _ = sender.send(Err(io::Error::other(error))).await;
                    return;
                }
                Err(Failure::Transient(error)) if attempt >= ATTEMPTS => {
                    let _ = sender.send(Err(io::Error::other(error))).await;
                    return;
                }
                // The reader's check of the size tells of it.
                Ok(()) if attempt >= ATTEMPTS => return,
                Ok(()) | Err(Failure::Transient(_)) => {}
            }
            if self.offset < self.archive.size {
                let bound = (FIRST_PAUSE * (1 << attempt)).min(LONGEST_PAUSE);
                // Full jitter: readers that lost the same server do not come back together.
                tokio::time::sleep(bound.mul_f64(fastrand::f64())).await;
            }
        }
    }

    /// Sends what one GET yields; `offset` moves with every byte that is handed over.
    async fn range(&mut self, sender: &mpsc::Sender<io::Result<Bytes>>) -> Result<(), Failure> {
        let name = format!("{}/{}", self.bucket, self.key);
        let mut body = self.get(&name).await?;
        let mut chunk = BytesMut::with_capacity(CHUNK);
        loop {
            let piece = tokio::time::timeout(self.store.stall, body.next()).await;
            if let Ok(Some(Ok(piece))) = &piece {
                self.pulse.beat();
                chunk.extend_from_slice(piece);
            }
            if chunk.len() >= CHUNK || !matches!(piece, Ok(Some(Ok(_)))) && !chunk.is_empty() {
                let full = std::mem::replace(&mut chunk, BytesMut::with_capacity(CHUNK)).freeze();
                let length = full.len() as u64;
                if sender.send(Ok(full)).await.is_err() {
                    return Ok(());
                }
                self.offset += length;
            }
            let reason = match piece {
                Ok(None) => return Ok(()),
                Ok(Some(Ok(_))) => continue,
                Ok(Some(Err(error))) => root_cause(&error),
                Err(_) => format!("no byte for {:?}", self.store.stall),
            };
            let cure = "see whether the server and the network are up to the number of readers";
            return Err(Failure::Transient(self.store.failed(&name, reason, cure)));
        }
    }

    /// The body from `offset` on, of the very object that was listed.
    async fn get(&self, name: &str) -> Result<ByteStream, Failure> {
        let client = self.store.client().await;
        let mut request =
            client.get_object().bucket(&self.bucket).key(&self.key).range(format!("bytes={}-", self.offset));
        if !self.archive.etag.is_empty() {
            request = request.if_match(&self.archive.etag);
        }
        let response = request.send().await.map_err(|error| {
            let told = self.store.s3_error(name, &error);
            match status(&error) {
                Some(408 | 429) => Failure::Transient(told),
                Some(400..=499) => Failure::Final(told),
                _ => Failure::Transient(told),
            }
        })?;
        let start = response.content_range().and_then(|range| range.strip_prefix("bytes "));
        let start = start.and_then(|range| range.split('-').next()?.parse().ok()).unwrap_or(0);
        if start != self.offset {
            let reason = format!("asked for byte {} on, got byte {start} on", self.offset);
            let cure = "the server must support Range requests";
            return Err(Failure::Final(self.store.failed(name, reason, cure)));
        }
        Ok(response.body)
    }
}

/// The blocking end of a fetch.
struct Body {
    name: String,
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
                    let text = format!("{} ended at byte {} of {}", self.name, self.offset, self.size);
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
