//! The records of an archive that an index names, and no others.
//!
//! Records that lie near each other are fetched as one stretch, and the bytes between them are passed; each record is read from
//! its own bytes alone, be another one named inside them or not. So a wrong line of an index costs the record that it names,
//! and what it names is told once: as a record, or as what was found in its place.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use warcdl_actors::named::{Extent, Extents};
use warcdl_actors::port::SourceError;
use warcdl_actors::wire::Lease;
use warcdl_actors::{Exclusion, Named, Position};

use super::{Opener, told};
use crate::source::{ArchiveReader, Entry, ReadError};

/// Records that are so many bytes apart, or less, are fetched by one request: about what comes in the time of another one.
const GAP: u64 = 1 << 20;

/// See the module.
pub(super) struct NamedEntries {
    opener: Opener,
    extents: Extents,
    stretch: Arc<Mutex<Stretch>>,
    current: Option<Current>,
    start: Position,
    /// Bytes of the archive; 0 if not known.
    size: u64,
}

/// The extent that is being read.
struct Current {
    reader: ArchiveReader,
    extent: Extent,
    /// Where its bytes end.
    end: u64,
    /// Whether something was told of it.
    told: bool,
}

impl NamedEntries {
    pub(super) fn new(opener: Opener, named: &Named, lease: &Lease) -> NamedEntries {
        let size = lease.size;
        if let Some(beyond) = named.clone().into_iter().find(|extent| size > 0 && extent.offset >= size) {
            tracing::warn!(
                archive = %lease.name,
                "the index names bytes at {}, of {size} that there are: if it does so often it is the index of another version",
                beyond.offset
            );
        }
        NamedEntries {
            opener,
            extents: named.clone().into_iter(),
            stretch: Arc::default(),
            current: None,
            start: lease.start,
            size,
        }
    }

    /// The next entry; `None` at the end of what is named.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, SourceError> {
        self.entry(ArchiveReader::next)
    }

    /// The same, but a record is passed over.
    pub(super) fn pass_over(&mut self) -> Result<Option<Entry>, SourceError> {
        self.entry(ArchiveReader::pass_over)
    }

    fn entry(
        &mut self,
        read: impl Fn(&mut ArchiveReader) -> Result<Option<Entry>, ReadError>,
    ) -> Result<Option<Entry>, SourceError> {
        loop {
            let Some(Current { reader, extent, end, told: was_told }) = &mut self.current else {
                if !self.open_next()? {
                    return Ok(None);
                }
                continue;
            };
            // What begins behind is named itself, or is not.
            let entry = read(reader).map_err(told)?.filter(|entry| entry.at.offset == extent.offset);
            if let Some(entry) = entry {
                *was_told = true;
                return Ok(Some(Entry { next: self.not_past_the_next(entry.next), ..entry }));
            }
            let (extent, end, was_told) = (*extent, *end, *was_told);
            self.current = None;
            if !was_told {
                // An empty stretch, one of zeros, or one behind the archive's end.
                let next = Position { offset: end.max(extent.offset.saturating_add(1)), ordinal: 0 };
                return Ok(Some(Entry {
                    at: Position { offset: extent.offset, ordinal: 0 },
                    next: self.not_past_the_next(next),
                    bytes_read: end,
                    url: String::new(),
                    warc_type: None,
                    http_status: None,
                    content: Err(Exclusion::Garbage),
                }));
            }
        }
    }

    /// Goes to the next extent; `false` if there is none.
    fn open_next(&mut self) -> Result<bool, SourceError> {
        let Some(extent) = self.extents.next() else { return Ok(false) };
        let is_first = extent.offset == self.start.offset;
        let start =
            Position { offset: extent.offset, ordinal: if is_first { self.start.ordinal } else { 0 } };
        // The next one may begin inside of it: then one of them is named wrongly, and which one only their bytes tell.
        let end = self.end_of(extent);
        if end > extent.offset {
            let mut stretch = self.stretch.lock().unwrap_or_else(PoisonError::into_inner);
            if stretch.at > extent.offset || stretch.end < end {
                let end = self.end_of_stretch(extent);
                let input = self.opener.stretch(extent.offset..end)?;
                *stretch = Stretch { input, at: extent.offset, end };
            }
            stretch.pass_to(extent.offset).map_err(|error| SourceError {
                message: format!(
                    "cannot read {} at byte {}: {error}",
                    self.opener.archive.name, extent.offset
                ),
            })?;
        }
        let input = Slice { stretch: Arc::clone(&self.stretch), left: end.saturating_sub(extent.offset) };
        let reader = self.opener.reader(Box::new(input), start).indexed();
        // Where a lease begins behind the last record of a member, there may be nothing more to tell.
        self.current = Some(Current { reader, extent, end, told: start.ordinal > 0 });
        Ok(true)
    }

    /// Where the bytes of an extent end: with the archive at the latest.
    fn end_of(&self, extent: Extent) -> u64 {
        if self.size == 0 { extent.end() } else { extent.end().min(self.size) }
    }

    /// Where the stretch ends that begins with `first`: before the first gap.
    fn end_of_stretch(&self, first: Extent) -> u64 {
        let mut end = self.end_of(first);
        for next in self.extents.clone() {
            if next.offset > end.saturating_add(GAP) {
                break;
            }
            end = end.max(self.end_of(next));
        }
        end
    }

    /// Where a successor goes on that comes behind a record which ends at `next`: positions grow, and none that is named may
    /// be left out, so not behind the next one.
    fn not_past_the_next(&self, next: Position) -> Position {
        let following = self.extents.clone().next();
        following.map_or(next, |extent| next.min(Position { offset: extent.offset, ordinal: 0 }))
    }
}

/// Bytes that are fetched by one request.
struct Stretch {
    input: Box<dyn Read + Send>,
    at: u64,
    end: u64,
}

impl Default for Stretch {
    fn default() -> Stretch {
        Stretch { input: Box::new(io::empty()), at: 0, end: 0 }
    }
}

impl Stretch {
    /// Passes the bytes before `offset`.
    fn pass_to(&mut self, offset: u64) -> io::Result<()> {
        let gap = offset.saturating_sub(self.at);
        self.at += io::copy(&mut self.input.by_ref().take(gap), &mut io::sink())?;
        Ok(())
    }
}

/// The bytes of one extent.
struct Slice {
    stretch: Arc<Mutex<Stretch>>,
    left: u64,
}

impl Read for Slice {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let mut stretch = self.stretch.lock().unwrap_or_else(PoisonError::into_inner);
        let read = stretch.input.read(&mut buffer[..room])?;
        stretch.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}
