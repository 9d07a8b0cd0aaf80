//! Opens archives: files of this machine, objects of S3, and what servers of HTTP have.

use std::io::Read;
use std::ops::Range;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use warcdl_actors::port::Pulse;

use self::answer::Asked;
use self::fetch::{Fetch, within};
use self::https::Https;
use self::remote::{Described, Remote};
use self::retry::{Next, Retry};
use self::s3::S3;
use self::trouble::{Kind, Trouble};
use super::error::SourceError;
use super::listing::Archive;
use super::{S3Settings, Waits};

mod answer;
pub(super) mod disk;
mod fetch;
mod https;
mod remote;
mod retry;
mod s3;
mod trouble;

/// Longest time without an answer while the source is listed: somebody sits and waits. And attempts to reach a server
/// whose address may be wrong.
const LISTING: Duration = Duration::from_secs(60);
const LISTING_CONNECTS: u32 = 3;

/// Knows how to reach archives, wherever they lie.
#[derive(Clone, Debug)]
pub struct Store {
    runtime: Handle,
    s3: S3,
    https: Https,
    waits: Waits,
}

/// How S3 is reached from a machine that has nothing of this one's environment and `~/.aws`.
#[derive(Clone, Debug)]
pub struct Access {
    /// The settings with what those add.
    pub settings: S3Settings,
    /// Where the keys in them are from.
    pub keys: Keys,
}

/// Keys for S3 that other machines get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Those of the configuration, if it has some.
    Configured,
    /// Of this machine's environment or `~/.aws`.
    Found {
        /// They end before long.
        temporary: bool,
    },
    /// There are none here: who works here has others, such as those of a machine's role.
    None {
        /// What was found instead.
        why: String,
    },
}

/// Whether a name is an address of the web.
pub(super) fn is_url(name: &str) -> bool {
    name.starts_with("https://") || name.starts_with("http://")
}

impl Store {
    /// Connects to nothing yet; what is not local is fetched on `runtime`.
    pub fn new(settings: &S3Settings, waits: Waits, runtime: Handle) -> Self {
        let (s3, https) = (S3::new(settings, waits.stall), Https::new(waits.stall));
        Store { s3, https, runtime, waits }
    }

    /// The settings of S3 for other machines: with the address, the region and the keys that this one's environment and
    /// `~/.aws` hold, as far as the configuration has none.
    pub async fn access(&self) -> Access {
        self.s3.access().await
    }

    /// Opens an archive at a byte offset. The result blocks: it is for worker threads outside the runtime. Each piece of an
    /// object that arrives beats the pulse, and so does waiting for a server.
    pub fn open(
        &self,
        archive: &Archive,
        offset: u64,
        pulse: &Pulse,
    ) -> Result<Box<dyn Read + Send>, SourceError> {
        self.open_range(archive, offset..u64::MAX, pulse)
    }

    /// The same, of a stretch of the archive; it may reach behind the end only if it reaches to `u64::MAX`.
    pub fn open_range(
        &self,
        archive: &Archive,
        range: Range<u64>,
        pulse: &Pulse,
    ) -> Result<Box<dyn Read + Send>, SourceError> {
        let Archive { size, etag, .. } = archive.clone();
        let asked = Asked { from: range.start, end: range.end, size, etag, is_list: false };
        self.fetch(&archive.name, asked, self.waits.retry, pulse)
    }

    /// Opens a list or an index, of which a server that makes it up as it is asked need not tell the size. Somebody waits for
    /// what it names, so a server that does not answer is given up as while the source is listed.
    pub(super) fn open_list(&self, list: &Archive) -> Result<Box<dyn Read + Send>, SourceError> {
        let Archive { size, etag, .. } = list.clone();
        let asked = Asked { from: 0, end: u64::MAX, size, etag, is_list: true };
        self.fetch(&list.name, asked, self.waits.retry.min(LISTING), &Pulse::default())
    }

    fn fetch(
        &self,
        name: &str,
        asked: Asked,
        retry: Duration,
        pulse: &Pulse,
    ) -> Result<Box<dyn Read + Send>, SourceError> {
        let Some(remote) = self.remote(name) else {
            return disk::open(name, asked.from..asked.end, pulse);
        };
        let (stall, retry, pulse) = (self.waits.stall, Retry::new(retry), pulse.clone());
        let fetch = Fetch { remote, asked, stall, retry, pulse };
        Ok(Box::new(fetch.start(&self.runtime)))
    }

    /// The object of this name; `None` for a file of this machine.
    fn remote(&self, name: &str) -> Option<Remote> {
        if is_url(name) {
            return Some(Remote::Https { https: self.https.clone(), url: name.to_owned() });
        }
        let (bucket, key) = name.strip_prefix("s3://")?.split_once('/')?;
        Some(Remote::S3 { s3: self.s3.clone(), bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// Every object of `bucket` whose key begins with `prefix`, in the order of the keys, until `take` says that it is
    /// enough.
    pub(super) async fn list_bucket(
        &self,
        bucket: &str,
        prefix: &str,
        mut take: impl FnMut(Archive) -> bool,
    ) -> Result<(), SourceError> {
        let mut next: Option<String> = None;
        loop {
            let page = self.ask(|| self.s3.list(bucket, prefix, next.as_deref())).await;
            let page = page.map_err(|Trouble { reason, cure, .. }| SourceError::Remote {
                place: format!("s3://{bucket}/{prefix} at {}", self.s3.endpoint()),
                reason,
                cure,
            })?;
            for (key, described) in page.objects {
                let name = format!("s3://{bucket}/{key}");
                if !take(Archive { name, size: described.size, etag: described.etag, named: None }) {
                    return Ok(());
                }
            }
            next = page.next;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    /// The archive of this name, an object of S3 or of a server of HTTP, as the server describes it.
    pub(super) async fn describe(&self, name: &str) -> Result<Archive, SourceError> {
        let Some(remote) = self.remote(name) else { return disk::describe(name) };
        let described = self.ask(|| remote.describe()).await;
        let Described { size, etag } = described.map_err(|trouble| remote.error(trouble))?;
        Ok(Archive { name: name.to_owned(), size, etag, named: None })
    }

    /// Asks until there is an answer, or nobody would wait longer for one.
    async fn ask<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let start = Instant::now();
        let mut retry = Retry::new(self.waits.retry.min(LISTING));
        let mut unreached = 0;
        loop {
            let trouble = match within(self.waits.stall, attempt()).await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            unreached += u32::from(trouble.kind == Kind::Unreachable);
            if trouble.kind == Kind::Final || unreached == LISTING_CONNECTS {
                return Err(trouble);
            }
            match retry.failed(start.elapsed(), trouble.retry_after, fastrand::f64()) {
                Next::GiveUp => return Err(trouble),
                Next::Again { pause, tell } => {
                    if tell {
                        tracing::warn!("the source is slow: {}; {}", trouble.reason, trouble.cure);
                    }
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}
