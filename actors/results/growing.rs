//! A file of lines on its way to the disk.

use super::names::unfinished;
use super::{ResultsError, failed};
use crate::disk::Disk;
use crate::journal::Lines;

/// Lines are written in pieces of about so many bytes.
const PIECE_BYTES: usize = 1 << 20;

/// A file of lines to which is written.
pub(super) struct Growing {
    /// With what is in `piece`.
    pub(super) lines: Lines,
    crc: crc32fast::Hasher,
    /// The end of it, which is not written yet.
    piece: Vec<u8>,
    wrote: bool,
}

impl Growing {
    pub(super) fn new(lines: Lines) -> Growing {
        let crc = crc32fast::Hasher::new_with_initial(lines.crc);
        Growing { lines, crc, piece: Vec::new(), wrote: false }
    }

    pub(super) fn append(&mut self, line: &[u8], disk: &mut dyn Disk) -> Result<(), ResultsError> {
        self.crc.update(line);
        self.lines.bytes += line.len() as u64;
        self.piece.extend_from_slice(line);
        if self.piece.len() >= PIECE_BYTES { self.flush(disk) } else { Ok(()) }
    }

    fn flush(&mut self, disk: &mut dyn Disk) -> Result<(), ResultsError> {
        let Lines { name, bytes, .. } = &self.lines;
        let offset = bytes - self.piece.len() as u64;
        disk.write_at(&unfinished(name), offset, &self.piece).map_err(failed(name))?;
        self.piece.clear();
        self.wrote = true;
        Ok(())
    }

    /// Makes the lines durable, if any were appended.
    pub(super) fn finish(mut self, disk: &mut dyn Disk) -> Result<Lines, ResultsError> {
        if !self.piece.is_empty() {
            self.flush(disk)?;
        }
        if self.wrote {
            disk.sync(&unfinished(&self.lines.name)).map_err(failed(&self.lines.name))?;
        }
        self.lines.crc = self.crc.finalize();
        Ok(self.lines)
    }
}
