//! Folders of results, read back.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;
use warcdl_actors::{Exclusion, Listed, Lost, Meta, Position, Positive, RecordKey, Sink};

use super::{FolderLock, OpenError, OpenFolder, OutputFormat, OutputSettings, SUMMARY, write_whole};
use crate::kind::Kind;

/// sha256("crawl/a.warc.gz" 00 | 7 as 8 bytes | 2 as 4 bytes, little-endian), computed by another program.
const HASH_OF_7: &str = "36fb82cbb0047013a52f51f91c32e64f59272cc0f6ef1299e78a2792f7ef342e";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

fn settings(folder: &Path, format: OutputFormat) -> OutputSettings {
    OutputSettings {
        path: folder.to_owned(),
        format,
        overwrite: false,
        part_bytes: 1 << 20,
        commit_ms: 1000,
        commit_bytes: 1 << 20,
        full_disk_s: 1,
    }
}

/// Settings are all that a run is known by.
fn identity(settings: &OutputSettings) -> BTreeMap<String, String> {
    [("format".to_owned(), format!("{:?}", settings.format))].into()
}

/// A folder of a run with these settings. It is checked before, which must say the same and leave the folder as it is; but a
/// lock may go unseen.
fn open(settings: &OutputSettings, kind: Kind) -> Result<(Box<dyn Sink>, FolderLock), OpenError> {
    let look = || settings.path.is_dir().then(|| contents(&settings.path));
    let before = look();
    let checked = super::check(settings, identity(settings));
    assert_eq!(look(), before);
    let opened = super::open(settings, kind, identity(settings));
    let said = |error: Option<&OpenError>| error.map(ToString::to_string);
    if !matches!(opened, Err(OpenError::InUse { .. })) {
        assert_eq!(said(checked.as_ref().err()), said(opened.as_ref().err()));
    }
    opened.map(|OpenFolder { sink, lock, .. }| (sink, lock))
}

/// All files in a folder with what is in them.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let read = |name: String| (name.clone(), fs::read(folder.join(name)).unwrap());
    listing(folder).into_iter().map(read).collect()
}

fn positive(offset: u64, keep: &'static [u8]) -> Positive {
    Positive {
        warc_filename: "crawl/a.warc.gz".into(),
        key: RecordKey { warc: 3, position: Position { offset, ordinal: 2 } },
        meta: Meta {
            url: "https://Example.org:443/a/../b.exe".to_owned(),
            fetch_time: "2024-01-02T03:04:05Z".to_owned(),
            fetch_status: 200,
            content_digest: "sha1:ABC".to_owned(),
            content_mime_type: "application/x-evil".to_owned(),
            content_charset: String::new(),
            content_languages: "eng".to_owned(),
            warc_record_id: "urn:uuid:1".to_owned(),
            warc_record_length: 1234,
            image_size: (0, 0),
            title: "A title".to_owned(),
            author: "A. Author".to_owned(),
            published: String::new(),
        },
        keep: Bytes::from_static(keep),
        score: 0.75,
        label: "spam".into(),
    }
}

