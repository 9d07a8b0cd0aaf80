//! Parts of archives, records that an index names, and threads.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use warcdl_actors::port::{Pulse, Source};
use warcdl_actors::wire::Lease;
use warcdl_actors::{Exclusion, Extent, Named, Position};

use super::{Intake, Prepare};
use crate::config::Config;
use crate::job::Job;

fn record(number: usize) -> String {
    let sentences =
        format!("<p>This is a sentence about page {number}, and the weather is fine.</p>").repeat(20);
    let block =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html><body>{sentences}</body></html>");
    format!(
        "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a/{number}\r\nContent-Length: {}\r\n\r\n{block}\r\n\r\n",
        block.len()
    )
}

fn gzip(records: &[String]) -> Vec<u8> {
    let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    records.iter().for_each(|record| member.write_all(record.as_bytes()).unwrap());
    member.finish().unwrap()
}

fn job() -> Job {
    let needs = ["source.paths=[\"a\"]", "model.path=m"].map(str::to_owned);
    let config = Config::parse(Path::new("my.toml"), "", &needs).unwrap();
    Job {
        kind: config.kind,
        s3: config.source.s3.clone(),
        stall_ms: 0,
        retry_s: 0,
        record: config.record.clone(),
        text: config.text.clone(),
        image: config.image.clone(),
        filter: config.filter.clone(),
        tokenizer_json: None,
        max_tokens: 100,
        image_size: None,
    }
}

fn lease(path: &Path, size: usize, start: Position) -> Lease {
    Lease { start, ..Lease::of_whole(path.to_str().unwrap(), size as u64) }
}

/// Where each record of a lease starts and ends, and whether it was taken.
fn read(intake: &mut Intake, lease: &Lease) -> Vec<(Position, Position, Result<(), Exclusion>)> {
    let mut records = intake.open(lease, &Pulse::default()).unwrap();
    let mut found = Vec::new();
    while let Some(step) = records.next().unwrap() {
        found.push((step.at, step.next, step.outcome.map(drop)));
    }
    found
}

/// Wherever an archive is cut, and from whatever boundary the second part walks to its beginning: the parts hold every
/// record once.
#[test]
fn parts_of_an_archive_are_the_archive() {
    let pages: Vec<String> = (0..6).map(record).collect();
    let each: Vec<Vec<u8>> = pages.iter().map(|page| gzip(std::slice::from_ref(page))).collect();
    let mut damaged = each.clone();
    let middle = damaged[2].len() / 2;
    damaged[2][middle..middle + 6].fill(0xff);
    damaged[4].splice(0..0, *b"no member at all");
    // An archive inside a record, stored as it is: its members look like those around it.
    let mut nested = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    let inner = each.concat();
    let head = format!(
        "WARC/1.0\r\nWARC-Type: response\r\nContent-Length: {}\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        inner.len() + 19
    );
    nested.write_all(&[head.as_bytes(), &inner, b"\r\n\r\n"].concat()).unwrap();
    let mut with_nested = each.clone();
    with_nested.insert(3, nested.finish().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let job = job();
    let mut intake = Intake::new(job.clone(), job.store(runtime.handle().clone())).unwrap();
    for (name, bytes, records) in [
        ("each.warc.gz", each.concat(), 6),
        ("two.warc.gz", [gzip(&pages[..2]), gzip(&pages[2..4]), gzip(&pages[4..])].concat(), 6),
        ("one.warc.gz", gzip(&pages), 6),
        ("plain.warc", pages.concat().into_bytes(), 6),
        ("damaged.warc.gz", damaged.concat(), 7),
        ("nested.warc.gz", with_nested.concat(), 7),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let whole = lease(&path, bytes.len(), Position::default());
        let all = read(&mut intake, &whole);
        assert_eq!(all.len(), records, "{name}");
        for cut in (0..bytes.len() as u64 + 1).step_by(bytes.len() / 60) {
            let first = read(&mut intake, &Lease { end: cut, ..whole.clone() });
            let boundaries = std::iter::once(Position::default()).chain(all.iter().map(|&(_, next, _)| next));
            for start in boundaries.filter(|start| start.offset < cut) {
                let second = Lease { start, from: cut, ..whole.clone() };
                let both = [first.clone(), read(&mut intake, &second)].concat();
                assert_eq!(both, all, "{name} cut at {cut}, the rest from {start:?}");
            }
        }
    }
}

/// Many threads tell what one tells, from wherever a lease starts; and the next lease finds all of them again.
#[test]
fn threads_change_nothing_but_the_time() {
    let pages: Vec<Vec<u8>> = (0..40).map(|number| gzip(&[record(number)])).collect();
    let mut file = pages.concat();
    let seventh = pages[..7].concat().len();
    file.splice(seventh..seventh, *b"no member at all");
    let middle = pages[..20].concat().len() + 30;
    file[middle] ^= 0xff;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.warc.gz");
    std::fs::write(&path, &file).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let job = job();
    let store = job.store(runtime.handle().clone());
    let told = |intake: &mut Intake, lease: &Lease| {
        let mut records = intake.open(lease, &Pulse::default()).unwrap();
        let mut steps = Vec::new();
        while let Some(step) = records.next().unwrap() {
            steps.push(format!("{step:?}"));
        }
        steps
    };
    let mut alone = Intake::new(job.clone(), store.clone()).unwrap();
    let whole = lease(&path, file.len(), Position::default());
    let all = told(&mut alone, &whole);
    assert!(all.len() >= 40);
    let ends: Vec<Position> = read(&mut alone, &whole).iter().map(|&(_, next, _)| next).collect();
    for threads in [2, 4, 8] {
        let mut intake = Intake::new(job.clone(), store.clone()).unwrap().with_threads(threads);
        assert_eq!(told(&mut intake, &whole), all, "{threads} threads");
        for (index, &start) in ends.iter().enumerate().step_by(9) {
            let rest = Lease { start, careful: index as u32 % 5, ..whole.clone() };
            assert_eq!(told(&mut intake, &rest), all[index + 1..], "{threads} threads from {start:?}");
            // One that is given up midway.
            let mut records = intake.open(&whole, &Pulse::default()).unwrap();
            (0..index % 3).for_each(|_| assert!(records.next().unwrap().is_some()));
            drop(records);
            assert_eq!(intake.preparers.len(), threads);
        }
    }
}

/// A record that is announced before it is begun is not begun earlier by another thread.
#[test]
fn careful_records_are_begun_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.warc");
    let bytes: String = (0..60).map(record).collect();
    std::fs::write(&path, &bytes).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let job = job();
    let mut intake = Intake::new(job.clone(), job.store(runtime.handle().clone())).unwrap();
    let begun = Arc::new(AtomicUsize::new(0));
    intake.preparers = (0..4)
        .map(|_| {
            let begun = Arc::clone(&begun);
            Box::new(move |_| {
                begun.fetch_add(1, Ordering::SeqCst);
                Err(Exclusion::FilterMinChars)
            }) as Prepare
        })
        .collect();
    let lease = Lease { careful: 20, ..lease(&path, bytes.len(), Position::default()) };
    let mut records = intake.open(&lease, &Pulse::default()).unwrap();
    for announced in 1..=20 {
        assert!(records.next().unwrap().is_some());
        assert_eq!(begun.load(Ordering::SeqCst), announced);
    }
    while records.next().unwrap().is_some() {}
    assert_eq!(begun.load(Ordering::SeqCst), 60);
}

