//! Whole runs.

use crate::archive::{crawl, page, record, response, write_gz};
use crate::node::{Folder, Running, gpu, stderr};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// `seen = positives + negatives + Σ excluded`, for all archives and for each.
fn check_books(summary: &serde_json::Value) {
    let funnels = std::iter::once(&summary["records"]).chain(summary["archives"].as_array().unwrap());
    for funnel in funnels {
        let number = |key: &str| funnel[key].as_u64().unwrap();
        let excluded: u64 =
            funnel["excluded"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
        assert_eq!(number("seen"), number("positives") + number("negatives") + excluded, "{funnel:#}");
    }
}

#[test]
fn a_job_runs_to_its_end_and_leaves_results_that_add_up() {
    let folder = Folder::new();
    for (name, pages) in [("a", 30), ("b", 40), ("c", 0)] {
        write_gz(&folder.path(&format!("{name}.warc.gz")), &crawl(name, pages));
    }
    let output = gpu(&folder.config("readers = 2\nfilter.languages = [\"en\"]"), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let summary = folder.summary();
    check_books(&summary);
    assert_eq!(summary["complete"], true);
    assert_eq!(summary["records"]["seen"], 2 * 70 + 3);
    assert_eq!(summary["records"]["positives"], 70);
    assert_eq!(summary["records"]["excluded"], json!({ "wrong_warc_type": 73 }));
    assert_eq!(summary["ancestor_counters"]["n_wrong_warc_type"], 73);
    assert_eq!(summary["ancestor_counters"]["n_node_results"], 70);
    assert_eq!(summary["ancestor_counters"]["n_finished_warc_files"], 3);
    assert_eq!(summary["ancestor_counters"].as_object().unwrap().len(), 10);
    for archive in summary["archives"].as_array().unwrap() {
        assert_eq!((&archive["state"], &archive["bytes_read"]), (&json!("done"), &archive["bytes"]));
    }
    let rows = folder.rows();
    let urls: BTreeSet<_> = rows.iter().map(|row| row["url"].as_str().unwrap().to_owned()).collect();
    assert_eq!((rows.len(), urls.len()), (70, 70));
    let row = rows.iter().find(|row| row["url"] == "http://a.example.org/page-4.html").unwrap();
    assert_eq!(row["url_host_name"], "a.example.org");
    assert_eq!(row["content_languages"], "eng");
    assert_eq!((&row["score"], &row["fetch_status"]), (&json!(1.0), &json!(200)));
    assert!(row["text"].as_str().unwrap().contains("sentence number 2 about a 4"), "{row:#}");
    assert!(
        std::fs::read_to_string(folder.path("results/config.resolved.toml")).unwrap().contains("readers = 2")
    );
    let again = gpu(&folder.path("job.toml"), &[]);
    assert_eq!(again.status.code(), Some(0), "there is nothing left to do: {}", stderr(&again));
    assert!(stderr(&again).contains("70 positives, 3 of 3 archives done"), "{}", stderr(&again));
    assert_eq!(folder.rows(), rows);
    assert_eq!(
        (&folder.summary()["resumed"], &folder.summary()["records"]["seen"]),
        (&json!(true), &json!(143))
    );
    let other = gpu(&folder.path("job.toml"), &["--set", "filter.min_chars=9"]);
    assert_eq!(other.status.code(), Some(5), "{}", stderr(&other));
    assert!(stderr(&other).contains("filter.min_chars was 0 and is 9"), "{}", stderr(&other));
    assert_eq!(folder.rows(), rows, "an earlier run's results are not touched");
    let overwritten = gpu(&folder.path("job.toml"), &["--overwrite"]);
    assert_eq!(overwritten.status.code(), Some(0), "{}", stderr(&overwritten));
    assert_eq!(folder.rows().len(), 70);
}

#[test]
fn pictures_keep_their_original_bytes() {
    let folder = Folder::new();
    let png = |width: u32, height: u32| {
        let mut bytes = Vec::new();
        let picture = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 7]));
        picture.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
        bytes
    };
    let (kept, small) = (png(200, 160), png(100, 160));
    let records = [
        response("http://example.org/kept.png", "image/png", &kept),
        response("http://example.org/small.png", "image/png", &small),
        response("http://example.org/broken.png", "image/png", &kept[..kept.len() / 2]),
        response("http://example.org/page.html", "text/html", page("nothing", 9).as_bytes()),
    ];
    write_gz(&folder.path("a.warc.gz"), &records);
    let more = "kind = \"image\"\noutput.format = \"files\"\nfilter.min_width = 150\nfilter.max_width = 1000";
    let output = gpu(&folder.config(more), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let summary = folder.summary();
    check_books(&summary);
    let excluded = json!({ "wrong_content_type": 1, "image_decode": 1, "filter_width": 1 });
    assert_eq!(summary["records"]["excluded"], excluded);
    let row = &folder.rows()[0];
    assert_eq!((&row["image_width"], &row["image_height"]), (&json!(200), &json!(160)));
    let stored = folder.path("results").join(row["path"].as_str().unwrap());
    assert_eq!(std::fs::read(stored).unwrap(), kept);
}

