//! The bytes of a stored file on their way to the decoder, some of which can be gone back to.

use std::io::{self, Read};

const BUFFER: usize = 512 << 10;
/// Stored bytes of one member that are kept for going back behind its magic once it proves damaged.
pub(super) const LOOK_BACK: usize = 4 << 20;
const READ: usize = 256 << 10;
/// Bytes read again beyond the archive's own length before lengths that lie are believed.
pub(super) const REREAD: u64 = 64 << 20;

/// The stored bytes, with a look-back to the start of the open member for finding the next one after damage.
pub(super) struct Stored {
    input: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// Where the open member starts, and where the look-back ends.
    pub(super) mark: usize,
    /// The next byte to take.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Offset in the file of `buffer[0]`.
    base: u64,
    eof: bool,
    /// Bytes to read again, of an uncompressed archive.
    again: io::Cursor<Vec<u8>>,
    /// Sum of the bytes read again so far.
    reread: u64,
    /// Furthest offset up to which bytes were taken.
    furthest: u64,
}

impl Stored {
    /// `input` stands at byte `offset` of the file.
    pub(super) fn new(input: Box<dyn Read + Send>, offset: u64) -> Self {
        Stored {
            input,
            buffer: vec![0; BUFFER],
            mark: 0,
            start: 0,
            end: 0,
            base: offset,
            eof: false,
            again: io::Cursor::default(),
            reread: 0,
            furthest: offset,
        }
    }

    /// The bytes at hand.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The open member from its start to `length` bytes behind what was taken of it; all of it is kept.
    pub(super) fn member(&self, length: usize) -> &[u8] {
        &self.buffer[self.mark..self.start + length]
    }

    /// Offset in the file of the next byte.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    /// Bytes of the file consumed, absolute.
    pub(super) fn bytes_read(&self) -> u64 {
        self.offset().max(self.furthest)
    }

    /// Brings more bytes to hand; `false` at the end of the file.
    pub(super) fn fill(&mut self) -> io::Result<bool> {
        if self.eof {
            return Ok(false);
        }
        if self.end == self.buffer.len() {
            self.furthest = self.furthest.max(self.offset());
            // A long member loses its look-back rather than the reader its bounded memory.
            let keep = if self.end - self.mark <= LOOK_BACK { self.mark } else { self.start };
            self.buffer.copy_within(keep..self.end, 0);
            self.base += keep as u64;
            self.start -= keep;
            self.end -= keep;
            self.mark = self.mark.saturating_sub(keep);
            if self.buffer.len() - self.end < READ {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
        let until = self.buffer.len().min(self.end + READ);
        loop {
            let room = &mut self.buffer[self.end..until];
            let again = self.again.read(room)?;
            let read = if again > 0 { Ok(again) } else { self.input.read(room) };
            match read {
                Ok(0) => self.eof = true,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            return Ok(!self.eof);
        }
    }

    /// Has at least `wanted` bytes at hand unless the file ends before.
    pub(super) fn ensure(&mut self, wanted: usize) -> io::Result<bool> {
        while self.end - self.start < wanted {
            if !self.fill()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Passes `count` bytes; `false` if the file ends before.
    pub(super) fn pass(&mut self, mut count: u64, mut take: impl FnMut(&[u8])) -> io::Result<bool> {
        while count > 0 {
            if !self.ensure(1)? {
                return Ok(false);
            }
            let piece = self.bytes().len().min(usize::try_from(count).unwrap_or(usize::MAX));
            take(&self.bytes()[..piece]);
            self.start += piece;
            count -= piece as u64;
        }
        Ok(true)
    }

    /// Goes on with `input`, which stands at byte `offset` of the file.
    pub(super) fn restart(&mut self, input: Box<dyn Read + Send>, offset: u64) {
        self.furthest = self.furthest.max(self.offset());
        self.input = input;
        self.base = offset;
        (self.mark, self.start, self.end, self.eof) = (0, 0, 0, false);
        self.again = io::Cursor::default();
    }

    /// Goes back to offset `start`, from which `bytes` lead up to the bytes at hand. `false` for a file that would be
    /// read over and over.
    pub(super) fn back(&mut self, start: u64, bytes: [&[u8]; 2]) -> bool {
        let pending = &self.again.get_ref()[self.again.position() as usize..];
        let again = [bytes[0], bytes[1], self.bytes(), pending].concat();
        self.furthest = self.furthest.max(self.offset());
        self.reread += again.len() as u64;
        if self.reread > self.furthest + REREAD {
            return false;
        }
        self.again = io::Cursor::new(again);
        self.base = start;
        (self.mark, self.start, self.end, self.eof) = (0, 0, 0, false);
        true
    }
}
