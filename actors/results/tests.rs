use super::names::QUARANTINE;
use super::*;
use crate::testkit::script::{self, COMMITS, commits, identity, layout, next, open, run};
use crate::testkit::{Fault, ModelDisk, Survival};

fn row(line: &str) -> Row {
    Row { list: List::Results, line: format!("{line}\n").into_bytes(), file: None }
}

/// Opens with files of lines of so many bytes.
fn with(disk: &ModelDisk, part_bytes: Option<u64>) -> Results {
    let layout = Layout { part_bytes, journal_bytes: JOURNAL_BYTES };
    Results::open(Box::new(disk.clone()), identity(), layout).unwrap().0
}

fn lines(disk: &ModelDisk) -> Vec<(String, String)> {
    let files = disk.files().into_iter().filter(|(path, _)| path != JOURNAL);
    files.map(|(path, bytes)| (path, String::from_utf8(bytes).unwrap())).collect()
}

fn check_lines(disk: &ModelDisk, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    assert_eq!(lines(disk), expected);
}

fn results_of(disk: &ModelDisk) -> BTreeMap<String, Vec<u8>> {
    let mut files = disk.files();
    files.remove(JOURNAL);
    files
}

/// [`script::run`] on a disk that is full now and then: each commit is tried again until it is done. Returns how often.
fn run_patiently(disk: &ModelDisk) -> u64 {
    let (mut results, recovered) = open(disk).unwrap();
    let mut parts = recovered.parts;
    let mut full = 0;
    while let Some((next, rows)) = next(&parts) {
        rows.into_iter().for_each(|row| results.put(row));
        let is_last = commits(&next) == COMMITS;
        let before = results.pending_bytes();
        while let Err(error) = if is_last { results.finish(&next) } else { results.commit(&next) } {
            assert!(matches!(error, ResultsError::Full { .. }), "{error}");
            assert!([0, before].contains(&results.pending_bytes()), "nothing is lost before it is committed");
            full += 1;
        }
        parts = next;
    }
    full
}

#[test]
fn a_full_disk_costs_nothing_but_time() {
    let calm = ModelDisk::default();
    open(&calm).unwrap();
    // Opening is not tried again.
    let fresh = calm.fork();
    open(&calm).unwrap();
    let begin = calm.calls();
    let calm = fresh.fork();
    assert_eq!(run_patiently(&calm), 0);
    let (end, expected) = (calm.calls(), results_of(&calm));
    for call in begin..end {
        let disk = fresh.fork();
        disk.fail_at(call, Fault::Full);
        assert_eq!(run_patiently(&disk), 1, "call {call}");
        disk.crash(Survival::Nothing);
        assert_eq!(results_of(&disk), expected, "full at call {call}");
    }
}

#[test]
fn a_disk_that_stays_full_is_waited_for() {
    let disk = ModelDisk::default();
    let mut results = with(&disk, Some(1000));
    results.put(Row {
        list: List::Results,
        line: b"a\n".to_vec(),
        file: Some(("images/ab/a.png".to_owned(), Bytes::from_static(b"png"))),
    });
    assert_eq!(results.pending_bytes(), 5);
    disk.fill_for(3);
    for _ in 0..3 {
        let error = results.commit(&[]).unwrap_err().to_string();
        assert_eq!(error, "no space is left to write images/ab/a.png; free some, or raise the quota");
    }
    // More may come meanwhile.
    results.put(row("b"));
    results.commit(&[]).unwrap();
    assert_eq!((results.pending_bytes(), results.rows()), (0, 2));
    results.finish(&[]).unwrap();
    check_lines(&disk, &[("images/ab/a.png", "png"), ("part-00000.jsonl", "a\nb\n")]);
}

