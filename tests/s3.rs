//! S3 as a source, against a server in this process, faults on the way to it, and no server at all.

use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::archive::{crawl, write_gz};
use crate::node::{Folder, inspect, stderr};
use crate::s3_server::serve;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use warcdl::source::{Archive, CommonCrawlSettings, S3Settings, Secret, SourceSettings, Store, list};
use warcdl_actors::port::Pulse;

/// A server that this machine holds up for a while is not given up.
pub fn settings(endpoint_url: &str, place: &str, secret: &str) -> SourceSettings {
    let s3 = S3Settings {
        buckets: vec![place.to_owned()],
        endpoint_url: endpoint_url.to_owned(),
        region: "us-east-1".to_owned(),
        path_style: true,
        profile: String::new(),
        access_key_id: "key".to_owned(),
        secret_access_key: Secret(secret.to_owned()),
        session_token: Secret::default(),
        anonymous: false,
    };
    let suffixes = vec![".warc.gz".to_owned()];
    let common_crawl = CommonCrawlSettings::default();
    let (index, index_base) = (Vec::new(), String::new());
    SourceSettings {
        index,
        index_base,
        common_crawl,
        paths: Vec::new(),
        list: String::new(),
        suffixes,
        stall_ms: 60_000,
        retry_s: 60,
        s3,
    }
}

pub fn store(given: &SourceSettings) -> Store {
    Store::new(&given.s3, given.waits(), tokio::runtime::Handle::current())
}

#[derive(Clone, Copy)]
enum Fault {
    Cut,
    Reset,
    Stall,
}

/// Passes connections on to `endpoint`; the first ones meet the faults after 150,000 bytes of answer. Gives its own
/// endpoint, and what was asked.
async fn faulty(endpoint: &str, faults: &'static [Fault]) -> (String, Arc<Mutex<String>>) {
    let server = endpoint.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(String::new()));
    let log = asked.clone();
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((client, _)) = listener.accept().await {
            let fault = faults.get(number).copied();
            number += 1;
            let server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(pass(client, server, fault, log.clone()));
        }
    });
    (address, asked)
}

async fn pass(mut client: TcpStream, mut server: TcpStream, fault: Option<Fault>, log: Arc<Mutex<String>>) {
    let (mut question, mut answer, mut sent) = ([0; 4096], [0; 4096], 0);
    loop {
        tokio::select! {
            read = client.read(&mut question) => {
                let Ok(count @ 1..) = read else { return };
                log.lock().unwrap().push_str(&String::from_utf8_lossy(&question[..count]).to_lowercase());
                if server.write_all(&question[..count]).await.is_err() { return }
            }
            read = server.read(&mut answer) => {
                let Ok(count @ 1..) = read else { return };
                sent += count;
                match fault.filter(|_| sent > 150_000) {
                    None => if client.write_all(&answer[..count]).await.is_err() { return },
                    Some(Fault::Cut) => return,
                    Some(Fault::Reset) => return client.set_zero_linger().unwrap(),
                    // Until the client gives up.
                    Some(Fault::Stall) => { let _ = client.read(&mut question).await; return }
                }
            }
        }
    }
}

pub async fn read(store: &Store, archive: &Archive, offset: u64) -> Result<Vec<u8>, String> {
    let mut input = store.open(archive, offset, &Pulse::default()).map_err(|error| error.to_string())?;
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes).map(|_| bytes)
    });
    reading.await.unwrap().map_err(|error| error.to_string())
}

/// A bucket with `big.warc.gz` and what it holds.
fn big() -> (tempfile::TempDir, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("bucket")).unwrap();
    let data: Vec<u8> = (0..1_000_000u32).map(|number| (number % 251) as u8).collect();
    std::fs::write(folder.path().join("bucket/big.warc.gz"), &data).unwrap();
    (folder, data)
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_listed_over_pages_and_read_from_an_offset() {
    let (folder, data) = big();
    for number in 0..1005 {
        std::fs::write(folder.path().join(format!("bucket/{number:04}.warc.gz")), "x").unwrap();
    }
    std::fs::write(folder.path().join("bucket/readme.txt"), "x").unwrap();
    std::fs::write(folder.path().join("bucket/big.warc.gz.warc.gz"), "x").unwrap();
    let endpoint = serve(folder.path(), Some("secret")).await;
    for (place, count) in
        [("bucket", 1007), ("bucket/000", 10), ("bucket/big.warc.gz", 1), ("bucket/readme.txt", 1)]
    {
        let given = settings(&endpoint, place, "secret");
        assert_eq!(list(&given, &store(&given)).await.unwrap().len(), count, "{place}");
    }
    let given = settings(&endpoint, "bucket/big.warc.gz", "secret");
    let archives = list(&given, &store(&given)).await.unwrap();
    assert!(read(&store(&given), &archives[0], 300_001).await.unwrap() == data[300_001..]);
}

