//! The `Source` port of a reader: archives from a store, records out of archives, prepared.

use std::io::{self, Read};
use std::mem;
use std::ops::Range;
use std::thread;

use crate::job::Job;
use crate::kind::Kind;
use crate::prepare::{PrepareError, Preparer};
use crate::source::{Archive, ArchiveReader, Entry, RecordSettings, Store};
use crew::{Crew, MAX_THREADS, Prepare};
use head::Head;
use named::NamedEntries;
use warcdl_actors::port::{Pulse, RecordStream, Source, SourceError, Step};
use warcdl_actors::wire::Lease;
use warcdl_actors::{Exclusion, Position};

mod crew;
mod head;
mod named;

/// Opens archives and prepares their records as a job says.
pub struct Intake {
    job: Job,
    store: Store,
    /// What those of the threads are copies of.
    preparer: Preparer,
    /// One for each thread.
    preparers: Vec<Prepare>,
}

impl Intake {
    /// Checks the job's filter, limits and tokenizer. Records are prepared one after the other.
    pub fn new(job: Job, store: Store) -> Result<Intake, PrepareError> {
        let preparer = job.preparer()?;
        let preparers = vec![preparer.clone().into()];
        Ok(Intake { job, store, preparer, preparers })
    }

    /// The same, with records prepared on so many threads, at most 32; 0 takes one a core. Their order stays that of the archive.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Intake {
        let threads = if threads == 0 { cores() } else { threads };
        self.preparers = (0..threads.min(MAX_THREADS)).map(|_| self.preparer.clone().into()).collect();
        self
    }
}

impl From<Preparer> for Prepare {
    fn from(mut preparer: Preparer) -> Prepare {
        Box::new(move |response| preparer.prepare(response))
    }
}

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

impl Source for Intake {
    fn open(&mut self, lease: &Lease, pulse: &Pulse) -> Result<Box<dyn RecordStream + '_>, SourceError> {
        let archive =
            Archive { name: lease.name.clone(), size: lease.size, etag: lease.etag.clone(), named: None };
        let opener = Opener {
            head: Head::new(self.store.clone(), archive.clone(), pulse.clone()),
            store: self.store.clone(),
            record: self.job.record.clone(),
            kind: self.job.kind,
            archive,
            pulse: pulse.clone(),
        };
        let (entries, from, end) = match &lease.named {
            Some(named) => {
                (Entries::Named(Box::new(NamedEntries::new(opener.clone(), named, lease))), 0, u64::MAX)
            }
            None => (Entries::All(Box::new(opener.at(lease.start)?)), lease.from, lease.end),
        };
        Ok(Box::new(Records {
            work: Work::Alone(entries),
            opener,
            preparers: &mut self.preparers,
            from,
            end,
            careful: lease.careful,
            pass_over: lease.pass_over,
            next: lease.start,
        }))
    }
}

/// Opens one archive.
#[derive(Clone)]
struct Opener {
    store: Store,
    record: RecordSettings,
    kind: Kind,
    archive: Archive,
    head: Head,
    pulse: Pulse,
}

impl Opener {
    fn at(&self, start: Position) -> Result<ArchiveReader, SourceError> {
        let reader = self.reader(self.stretch(start.offset..u64::MAX)?, start);
        let again = self.clone();
        let open_at = move |offset| again.stretch(offset..u64::MAX).map_err(io::Error::other);
        Ok(reader.sized(self.archive.size).with_open_at(open_at))
    }

    /// Bytes of the archive.
    fn stretch(&self, range: Range<u64>) -> Result<Box<dyn Read + Send>, SourceError> {
        self.store.open_range(&self.archive, range, &self.pulse).map_err(told)
    }

    /// Reads records from `start` on, where `input` stands.
    fn reader(&self, input: Box<dyn Read + Send>, start: Position) -> ArchiveReader {
        let reader = ArchiveReader::new(input, &self.archive.name, start, &self.record, self.kind);
        let head = self.head.clone();
        reader.with_head(move || Ok(Box::new(head.open())))
    }
}

/// What is read of the archive.
enum Entries {
    All(Box<ArchiveReader>),
    Named(Box<NamedEntries>),
}