#[test]
fn a_shorter_commit_leaves_nothing_of_a_longer_one_that_found_no_space() {
    let disk = ModelDisk::default();
    let mut results = with(&disk, None);
    let parts: Vec<_> = (0..9).map(PartState::whole).collect();
    // The journal is written, and its sync fails.
    disk.fail_at(disk.calls() + 1, Fault::Full);
    let error = results.commit(&parts).unwrap_err();
    assert!(matches!(error, ResultsError::Full { path } if path == JOURNAL));
    results.commit(&parts[..1]).unwrap();
    let bytes = &disk.files()[JOURNAL];
    let journal = Journal::parse(bytes).unwrap();
    assert_eq!((journal.commits.len(), journal.valid_bytes), (1, bytes.len() as u64));
    assert_eq!(journal.commits[0].parts, parts[..1]);
}

#[test]
fn after_an_error_nothing_is_written_any_more() {
    let calm = ModelDisk::default();
    run(&calm, COMMITS, |_, _| {}).unwrap();
    for call in 0..calm.calls() {
        let disk = ModelDisk::default();
        disk.fail_at(call, Fault::Io);
        let Ok((mut results, _)) = open(&disk) else { continue };
        let mut parts = Vec::new();
        let failed = loop {
            let Some((next, rows)) = next(&parts) else { break results.finish(&parts) };
            rows.into_iter().for_each(|row| results.put(row));
            if let Err(error) = results.commit(&next) {
                break Err(error);
            }
            parts = next;
        };
        assert!(matches!(failed, Err(ResultsError::Io { .. })), "call {call}: {failed:?}");
        let calls = disk.calls();
        assert!(matches!(results.commit(&parts), Err(ResultsError::Broken { .. })), "call {call}");
        assert!(matches!(results.finish(&parts), Err(ResultsError::Broken { .. })), "call {call}");
        assert_eq!(disk.calls(), calls, "call {call}");
    }
}

#[test]
fn lines_go_into_files_of_bounded_size() {
    let check = |part_bytes, expected: &[(&str, &str)]| {
        for commits_each in [1, 2, 9] {
            let disk = ModelDisk::default();
            let mut results = with(&disk, part_bytes);
            for (index, line) in ["aaa", "bbb", "ccccccccc", "d", "e"].into_iter().enumerate() {
                results.put(row(line));
                if index % commits_each == 0 {
                    results.commit(&[]).unwrap();
                }
            }
            results.finish(&[]).unwrap();
            disk.crash(Survival::Nothing);
            check_lines(&disk, expected);
        }
    };
    let [first, second, third] = ["part-00000.jsonl", "part-00001.jsonl", "part-00002.jsonl"];
    check(Some(8), &[(first, "aaa\nbbb\n"), (second, "ccccccccc\n"), (third, "d\ne\n")]);
    check(Some(100), &[(first, "aaa\nbbb\nccccccccc\nd\ne\n")]);
    check(None, &[("index.jsonl", "aaa\nbbb\nccccccccc\nd\ne\n")]);
}

#[test]
fn lines_that_were_not_committed_are_gone_for_good() {
    let disk = ModelDisk::default();
    let mut results = with(&disk, Some(1000));
    results.put(row("a"));
    results.commit(&[]).unwrap();
    results.put(row("b"));
    // The line is written and synced, and the journal not written.
    disk.fail_at(disk.calls() + 2, Fault::Crash);
    results.commit(&[]).unwrap_err();
    disk.crash(Survival::Everything);
    check_lines(&disk, &[("part-00000.jsonl.tmp", "a\nb\n")]);
    with(&disk, Some(1000)).finish(&[]).unwrap();
    disk.crash(Survival::Nothing);
    check_lines(&disk, &[("part-00000.jsonl", "a\n")]);
}

