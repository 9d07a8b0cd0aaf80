//! The `Source` port of a reader: archives from a store, records out of archives, prepared.

use std::io;

use crate::job::Job;
use crate::prepare::{PrepareError, Preparer};
use crate::source::{Archive, ArchiveReader, Store};
use warcdl_actors::port::{Pulse, RecordStream, Source, SourceError, Step};
use warcdl_actors::wire::Lease;
use warcdl_actors::{Exclusion, Position};

/// Opens archives and prepares their records as a job says.
pub struct Intake {
    job: Job,
    store: Store,
    preparer: Preparer,
}

impl Intake {
    /// Checks the job's filter, limits and tokenizer.
    pub fn new(job: Job, store: Store) -> Result<Intake, PrepareError> {
        let preparer = job.preparer()?;
        Ok(Intake { job, store, preparer })
    }
}

impl Source for Intake {
    fn open(&mut self, lease: &Lease, pulse: &Pulse) -> Result<Box<dyn RecordStream + '_>, SourceError> {
        let archive = Archive { name: lease.name.clone(), size: lease.size, etag: lease.etag.clone() };
        let opener = Opener { store: &self.store, job: &self.job, archive, pulse: pulse.clone() };
        Ok(Box::new(Records {
            reader: opener.at(lease.start)?,
            opener,
            preparer: &mut self.preparer,
            from: lease.from,
            end: lease.end,
            pass_over: lease.pass_over,
            next: lease.start,
        }))
    }
}

/// Opens one archive.
struct Opener<'a> {
    store: &'a Store,
    job: &'a Job,
    archive: Archive,
    pulse: Pulse,
}

impl Opener<'_> {
    fn at(&self, start: Position) -> Result<ArchiveReader, SourceError> {
        let input = self.store.open(&self.archive, start.offset, &self.pulse).map_err(told)?;
        let name = &self.archive.name;
        let reader = ArchiveReader::new(input, name, start, &self.job.record, self.job.kind);
        let (store, archive, pulse) = (self.store.clone(), self.archive.clone(), self.pulse.clone());
        Ok(reader.with_head(move || store.open(&archive, 0, &pulse).map_err(io::Error::other)))
    }
}

struct Records<'a> {
    reader: ArchiveReader,
    opener: Opener<'a>,
    preparer: &'a mut Preparer,
    from: u64,
    end: u64,
    pass_over: bool,
    next: Position,
}

impl Records<'_> {
    /// Walks from a boundary that is known to the first record of the part, so that the part begins at a boundary too, and
    /// not at bytes that look like one.
    fn walk(&mut self) -> Result<(), SourceError> {
        while self.next.offset < self.from {
            self.opener.pulse.beat();
            let Some(entry) = self.reader.pass_over().map_err(told)? else { return Ok(()) };
            self.next = entry.next;
            if entry.at.offset >= self.from {
                // The last member held no more records: this one is the part's already, and was not looked at.
                self.reader = self.opener.at(entry.at)?;
                self.next = entry.at;
            }
        }
        Ok(())
    }
}

impl RecordStream for Records<'_> {
    fn next(&mut self) -> Result<Option<Step>, SourceError> {
        self.walk()?;
        let over = std::mem::take(&mut self.pass_over);
        let entry = if over { self.reader.pass_over() } else { self.reader.next() }.map_err(told)?;
        let Some(entry) = entry.filter(|entry| entry.at.offset < self.end) else { return Ok(None) };
        debug_assert!(entry.at >= self.next && entry.next > entry.at, "positions only grow");
        self.next = entry.next;
        let outcome = match entry.content {
            // Damage is told as what it is.
            Ok(_) if over => Err(Exclusion::Quarantined),
            content => content.and_then(|response| self.preparer.prepare(response)),
        };
        Ok(Some(Step { at: entry.at, next: entry.next, bytes_read: entry.bytes_read, outcome }))
    }
}

fn told(error: impl std::error::Error) -> SourceError {
    SourceError { message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use warcdl_actors::port::{Pulse, Source};
    use warcdl_actors::wire::Lease;
    use warcdl_actors::{Exclusion, Position};

    use super::Intake;
    use crate::config::Config;
    use crate::job::Job;
    use crate::source::Store;

    fn record(number: usize) -> String {
        let sentences =
            format!("<p>This is a sentence about page {number}, and the weather is fine.</p>").repeat(20);
        let block = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html><body>{sentences}</body></html>"
        );
        format!(
            "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a/{number}\r\nContent-Length: {}\r\n\r\n{block}\r\n\r\n",
            block.len()
        )
    }

    fn job() -> Job {
        let needs = ["source.paths=[\"a\"]", "model.path=m"].map(str::to_owned);
        let config = Config::parse(Path::new("my.toml"), "", &needs).unwrap();
        Job {
            kind: config.kind,
            s3: config.source.s3.clone(),
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
        Lease {
            part: 0,
            epoch: 0,
            start,
            from: 0,
            end: u64::MAX,
            careful: 0,
            pass_over: false,
            size: size as u64,
            name: path.to_str().unwrap().to_owned(),
            etag: String::new(),
        }
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
        let gzip = |records: &[String]| {
            let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            records.iter().for_each(|record| member.write_all(record.as_bytes()).unwrap());
            member.finish().unwrap()
        };
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
        let mut intake = Intake::new(job.clone(), Store::new(&job.s3, runtime.handle().clone())).unwrap();
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
                let boundaries =
                    std::iter::once(Position::default()).chain(all.iter().map(|&(_, next, _)| next));
                for start in boundaries.filter(|start| start.offset < cut) {
                    let second = Lease { start, from: cut, ..whole.clone() };
                    let both = [first.clone(), read(&mut intake, &second)].concat();
                    assert_eq!(both, all, "{name} cut at {cut}, the rest from {start:?}");
                }
            }
        }
    }

    #[test]
    fn a_record_that_is_passed_over_is_told_as_that() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.warc");
        let bytes: String = (0..3).map(record).collect();
        std::fs::write(&path, &bytes).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let job = job();
        let mut intake = Intake::new(job.clone(), Store::new(&job.s3, runtime.handle().clone())).unwrap();
        let whole = lease(&path, bytes.len(), Position::default());
        let second = read(&mut intake, &whole)[1].0;
        let found = read(&mut intake, &Lease { start: second, pass_over: true, ..whole });
        let outcomes: Vec<_> = found.into_iter().map(|(_, _, outcome)| outcome).collect();
        assert_eq!(outcomes, [Err(Exclusion::Quarantined), Ok(())]);
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
        let store = Store::new(&job.s3, runtime.handle().clone());
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
}
