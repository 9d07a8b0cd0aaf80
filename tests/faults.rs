//! A server that misbehaves: what is read is what was listed, or nothing; and a run gives what it gives in calm weather.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::archive::{record, response, write_gz};
use crate::fault_proxy::{Answer, Fault, Proxy, Question, storm};
use crate::node::Folder;
use crate::s3::{read, settings, store};
use crate::s3_server::serve;
use warcdl::source::{Archive, list};
use warcdl_actors::port::Pulse;

/// A seed of the storm, with each of its faults; another one is another storm, and must do too, if it has them all.
const SEED: u64 = 7;

/// An archive with pages that hardly compress, so that its body is fetched in many pieces.
fn bulky(path: &Path, name: &str, pages: usize) -> u64 {
    let mut random = fastrand::Rng::with_seed(name.bytes().map(u64::from).sum());
    let mut records = vec![record("warcinfo", "", b"software: tests\r\n")];
    for page in 0..pages {
        let words: String = (0..3000).map(|_| format!("{:x} ", random.u32(..))).collect();
        let html = format!("<html><body><p>{words}</p></body></html>");
        records.push(response(&format!("http://{name}/{page}"), "text/html", html.as_bytes()));
    }
    write_gz(path, &records);
    std::fs::metadata(path).unwrap().len()
}

/// A bucket with `a.warc.gz` of 300,000 bytes; the server in front of it, and the archive as listed.
async fn one(
    plan: impl Fn(&Question) -> Option<Fault> + Send + Sync + 'static,
) -> (tempfile::TempDir, Proxy, Archive) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("bucket")).unwrap();
    let data: Vec<u8> = (0..300_000u32).map(|number| (number % 251) as u8).collect();
    std::fs::write(folder.path().join("bucket/a.warc.gz"), data).unwrap();
    let endpoint = serve(folder.path(), Some("secret")).await;
    let given = settings(&endpoint, "bucket", "secret");
    let archive = list(&given, &store(&given)).await.unwrap().remove(0);
    (folder, Proxy::start(&endpoint, plan).await, archive)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_archive_is_never_taken_for_it() {
    type Edit = fn(&mut Answer);
    let page: Edit = |answer| answer.page("text/html", "<html>Please log in</html>");
    let lies: [(&str, Edit); 9] = [
        ("a portal's page", page),
        ("an error with status 200", |answer| {
            answer
                .page("application/xml", "<?xml version=\"1.0\"?><Error><Code>InternalError</Code></Error>");
        }),
        ("a page with status 206", |answer| {
            answer.page("text/html", "<html></html>");
            answer.status = "206 Partial Content".to_owned();
        }),
        ("status 206 without a range", |answer| answer.set("content-range", None)),
        ("another range", |answer| answer.set("content-range", Some("bytes 7-299999/300000"))),
        ("a range that is longer than the body", |answer| {
            answer.set("content-range", Some("bytes 1000-299999/300000"));
            answer.set("content-length", Some("1000"));
            answer.body.truncate(1000);
        }),
        ("compressed on the way", |answer| {
            answer.set("content-range", None);
            answer.set("content-encoding", Some("gzip"));
            answer.set("content-length", Some("300000"));
            answer.status = "200 OK".to_owned();
        }),
        ("no length", |answer| {
            answer.status = "200 OK".to_owned();
            answer.set("content-range", None);
            answer.set("content-length", None);
        }),
        ("an error", |answer| {
            answer.page("text/html", "<html>Bad gateway</html>");
            answer.status = "502 Bad Gateway".to_owned();
        }),
    ];
    for (what, edit) in lies {
        // Now and then: it is asked again, and the archive is whole.
        let (folder, proxy, archive) =
            one(move |question| (question.nth < 2).then_some(Fault::Edit(edit))).await;
        let given = settings(&proxy.endpoint, "bucket", "secret");
        let bytes =
            read(&store(&given), &archive, 1000).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        let stored = std::fs::read(folder.path().join("bucket/a.warc.gz")).unwrap();
        assert!(bytes == stored[1000..], "{what}");
        assert_eq!(proxy.count("a.warc.gz"), 3, "{what}");
    }
    // For ever: no byte of it gets through, and the error says who answered what.
    let (_folder, proxy, archive) = one(move |_| Some(Fault::Edit(page))).await;
    let mut given = settings(&proxy.endpoint, "bucket", "secret");
    given.retry_s = 0;
    let error = read(&store(&given), &archive, 0).await.unwrap_err();
    for part in ["s3://bucket/a.warc.gz at http://", "text/html, 26 bytes", "proxy or a portal"] {
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_changes_under_the_read_is_not_mixed_with_what_it_was() {
    type Edit = fn(&mut Answer);
    let first: Edit = |answer| {
        answer.set("etag", Some("\"one\""));
        answer.body.truncate(1000);
    };
    let refuses: Edit = |answer| {
        answer
            .page("application/xml", "<?xml version=\"1.0\"?><Error><Code>PreconditionFailed</Code></Error>");
        answer.status = "412 Precondition Failed".to_owned();
    };
    let ignores: Edit = |answer| answer.set("etag", Some("\"two\""));
    let grows: Edit = |answer| answer.set("content-range", Some("bytes 1000-299999/400000"));
    for second in [refuses, ignores, grows] {
        let plan = move |question: &Question| {
            assert!(question.nth == 0 || question.headers.contains("if-match: \"one\""), "{question:?}");
            Some(Fault::Edit(if question.nth == 0 { first } else { second }))
        };
        let (_folder, proxy, archive) = one(plan).await;
        let given = settings(&proxy.endpoint, "bucket", "secret");
        let error = read(&store(&given), &archive, 0).await.unwrap_err();
        assert!(error.contains("s3://bucket/a.warc.gz") && error.contains("has changed"), "{error}");
        assert_eq!(proxy.count("a.warc.gz"), 2, "asked again");
    }
}

/// A fetch that waits shows that it does: what shows nothing for a while is given up by the GPU node.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_server_beats_the_pulse() {
    for fault in [|| Fault::Stall(0.0), || Fault::SlowDown(Some(30))] {
        let (_folder, proxy, archive) = one(move |_| Some(fault())).await;
        let mut given = settings(&proxy.endpoint, "bucket", "secret");
        given.stall_ms = 3_600_000;
        let pulse = Pulse::default();
        let input = store(&given).open(&archive, 0, &pulse).unwrap();
        let beats = async {
            let mut looks = tokio::time::interval(Duration::from_millis(10));
            while proxy.count("a.warc.gz") == 0 {
                looks.tick().await;
            }
            let asked = pulse.count();
            while pulse.count() < asked + 2 {
                looks.tick().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), beats).await.expect("the wait beats");
        assert_eq!(proxy.count("a.warc.gz"), 1, "it still waits");
        drop(input);
    }
}

/// A prefix that is throttled pauses those that read there, and nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn throttling_of_one_prefix_is_waited_out_there_alone() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["slow", "fast"] {
        std::fs::create_dir_all(folder.path().join("bucket").join(name)).unwrap();
        std::fs::write(folder.path().join("bucket").join(name).join("a.warc.gz"), vec![7; 100_000]).unwrap();
    }
    let endpoint = serve(folder.path(), Some("secret")).await;
    let given = settings(&endpoint, "bucket", "secret");
    let archives = list(&given, &store(&given)).await.unwrap();
    // Until the other one is read, and three times at least.
    let read_fast = Arc::new(AtomicBool::new(false));
    let is_read = read_fast.clone();
    let plan = move |question: &Question| {
        let throttled =
            question.path.contains("/slow/") && (question.nth < 3 || !is_read.load(Ordering::Acquire));
        throttled.then_some(Fault::SlowDown((question.nth == 0).then_some(0)))
    };
    let proxy = Proxy::start(&endpoint, plan).await;
    let given = settings(&proxy.endpoint, "bucket", "secret");
    // The same client, as two readers would not even have it.
    let store = store(&given);
    let fast = async {
        let bytes = read(&store, &archives[0], 0).await;
        read_fast.store(true, Ordering::Release);
        bytes
    };
    let (slow, fast) = tokio::join!(read(&store, &archives[1], 0), fast);
    assert_eq!((slow.unwrap().len(), fast.unwrap().len()), (100_000, 100_000));
    assert_eq!(proxy.count("/fast/"), 1, "it waited for nobody");
    assert!(proxy.count("/slow/") >= 4);
}