#[test]
fn a_finished_index_grows_again() {
    let finished = ModelDisk::default();
    let mut results = with(&finished, None);
    results.put(row("a"));
    results.finish(&[]).unwrap();
    check_lines(&finished, &[("index.jsonl", "a\n")]);

    let more = |disk: &ModelDisk| -> Result<(), ResultsError> {
        let mut results = with(disk, None);
        results.put(row("b"));
        results.commit(&[])?;
        results.put(row("c"));
        results.finish(&[])
    };
    let calm = finished.fork();
    let begin = calm.calls();
    with(&calm, None);
    let before = calm.calls();
    let opening = before - begin;
    more(&calm).unwrap();
    check_lines(&calm, &[("index.jsonl", "a\nb\nc\n")]);

    for call in opening..calm.calls() - before {
        let disk = finished.fork();
        disk.fail_at(disk.calls() + call, Fault::Crash);
        assert!(more(&disk).is_err());
        for survival in [Survival::Nothing, Survival::Everything, Survival::Random(call)] {
            let disk = disk.fork();
            disk.crash(survival);
            let mut results = with(&disk, None);
            for line in ["b", "c"].into_iter().skip(results.rows() as usize - 1) {
                results.put(row(line));
            }
            results.finish(&[]).unwrap();
            disk.crash(Survival::Nothing);
            check_lines(&disk, &[("index.jsonl", "a\nb\nc\n")]);
        }
    }
}

#[test]
fn where_nothing_changed_nothing_is_written() {
    let disk = ModelDisk::default();
    run(&disk, COMMITS, |_, _| {}).unwrap();
    let (mut results, recovered) = open(&disk).unwrap();
    assert!(recovered.resumed && recovered.commits == COMMITS && recovered.torn_bytes == 0);
    let calls = disk.calls();
    results.commit(&recovered.parts).unwrap();
    results.finish(&recovered.parts).unwrap();
    assert_eq!(disk.calls(), calls);
}

#[test]
fn the_journal_stays_short() {
    let disk = ModelDisk::default();
    let mut longest = 0;
    run(&disk, COMMITS, |_, _| longest = longest.max(disk.files()[JOURNAL].len())).unwrap();
    let snapshot = 2000;
    assert!(longest < 4 * snapshot + 2000, "{longest} bytes");
}

/// What is said of the folder that a run of `until` commits left, after `change`. It is not changed any more.
fn refusal(until: u64, identity: BTreeMap<String, String>, change: impl FnOnce(&mut ModelDisk)) -> String {
    let mut disk = ModelDisk::default();
    run(&disk, until, |_, _| {}).unwrap();
    change(&mut disk);
    let before = disk.files();
    let checked = Results::check(Box::new(disk.clone()), identity.clone());
    let Err(error) = Results::open(Box::new(disk.clone()), identity, layout()) else { panic!("taken") };
    assert_eq!(disk.files(), before, "{error}");
    assert_eq!(checked.unwrap_err().to_string(), error.to_string());
    error.to_string()
}

#[test]
fn a_folder_that_does_not_fit_is_refused_with_the_cure() {
    let cure = "restore it from a copy, or set another output.path, or output.overwrite = true";
    let check = |until, change: &dyn Fn(&mut ModelDisk), expected: &str| {
        assert_eq!(refusal(until, identity(), change), format!("{expected}; {cure}"));
    };
    let growing = "part-00008.jsonl.tmp";
    check(
        27,
        &|disk| disk.truncate(growing, 1).unwrap(),
        &format!("{growing} is damaged: 1182 bytes are committed, and it has 1"),
    );
    check(
        27,
        &|disk| disk.write_at(growing, 5, b"#").unwrap(),
        &format!("{growing} is damaged: its first 1182 bytes are not those that were committed"),
    );
    check(
        27,
        &|disk| disk.remove(growing).unwrap(),
        &format!("{growing} is damaged: it is committed, and missing"),
    );
    check(
        27,
        &|disk| disk.remove("part-00000.jsonl").unwrap(),
        "part-00000.jsonl is damaged: it is committed, and missing",
    );
    check(
        27,
        &|disk| disk.write_at("part-00000.jsonl", 0, &[b'x'; 2000]).unwrap(),
        "part-00000.jsonl is damaged: 1098 bytes are committed, and it has 2000",
    );
    check(
        27,
        &|disk| disk.write_at(JOURNAL, 3, b"#").unwrap(),
        "journal cannot be used: its beginning, up to byte 0, is damaged",
    );
    let message = refusal(27, identity(), |disk| disk.remove(JOURNAL).unwrap());
    assert!(message.starts_with("images is there, but no journal;"), "{message}");
}

