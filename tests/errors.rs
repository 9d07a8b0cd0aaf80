//! What is wrong is told in one line that names the file or the key, and by the exit code.

use crate::archive::{crawl, write_gz};
use crate::node::{Folder, gpu, stderr};
use std::net::TcpListener;

/// Runs a job with this configuration beside a good archive; the last line on standard error must hold all `words`.
fn check(more: &str, code: i32, words: &[&str]) {
    let folder = Folder::new();
    write_gz(&folder.path("a.warc.gz"), &crawl("a", 2));
    let output = gpu(&folder.config(more), &[]);
    let message = stderr(&output);
    let last = message.lines().last().unwrap_or_default();
    assert_eq!(output.status.code(), Some(code), "{more}: {message}");
    for word in words {
        assert!(last.contains(word), "{more}: no {word:?} in {last:?}");
    }
    assert!(!folder.path("results").exists() || code == 5, "{more}: the results' folder was touched");
}

#[test]
fn errors_name_the_key_and_the_cure() {
    check("filter.min_char = 3", 2, &["job.toml:4", "filter.min_char", "filter.min_chars"]);
    check("readers = \"four\"", 2, &["job.toml:4", "readers"]);
    check("filter.url_regex = \"(\"", 2, &["filter.url_regex"]);
    check("filter.languages = [\"klingon\"]", 2, &["filter.languages", "klingon"]);
}

#[test]
fn a_model_that_cannot_be_opened_is_told_before_anything_starts() {
    let recipe = std::path::absolute("examples/sample/models/recipe").unwrap().display().to_string();
    for (model, words) in [
        ("path = \"/nowhere\"".to_owned(), vec!["/nowhere"]),
        (format!("path = {recipe:?}, label = \"RECIPES\""), vec!["RECIPES", "OTHER", "RECIPE"]),
        (format!("path = {recipe:?}, device = \"cuda:0\""), vec!["cuda:0"]),
    ] {
        let folder = Folder::new();
        write_gz(&folder.path("a.warc.gz"), &crawl("a", 2));
        let lines = format!(
            "source.paths = [{:?}]\nmodel = {{ {model} }}\noutput.path = {:?}\n",
            folder.path(""),
            folder.path("results")
        );
        std::fs::write(folder.path("job.toml"), lines).unwrap();
        let output = gpu(&folder.path("job.toml"), &[]);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(4), "{message}");
        assert!(words.iter().all(|word| message.contains(word)), "{words:?}: {message}");
        assert!(!folder.path("results").exists());
    }
}

#[test]
fn inputs_that_are_not_there_are_named() {
    for (source, words) in [
        ("source.list = \"/nowhere/list.txt\"", vec!["/nowhere/list.txt"]),
        ("source.suffixes = [\".tar\"]", vec![".tar"]),
        (
            "source.s3 = { buckets = [\"b\"], endpoint_url = \"http://127.0.0.1:1\", access_key_id = \"k\", secret_access_key = \"s3cr3t\" }",
            vec!["127.0.0.1:1"],
        ),
    ] {
        check(source, 3, &words);
    }
}

#[test]
fn a_place_without_archives_is_told_beside_others() {
    let folder = Folder::new();
    write_gz(&folder.path("a.warc.gz"), &crawl("a", 2));
    let lines = format!(
        "source.paths = [{:?}, {:?}]\nmodel.kind = \"passthrough\"\noutput.path = {:?}\n",
        folder.path("*.zip"),
        folder.path("a.warc.gz"),
        folder.path("results")
    );
    std::fs::write(folder.path("job.toml"), lines).unwrap();
    let output = gpu(&folder.path("job.toml"), &[]);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{message}");
    let told: Vec<_> = message.lines().filter(|line| line.contains("no archives in")).collect();
    assert_eq!(told.len(), 1, "{message}");
    for part in ["WARN", "*.zip: ", "source.paths and source.suffixes"] {
        assert!(told[0].contains(part), "no {part:?} in {}", told[0]);
    }
}

#[test]
fn a_port_in_use_and_a_folder_in_use_are_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    check(&format!("transport.listen = {address:?}"), 7, &["transport.listen", &address]);
    check(&format!("telemetry.metrics = {address:?}"), 7, &["telemetry.metrics", &address]);

    let folder = Folder::new();
    write_gz(&folder.path("a.warc.gz"), &crawl("a", 2));
    std::fs::create_dir(folder.path("results")).unwrap();
    std::fs::write(folder.path("results/thesis.tex"), "years of work").unwrap();
    for flags in [&[][..], &["--overwrite"]] {
        let output = gpu(&folder.config(""), flags);
        assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    }
    assert_eq!(std::fs::read_to_string(folder.path("results/thesis.tex")).unwrap(), "years of work");
}
