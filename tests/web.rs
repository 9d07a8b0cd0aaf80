//! Archives and lists on servers of HTTP, against one in this process.

use std::convert::Infallible;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::archive::{crawl, record, response, write_gz};
use crate::fault_proxy::{Fault, Proxy, storm};
use crate::node::Folder;
use crate::s3::{read, settings, store};
use warcdl::source::{Archive, SourceSettings, list};

/// A server over a folder, with ranges and entity tags (the file's length); gives its address.
pub async fn serve(folder: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let folder: Arc<PathBuf> = Arc::new(folder.to_owned());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let folder = folder.clone();
            let service = service_fn(move |request| {
                let answer = answer(&folder, &request);
                async move { Ok::<_, Infallible>(answer) }
            });
            tokio::spawn(async move {
                let http = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = http.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    address
}

/// The same by TLS, with the certificate of `tests/tls`, which is for `localhost`, good until 2126, and nobody's.
async fn serve_tls(folder: &Path) -> String {
    let pem = |name: &str| format!("{}/tests/tls/{name}.pem", env!("CARGO_MANIFEST_DIR"));
    let certificate = CertificateDer::from_pem_file(pem("certificate")).unwrap();
    let key = PrivateKeyDer::from_pem_file(pem("key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let (acceptor, plain) = (TlsAcceptor::from(Arc::new(config)), serve(folder).await);
    let plain = plain.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, plain) = (acceptor.clone(), plain.clone());
            tokio::spawn(async move {
                // An error is a client that does not trust us.
                let Ok(mut client) = acceptor.accept(socket).await else { return };
                let mut server = TcpStream::connect(plain).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}

fn answer(folder: &Path, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let status = |status: StatusCode| Response::builder().status(status);
    let path = request.uri().path();
    if path == "/moved.warc.gz" {
        return status(StatusCode::FOUND)
            .header("location", "http://elsewhere/")
            .body(Full::default())
            .unwrap();
    }
    let Ok(file) = std::fs::read(folder.join(path.trim_start_matches('/'))) else {
        return status(StatusCode::NOT_FOUND).body(Full::default()).unwrap();
    };
    let text =
        |headers: &HeaderMap, name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let headers = request.headers();
    assert_eq!(text(headers, "user-agent").unwrap(), concat!("warcdl/", env!("CARGO_PKG_VERSION")));
    let etag = format!("\"{}\"", file.len());
    if text(headers, "if-match").is_some_and(|wanted| wanted != etag) {
        return status(StatusCode::PRECONDITION_FAILED).body(Full::default()).unwrap();
    }
    let content_type = if path.ends_with(".html") { "text/html" } else { "application/octet-stream" };
    let with = |builder: hyper::http::response::Builder| {
        builder.header("etag", etag.as_str()).header("content-type", content_type)
    };
    if request.method() == Method::HEAD {
        let head = with(status(StatusCode::OK)).header("content-length", file.len());
        return head.body(Full::default()).unwrap();
    }
    let Some(range) = text(headers, "range") else {
        return with(status(StatusCode::OK)).body(Full::from(file)).unwrap();
    };
    let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let first: usize = first.parse().unwrap();
    let last = last.parse().map_or(file.len(), |last: usize| last + 1).min(file.len());
    if first >= last {
        let total = format!("bytes */{}", file.len());
        let refused = status(StatusCode::RANGE_NOT_SATISFIABLE).header("content-range", total);
        return refused.body(Full::default()).unwrap();
    }
    let total = format!("bytes {first}-{}/{}", last - 1, file.len());
    let piece = Bytes::copy_from_slice(&file[first..last]);
    with(status(StatusCode::PARTIAL_CONTENT)).header("content-range", total).body(Full::from(piece)).unwrap()
}

pub fn gzip(text: &str) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(text.as_bytes()).unwrap();
    out.finish().unwrap()
}

fn given(paths: &[String]) -> SourceSettings {
    let mut given = settings("http://127.0.0.1:1", "", "");
    given.s3.buckets.clear();
    given.paths = paths.to_vec();
    given
}

fn names(archives: &[Archive]) -> Vec<&str> {
    archives.iter().map(|archive| archive.name.rsplit('/').next().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_of_the_web_are_listed_and_read_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let data: Vec<u8> = (0..200_000u32).map(|number| (number % 251) as u8).collect();
    std::fs::write(folder.path().join("a.warc.gz"), &data).unwrap();
    std::fs::write(folder.path().join("empty.warc.gz"), "").unwrap();
    let server = serve(folder.path()).await;
    let proxy = Proxy::start(&server, |question| match (question.method.as_str(), question.nth) {
        ("GET", 1) => Some(Fault::Truncate(0.3)),
        ("GET", 2) => Some(Fault::Stall(0.5)),
        ("GET", 3) => Some(Fault::SlowDown(Some(0))),
        ("GET", 4) => Some(Fault::Edit(|answer| answer.status = "429 Too Many Requests".to_owned())),
        ("GET", 5) => Some(Fault::Reset(0.0)),
        _ => None,
    })
    .await;
    let url = format!("{}/a.warc.gz", proxy.endpoint);
    let mut given = given(std::slice::from_ref(&url));
    given.stall_ms = 500;
    let store = store(&given);
    let archives = list(&given, &store).await.unwrap();
    let expected = Archive { name: url.clone(), size: 200_000, etag: "\"200000\"".to_owned(), named: None };
    assert_eq!(archives, [expected]);
    assert!(read(&store, &archives[0], 1000).await.unwrap() == data[1000..]);
    // A description and six pieces; more, where this machine stalled too.
    assert!(proxy.count("a.warc.gz") >= 7);
    // Size and tag are learned when it is opened.
    let unknown = Archive { size: 0, etag: String::new(), ..archives[0].clone() };
    assert!(read(&store, &unknown, 0).await.unwrap() == data);
    let empty = Archive { name: format!("{server}/empty.warc.gz"), ..unknown };
    assert_eq!(read(&store, &empty, 0).await.unwrap(), b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_archive_is_told_with_the_address_and_a_cure() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("login.html"), "<html>Log in</html>").unwrap();
    std::fs::write(folder.path().join("long.paths"), "x".repeat(100_000)).unwrap();
    std::fs::write(folder.path().join("odd.paths"), "a.warc.gz\nfile:///etc/passwd\n").unwrap();
    let server = serve(folder.path()).await;
    for (name, part) in [
        ("gone.warc.gz", "nothing lies there"),
        ("moved.warc.gz", "redirects are not followed"),
        ("login.html", "portal"),
        ("gone.paths.gz", "nothing lies there"),
        ("long.paths", ":1: longer than"),
        ("odd.paths", ":2: file://"),
    ] {
        let url = format!("{server}/{name}");
        let given = given(std::slice::from_ref(&url));
        let error = list(&given, &store(&given)).await.unwrap_err().to_string();
        assert!(error.contains(part) && error.contains(&url), "{error}");
    }
    let with_password = given(&["http://user:password@h/a.warc.gz".to_owned()]);
    let error = list(&with_password, &store(&with_password)).await.unwrap_err().to_string();
    assert!(error.contains("no user name or password") && !error.contains("user:"), "{error}");
    // Nothing vouches for the size of an archive that was not described: then its first bytes do.
    let page = Archive { name: format!("{server}/login.html"), size: 0, etag: String::new(), named: None };
    let mut given = given(&[]);
    given.retry_s = 0;
    let error = read(&store(&given), &page, 0).await.unwrap_err();
    assert!(error.contains("begins as XML or HTML does"), "{error}");
    let nobody = Archive { name: "http://127.0.0.1:1/a.warc.gz".to_owned(), ..page };
    let error = read(&store(&given), &nobody, 0).await.unwrap_err();
    assert!(error.contains("127.0.0.1:1") && error.contains("network"), "{error}");
}

/// A server that knows neither HEAD nor ranges, as those that make up an index when they are asked: it answers every GET with
/// the same. Gives its address, and how often it was asked.
async fn serve_made_up(headers: &'static str, body: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut question = Vec::new();
            while !question.ends_with(b"\r\n\r\n") && socket.read_buf(&mut question).await.unwrap() > 0 {}
            let answer = match question.starts_with(b"HEAD") {
                true => "HTTP/1.1 405 Method Not Allowed\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
                    .to_owned(),
                false => {
                    count.fetch_add(1, Ordering::Relaxed);
                    format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{headers}\r\n\r\n{body}")
                }
            };
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    (address, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_a_server_makes_up_is_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.warc.gz"), "x").unwrap();
    let lines = format!("{}/a.warc.gz\n", serve(folder.path()).await);
    let chunk = format!("{:x}\r\n{lines}\r\n", lines.len());
    let counted = format!("content-length: {}", lines.len());
    let cure = Err("the server must support Range requests");
    for (headers, body, asked_for, expected) in [
        ("transfer-encoding: chunked", format!("{chunk}0\r\n\r\n"), 1, Ok(1)),
        (counted.leak(), lines.clone(), 1, Ok(1)),
        // Whether it was cut off nobody can tell.
        ("x-end: none", lines, 1, cure),
        // It was: the rest is asked for in vain.
        ("transfer-encoding: chunked", chunk, 2, cure),
    ] {
        let (server, asked) = serve_made_up(headers, body).await;
        let mut given = given(&[]);
        given.list = format!("{server}/any?output=text");
        let found = list(&given, &store(&given)).await.map(|found| found.len());
        match (found, expected) {
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{headers}: {error}"),
            (found, expected) => assert_eq!(found.ok(), expected.ok(), "{headers}"),
        }
        assert_eq!(asked.load(Ordering::Relaxed), asked_for, "{headers}");
    }
}

/// A crawl as Common Crawl publishes it, with `count` archives of one byte.
fn published(folder: &Path, crawl: &str, count: usize) {
    let segment = format!("crawl-data/{crawl}/segments/1");
    std::fs::create_dir_all(folder.join(&segment)).unwrap();
    let mut lines = String::new();
    for archive in 0..count {
        let path = format!("{segment}/{archive:04}.warc.gz");
        std::fs::write(folder.join(&path), "x").unwrap();
        lines += &format!("{path}\n");
    }
    std::fs::write(folder.join(format!("crawl-data/{crawl}/warc.paths.gz")), gzip(&lines)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crawl_is_read_by_its_name_whole_or_a_sample() {
    let folder = tempfile::tempdir().unwrap();
    published(folder.path(), "CC-MAIN-2024-33", 40);
    let server = serve(folder.path()).await;
    for (sample, expected) in [
        ("", (0..40).collect::<Vec<_>>()),
        ("3", vec![0, 1, 2]),
        ("10%", vec![0, 10, 20, 30]),
        ("0.1%", vec![0]),
    ] {
        let mut given = given(&[]);
        given.common_crawl.crawl = "CC-MAIN-2024-33".to_owned();
        given.common_crawl.base_url = format!("{server}/");
        given.common_crawl.sample = sample.to_owned();
        let archives = list(&given, &store(&given)).await.unwrap();
        let expected: Vec<String> = expected.iter().map(|number| format!("{number:04}.warc.gz")).collect();
        assert_eq!(names(&archives), expected, "{sample:?}");
        assert!(archives.iter().all(|archive| archive.size == 1));
    }
    // The list itself, as a list and as a place; more archives than are asked about one by one.
    published(folder.path(), "CC-MAIN-2024-38", 1001);
    let lists = "crawl-data/CC-MAIN-2024-38/warc.paths.gz";
    let proxy = Proxy::start(&server, |_| None).await;
    let mut by_list = given(&[]);
    by_list.list = format!("{}/{lists}", proxy.endpoint);
    for given in [by_list, given(&[format!("{}/{lists}", proxy.endpoint)])] {
        let archives = list(&given, &store(&given)).await.unwrap();
        assert_eq!((archives.len(), archives[1000].size), (1001, 0));
    }
    assert_eq!(proxy.count("/segments/"), 0, "asked about one by one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_over_the_web_in_a_storm_gives_what_the_files_give() {
    const SEED: u64 = 11;
    let web = Folder::new();
    let segment = web.path("crawl-data/CC-MAIN-2024-33/segments/1");
    std::fs::create_dir_all(&segment).unwrap();
    let mut lines = String::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        write_gz(&segment.join(format!("{name}.warc.gz")), &crawl(name, 20));
        lines += &format!("crawl-data/CC-MAIN-2024-33/segments/1/{name}.warc.gz\n");
    }
    std::fs::write(web.path("crawl-data/CC-MAIN-2024-33/warc.paths.gz"), gzip(&lines)).unwrap();
    let proxy = Proxy::start(&serve(&web.path("")).await, |question| storm(SEED, question)).await;
    let mut runs = Vec::new();
    for source in [
        format!("source.paths = [{:?}]", segment),
        format!(
            "source.common_crawl = {{ crawl = \"CC-MAIN-2024-33\", base_url = {:?} }}\nsource.stall_ms = 250",
            proxy.endpoint
        ),
    ] {
        let job = Folder::new();
        let lines = format!(
            "{source}\nreaders = 2\nmodel.kind = \"passthrough\"\noutput.path = {:?}\n",
            job.path("results")
        );
        std::fs::write(job.path("job.toml"), lines).unwrap();
        let mut node = tokio::process::Command::new(env!("CARGO_BIN_EXE_warcdl-node"));
        node.args(["--role", "gpu", "--config"]).arg(job.path("job.toml")).kill_on_drop(true);
        let output = node.output().await.unwrap();
        assert_eq!(output.status.code(), Some(0), "seed {SEED}: {}", String::from_utf8_lossy(&output.stderr));
        let mut rows = job.rows();
        for row in &mut rows {
            // Where it lies is another thing.
            let name = row["warc_filename"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            row["warc_filename"] = name.into();
        }
        let mut rows: Vec<String> = rows.iter().map(ToString::to_string).collect();
        rows.sort_unstable();
        runs.push(rows);
    }
    println!("seed {SEED}: {} requests", proxy.count(""));
    assert_eq!(runs[0].len(), 120);
    assert!(runs[0] == runs[1], "seed {SEED}");
}

/// Each record in an archive of one gzip member a record: its offset, its length, and the record.
fn members(path: &Path, records: &[Vec<u8>]) -> Vec<(u64, u64)> {
    let one = Folder::new();
    let mut offset = 0;
    let lengths = records.iter().map(|record| {
        write_gz(&one.path("one.gz"), std::slice::from_ref(record));
        let length = std::fs::metadata(one.path("one.gz")).unwrap().len();
        offset += length;
        (offset - length, length)
    });
    let members = lengths.collect();
    write_gz(path, records);
    assert_eq!(std::fs::metadata(path).unwrap().len(), offset);
    members
}

/// What is stored in an archive is told by its head, which is fetched once, and its records by another request.
#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_an_indexed_archive_is_fetched_once() {
    let (web, job) = (Folder::new(), Folder::new());
    let records = crawl("a", 12);
    std::fs::write(web.path("a.warc"), records.concat()).unwrap();
    let (mut lines, mut offset) = (String::new(), 0);
    for record in &records {
        if offset > 0 && String::from_utf8_lossy(record).contains("WARC-Type: response") {
            lines += &format!(
                "k 2024 {{\"filename\": \"a.warc\", \"offset\": \"{offset}\", \"length\": \"{}\"}}\n",
                record.len()
            );
        }
        offset += record.len();
    }
    std::fs::write(job.path("index.cdxj"), lines).unwrap();
    let proxy = Proxy::start(&serve(&web.path("")).await, |_| None).await;
    let config = job.path("job.toml");
    let text = format!(
        "source.index = [{:?}]\nsource.index_base = {:?}\nmodel.kind = \"passthrough\"\noutput.path = {:?}\n",
        job.path("index.cdxj"),
        proxy.endpoint,
        job.path("results")
    );
    std::fs::write(&config, text).unwrap();
    let mut node = tokio::process::Command::new(env!("CARGO_BIN_EXE_warcdl-node"));
    node.args(["--role", "gpu", "--config"]).arg(&config).kill_on_drop(true);
    let output = node.output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(job.rows().len(), 12);
    let asked = proxy.asked.lock().unwrap();
    let gets = asked.iter().filter(|question| question.method == "GET").count();
    assert_eq!(gets, 2, "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_the_web_is_followed_by_merged_ranges() {
    let web = Folder::new();
    let (mut lines, mut expected) = (Vec::new(), Vec::new());
    for name in ["a", "b", "c"] {
        let mut records = crawl(name, 12);
        if name == "b" {
            // Too far apart to be fetched at once.
            let mut random = fastrand::Rng::with_seed(1);
            let noise: Vec<u8> = (0..1_500_000).map(|_| random.u8(..)).collect();
            records.insert(13, record("metadata", "http://b/noise", &noise));
        }
        records.push(response("http://late/", "text/html", crate::archive::page("late", 9).as_bytes()));
        let places = members(&web.path(&format!("{name}.warc.gz")), &records);
        for (index, (offset, length)) in places.into_iter().enumerate() {
            let text = String::from_utf8_lossy(&records[index]);
            if name == "c"
                || !text.contains("WARC-Type: response")
                || index % 3 != 0 && !text.contains("http://late/")
            {
                continue;
            }
            let url = text.lines().find_map(|line| line.strip_prefix("WARC-Target-URI: ")).unwrap();
            lines.push(format!(
                "k 2024 {{\"url\": {url:?}, \"filename\": \"{name}.warc.gz\", \"offset\": \"{offset}\", \"length\": \"{length}\"}}"
            ));
            expected.push(format!("{name}.warc.gz {offset} {url}"));
        }
    }
    // An index is in the order of its keys, not of the archives, and may name a record twice.
    fastrand::Rng::with_seed(3).shuffle(&mut lines);
    lines.push(lines[0].clone());
    std::fs::write(web.path("index.cdxj.gz"), gzip(&(lines.join("\n") + "\n"))).unwrap();
    let proxy = Proxy::start(&serve(&web.path("")).await, |_| None).await;

    let job = Folder::new();
    let text = format!(
        "source.index = [\"{0}/index.cdxj.gz\"]\nsource.index_base = {0:?}\nmodel.kind = \"passthrough\"\noutput.path = {1:?}\n",
        proxy.endpoint,
        job.path("results")
    );
    std::fs::write(job.path("job.toml"), text).unwrap();
    let mut node = tokio::process::Command::new(env!("CARGO_BIN_EXE_warcdl-node"));
    node.args(["--role", "gpu", "--config"]).arg(job.path("job.toml")).kill_on_drop(true);
    let output = node.output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let mut rows: Vec<String> = job
        .rows()
        .iter()
        .map(|row| {
            let name = row["warc_filename"].as_str().unwrap().rsplit('/').next().unwrap();
            format!("{name} {} {}", row["warc_record_offset"], row["url"].as_str().unwrap())
        })
        .collect();
    // In the order of each archive; the two alternate.
    rows.sort_by_key(|row| row.split(' ').next().map(str::to_owned));
    assert_eq!(rows, expected);
    let seen = &job.summary()["records"]["seen"];
    assert_eq!(seen.as_u64().unwrap(), expected.len() as u64, "only what is named is read");
    let gets = |name: &str| {
        let asked = proxy.asked.lock().unwrap();
        asked.iter().filter(|question| question.method == "GET" && question.path.contains(name)).count()
    };
    assert_eq!((gets("a.warc.gz"), gets("b.warc.gz"), gets("c.warc.gz")), (1, 2, 0), "requests");
}

/// The system's certificates are trusted, and what `SSL_CERT_FILE` names; where there are none, those that are built in.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_certificate_of_ones_own_is_trusted_if_the_system_trusts_it() {
    let web = Folder::new();
    write_gz(&web.path("a.warc.gz"), &crawl("a", 5));
    let server = serve_tls(&web.path("")).await;
    std::fs::write(web.path("none.pem"), "").unwrap();
    let trusted = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls/certificate.pem");
    for (certificates, code) in [(trusted, 0), (web.path("none.pem"), 3)] {
        let job = Folder::new();
        let lines = format!(
            "source.paths = [\"{server}/a.warc.gz\"]\nmodel.kind = \"passthrough\"\noutput.path = {:?}\n",
            job.path("results")
        );
        std::fs::write(job.path("job.toml"), lines).unwrap();
        let mut node = tokio::process::Command::new(env!("CARGO_BIN_EXE_warcdl-node"));
        node.args(["--role", "gpu", "--config"]).arg(job.path("job.toml")).kill_on_drop(true);
        node.env("SSL_CERT_FILE", certificates).env_remove("SSL_CERT_DIR");
        let output = node.output().await.unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(code == 0 || told.contains("certificate") && told.contains("localhost"), "{told}");
        assert!(code != 0 || job.rows().len() == 5);
    }
}