#[test]
fn a_folder_that_fits_is_checked_and_left_as_it_is() {
    let disk = ModelDisk::default();
    for until in [0, 9, COMMITS] {
        if until > 0 {
            run(&disk, until, |_, _| {}).unwrap();
        }
        // A commit that broke off, which opening would cut away.
        let mut torn = disk.fork();
        torn.write_at("images.txt.tmp", 0, b"theirs").unwrap();
        if until > 0 {
            let length = torn.len(JOURNAL).unwrap().unwrap();
            torn.write_at(JOURNAL, length, b"torn").unwrap();
        }
        let before = torn.files();
        Results::check(Box::new(torn.clone()), identity()).unwrap();
        assert_eq!(torn.files(), before, "after {until} commits");
    }
}

#[test]
fn other_settings_are_named() {
    let check = |changes: &[(&str, &str)], expected: &str| {
        let mut identity = identity();
        identity.extend(changes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let message = refusal(3, identity, |_| {});
        let cure = "go on with the same, or set another output.path, or output.overwrite = true";
        assert_eq!(
            message,
            format!("the results there were begun with other settings or archives: {expected}; {cure}")
        );
    };
    check(&[("model.threshold", "0.7")], "model.threshold was 0.5 and is 0.7");
    check(&[("archive a", "1 bytes")], "added a");
}

#[test]
fn files_of_others_are_left_alone() {
    let mut disk = ModelDisk::default();
    for path in ["summary.json", "summary.json.tmp", ".warcdl"] {
        disk.write_at(path, 0, b"theirs").unwrap();
    }
    run(&disk, 9, |_, _| {}).unwrap();
    for path in
        ["notes.tmp", "images/00/x.png.tmp", "part-00077.jsonl", "part-00055.jsonl.tmp", "journal.tmp"]
    {
        disk.write_at(path, 0, b"stray").unwrap();
    }
    run(&disk, COMMITS, |_, _| {}).unwrap();
    let files = disk.files();
    let kept = files.keys().filter(|path| !path.starts_with("images/") && !path.starts_with("part-"));
    assert_eq!(
        kept.collect::<Vec<_>>(),
        [".warcdl", JOURNAL, "notes.tmp", QUARANTINE, "summary.json", "summary.json.tmp"]
    );
    assert!(!files.contains_key("images/00/x.png.tmp") && !files.contains_key("part-00077.jsonl"));
}

#[test]
fn a_run_on_the_file_system_leaves_what_the_model_has() {
    let model = ModelDisk::default();
    run(&model, COMMITS, |_, _| {}).unwrap();
    let root = std::env::temp_dir().join(format!("warcdl-results-{}", std::process::id()));
    // One with this process's number may have been killed.
    let _ = std::fs::remove_dir_all(&root);
    std::fs::create_dir(&root).unwrap();
    let open = || {
        let disk = crate::disk::FsDisk::new(root.clone());
        Results::open(Box::new(disk), identity(), layout()).unwrap()
    };
    loop {
        // Opened for each commit anew.
        let (mut results, recovered) = open();
        let Some((next, rows)) = script::next(&recovered.parts) else { break };
        rows.into_iter().for_each(|row| results.put(row));
        if commits(&next) == COMMITS { results.finish(&next) } else { results.commit(&next) }.unwrap();
    }
    for (path, bytes) in results_of(&model) {
        assert_eq!(std::fs::read(root.join(&path)).unwrap(), bytes, "{path}");
    }
    let left = std::fs::read_dir(&root).unwrap().count();
    let expected = model.files().keys().filter(|path| !path.contains('/')).count() + 1;
    assert_eq!(left, expected, "the model's files, and the folder of pictures");
    std::fs::remove_dir_all(&root).unwrap();
}