/// Relative paths of all files in a folder, in order.
fn listing(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn rows(path: PathBuf) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn the_built_in_configuration_is_understood() {
    #[derive(serde::Deserialize)]
    struct Tables {
        output: OutputSettings,
    }
    let settings = toml::from_str::<Tables>(include_str!("../../config/warcdl.toml")).unwrap().output;
    assert_eq!((settings.format, settings.overwrite), (OutputFormat::Jsonl, false));
}

#[test]
fn a_line_has_the_columns_of_common_crawl() {
    let folder = folder();
    let (mut sink, _lock) = open(&settings(folder.path(), OutputFormat::Jsonl), Kind::Text).unwrap();
    sink.put(&positive(99, "zeilen\n\"ü\"".as_bytes())).unwrap();
    sink.commit(&[]).unwrap();
    assert_eq!(listing(folder.path()), [".warcdl", "journal", "part-00000.jsonl.tmp"]);
    sink.finish(&[]).unwrap();
    assert_eq!(listing(folder.path()), [".warcdl", "journal", "part-00000.jsonl"]);
    let expected = json!({
        "url": "https://Example.org:443/a/../b.exe",
        "url_host_name": "example.org",
        "fetch_time": "2024-01-02T03:04:05Z",
        "fetch_status": 200,
        "content_digest": "sha1:ABC",
        "content_mime_type": "application/x-evil",
        "content_charset": null,
        "content_languages": "eng",
        "warc_filename": "crawl/a.warc.gz",
        "warc_record_offset": 99,
        "warc_record_length": 1234,
        "warc_record_ordinal": 2,
        "warc_record_id": "urn:uuid:1",
        "score": 0.75,
        "label": "spam",
        "title": "A title",
        "author": "A. Author",
        "published": null,
        "text": "zeilen\n\"ü\"",
    });
    assert_eq!(rows(folder.path().join("part-00000.jsonl")), [expected]);
}

#[test]
fn parts_are_closed_at_their_size() {
    let folder = folder();
    let one = {
        let other = self::folder();
        let (mut sink, _lock) = open(&settings(other.path(), OutputFormat::Jsonl), Kind::Text).unwrap();
        sink.put(&positive(10, b"text")).unwrap();
        sink.finish(&[]).unwrap();
        fs::metadata(other.path().join("part-00000.jsonl")).unwrap().len()
    };
    let settings = OutputSettings { part_bytes: 2 * one, ..settings(folder.path(), OutputFormat::Jsonl) };
    let (mut sink, _lock) = open(&settings, Kind::Text).unwrap();
    for offset in 10..15 {
        sink.put(&positive(offset, b"text")).unwrap();
    }
    sink.finish(&[]).unwrap();
    // What comes after goes into a part of its own.
    sink.put(&positive(15, b"text")).unwrap();
    sink.finish(&[]).unwrap();
    sink.finish(&[]).unwrap();
    let offsets: Vec<Vec<u64>> = (0..4)
        .map(|part| {
            let rows = rows(folder.path().join(format!("part-{part:05}.jsonl")));
            rows.iter().map(|row| row["warc_record_offset"].as_u64().unwrap()).collect()
        })
        .collect();
    assert_eq!(offsets, [vec![10, 11], vec![12, 13], vec![14], vec![15]]);
    assert_eq!(listing(folder.path()).len(), 6);
}

#[test]
fn pictures_lie_beside_the_lines() {
    let folder = folder();
    let (mut sink, _lock) = open(&settings(folder.path(), OutputFormat::Jsonl), Kind::Image).unwrap();
    let mut picture = positive(7, PNG);
    picture.meta.image_size = (640, 480);
    sink.put(&picture).unwrap();
    sink.finish(&[]).unwrap();
    let rows = rows(folder.path().join("part-00000.jsonl"));
    let path = rows[0]["image_path"].as_str().unwrap();
    assert_eq!(path, format!("images/{}/{HASH_OF_7}.png", &HASH_OF_7[..2]));
    assert_eq!(fs::read(folder.path().join(path)).unwrap(), PNG);
    assert_eq!((&rows[0]["image_width"], &rows[0]["image_height"]), (&json!(640), &json!(480)));
    assert!(rows[0].get("text").is_none() && rows[0].get("title").is_none());
}

#[test]
fn a_file_for_each_positive_and_an_index() {
    let check = |kind: Kind, keep: &'static [u8], extension: &str, column: &str| {
        let folder = folder();
        let (mut sink, _lock) = open(&settings(folder.path(), OutputFormat::Files), kind).unwrap();
        for offset in [7, 8] {
            sink.put(&positive(offset, keep)).unwrap();
        }
        // The index goes on after a commit.
        sink.commit(&[]).unwrap();
        sink.put(&positive(9, keep)).unwrap();
        sink.finish(&[]).unwrap();
        let rows = rows(folder.path().join("index.jsonl"));
        let offsets: Vec<_> = rows.iter().map(|row| row["warc_record_offset"].as_u64().unwrap()).collect();
        assert_eq!(offsets, [7, 8, 9]);
        for row in &rows {
            let path = row["path"].as_str().unwrap();
            assert!(path.starts_with("positives/") && path.ends_with(extension), "{path}");
            assert_eq!(fs::read(folder.path().join(path)).unwrap(), keep);
            assert!(
                row.get(column).is_some() && row.get("text").is_none() && row.get("image_path").is_none()
            );
        }
        assert_eq!(rows[0]["path"], format!("positives/{}/{HASH_OF_7}{extension}", &HASH_OF_7[..2]));
        assert_eq!(listing(folder.path()).len(), 6);
    };
    check(Kind::Text, b"a text", ".txt", "title");
    check(Kind::Image, PNG, ".png", "image_width");
    check(Kind::Image, b"<script>", ".bin", "image_height");
}