#[test]
fn a_record_that_is_passed_over_is_told_as_that() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.warc");
    let bytes: String = (0..3).map(record).collect();
    std::fs::write(&path, &bytes).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let job = job();
    let mut intake = Intake::new(job.clone(), job.store(runtime.handle().clone())).unwrap();
    let whole = lease(&path, bytes.len(), Position::default());
    let second = read(&mut intake, &whole)[1].0;
    let found = read(&mut intake, &Lease { start: second, pass_over: true, ..whole });
    let outcomes: Vec<_> = found.into_iter().map(|(_, _, outcome)| outcome).collect();
    assert_eq!(outcomes, [Err(Exclusion::Quarantined), Ok(())]);
}

/// Whatever an index names, however the archive is stored and wherever a lease begins: those records, each once.
#[test]
fn an_index_names_the_records_that_are_read() {
    let pages: Vec<String> = (0..6).map(record).collect();
    let each: Vec<Vec<u8>> = pages.iter().map(|page| gzip(std::slice::from_ref(page))).collect();
    let three: Vec<Vec<u8>> = pages.chunks(3).map(gzip).collect();
    let plain: Vec<Vec<u8>> = pages.iter().map(|page| page.as_bytes().to_vec()).collect();
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let job = job();
    let mut intake = Intake::new(job.clone(), job.store(runtime.handle().clone())).unwrap();
    for (name, members, records) in
        [("each.warc.gz", each, 1), ("three.warc.gz", three, 3), ("plain.warc", plain, 1)]
    {
        let path = folder.path().join(name);
        std::fs::write(&path, members.concat()).unwrap();
        let mut offset = 0;
        let extents: Vec<Extent> = members
            .iter()
            .map(|member| {
                let extent = Extent { offset, length: member.len() as u64 };
                offset += extent.length;
                extent
            })
            .collect();
        let whole = lease(&path, members.concat().len(), Position::default());
        let all = read(&mut intake, &whole);
        for bits in 0..1_u32 << members.len() {
            let is_named = |index: usize| bits >> index & 1 == 1;
            let some = (0..members.len()).filter(|&index| is_named(index)).map(|index| extents[index]);
            let named = Named::new(some);
            let expected: Vec<_> =
                all.iter().enumerate().filter(|&(i, _)| is_named(i / records)).map(|(_, r)| *r).collect();
            let lease = Lease { named: Some(named.clone()), ..whole.clone() };
            let found = read(&mut intake, &lease);
            assert_eq!(found, expected, "{name}, records {bits:b}");
            // A successor goes on behind any of them.
            if let Some(&(_, start, _)) = found.get(found.len() / 2) {
                let rest = Some(named.within(start.offset, u64::MAX));
                let rest = read(&mut intake, &Lease { start, named: rest, ..whole.clone() });
                assert_eq!(rest, expected[found.len() / 2 + 1..], "{name}, records {bits:b}");
            }
        }
    }
}

