//! S3 and servers that speak its protocol, by the SDK.

use std::sync::Arc;
use std::time::Duration;

use aws_config::environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider};
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::StalledStreamProtectionConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Credentials, ProvideCredentials, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use tokio::sync::OnceCell;

use super::answer::{Answer, unsatisfied_total};
use super::fetch::Got;
use super::remote::{Described, Pieces};
use super::trouble::{Kind, Trouble, retry_after, root_cause};
use super::{Access, Keys};
use crate::source::{S3Settings, Secret};

/// Where nothing says which.
const FALLBACK_REGION: &str = "us-east-1";

/// A client, which connects when it is first asked for something.
#[derive(Clone, Debug)]
pub(super) struct S3 {
    settings: S3Settings,
    stall: Duration,
    client: Arc<OnceCell<Client>>,
}

/// A page of a bucket's listing.
pub(super) struct Page {
    /// Key, size and entity tag of each object, in the order of the keys.
    pub(super) objects: Vec<(String, Described)>,
    /// Asks for the next page.
    pub(super) next: Option<String>,
}

impl S3 {
    /// `stall` is how long connecting, and an answer, may take.
    pub(super) fn new(settings: &S3Settings, stall: Duration) -> S3 {
        S3 { settings: settings.clone(), stall, client: Arc::default() }
    }

    /// See [`super::Store::access`].
    pub(super) async fn access(&self) -> Access {
        let mut settings = self.settings.clone();
        let generic = loader(&settings, self.stall, http()).load().await.endpoint_url().map(str::to_owned);
        if settings.endpoint_url.is_empty()
            && let Some(endpoint) = endpoint_of_environment().or(generic)
        {
            settings.endpoint_url = endpoint;
        }
        if let Some(region) = region(&settings).region().await {
            settings.region = region.to_string();
        }
        if settings.anonymous || settings.has_keys() {
            return Access { settings, keys: Keys::Configured };
        }
        let keys = match own_keys(&settings, http()).await.provide_credentials().await {
            Err(error) => Keys::None { why: root_cause(&error) },
            Ok(found) => {
                settings.access_key_id = found.access_key_id().to_owned();
                settings.secret_access_key = Secret(found.secret_access_key().to_owned());
                settings.session_token = Secret(found.session_token().unwrap_or_default().to_owned());
                settings.profile.clear();
                Keys::Found { temporary: found.session_token().is_some() || found.expiry().is_some() }
            }
        };
        Access { settings, keys }
    }

    async fn client(&self) -> &Client {
        self.client.get_or_init(|| connect(&self.settings, self.stall)).await
    }

    /// The server, for messages.
    pub(super) fn endpoint(&self) -> String {
        match self.settings.endpoint_url.as_str() {
            "" => endpoint_of_environment().unwrap_or_else(|| "AWS".to_owned()),
            url => url.to_owned(),
        }
    }

    /// A range of an object, if something lies in it.
    pub(super) async fn get(&self, bucket: &str, key: &str, range: &str, etag: &str) -> Result<Got, Trouble> {
        let mut request = self.client().await.get_object().bucket(bucket).key(key).range(range);
        if !etag.is_empty() {
            request = request.if_match(etag);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if status(&error) == Some(416) => {
                // Servers that do not say how long it is are believed.
                let told = header(&error, "content-range").and_then(unsatisfied_total);
                return match told {
                    Some(size) if range != format!("bytes={size}-") => Err(trouble(&error)),
                    _ => Ok(None),
                };
            }
            Err(error) => return Err(trouble(&error)),
        };
        let text = |value: Option<&str>| value.map(str::to_owned);
        let answer = Answer {
            content_range: text(response.content_range()),
            content_length: response.content_length().and_then(|length| u64::try_from(length).ok()),
            chunked: false,
            content_encoding: text(response.content_encoding()),
            content_type: text(response.content_type()),
            etag: text(response.e_tag()),
        };
        Ok(Some((answer, Pieces::S3(response.body))))
    }

    /// Size and entity tag of an object.
    pub(super) async fn describe(&self, bucket: &str, key: &str) -> Result<Described, Trouble> {
        let request = self.client().await.head_object().bucket(bucket).key(key);
        let response = request.send().await.map_err(|error| trouble(&error))?;
        Ok(described(response.content_length(), response.e_tag()))
    }

    /// A page of the objects whose keys begin with `prefix`; `next` is that of the page before.
    pub(super) async fn list(&self, bucket: &str, prefix: &str, next: Option<&str>) -> Result<Page, Trouble> {
        let request = self.client().await.list_objects_v2().bucket(bucket).prefix(prefix);
        let request = request.set_continuation_token(next.map(str::to_owned));
        let response = request.send().await.map_err(|error| trouble(&error))?;
        let objects = response
            .contents()
            .iter()
            .filter_map(|object| Some((object.key()?.to_owned(), described(object.size(), object.e_tag()))));
        let objects = objects.collect();
        let is_truncated = response.is_truncated() == Some(true);
        let before = next;
        let next = response.next_continuation_token().filter(|_| is_truncated);
        if is_truncated && (next.is_none() || next == before) {
            let reason =
                format!("the listing of {bucket} is cut off, and the server does not say how it goes on");
            return Err(Trouble::new(Kind::Final, reason, "list fewer objects, by a longer prefix"));
        }
        Ok(Page { objects, next: next.map(str::to_owned) })
    }
}

