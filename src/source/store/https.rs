//! Servers of HTTP, such as those of Common Crawl.
//!
//! `hyper`, which the SDK of S3 speaks through too, and no more than it: redirects are not followed, as a portal would
//! send us anywhere, and nothing is decoded, as archives are wanted as they are stored. The certificates that are trusted are
//! the system's, so that a company's own work, and `SSL_CERT_FILE`; on a system that has none at all, as a bare Debian, those
//! that Mozilla trusts, which are compiled in.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::{Method, Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use super::answer::{Answer, unsatisfied_total};
use super::fetch::Got;
use super::remote::{Described, Pieces};
use super::trouble::{Kind, Trouble, retry_after, root_cause};

/// Who asks, so that those who run the servers can tell whom to ask back.
const USER_AGENT: &str = concat!("warcdl/", env!("CARGO_PKG_VERSION"));

type HyperClient = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// A client, made when it is first asked for something.
#[derive(Clone, Debug)]
pub(super) struct Https {
    stall: Duration,
    client: Arc<OnceLock<Result<HyperClient, String>>>,
}

impl Https {
    /// `stall` is how long connecting may take.
    pub(super) fn new(stall: Duration) -> Https {
        Https { stall, client: Arc::default() }
    }

    /// A range of an object, if something lies in it.
    pub(super) async fn get(&self, url: &str, range: &str, etag: &str) -> Result<Got, Trouble> {
        // A weak tag never matches; it is compared when the answer is there.
        let condition = Some(etag).filter(|etag| etag.starts_with('"'));
        let response = self.ask(Method::GET, url, Some(range), condition).await?;
        let headers = response.headers();
        match response.status().as_u16() {
            200 | 206 => Ok(Some((answer(headers), Pieces::Https(response.into_body())))),
            // Servers that do not say how long it is are believed.
            416 => match text(headers, header::CONTENT_RANGE).and_then(unsatisfied_total) {
                Some(size) if range != format!("bytes={size}-") => Err(refused(&response)),
                _ => Ok(None),
            },
            _ => Err(refused(&response)),
        }
    }

    /// Size and entity tag of an object. Servers that do not answer HEAD tell neither.
    pub(super) async fn describe(&self, url: &str) -> Result<Described, Trouble> {
        let response = self.ask(Method::HEAD, url, None, None).await?;
        let headers = response.headers();
        match response.status().as_u16() {
            200 if text(headers, header::CONTENT_TYPE)
                .is_some_and(|value| value.starts_with("text/html")) =>
            {
                let reason = "asked for an archive or a list, got a page of HTML";
                let cure = "see whether the address is right, and whether a proxy or a portal answers in the \
                            server's place";
                Err(Trouble::new(Kind::Final, reason, cure))
            }
            200 => Ok(Described {
                size: length(headers).unwrap_or(0),
                etag: text(headers, header::ETAG).unwrap_or_default().to_owned(),
            }),
            405 | 501 => Ok(Described::default()),
            _ => Err(refused(&response)),
        }
    }

    async fn ask(
        &self,
        method: Method,
        url: &str,
        range: Option<&str>,
        condition: Option<&str>,
    ) -> Result<Response<Incoming>, Trouble> {
        let invalid = |reason: String| Trouble::new(Kind::Final, reason, "see source.paths and source.list");
        let uri: Uri = url.parse().map_err(|error| invalid(format!("no valid URL: {error}")))?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(invalid("no user name or password may stand in an address".to_owned()));
        }
        let mut request = Request::builder().method(method).uri(uri);
        let identity = Some("identity");
        for (name, value) in [
            (header::USER_AGENT, Some(USER_AGENT)),
            (header::ACCEPT_ENCODING, identity),
            (header::RANGE, range),
            (header::IF_MATCH, condition),
        ] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let request = request.body(Empty::new()).map_err(|error| invalid(error.to_string()))?;
        let client = self.client.get_or_init(|| client(self.stall)).as_ref();
        let client = client.map_err(|reason| {
            Trouble::new(Kind::Final, reason.clone(), "see the certificates of the system, or SSL_CERT_FILE")
        })?;
        client.request(request).await.map_err(|error| {
            if error.is_connect() {
                let cure = "check the address, the network and the certificates of the system";
                Trouble::new(Kind::Unreachable, root_cause(&error), cure)
            } else {
                Trouble::broken(root_cause(&error))
            }
        })
    }
}

fn client(stall: Duration) -> Result<HyperClient, String> {
    let mut roots = RootCertStore::empty();
    // Those that cannot be parsed are left out, as everybody does.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(stall));
    connector.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

fn answer(headers: &HeaderMap) -> Answer {
    let owned = |name| text(headers, name).map(str::to_owned);
    Answer {
        content_range: owned(header::CONTENT_RANGE),
        content_length: length(headers),
        chunked: text(headers, header::TRANSFER_ENCODING).is_some_and(|coding| coding.ends_with("chunked")),
        content_encoding: owned(header::CONTENT_ENCODING),
        content_type: owned(header::CONTENT_TYPE),
        etag: owned(header::ETAG),
    }
}

fn refused(response: &Response<Incoming>) -> Trouble {
    let status = response.status().as_u16();
    let headers = response.headers();
    let (reason, cure) = match (status, text(headers, header::LOCATION)) {
        (300..=399, Some(location)) => (
            format!("HTTP status {status}, to {location}"),
            "redirects are not followed: name that address itself, if it is what you want",
        ),
        (401 | 403, _) => (format!("HTTP status {status}"), "access denied"),
        (404 | 410, _) => {
            (format!("HTTP status {status}"), "nothing lies there: see source.paths and source.list")
        }
        (412, _) => (
            format!("HTTP status {status}"),
            "the object has changed since it was listed: start the run again",
        ),
        (429 | 500.., _) => (
            format!("HTTP status {status}"),
            "the server is overloaded or out of order: see whether fewer readers help",
        ),
        _ => (format!("HTTP status {status}"), "the server refused the request"),
    };
    Trouble {
        retry_after: retry_after(text(headers, header::RETRY_AFTER)),
        ..Trouble::new(Kind::of_status(status), reason, cure)
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn length(headers: &HeaderMap) -> Option<u64> {
    text(headers, header::CONTENT_LENGTH)?.parse().ok()
}