#[test]
fn damage_is_told_and_costs_the_damaged_record_alone() {
    let folder = Folder::new();
    let records = crawl("a", 10);
    write_gz(&folder.path("good.warc.gz"), &records);
    let mut bytes = std::fs::read(folder.path("good.warc.gz")).unwrap();
    // In the middle of the compressed data of the last but one page's member.
    let members: Vec<usize> =
        bytes.windows(3).enumerate().filter(|(_, w)| *w == [0x1f, 0x8b, 0x08]).map(|(i, _)| i).collect();
    let (start, end) = (members[members.len() - 3], members[members.len() - 2]);
    let middle = usize::midpoint(start, end);
    bytes[middle..middle + 8].fill(0xff);
    std::fs::write(folder.path("bad.warc.gz"), &bytes).unwrap();
    std::fs::write(folder.path("page.warc.gz"), "<html>404 Not Found</html>").unwrap();
    let output = gpu(&folder.config(""), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let summary = folder.summary();
    check_books(&summary);
    assert_eq!(
        (&summary["damaged"], &summary["records"]["positives"]),
        (&json!(2), &json!(19)),
        "{summary:#}"
    );
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("2 records lost to damage in 2 archives"), "{told}");
    assert!(told.contains("no record could be read in ") && told.contains("page.warc.gz: is it"), "{told}");
    assert!(!told.contains("bad.warc.gz"), "{told}");
}

/// The arguments after `warcdl-node` that the GPU node prints for readers.
fn reader_arguments(node: &Running) -> Vec<String> {
    node.line(|line| {
        let arguments = line.trim().strip_prefix("warcdl-node --role reader")?;
        let words = ["--role", "reader"].into_iter().chain(arguments.split_ascii_whitespace());
        Some(words.map(str::to_owned).collect())
    })
}

/// The node's figures; none if the node is over.
fn scrape(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok().filter(|&read| read > 0)?;
    Some(text)
}

