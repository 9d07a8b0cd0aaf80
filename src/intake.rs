//! The `Source` port of a reader: archives from a store, records out of archives, prepared.

use std::io;

use crate::job::Job;
use crate::prepare::{PrepareError, Preparer};
use crate::source::{Archive, ArchiveReader, Store};
use warcdl_actors::Position;
use warcdl_actors::port::{RecordStream, Source, SourceError, Step};
use warcdl_actors::wire::Lease;

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
    fn open(&mut self, lease: &Lease) -> Result<Box<dyn RecordStream + '_>, SourceError> {
        let archive = Archive { name: lease.name.clone(), size: lease.size, etag: lease.etag.clone() };
        let input = self.store.open(&archive, lease.start.offset).map_err(told)?;
        let reader = ArchiveReader::new(input, &lease.name, lease.start, &self.job.record, self.job.kind);
        let store = self.store.clone();
        let reader = reader.with_head(move || store.open(&archive, 0).map_err(io::Error::other));
        Ok(Box::new(Records { reader, preparer: &mut self.preparer, last: lease.start }))
    }
}

struct Records<'a> {
    reader: ArchiveReader,
    preparer: &'a mut Preparer,
    last: Position,
}

impl RecordStream for Records<'_> {
    fn next(&mut self) -> Result<Option<Step>, SourceError> {
        let Some(entry) = self.reader.next().map_err(told)? else { return Ok(None) };
        debug_assert!(entry.at >= self.last && entry.next > entry.at, "positions only grow");
        self.last = entry.next;
        let outcome = entry.content.and_then(|response| self.preparer.prepare(response));
        Ok(Some(Step { at: entry.at, next: entry.next, bytes_read: entry.bytes_read, outcome }))
    }
}

fn told(error: impl std::error::Error) -> SourceError {
    SourceError { message: error.to_string() }
}
