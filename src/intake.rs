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

    use warcdl_actors::Position;
    use warcdl_actors::port::{Pulse, Source};
    use warcdl_actors::wire::Lease;

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

        let needs = ["source.paths=[\"a\"]", "model.path=m"].map(str::to_owned);
        let config = Config::parse(Path::new("my.toml"), "", &needs).unwrap();
        let job = Job {
            kind: config.kind,
            s3: config.source.s3.clone(),
            record: config.record.clone(),
            text: config.text.clone(),
            image: config.image.clone(),
            filter: config.filter.clone(),
            tokenizer_json: None,
            max_tokens: 100,
            image_size: None,
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let store = Store::new(&job.s3, runtime.handle().clone());
        let mut intake = Intake::new(job, store).unwrap();
        let mut starts = vec![Position::default()];
        for expected in [3, 2, 1, 0] {
            let lease = Lease {
                part: 0,
                epoch: 0,
                start: starts[3 - expected],
                from: 0,
                end: u64::MAX,
                careful: 0,
                pass_over: false,
                size: file.len() as u64,
                name: path.to_str().unwrap().to_owned(),
                etag: String::new(),
            };
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