fn listed(offset: u64) -> Listed {
    let at = Position { offset, ordinal: 1 };
    let lost = Lost { at, length: 9, reason: Exclusion::CorruptMember };
    Listed { warc_filename: "crawl/a.warc.gz".into(), lost }
}

#[test]
fn a_place_is_a_line_of_its_own() {
    let folder = folder();
    let (mut sink, _lock) = open(&settings(folder.path(), OutputFormat::Jsonl), Kind::Text).unwrap();
    sink.list(&listed(5)).unwrap();
    sink.finish(&[]).unwrap();
    assert_eq!(
        fs::read_to_string(folder.path().join("quarantine.jsonl")).unwrap(),
        "{\"warc_filename\":\"crawl/a.warc.gz\",\"warc_record_offset\":5,\"warc_record_ordinal\":1,\"length\":9,\
         \"reason\":\"corrupt_member\"}\n"
    );
    assert_eq!(listing(folder.path()), [".warcdl", "journal", "quarantine.jsonl"]);
}

#[test]
fn an_earlier_runs_results_are_removed_only_on_demand() {
    for (format, kind) in [(OutputFormat::Jsonl, Kind::Image), (OutputFormat::Files, Kind::Text)] {
        let folder = folder();
        let fresh = settings(folder.path(), format);
        let (mut sink, lock) = open(&fresh, kind).unwrap();
        sink.put(&positive(1, PNG)).unwrap();
        sink.list(&listed(5)).unwrap();
        sink.commit(&[]).unwrap();
        sink.put(&positive(2, PNG)).unwrap();
        sink.list(&listed(6)).unwrap();
        drop(sink);
        write_whole(&folder.path().join(SUMMARY), b"{}").unwrap();
        let before = listing(folder.path());
        for overwrite in [false, true] {
            let meanwhile = OutputSettings { overwrite, ..fresh.clone() };
            assert!(matches!(open(&meanwhile, kind), Err(OpenError::InUse { .. })), "its run is not over");
        }
        drop(lock);
        let other = super::open(&fresh, kind, [("format".to_owned(), "other".to_owned())].into());
        let error = other.err().unwrap().to_string();
        let checked = super::check(&fresh, [("format".to_owned(), "other".to_owned())].into());
        assert_eq!(checked.unwrap_err().to_string(), error);
        assert!(error.contains("format was") && error.contains("output.overwrite = true"), "{error}");
        assert_eq!(listing(folder.path()), before);
        // A run of the same settings goes on with them.
        let OpenFolder { mut sink, recovered, lock } =
            super::open(&fresh, kind, [("format".to_owned(), format!("{format:?}"))].into()).unwrap();
        assert_eq!((recovered.resumed, recovered.rows), (true, 1), "what was not committed is not there");
        sink.put(&positive(2, PNG)).unwrap();
        sink.list(&listed(7)).unwrap();
        sink.finish(&[]).unwrap();
        drop((sink, lock));
        let places: Vec<_> = rows(folder.path().join("quarantine.jsonl"))
            .into_iter()
            .map(|row| row["warc_record_offset"].clone())
            .collect();
        assert_eq!(places, [5, 7]);
        let lines = if format == OutputFormat::Files { "index.jsonl" } else { "part-00000.jsonl" };
        assert_eq!(rows(folder.path().join(lines)).len(), 2);
        let again = OutputSettings { overwrite: true, ..fresh };
        drop(open(&again, kind).unwrap());
        assert_eq!(listing(folder.path()), [".warcdl", "journal"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}

#[test]
fn a_copy_without_its_mark_is_refused_with_the_reason() {
    let folder = folder();
    let mut settings = settings(folder.path(), OutputFormat::Jsonl);
    drop(open(&settings, Kind::Text).unwrap());
    let mark = folder.path().join(".warcdl");
    fs::remove_file(&mark).unwrap();
    for overwrite in [false, true] {
        settings.overwrite = overwrite;
        let error = open(&settings, Kind::Text).err().unwrap().to_string();
        assert!(
            error.contains("has a journal but no .warcdl") && error.contains("copy .warcdl too"),
            "{error}"
        );
        assert_eq!(listing(folder.path()), ["journal"]);
    }
    fs::write(&mark, "").unwrap();
    settings.overwrite = false;
    drop(open(&settings, Kind::Text).unwrap());
}

#[test]
fn what_others_wrote_is_never_removed() {
    let check = |foreign: &str, claimed: bool| {
        let folder = folder();
        let settings = OutputSettings { overwrite: true, ..settings(folder.path(), OutputFormat::Jsonl) };
        if claimed {
            let (mut sink, _lock) = open(&settings, Kind::Image).unwrap();
            sink.put(&positive(1, PNG)).unwrap();
            sink.finish(&[]).unwrap();
        }
        let path = folder.path().join(foreign);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "precious").unwrap();
        let before = listing(folder.path());
        match open(&settings, Kind::Image) {
            Err(OpenError::Foreign { path: found }) => {
                assert!(!claimed || path.starts_with(&found), "{}", found.display());
            }
            other => panic!("{foreign}: {:?}", other.err()),
        }
        assert_eq!(listing(folder.path()), before);
    };
    check("notes.txt", true);
    check("part-1.jsonl", true);
    check("images/holiday.jpg", true);
    check("images/ab/holiday.jpg", true);
    check("images/holiday/1.jpg", true);
    // Without the mark even names of ours are another's.
    check("part-00000.jsonl", false);
    check("summary.json", false);
    check("images/ab/holiday.jpg", false);
}

#[cfg(unix)]
#[test]
fn links_are_not_followed_when_results_are_removed() {
    let (folder, elsewhere) = (folder(), folder());
    let settings = OutputSettings { overwrite: true, ..settings(folder.path(), OutputFormat::Jsonl) };
    drop(open(&settings, Kind::Image).unwrap());
    std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("images")).unwrap();
    assert!(matches!(open(&settings, Kind::Image), Err(OpenError::Foreign { .. })));
}

#[test]
fn a_folder_that_cannot_be_is_named() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let said =
        |path: &Path| open(&settings(path, OutputFormat::Jsonl), Kind::Text).err().unwrap().to_string();
    for path in [file.clone(), file.join("results"), file.join("a/b")] {
        let expected = format!(
            "output.path = \"{}\" must be a folder, and {} is a file: name another",
            path.display(),
            file.display()
        );
        assert_eq!(said(&path), expected);
    }
    assert!(said(Path::new("")).contains("output.path is not set"));
}

#[cfg(unix)]
#[test]
fn what_the_system_says_of_a_folder_comes_with_the_key_and_the_cure() {
    let folder = folder();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    let error = open(&settings(&link, OutputFormat::Jsonl), Kind::Text).err().unwrap().to_string();
    assert!(error.starts_with("output.path = \"") && error.contains("name a folder that"), "{error}");
}

#[test]
fn a_file_is_replaced_whole() {
    let folder = folder();
    let path = folder.path().join(SUMMARY);
    for content in ["a long first content", "second"] {
        write_whole(&path, content.as_bytes()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    assert_eq!(listing(folder.path()), [SUMMARY]);
    let error = write_whole(&folder.path().join("absent/summary.json"), b"").unwrap_err();
    assert!(error.to_string().contains("absent"), "{error}");
}