/// An index that is wrong costs what it is wrong about, under a name.
#[test]
fn what_an_index_names_wrongly_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.warc.gz");
    let members: Vec<Vec<u8>> = (0..4).map(|number| gzip(&[record(number)])).collect();
    let length = members[0].len() as u64;
    let bytes = [members.concat(), vec![0; 50]].concat();
    std::fs::write(&path, &bytes).unwrap();
    let first = Extent { offset: 0, length };
    let second = Extent { offset: length, length: members[1].len() as u64 };
    let fourth = length + second.length + members[2].len() as u64;
    let zeros = bytes.len() as u64 - 50;
    let job = job();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut intake = Intake::new(job.clone(), job.store(runtime.handle().clone())).unwrap();
    let lease = lease(&path, bytes.len(), Position::default());
    let garbage = Some(Exclusion::Garbage);
    let end = bytes.len() as u64;
    for (wrong, reason) in [
        (Extent { offset: 0, length: length - 9 }, Some(Exclusion::Truncated)),
        (Extent { offset: 0, length: end }, None),
        (Extent { offset: 0, length: u64::MAX }, None),
        (Extent { offset: 3, length: length - 3 }, garbage),
        (Extent { offset: 0, length: 0 }, garbage),
        (Extent { offset: zeros, length: 50 }, garbage),
        // Inside of one that is named rightly.
        (Extent { offset: length / 2, length: 5 }, garbage),
        (Extent { offset: length / 2, length: end }, garbage),
        (Extent { offset: length + 1, length: 5 }, garbage),
        // Behind the end, and across it.
        (Extent { offset: end, length: 5 }, garbage),
        (Extent { offset: u64::MAX - 1, length: u64::MAX }, garbage),
        (Extent { offset: end - 5, length: 500 }, garbage),
    ] {
        let mut extents = vec![wrong, second, Extent { offset: fourth, length: zeros - fourth }];
        extents.extend(Some(first).filter(|first| wrong.offset > first.length / 3));
        extents.sort();
        let named = Named::new(extents.clone());
        let found = read(&mut intake, &Lease { named: Some(named.clone()), ..lease.clone() });
        let told: Vec<_> = found.iter().map(|(at, _, outcome)| (at.offset, *outcome)).collect();
        let expected: Vec<_> = extents
            .iter()
            .map(|extent| (extent.offset, reason.filter(|_| *extent == wrong).map_or(Ok(()), Err)))
            .collect();
        assert_eq!(told, expected, "{wrong:?}");
        // A successor finds what is left, wherever it goes on.
        for (index, &(_, start, _)) in found.iter().enumerate() {
            let rest = Some(named.within(start.offset, u64::MAX));
            let rest = read(&mut intake, &Lease { start, named: rest, ..lease.clone() });
            assert_eq!(rest, found[index + 1..], "{wrong:?} from {start:?}");
        }
    }
}

#[test]
fn a_lease_from_behind_the_head_finds_the_dictionary_there() {
    let dictionary = record(0).into_bytes();
    let mut file =
        [&[0x5d, 0x2a, 0x4d, 0x18][..], &(dictionary.len() as u32).to_le_bytes(), &dictionary].concat();
    for number in 1..=3 {
        let mut frame = zstd::stream::write::Encoder::with_dictionary(&mut file, 3, &dictionary).unwrap();
        frame.write_all(record(number).as_bytes()).unwrap();
        frame.finish().unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.warc.zst");
    std::fs::write(&path, &file).unwrap();

    let job = job();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = job.store(runtime.handle().clone());
    let mut intake = Intake::new(job, store).unwrap();
    let mut starts = vec![Position::default()];
    for expected in [3, 2, 1, 0] {
        let lease = lease(&path, file.len(), starts[3 - expected]);
        let mut records = intake.open(&lease, &Pulse::default()).unwrap();
        let mut ends = Vec::new();
        while let Some(step) = records.next().unwrap() {
            assert!(step.outcome.is_ok(), "{:?}", step.outcome.err());
            ends.push(step.next);
        }
        assert_eq!(ends.len(), expected, "from {:?}", lease.start);
        if starts.len() == 1 {
            starts.extend(ends);
        }
    }
}
