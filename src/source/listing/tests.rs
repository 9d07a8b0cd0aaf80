use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{find, list};
use crate::source::{CommonCrawlSettings, S3Settings, Secret, SourceSettings, Store};

fn settings(paths: Vec<String>) -> SourceSettings {
    let s3 = S3Settings {
        buckets: Vec::new(),
        endpoint_url: String::new(),
        region: String::new(),
        path_style: true,
        profile: String::new(),
        access_key_id: String::new(),
        secret_access_key: Secret::default(),
        session_token: Secret::default(),
        anonymous: true,
    };
    SourceSettings {
        common_crawl: CommonCrawlSettings::default(),
        index: Vec::new(),
        index_base: String::new(),
        paths,
        list: String::new(),
        suffixes: vec![".warc.gz".to_owned()],
        retry_s: 1,
        stall_ms: 1000,
        s3,
    }
}

#[tokio::test]
async fn folders_globs_and_files_are_listed_once() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    fs::create_dir(root.join("deep")).unwrap();
    for name in ["b.warc.gz", "deep/a.warc.gz", "notes.txt"] {
        fs::write(root.join(name), "x").unwrap();
    }
    let at = |name: &str| root.join(name).display().to_string();
    let given = settings(vec![at(""), at("*.warc.gz"), at("notes.txt")]);
    let store = Store::new(&given.s3, given.waits(), tokio::runtime::Handle::current());
    let names: Vec<_> = list(&given, &store).await.unwrap().into_iter().map(|archive| archive.name).collect();
    assert_eq!(names, [at("b.warc.gz"), at("deep/a.warc.gz"), at("notes.txt")]);

    let missing = list(&settings(vec![at("missing")]), &store).await.unwrap_err().to_string();
    assert!(missing.contains(&at("missing")), "{missing}");
    let empty = list(&settings(vec![at("*.warc")]), &store).await.unwrap_err().to_string();
    assert!(empty.contains("*.warc") && empty.contains(".warc.gz"), "{empty}");
}

/// Lists `paths`, of which `FOLDER` is the folder.
async fn listed(folder: &Path, paths: &[&str]) -> Result<Vec<String>, String> {
    let root = folder.display().to_string();
    let given = settings(paths.iter().map(|path| path.replace("FOLDER", &root)).collect());
    let store = Store::new(&given.s3, given.waits(), tokio::runtime::Handle::current());
    let archives = list(&given, &store).await.map_err(|error| error.to_string())?;
    Ok(archives.into_iter().map(|archive| archive.name).collect())
}