/// One of them.
fn metric(text: &str, name: &str) -> f64 {
    let line =
        text.lines().find(|line| line.split(' ').next() == Some(name)).unwrap_or_else(|| panic!("{name}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_reader_that_is_killed_and_one_that_comes_late_are_told_truthfully() {
    // Too many to be read while this test is held up.
    const PAGES: usize = 12_000;
    let folder = Folder::new();
    write_gz(&folder.path("a.warc.gz"), &crawl("a", PAGES));
    write_gz(&folder.path("b.warc.gz"), &crawl("b", 50));
    let mut node = Running::gpu(&folder.config("launcher = \"none\""));
    let metrics =
        node.line(|line| Some(line.strip_prefix("metrics at http://")?.strip_suffix("/metrics")?.to_owned()));
    let arguments = reader_arguments(&node);

    let mut first = Running::reader(&arguments);
    let deadline = Instant::now() + Duration::from_secs(60);
    while metric(&scrape(&metrics).unwrap(), "warcdl_records_delivered_total") < 100.0 {
        assert!(Instant::now() < deadline, "the reader delivers nothing");
    }
    first.kill();
    let mut late = Running::reader(&arguments);
    assert_eq!(late.wait(), Some(0));
    assert_eq!(node.wait(), Some(0));

    let summary = folder.summary();
    check_books(&summary);
    assert_eq!(
        (&summary["complete"], &summary["interruptions"]["count"]),
        (&json!(true), &json!(1)),
        "{summary:#}"
    );
    let resumed_at = summary["interruptions"]["first"][0]["resumed_at"].as_u64().unwrap();
    assert!(resumed_at > 0, "the successor goes on where the dead reader was");
    let rows = folder.rows();
    let urls: BTreeSet<_> = rows.iter().map(|row| row["url"].as_str().unwrap()).collect();
    assert_eq!((rows.len(), urls.len()), (PAGES + 50, PAGES + 50), "nothing lost, nothing doubled");
}

#[test]
fn a_second_gpu_node_on_the_folder_is_refused() {
    let folder = Folder::new();
    write_gz(&folder.path("a.warc.gz"), &crawl("a", 5));
    let config = folder.config("launcher = \"none\"");
    // Without readers it goes on for ever.
    let mut first = Running::gpu(&config);
    reader_arguments(&first);
    let second = gpu(&config, &[]);
    assert_eq!(second.status.code(), Some(73), "{}", stderr(&second));
    assert!(stderr(&second).contains("being written to by another run"), "{}", stderr(&second));
    first.kill();
}

#[test]
fn a_gpu_node_that_is_killed_goes_on_from_its_last_commit() {
    const PAGES: usize = 6_000;
    let folder = Folder::new();
    write_gz(&folder.path("a.warc.gz"), &crawl("a", PAGES));
    write_gz(&folder.path("b.warc.gz"), &crawl("b", 50));
    let config = folder.config("readers = 2\noutput.commit_ms = 20\noutput.part_bytes = 300000");
    let mut first = Running::gpu(&config);
    let metrics = first
        .line(|line| Some(line.strip_prefix("metrics at http://")?.strip_suffix("/metrics")?.to_owned()));
    let deadline = Instant::now() + Duration::from_secs(60);
    // One that is done before it is seen has committed enough too.
    while scrape(&metrics).is_some_and(|text| metric(&text, "warcdl_records_committed_total") < 500.0) {
        assert!(Instant::now() < deadline, "nothing is committed");
    }
    first.kill();

    // Settings that change no verdict may change.
    let output = gpu(&config, &["--set", "readers=1", "--set", "batch.max_records=7"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("going on with"), "{}", stderr(&output));
    let summary = folder.summary();
    check_books(&summary);
    assert_eq!((&summary["complete"], &summary["resumed"]), (&json!(true), &json!(true)));
    assert_eq!(summary["records"]["seen"], 2 * PAGES + 2 * 50 + 2);
    let rows = folder.rows();
    let urls: BTreeSet<_> = rows.iter().map(|row| row["url"].as_str().unwrap()).collect();
    assert_eq!((rows.len(), urls.len()), (PAGES + 50, PAGES + 50), "nothing lost, nothing doubled");
    for archive in ["a", "b"] {
        let offset = |row: &serde_json::Value| row["warc_record_offset"].as_u64().unwrap();
        let of = |row: &&serde_json::Value| {
            row["warc_filename"].as_str().unwrap().ends_with(&format!("{archive}.warc.gz"))
        };
        let offsets: Vec<u64> = rows.iter().filter(of).map(offset).collect();
        assert!(offsets.is_sorted(), "the lines of an archive stand in its order");
    }

    write_gz(&folder.path("b.warc.gz"), &crawl("b", 51));
    let changed = gpu(&config, &[]);
    assert_eq!(changed.status.code(), Some(5), "{}", stderr(&changed));
    assert!(stderr(&changed).contains("b.warc.gz (was "), "{}", stderr(&changed));
}

#[test]
fn ctrl_c_stores_what_is_scored_and_the_secret_is_nowhere_to_be_seen() {
    let folder = Folder::new();
    write_gz(&folder.path("a.warc.gz"), &crawl("a", 20));
    let secret_file = folder.path("secret");
    let more = format!("launcher = \"none\"\ntransport.secret_file = {secret_file:?}");
    let mut node = Running::gpu(&folder.config(&more));
    reader_arguments(&node);
    let secret = std::fs::read_to_string(&secret_file).unwrap();
    for name in ["cmdline", "environ"] {
        let bytes = std::fs::read(format!("/proc/{}/{name}", node.id())).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(&secret), "{name}");
    }
    node.signal("INT");
    assert_eq!(node.wait(), Some(130));
    let summary = folder.summary();
    check_books(&summary);
    assert_eq!((&summary["complete"], &summary["interrupted"]), (&json!(false), &json!(true)));
    for file in ["summary.json", "config.resolved.toml"] {
        assert!(!std::fs::read_to_string(folder.path("results").join(file)).unwrap().contains(&secret));
    }
}

/// Damage of three kinds: the list has the places, the summary the counts, and every byte was read.
#[test]
fn what_is_damaged_is_listed_by_its_place() {
    let folder = Folder::new();
    let path = folder.path("a.warc.gz");
    let records = crawl("a", 20);
    let ends: Vec<usize> = (0..=records.len())
        .map(|n| {
            write_gz(&path, &records[..n]);
            std::fs::metadata(&path).unwrap().len() as usize
        })
        .collect();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[ends[7] - 8] ^= 1;
    bytes.truncate(ends[records.len()] - 20);
    bytes.splice(ends[11]..ends[11], *b"no member at all");
    std::fs::write(&path, &bytes).unwrap();
    let config = folder.config("readers = 1");
    let output = gpu(&config, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let place = |offset: usize, end: usize, reason: &str| {
        json!({
            "warc_filename": path, "warc_record_offset": offset, "warc_record_ordinal": 0,
            "length": end - offset, "reason": reason,
        })
    };
    let last = ends[records.len() - 1] + 16;
    let expected = [
        place(ends[6], ends[7], "bad_crc"),
        place(ends[11], ends[11] + 16, "garbage"),
        place(last, bytes.len(), "truncated"),
    ];
    assert_eq!(folder.places(), expected);
    let summary = folder.summary();
    check_books(&summary);
    assert_eq!(
        (&summary["damaged"], &summary["listed"], &summary["unlisted"]),
        (&json!(3), &json!(3), &json!(0))
    );
    let archive = &summary["archives"][0];
    assert_eq!((&archive["bytes_read"], &archive["bytes"]), (&json!(bytes.len()), &json!(bytes.len())));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("3 places in quarantine.jsonl"), "{told}");
    // A complete run has nothing to add.
    assert_eq!(gpu(&config, &[]).status.code(), Some(0));
    assert_eq!(folder.places(), expected);
}

#[test]
fn every_figure_of_a_run_can_be_scraped() {
    let folder = Folder::new();
    write_gz(&folder.path("a.warc.gz"), &[crawl("a", 25), vec![record("revisit", "http://x", b"")]].concat());
    let mut node = Running::gpu(&folder.config("launcher = \"none\""));
    let metrics =
        node.line(|line| Some(line.strip_prefix("metrics at http://")?.strip_suffix("/metrics")?.to_owned()));
    let text = scrape(&metrics).unwrap();
    assert_eq!(metric(&text, "warcdl_archives"), 1.0);
    assert_eq!(metric(&text, "warcdl_readers_connected"), 0.0);
    assert_eq!(metric(&text, "warcdl_records_excluded_total{reason=\"wrong_warc_type\"}"), 0.0);
    let mut reader = Running::reader(&reader_arguments(&node));
    assert_eq!((reader.wait(), node.wait()), (Some(0), Some(0)));
    assert_eq!(folder.summary()["records"]["seen"], 52);
}
