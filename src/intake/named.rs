//! The records of an archive that an index names, and no others.
//!
//! Records that lie near each other are fetched as one stretch, and the bytes between them are passed; each record is read from
//! its own bytes alone. So a wrong line of an index costs the record that it names, and what it names is told once: as a
//! record, or as what was found in its place.

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
    pub(super) fn new(opener: Opener, named: &Named, lease: &Lease) -> Result<NamedEntries, SourceError> {
        let size = lease.size;
        if let Some(beyond) = named.clone().into_iter().find(|extent| size > 0 && extent.end() > size) {
            let message = format!(
                "the index names {} bytes at {} of {}, which has {size} bytes: it is the index of another version",
                beyond.length, beyond.offset, lease.name
            );
            return Err(SourceError { message });
        }
        Ok(NamedEntries {
            opener,
            extents: named.clone().into_iter(),
            stretch: Arc::default(),
            current: None,
            start: lease.start,
        })
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
            if entry.is_some() {
                *was_told = true;
                return Ok(entry);
            }
            let (extent, end, was_told) = (*extent, *end, *was_told);
            self.current = None;
            if !was_told {
                // An empty stretch, or one of zeros.
                return Ok(Some(Entry {
                    at: Position { offset: extent.offset, ordinal: 0 },
                    next: Position { offset: end.max(extent.offset.saturating_add(1)), ordinal: 0 },
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
        // Its bytes end where the next one's begin, whatever the index says of its length.
        let behind = self.extents.clone().next();
        let end = behind.map_or(extent.end(), |next| extent.end().min(next.offset));
        {
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

    /// Where the stretch ends that begins with `first`: before the first gap.
    fn end_of_stretch(&self, first: Extent) -> u64 {
        let mut end = first.end();
        for next in self.extents.clone() {
            if next.offset > end.saturating_add(GAP) {
                break;
            }
            end = end.max(next.end());
        }
        end
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