fn described(size: Option<i64>, etag: Option<&str>) -> Described {
    Described {
        size: size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
        etag: etag.unwrap_or_default().to_owned(),
    }
}

fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

fn header<'a, E>(error: &'a SdkError<E>, name: &str) -> Option<&'a str> {
    error.raw_response()?.headers().get(name)
}

/// What the server or the way to it refused.
fn trouble<E>(error: &SdkError<E>) -> Trouble
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let status = status(error);
    let mut reason = match (error.code(), status) {
        (Some(code), _) => code.to_owned(),
        (None, Some(status)) => format!("HTTP status {status}"),
        (None, None) => root_cause(error),
    };
    if let Some(region) = header(error, "x-amz-bucket-region") {
        reason += &format!(", the bucket is in {region}");
    }
    let (kind, cure) = match (error.code(), status) {
        // A connection that was idle for too long; S3 says so with status 400.
        (Some("RequestTimeout"), _) => (Kind::Busy, "the server was too slow to read the request"),
        (Some("NoSuchBucket"), _) => (Kind::Final, "no such bucket: see source.s3.buckets and source.paths"),
        (Some("NoSuchKey"), _) => (Kind::Final, "the object is gone: list the source again"),
        (Some("ExpiredToken" | "InvalidToken" | "TokenRefreshRequired"), _) => (
            Kind::Final,
            "get new temporary keys: see source.s3.session_token, or AWS_SESSION_TOKEN where that is not set",
        ),
        (Some("PermanentRedirect" | "AuthorizationHeaderMalformed"), _) | (_, Some(301)) => (
            Kind::Final,
            "set source.s3.region to the bucket's, and source.s3.endpoint_url, if it is set, to that region's",
        ),
        // What answers HEAD has no body to say more.
        (None, Some(400)) => (
            Kind::Final,
            "see whether source.s3.region is the bucket's, and source.s3.session_token, which may have expired",
        ),
        (_, Some(412)) => (Kind::Final, "the object has changed since it was listed: start the run again"),
        (_, Some(401 | 403)) => (
            Kind::Final,
            "access denied: check the keys in source.s3, or set source.s3.anonymous for a public bucket",
        ),
        (_, Some(404)) => (Kind::Final, "not found: see source.s3.endpoint_url and source.s3.buckets"),
        (_, Some(status @ (429 | 500..))) => (
            Kind::of_status(status),
            "the server is overloaded or out of order: see whether fewer readers help",
        ),
        (_, Some(status)) => (Kind::of_status(status), "the server refused the request"),
        // The answer broke off, or took too long.
        (_, None) if matches!(error, SdkError::ResponseError(_) | SdkError::TimeoutError(_)) => {
            return Trouble::broken(reason);
        }
        (_, None) => (Kind::Unreachable, "check source.s3.endpoint_url, the network and the credentials"),
    };
    Trouble { retry_after: retry_after(header(error, "retry-after")), ..Trouble::new(kind, reason, cure) }
}

fn http() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build_https()
}

fn loader(settings: &S3Settings, stall: Duration, http: SharedHttpClient) -> ConfigLoader {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        // Without one the SDK would look for it at the metadata service.
        .region(region(settings).or_else(FALLBACK_REGION))
        .timeout_config(TimeoutConfig::builder().connect_timeout(stall).read_timeout(stall).build())
        // Both are `Fetch`'s business: attempts of the SDK would multiply with ours, and stalls are resumed.
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if !settings.profile.is_empty() {
        loader = loader.profile_name(&settings.profile);
    }
    if !settings.endpoint_url.is_empty() {
        loader = loader.endpoint_url(&settings.endpoint_url);
    }
    loader
}

/// Where the configuration, the environment or the profile say so. The SDK's own chain ends at the metadata service of
/// Amazon's machines, whose silence elsewhere takes seconds and whose errors mislead.
fn region(settings: &S3Settings) -> RegionProviderChain {
    let mut profile = ProfileFileRegionProvider::builder();
    if !settings.profile.is_empty() {
        profile = profile.profile_name(&settings.profile);
    }
    let configured = Some(&settings.region).filter(|region| !region.is_empty());
    RegionProviderChain::first_try(configured.cloned().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(profile.build())
}

/// Where the environment says that S3 is.
fn endpoint_of_environment() -> Option<String> {
    ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].iter().find_map(|name| std::env::var(name).ok())
}

/// The keys that the environment or the profile hold. A profile that assumes a role asks for them in a region.
async fn own_keys(settings: &S3Settings, http: SharedHttpClient) -> CredentialsProviderChain {
    let region = region(settings).or_else(FALLBACK_REGION).region().await;
    let provider = ProviderConfig::default().with_http_client(http).with_region(region);
    let mut profile = ProfileFileCredentialsProvider::builder().configure(&provider);
    if !settings.profile.is_empty() {
        profile = profile.profile_name(&settings.profile);
    }
    CredentialsProviderChain::first_try("environment", EnvironmentVariableCredentialsProvider::new())
        .or_else("profile", profile.build())
}

async fn connect(settings: &S3Settings, stall: Duration) -> Client {
    let mut loader = loader(settings, stall, http());
    // Keys for a server of one's own are never found at Amazon's metadata service.
    let own_server = !settings.endpoint_url.is_empty() || endpoint_of_environment().is_some();
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
        loader = loader.credentials_provider(own_keys(settings, http()).await);
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