#[tokio::test]
async fn a_list_may_not_name_another() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    fs::write(root.join("a.warc.gz"), "x").unwrap();
    fs::write(root.join("l.paths"), format!("{}/a.warc.gz\n", root.display())).unwrap();
    for inner in ["l.paths", "l.paths.gz", "s3://b/l.paths", "https://h/l.paths.gz"] {
        fs::write(root.join("n.paths"), format!("# mine\n{inner}\n")).unwrap();
        let error = listed(&root, &["FOLDER/n.paths", "FOLDER/a.warc.gz"]).await.unwrap_err();
        for part in ["n.paths:2: ", inner, "put its lines here", "source.paths"] {
            assert!(error.contains(part), "{inner}: no {part:?} in {error}");
        }
    }
    assert_eq!(listed(&root, &["FOLDER/l.paths"]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn links_are_followed_and_each_folder_searched_once() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    for name in ["crawl/deep", "else/where", "else/odd.warc.gz"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    for name in ["crawl/deep/a.warc.gz", "else/where/b.warc.gz", "else/odd.warc.gz/c.warc.gz", "else/object"]
    {
        fs::write(root.join(name), "x").unwrap();
    }
    for (from, to) in [
        // To folders: elsewhere, one that is named as an archive, one twice, and round in circles.
        ("crawl/linked", "else/where"),
        ("crawl/linked.warc.gz", "else/odd.warc.gz"),
        ("crawl/again", "crawl/deep"),
        ("crawl/deep/up", "crawl"),
        ("else/where/back", "crawl"),
        // To files: one that is found by two names, and one that is an archive by this name only.
        ("crawl/a.warc.gz", "crawl/deep/a.warc.gz"),
        ("crawl/d.warc.gz", "else/object"),
        // To nothing, by a name that no archive has.
        ("crawl/gone", "nowhere"),
    ] {
        symlink(root.join(to), root.join(from)).unwrap();
    }
    // Names are those of the files themselves: so one that is found twice is read once.
    let files = ["crawl/deep/a.warc.gz", "else/object", "else/odd.warc.gz/c.warc.gz", "else/where/b.warc.gz"];
    let expected: Vec<_> = files.iter().map(|name| root.join(name).display().to_string()).collect();
    for paths in [&["FOLDER/crawl"][..], &["FOLDER/crawl/*"], &["FOLDER/crawl", "FOLDER/crawl/deep"]] {
        assert_eq!(listed(&root, paths).await.unwrap(), expected, "{paths:?}");
    }
    symlink(root.join("nowhere"), root.join("crawl/gone.warc.gz")).unwrap();
    let error = listed(&root, &["FOLDER/crawl"]).await.unwrap_err();
    assert!(error.contains("crawl/gone.warc.gz"), "{error}");
}

#[tokio::test]
async fn places_without_archives_are_told_each() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let at = |name: &str| root.join(name).display().to_string();
    fs::create_dir(root.join("none")).unwrap();
    fs::write(root.join("a.warc.gz"), "x").unwrap();
    fs::write(root.join("m.paths"), format!("{}\n{}\n", at("a.warc.gz"), at("*.zip"))).unwrap();
    fs::write(root.join("c.paths"), "# later\n\n").unwrap();
    fs::write(root.join("i.cdxj"), "").unwrap();
    let check = async |paths: &[&str], index: &[&str], expected: &[&[&str]]| {
        let mut given = settings(paths.iter().map(|path| at(path)).collect());
        given.index = index.iter().map(|name| at(name)).collect();
        let store = Store::new(&given.s3, given.waits(), tokio::runtime::Handle::current());
        let told: Vec<_> = match find(&given, &store).await {
            Ok(found) => found.empty.iter().map(ToString::to_string).collect(),
            Err(error) => vec![error.to_string()],
        };
        assert_eq!(told.len(), expected.len(), "{paths:?}: {told:?}");
        for (told, parts) in told.iter().zip(expected) {
            assert!(parts.iter().all(|part| told.contains(part)), "{paths:?}: not {parts:?} but {told}");
        }
    };
    let cure = "nothing there ends with .warc.gz; see source.paths and source.suffixes";
    // Beside others that have some.
    check(&["a.warc.gz", "a.warc.gz", "*.gz"], &[], &[]).await;
    check(&["none", "a.warc.gz", "*.zip"], &[], &[&["no archives in", "/none:", cure], &["*.zip", cure]])
        .await;
    check(&["m.paths"], &[], &[&["m.paths:2: no archives in", "*.zip", cure]]).await;
    check(
        &["a.warc.gz", "c.paths"],
        &["i.cdxj"],
        &[
            &["c.paths: nothing is named there", "source.list"],
            &["i.cdxj: nothing is named there", "source.index"],
        ],
    )
    .await;
    // Alone.
    check(&["none", "*.zip"], &[], &[&["no archives in", "/none, ", "*.zip:", cure]]).await;
    check(&["c.paths"], &[], &[&["c.paths: nothing is named there"]]).await;
    check(&[], &["i.cdxj"], &[&["i.cdxj: nothing is named there"]]).await;
    check(&["none"], &["i.cdxj"], &[&["/none, ", "i.cdxj (which names nothing):", cure]]).await;
    check(&[], &[], &[&["no archives in an empty source", cure]]).await;
}

#[tokio::test]
async fn a_missing_archive_is_told_with_the_line_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let (here, gone) = (root.join("a.warc.gz"), root.join("gone.warc.gz"));
    fs::write(&here, "x").unwrap();
    fs::write(root.join("m.list"), format!("{}\n{}\n", here.display(), gone.display())).unwrap();
    let line = |name: &Path| format!("a {{\"filename\": {name:?}, \"offset\": 1, \"length\": 1}}\n");
    fs::write(root.join("i.cdxj"), line(&here) + &line(&here) + &line(&gone) + &line(&gone)).unwrap();
    let (mut by_list, mut by_index) = (settings(Vec::new()), settings(Vec::new()));
    by_list.list = root.join("m.list").display().to_string();
    by_index.index = vec![root.join("i.cdxj").display().to_string()];
    for (given, part) in [(by_list, "m.list:2: cannot read"), (by_index, "i.cdxj:3: cannot read")] {
        let store = Store::new(&given.s3, given.waits(), tokio::runtime::Handle::current());
        let error = list(&given, &store).await.unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("gone.warc.gz: No such file"), "{error}");
    }
}

#[tokio::test]
async fn addresses_of_other_kinds_are_no_paths() {
    for key in ["paths", "list", "index", "index_base", "base_url"] {
        let mut given = settings(Vec::new());
        let name = "hdfs://n/a.paths";
        match key {
            "paths" => given.paths = vec![name.to_owned()],
            "list" => given.list = name.to_owned(),
            "index" => given.index = vec![name.to_owned()],
            "index_base" => given.index_base = name.to_owned(),
            _ => {
                given.common_crawl.base_url = name.to_owned();
                given.common_crawl.crawl = "CC-MAIN-2024-33".to_owned();
            }
        }
        let store = Store::new(&given.s3, given.waits(), tokio::runtime::Handle::current());
        let error = list(&given, &store).await.unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("hdfs:// is not known"), "{key}: {error}");
    }
}
