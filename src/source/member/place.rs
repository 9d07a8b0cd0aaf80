//! Going back to what was passed and not kept.

use std::io;

use super::{Members, REREAD};

/// A place among the inflated bytes of the open member, or among the bytes of an uncompressed archive.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Place {
    /// Where in the stored file the member starts; the place itself, of an uncompressed archive.
    offset: u64,
    /// Inflated bytes of the member before it.
    inflated: u64,
}

impl Members {
    /// Where the bytes at hand begin.
    pub(in super::super) fn place(&self) -> Place {
        let unread = self.to - self.from + self.again.get_ref().len() - self.again.position() as usize;
        let inflated = (self.inflated - self.inflated_before).saturating_sub(unread as u64);
        Place { offset: self.offset(), inflated: if self.is_plain() { 0 } else { inflated } }
    }

    /// Goes back to a place in the open member, by reading the stored file again. `false`, and nothing is changed, if nobody can
    /// open it, or for an archive that would be read over and over.
    pub(in super::super) fn return_to(&mut self, place: Place) -> io::Result<bool> {
        let Some(open_at) = &self.open_at else { return Ok(false) };
        let (again, read) = match self.is_plain() {
            true => (self.offset() - place.offset, self.stored.bytes_read()),
            false => (self.inflated - self.inflated_before, self.inflated),
        };
        if self.reread + again > read + REREAD {
            return Ok(false);
        }
        self.reread += again;
        self.stored.restart(open_at(place.offset)?, place.offset);
        self.close();
        if self.is_plain() {
            self.open = true;
            return Ok(true);
        }
        self.inflated = self.inflated_before;
        if !self.open_here()? {
            return Err(changed());
        }
        let mut left = place.inflated;
        while left > 0 {
            if !self.ensure(1)? {
                return Err(changed());
            }
            let piece = (self.to - self.from).min(usize::try_from(left).unwrap_or(usize::MAX));
            self.consume(piece);
            left -= piece as u64;
        }
        Ok(true)
    }
}

fn changed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is not what it was when it was read before")
}
