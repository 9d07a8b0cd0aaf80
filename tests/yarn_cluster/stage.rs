//! What the faults of the suite share: a cluster, archives in S3, and what a local run makes of them.

use crate::archive::{crawl, page, response, write_gz};
use crate::cluster::{Cluster, NODES, Needs};
use crate::port::free_port;
use crate::process::Process;
use crate::results::Results;
use crate::s3_server::serve;
use crate::until::{PATIENCE, until};
use crate::way::Way;
use std::cell::{Cell, OnceCell};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Archives of the crawl, and the pages of each. On a narrow way one reader takes five minutes for them.
const ARCHIVES: usize = 24;
const PAGES: usize = 100;
/// Letters of each page that nothing can compress: a reader fetches 256 KiB at a time, of which an archive has several.
const BALLAST: usize = 16_000;
/// Pages that take more memory to read than 64 MB, and elements of each, almost as many as `text.max_elements` lets
/// through.
const HEAVY_PAGES: usize = 4;
const HEAVY_ELEMENTS: usize = 190_000;

/// Folders of the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crawl {
    /// Many pages.
    Many,
    /// A few that take much memory.
    Heavy,
}

impl Crawl {
    fn folder(self) -> &'static str {
        match self {
            Crawl::Many => "many",
            Crawl::Heavy => "heavy",
        }
    }
}

pub struct Stage {
    pub folder: PathBuf,
    pub cluster: Cluster,
    clusters: u32,
    needs: Needs,
    /// To the S3 server.
    pub s3: Way,
    /// Runs servers and ways.
    pub runtime: Runtime,
    /// The program without what debuggers need, which would take the nodes longer to fetch than to run.
    pub program: PathBuf,
    many: OnceCell<Results>,
    heavy: OnceCell<Results>,
    /// How often results of the cluster were compared with local ones.
    pub compared: Cell<u32>,
}

impl Stage {
    /// `program` runs on the cluster.
    pub fn new(folder: PathBuf, needs: Needs, program: &Path) -> Result<Stage, String> {
        let stripped = folder.join("warcdl-node");
        let mut strip = Command::new("strip");
        strip.args(["--strip-debug", "-o"]).arg(&stripped).arg(program);
        let status = strip.status().map_err(|error| format!("strip, of binutils: {error}"))?;
        if !status.success() {
            return Err(format!("strip: {status}"));
        }
        let bucket = folder.join("s3/bucket");
        make(&bucket);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let s3 = runtime.block_on(async {
            let endpoint = serve(&folder.join("s3"), Some("secret")).await;
            Way::to(endpoint.strip_prefix("http://").unwrap()).await
        });
        let cluster = Cluster::start(folder.join("cluster"), needs)?;
        Ok(Stage {
            folder,
            cluster,
            clusters: 1,
            needs,
            s3,
            runtime,
            program: stripped,
            many: OnceCell::new(),
            heavy: OnceCell::new(),
            compared: Cell::new(0),
        })
    }

    /// Another cluster in place of one to which a fault has done what it should not.
    pub fn renew(&mut self) -> Result<(), String> {
        let name = format!("cluster-{}", self.clusters);
        self.clusters += 1;
        self.cluster = Cluster::start(self.folder.join(name), self.needs)?;
        Ok(())
    }

    /// Waits until all nodes are active, for the next fault.
    pub fn is_whole(&self, limit: Duration) -> Result<(), String> {
        until("all nodes are active", limit, || {
            let metrics = self.cluster.rest("metrics");
            let active = metrics.and_then(|metrics| metrics["clusterMetrics"]["activeNodes"].as_u64());
            Ok((active == Some(NODES.into())).then_some(()))
        })
    }

    /// What a run with local readers makes of a crawl.
    pub fn local(&self, crawl: Crawl) -> Result<&Results, String> {
        let cell = match crawl {
            Crawl::Many => &self.many,
            Crawl::Heavy => &self.heavy,
        };
        if let Some(results) = cell.get() {
            return Ok(results);
        }
        let folder = self.folder.join(format!("local-{}", crawl.folder()));
        fs::create_dir(&folder).unwrap();
        let config = self.configure(&folder, crawl, free_port(), "launcher = \"local\"\nreaders = 2\n");
        let arguments = ["--role", "gpu", "--config", &config.display().to_string()].map(str::to_owned);
        self.s3.set_narrow(false);
        let mut gpu = Process::start(&arguments, &[], &folder.join("gpu.log"));
        match gpu.wait(PATIENCE) {
            Some(status) if status.success() => {}
            ended => return Err(format!("the local run: {ended:?}; see {}", folder.display())),
        }
        let results = Results::read(&folder.join("results"));
        // Doubled rows and unfinished files are wrong by themselves.
        let told = results.compare(&results).told;
        if !told.is_empty() {
            return Err(format!("the local run: {told:?}"));
        }
        Ok(cell.get_or_init(|| results))
    }

    /// Writes the configuration of a run in this folder: what all have in common, and what is `more`.
    pub fn configure(&self, folder: &Path, crawl: Crawl, metrics: u16, more: &str) -> PathBuf {
        let (place, endpoint) =
            (format!("s3://bucket/{}/", crawl.folder()), format!("http://{}", self.s3.address));
        let results = folder.join("results");
        // The tables of `more` come last.
        let text = format!(
            "{more}\n[source]\npaths = [{place:?}]\ns3 = {{ endpoint_url = {endpoint:?}, region = \"us-east-1\", \
             access_key_id = \"key\", secret_access_key = \"secret\" }}\n[model]\nkind = \"passthrough\"\n\
             [output]\npath = {results:?}\ncommit_ms = 200\n[telemetry]\nmetrics = \"127.0.0.1:{metrics}\"\n"
        );
        let path = folder.join("job.toml");
        fs::write(&path, text).unwrap();
        path
    }
}

fn make(bucket: &Path) {
    for crawl in [Crawl::Many, Crawl::Heavy] {
        fs::create_dir_all(bucket.join(crawl.folder())).unwrap();
    }
    let mut rng = fastrand::Rng::with_seed(1);
    for archive in 0..ARCHIVES {
        let records = (0..PAGES).map(|number| {
            let ballast: String = (0..BALLAST).map(|_| rng.alphanumeric()).collect();
            let html =
                page(&format!("crawl {archive}, {number}"), 3 + number % 7) + "<!--" + &ballast + "-->";
            let url = format!("http://many.example.org/{archive}/{number}");
            response(&url, "text/html; charset=utf-8", html.as_bytes())
        });
        write_gz(&bucket.join(format!("many/{archive:02}.warc.gz")), &records.collect::<Vec<_>>());
    }
    // With records that are left out.
    write_gz(&bucket.join("many/short.warc.gz"), &crawl("short", PAGES));
    let heavy = (0..HEAVY_PAGES).map(|page| {
        let mut html = String::from("<html><body><article>");
        for i in 0..HEAVY_ELEMENTS / 2 {
            write!(html, "<p>Number {i}, and <b>page {page}</b></p>").unwrap();
        }
        html += "</article></body></html>";
        response(&format!("http://heavy.example.org/{page}"), "text/html; charset=utf-8", html.as_bytes())
    });
    write_gz(&bucket.join("heavy/heavy.warc.gz"), &heavy.collect::<Vec<_>>());
}