/// The rows of a run of real processes over the bucket behind `endpoint`.
async fn rows(endpoint: &str) -> Vec<String> {
    let job = Folder::new();
    let lines = format!(
        "readers = 2\nsource.stall_ms = 2500\nsource.retry_s = 60\nmodel.kind = \"passthrough\"\noutput.path = {:?}\n\
         text.extractor = \"plain\"\nsource.s3 = {{ buckets = [\"bucket\"], endpoint_url = {endpoint:?}, \
         access_key_id = \"key\", secret_access_key = \"secret\" }}\n",
        job.path("results")
    );
    std::fs::write(job.path("job.toml"), lines).unwrap();
    let mut node = tokio::process::Command::new(env!("CARGO_BIN_EXE_warcdl-node"));
    node.args(["--role", "gpu", "--config"]).arg(job.path("job.toml")).kill_on_drop(true);
    node.env("HOME", job.path("")).env_remove("AWS_PROFILE");
    let output = node.output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(job.summary()["complete"], true);
    let mut rows: Vec<String> = job.rows().iter().map(ToString::to_string).collect();
    rows.sort_unstable();
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_in_a_storm_gives_what_it_gives_in_calm_weather() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("bucket")).unwrap();
    let mut bytes = 0;
    for archive in 0..40 {
        let name = format!("{archive:02}");
        bytes += bulky(&folder.path().join(format!("bucket/{name}.warc.gz")), &name, 1 + archive % 4);
    }
    let endpoint = serve(folder.path(), Some("secret")).await;
    let calm = rows(&endpoint).await;
    assert_eq!(calm.len(), 100);

    let proxy = Proxy::start(&endpoint, |question| storm(SEED, question)).await;
    let rows = rows(&proxy.endpoint).await;
    let asked = proxy.asked.lock().unwrap();
    let mut met = BTreeMap::new();
    for question in asked.iter() {
        let fault = match storm(SEED, question) {
            None => "none",
            Some(Fault::SlowDown(_)) => "503",
            Some(Fault::Stall(_)) => "stall",
            Some(Fault::Truncate(_)) => "truncation",
            Some(Fault::Reset(_)) => "reset",
            Some(Fault::Edit(_)) => "lie",
        };
        *met.entry(fault).or_insert(0) += 1;
    }
    let sent = proxy.sent.load(Ordering::Relaxed);
    println!("seed {SEED}: {} requests, {sent} bytes for {bytes}: {met:?}", asked.len());
    // What was on the way when a connection was reset is lost, and little else is fetched twice.
    assert!((sent as f64) < 1.25 * bytes as f64, "seed {SEED}: {sent} bytes were sent for {bytes}");
    // A fault has the same path asked for again, so each archive meets what its path does up to the first calm answer, and
    // more where this machine was slow, but never less.
    let faults = ["503", "stall", "truncation", "reset"];
    assert!(faults.iter().all(|fault| met.contains_key(fault)), "{met:?}");
    assert!(rows == calm, "seed {SEED}: {} rows, {} in calm weather", rows.len(), calm.len());
}
