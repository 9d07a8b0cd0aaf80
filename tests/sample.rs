//! The two demos on the sample archive: what comes out is what its script says is in it.

use crate::node::{Folder, gpu, stderr};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Runs `examples/{demo}.toml` into a folder of its own. Gives the funnel of `expected.json`, the run's, and the URLs
/// of positives by truth and by the model.
fn run(demo: &str, truth: impl Fn(&Value) -> BTreeSet<String>) -> (BTreeSet<String>, BTreeSet<String>) {
    let expected: Value =
        serde_json::from_slice(&std::fs::read("examples/sample/expected.json").unwrap()).unwrap();
    let folder = Folder::new();
    let output = format!("output.path={:?}", folder.path("results"));
    let config = format!("examples/{demo}.toml");
    let output = gpu(Path::new(&config), &["--set", &output]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));

    let (funnel, summary) = (&expected[demo], folder.summary());
    assert_eq!(summary["records"]["seen"], funnel["seen"]);
    assert_eq!(summary["records"]["excluded"], funnel["excluded"]);
    let verdicts = ["positives", "negatives"].map(|key| summary["records"][key].as_u64().unwrap());
    assert_eq!(verdicts.iter().sum::<u64>(), funnel["scored"].as_u64().unwrap());
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains(&format!("{} records lost to damage in 1 archive", summary["damaged"])), "{told}");

    let rows = folder.rows();
    assert_eq!(rows.len() as u64, verdicts[0]);
    (truth(&expected), rows.iter().map(|row| row["url"].as_str().unwrap().to_owned()).collect())
}

fn urls(of: &Value, key: &str) -> BTreeSet<String> {
    let entries = of.as_object().unwrap().iter();
    entries.filter(|(_, truth)| truth[key] == true).map(|(url, _)| url.clone()).collect()
}

#[test]
fn recipes_are_found_in_ten_languages() {
    let (truth, found) = run("demo-text", |expected| urls(&expected["pages"], "recipe"));
    assert!(truth.is_subset(&found), "missed: {:?}", truth.difference(&found));
    assert!(found.len() <= truth.len() + 2, "too many: {:?}", found.difference(&truth));
}

#[test]
fn captioned_pictures_are_found() {
    let (truth, found) = run("demo-image", |expected| urls(&expected["pictures"], "caption"));
    assert!(found.is_subset(&truth), "wrong: {:?}", found.difference(&truth));
    assert!(found.len() + 2 >= truth.len(), "missed: {:?}", truth.difference(&found));
}