/// As a list of Common Crawl that is read from its bucket: 90,000 archives are not searched for one by one.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_list_names_is_not_searched_for() {
    let (folder, data) = big();
    std::fs::create_dir(folder.path().join("bucket/deep")).unwrap();
    std::fs::write(folder.path().join("bucket/deep/a.warc.gz"), "x").unwrap();
    let endpoint = serve(folder.path(), Some("secret")).await;
    let many: String = (0..1001).map(|number| format!("crawl/{number:04}.warc.gz\n")).collect();
    for (lines, archives, sizes, searched) in [
        ("big.warc.gz\n/deep/a.warc.gz\n", 2, data.len() as u64 + 1, 0),
        // A folder is one.
        ("big.warc.gz\ndeep/\n", 2, data.len() as u64 + 1, 1),
        (many.as_str(), 1001, 0, 0),
    ] {
        std::fs::write(folder.path().join("bucket/warc.paths"), lines).unwrap();
        let (proxy, asked) = faulty(&endpoint, &[]).await;
        let mut given = settings(&proxy, "bucket", "secret");
        given.s3.buckets.clear();
        given.paths = vec!["s3://bucket/warc.paths".to_owned()];
        let found = list(&given, &store(&given)).await.unwrap();
        let size: u64 = found.iter().map(|archive| archive.size).sum();
        assert_eq!((found.len(), size), (archives, sizes), "{} lines", lines.lines().count());
        let asked = asked.lock().unwrap();
        assert_eq!(asked.matches("list-type=2").count(), searched, "{asked}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_name_the_place_and_the_cure() {
    let (folder, _) = big();
    let endpoint = serve(folder.path(), Some("secret")).await;
    let nobody = "http://127.0.0.1:1";
    for (endpoint, place, secret, cure) in [
        (endpoint.as_str(), "none", "secret", "no such bucket"),
        (&endpoint, "bucket", "wrong", "access denied"),
        (nobody, "bucket", "secret", "refused"),
    ] {
        let mut given = settings(endpoint, place, secret);
        given.retry_s = 0;
        let error = list(&given, &store(&given)).await.unwrap_err().to_string();
        assert!(error.contains(cure) && error.contains(endpoint) && error.contains(place), "{error}");
        assert!(error.len() < 250 && !error.contains('\n'), "{error}");
    }
    let (proxy, asked) = faulty(&endpoint, &[]).await;
    let given = settings(&proxy, "bucket", "secret");
    let gone =
        Archive { name: "s3://bucket/gone.warc.gz".to_owned(), size: 5, etag: String::new(), named: None };
    let error = read(&store(&given), &gone, 0).await.unwrap_err();
    assert!(error.contains("s3://bucket/gone.warc.gz") && error.contains("is gone"), "{error}");
    assert_eq!(asked.lock().unwrap().matches("get /").count(), 1, "asked again");
}

/// A server that answers everything with this; gives its endpoint.
async fn refusing(status: &'static str, code: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut question = Vec::new();
            while !question.ends_with(b"\r\n\r\n") && client.read_buf(&mut question).await.unwrap() > 0 {}
            let body = match question.starts_with(b"HEAD") {
                true => String::new(),
                false => format!("<Error><Code>{code}</Code><Message>m</Message></Error>"),
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\nx-amz-bucket-region: eu-west-9\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            );
            let _ = client.write_all(answer.as_bytes()).await;
        }
    });
    endpoint
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_region_and_keys_that_have_expired_are_told_with_their_keys() {
    let (region, token) = ("source.s3.region", "source.s3.session_token");
    for (status, code, by_head, cure) in [
        ("301 Moved Permanently", "PermanentRedirect", false, region),
        ("301 Moved Permanently", "PermanentRedirect", true, region),
        ("400 Bad Request", "AuthorizationHeaderMalformed", false, region),
        ("400 Bad Request", "AuthorizationHeaderMalformed", true, region),
        ("400 Bad Request", "ExpiredToken", false, token),
        ("400 Bad Request", "ExpiredToken", true, token),
    ] {
        let mut given = settings(&refusing(status, code).await, "bucket", "secret");
        if by_head {
            given.s3.buckets.clear();
            given.list = "s3://bucket/a.list".to_owned();
        }
        let error = list(&given, &store(&given)).await.unwrap_err().to_string();
        for part in [cure, "eu-west-9"] {
            assert!(error.contains(part), "{code}, {by_head}: {error}");
        }
        assert!(by_head || error.contains(code), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_bucket_needs_no_keys() {
    let (folder, _) = big();
    let endpoint = serve(folder.path(), None).await;
    let mut given = settings(&endpoint, "bucket", "");
    given.s3 = S3Settings { anonymous: true, ..given.s3.without_keys() };
    assert_eq!(list(&given, &store(&given)).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_is_resumed() {
    let (folder, data) = big();
    let endpoint = serve(folder.path(), Some("secret")).await;
    let given = settings(&endpoint, "bucket", "secret");
    let mut archive = list(&given, &store(&given)).await.unwrap().remove(0);
    let (proxy, asked) = faulty(&endpoint, &[Fault::Cut, Fault::Reset, Fault::Stall]).await;
    let mut given = settings(&proxy, "bucket", "secret");
    given.stall_ms = 500;
    assert!(read(&store(&given), &archive, 0).await.unwrap() == data);
    let questions = asked.lock().unwrap().clone();
    let ranges = questions.matches("range: bytes=").count();
    // More than four, where this machine stalled too.
    assert!(ranges >= 4, "{questions}");
    if !archive.etag.is_empty() {
        assert_eq!(questions.matches("if-match: ").count(), ranges, "{questions}");
    }

    // A listing that promised more than there is.
    archive.size += 1;
    given.retry_s = 0;
    let error = read(&store(&given), &archive, 0).await.unwrap_err();
    assert!(error.contains("s3://bucket/big.warc.gz"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_endpoint_come_from_the_environment() {
    let (folder, _) = big();
    let endpoint = serve(folder.path(), Some("secret")).await;
    for (secret, code) in [("secret", 0), ("wrong", 3)] {
        let job = tempfile::tempdir().unwrap();
        let config = job.path().join("job.toml");
        let lines = format!(
            "source.s3.buckets = [\"bucket\"]\nmodel.kind = \"passthrough\"\noutput.path = {:?}\n",
            job.path().join("results")
        );
        std::fs::write(&config, lines).unwrap();
        let mut node = tokio::process::Command::new(env!("CARGO_BIN_EXE_warcdl-node"));
        node.args(["--role", "gpu", "--check", "--config"]).arg(&config).kill_on_drop(true);
        node.env("AWS_ENDPOINT_URL", &endpoint).env("AWS_ACCESS_KEY_ID", "key");
        node.env("AWS_SECRET_ACCESS_KEY", secret).env("AWS_REGION", "us-east-1").env("HOME", job.path());
        let output = node.output().await.unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(code == 0 || told.contains("access denied") && told.contains(&endpoint), "{told}");
    }
}

/// Readers get all they need over the link, keys from a profile of `~/.aws` aside, which is their own.
#[tokio::test(flavor = "multi_thread")]
async fn a_whole_run_reads_a_bucket_with_the_keys_of_a_profile() {
    let bucket = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(bucket.path().join("bucket/crawl")).unwrap();
    for name in ["a", "b"] {
        write_gz(&bucket.path().join(format!("bucket/crawl/{name}.warc.gz")), &crawl(name, 20));
    }
    std::fs::write(bucket.path().join("bucket/crawl/notes.txt"), "no archive").unwrap();
    let endpoint = serve(bucket.path(), Some("secret")).await;

    let job = Folder::new();
    std::fs::create_dir(job.path(".aws")).unwrap();
    let keys = "[archive]\naws_access_key_id = key\naws_secret_access_key = secret\nregion = eu-central-1\n";
    std::fs::write(job.path(".aws/credentials"), keys).unwrap();
    std::fs::write(job.path("list.txt"), "# what to read\n\ns3://bucket/crawl/\n").unwrap();
    let lines = format!(
        "source.list = {:?}\nsource.s3 = {{ profile = \"archive\", endpoint_url = {endpoint:?} }}\nreaders = 2\n\
         model.kind = \"passthrough\"\noutput.path = {:?}\n",
        job.path("list.txt"),
        job.path("results")
    );
    std::fs::write(job.path("job.toml"), lines).unwrap();
    let mut node = tokio::process::Command::new(env!("CARGO_BIN_EXE_warcdl-node"));
    node.args(["--role", "gpu", "--config"]).arg(job.path("job.toml")).kill_on_drop(true);
    node.env("HOME", job.path("")).env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_PROFILE");
    let output = node.output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let summary = job.summary();
    assert_eq!((&summary["records"]["seen"], &summary["records"]["positives"]), (&82.into(), &40.into()));
    assert_eq!(summary["archives"][1]["warc_filename"], "s3://bucket/crawl/b.warc.gz");
    assert_eq!(job.rows().len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_inspected_as_far_as_is_asked() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("s3/bucket/crawl")).unwrap();
    for name in ["a", "b"] {
        write_gz(&folder.path(&format!("s3/bucket/crawl/{name}.warc.gz")), &crawl(name, 5));
    }
    let endpoint = format!("source.s3.endpoint_url={}", serve(&folder.path("s3"), None).await);
    let check = |more: &'static [&'static str], records: serde_json::Value| {
        let flags = ["--json", "--set", &endpoint, "--set", "source.s3.anonymous=true"].map(str::to_owned);
        async move {
            let inspecting = tokio::task::spawn_blocking(move || {
                let flags: Vec<&str> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
                inspect(&[Path::new("s3://bucket/crawl/")], &flags)
            });
            let output = inspecting.await.unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(told["records"], records);
        }
    };
    check(&[], serde_json::json!({ "request": 10, "response": 10, "warcinfo": 2 })).await;
    check(&["--limit", "3"], serde_json::json!({ "request": 2, "response": 2, "warcinfo": 2 })).await;
}