impl Entries {
    fn next(&mut self) -> Result<Option<Entry>, SourceError> {
        match self {
            Entries::All(reader) => reader.next().map_err(told),
            Entries::Named(named) => named.next(),
        }
    }

    fn pass_over(&mut self) -> Result<Option<Entry>, SourceError> {
        match self {
            Entries::All(reader) => reader.pass_over().map_err(told),
            Entries::Named(named) => named.pass_over(),
        }
    }
}

struct Records<'a> {
    work: Work,
    opener: Opener,
    preparers: &'a mut Vec<Prepare>,
    from: u64,
    end: u64,
    /// Records that must not be begun before they are asked for: each is announced first.
    careful: u32,
    pass_over: bool,
    next: Position,
}

/// Who prepares the records.
enum Work {
    /// Whoever asks for them, when they are asked for.
    Alone(Entries),
    Crew(Crew),
    /// Between the two.
    None,
}

impl Records<'_> {
    /// Walks from a boundary that is known to the first record of the part, so that the part begins at a boundary too, and
    /// not at bytes that look like one.
    fn walk(&mut self) -> Result<(), SourceError> {
        let Work::Alone(Entries::All(reader)) = &mut self.work else { return Ok(()) };
        while self.next.offset < self.from {
            self.opener.pulse.beat();
            let Some(entry) = reader.pass_over().map_err(told)? else { return Ok(()) };
            self.next = entry.next;
            if entry.at.offset >= self.from {
                // The last member held no more records: this one is the part's already, and was not looked at.
                **reader = self.opener.at(entry.at)?;
                self.next = entry.at;
            }
        }
        Ok(())
    }

    /// Hands the archive to the threads, once nothing forbids to begin records ahead.
    fn share_out(&mut self) {
        if self.careful > 0 || self.pass_over || self.preparers.len() < 2 {
            return;
        }
        self.work = match mem::replace(&mut self.work, Work::None) {
            Work::Alone(mut entries) => {
                let end = self.end;
                let read = Box::new(move || take(entries.next(), end));
                Work::Crew(Crew::start(read, mem::take(self.preparers)))
            }
            other => other,
        };
    }

    /// Reads and prepares the next record here and now.
    fn one(&mut self) -> Result<Option<Step>, SourceError> {
        let Work::Alone(entries) = &mut self.work else { return Ok(None) };
        let over = mem::take(&mut self.pass_over);
        let entry = if over { entries.pass_over() } else { entries.next() };
        let Some(entry) = take(entry, self.end)? else { return Ok(None) };
        let outcome = match entry.content {
            // Damage is told as what it is.
            Ok(_) if over => Err(Exclusion::Quarantined),
            content => content.and_then(|response| match self.preparers.first_mut() {
                Some(prepare) => prepare(response),
                None => unreachable!("an intake has a preparer"),
            }),
        };
        self.careful = self.careful.saturating_sub(1);
        Ok(Some(Step { at: entry.at, next: entry.next, bytes_read: entry.bytes_read, outcome }))
    }
}

impl RecordStream for Records<'_> {
    fn next(&mut self) -> Result<Option<Step>, SourceError> {
        self.walk()?;
        self.share_out();
        let step = match &mut self.work {
            Work::Crew(crew) => {
                let step = crew.next()?;
                self.opener.pulse.set_records_ahead(crew.ahead());
                step
            }
            _ => self.one()?,
        };
        if let Some(step) = &step {
            debug_assert!(step.at >= self.next && step.next > step.at, "positions only grow");
            self.next = step.next;
        }
        Ok(step)
    }
}

impl Drop for Records<'_> {
    fn drop(&mut self) {
        if let Work::Crew(crew) = &mut self.work {
            self.opener.pulse.set_records_ahead(0);
            *self.preparers = crew.end();
        }
    }
}

/// The entry, if it is one of the lease's.
fn take(entry: Result<Option<Entry>, SourceError>, end: u64) -> Result<Option<Entry>, SourceError> {
    Ok(entry?.filter(|entry| entry.at.offset < end))
}

fn told(error: impl std::error::Error) -> SourceError {
    SourceError { message: error.to_string() }
}

#[cfg(test)]
mod tests;
