//! The stored file as a row of members: gzip members (RFC 1952), or one plain member in an uncompressed archive.

use std::io::{self, Read};

use memchr::memmem;
use zlib_rs::{Inflate, InflateFlush, Status, crc32::crc32};

use super::archive::is_padding;

const STORED_BUFFER: usize = 512 << 10;
/// Stored bytes of one member that are kept for going back behind its magic once it proves damaged.
const LOOK_BACK: usize = 4 << 20;
const READ: usize = 256 << 10;
/// Bytes read again beyond the archive's own length before lengths that lie are believed.
const REREAD: u64 = 64 << 20;
const WINDOW: usize = 640 << 10;
const STEP: usize = 64 << 10;
/// Longest gzip header; more is corrupt.
const MAX_GZIP_HEADER: usize = 128 << 10;
const MAGIC: &[u8] = &[0x1f, 0x8b, 8];

/// How a member ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    BadCrc,
    Corrupt,
    Truncated,
}

/// The stored bytes, with a look-back to the start of the open member for finding the next one after damage.
struct Stored {
    input: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    mark: usize,
    start: usize,
    end: usize,
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
    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    fn read(&mut self) -> io::Result<bool> {
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

    fn ensure(&mut self, wanted: usize) -> io::Result<bool> {
        while self.end - self.start < wanted {
            if !self.read()? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// What stands at a boundary between members.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Boundary {
    /// A member was opened.
    Member,
    /// Bytes that belong to no member were passed; a member may be open behind them.
    Garbage,
    /// The file ends inside a member's header.
    Truncated,
    /// The end of the file.
    End,
}

/// The members of a stored file, inflated piece by piece into a window.
pub(super) struct Members {
    stored: Stored,
    inflate: Inflate,
    window: Box<[u8]>,
    from: usize,
    to: usize,
    gzip: Option<bool>,
    open: bool,
    offset: u64,
    crc: u32,
    length: u32,
    /// Bytes inflated so far, of all members.
    inflated: u64,
    ended: Option<End>,
}

impl Members {
    pub(super) fn new(input: Box<dyn Read + Send>, offset: u64) -> Self {
        Members {
            stored: Stored {
                input,
                buffer: vec![0; STORED_BUFFER],
                mark: 0,
                start: 0,
                end: 0,
                base: offset,
                eof: false,
                again: io::Cursor::default(),
                reread: 0,
                furthest: offset,
            },
            inflate: Inflate::new(false, 15),
            window: vec![0; WINDOW].into_boxed_slice(),
            from: 0,
            to: 0,
            gzip: None,
            open: false,
            offset,
            crc: 0,
            length: 0,
            inflated: 0,
            ended: None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn is_plain(&self) -> bool {
        self.gzip == Some(false)
    }

    /// Bytes of the stored file consumed, absolute.
    pub(super) fn bytes_read(&self) -> u64 {
        self.stored.offset().max(self.stored.furthest)
    }

    /// Bytes that the gzip members read so far inflate to.
    pub(super) fn bytes_inflated(&self) -> u64 {
        self.inflated
    }

    /// Offset of the open member, of the next byte between members, or of the next byte of a plain archive.
    pub(super) fn offset(&self) -> u64 {
        match (self.open, self.is_plain()) {
            (true, false) => self.offset,
            (true, true) => self.stored.offset() - (self.to - self.from) as u64,
            (false, _) => self.stored.offset(),
        }
    }

    /// The inflated bytes at hand.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.window[self.from..self.to]
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.from += count;
    }

    /// Goes back in an uncompressed archive to where `bytes` start, which end where the bytes at hand begin. `false`
    /// for an archive that would be read over and over.
    pub(super) fn back(&mut self, bytes: &[u8]) -> bool {
        let start = self.offset() - bytes.len() as u64;
        let stored = &mut self.stored;
        let pending = &stored.again.get_ref()[stored.again.position() as usize..];
        let again = [bytes, &self.window[self.from..self.to], stored.bytes(), pending].concat();
        stored.furthest = stored.furthest.max(stored.offset());
        stored.reread += again.len() as u64;
        if stored.reread > stored.furthest + REREAD {
            return false;
        }
        stored.again = io::Cursor::new(again);
        stored.base = start;
        (stored.mark, stored.start, stored.end, stored.eof) = (0, 0, 0, false);
        (self.from, self.to, self.ended) = (0, 0, None);
        true
    }

    /// How the open member ended, once its last byte is in the window.
    pub(super) fn ended(&self) -> Option<End> {
        self.ended
    }

    pub(super) fn close(&mut self) {
        self.open = false;
        self.from = 0;
        self.to = 0;
        self.ended = None;
        self.stored.mark = self.stored.start;
    }

    /// Has at least `wanted` bytes at hand unless the member ends before; `wanted` is at most 512 KiB.
    pub(super) fn ensure(&mut self, wanted: usize) -> io::Result<bool> {
        while self.to - self.from < wanted {
            if !self.more()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Brings more bytes into the window; `false` at the end of the member, or with a full window.
    pub(super) fn more(&mut self) -> io::Result<bool> {
        if !self.open || self.ended.is_some() {
            return Ok(false);
        }
        if self.from == self.to {
            self.from = 0;
            self.to = 0;
        } else if self.window.len() - self.to < STEP {
            self.window.copy_within(self.from..self.to, 0);
            self.to -= self.from;
            self.from = 0;
        }
        let room = STEP.min(self.window.len() - self.to);
        if room == 0 {
            return Ok(false);
        }
        loop {
            if self.stored.start == self.stored.end && !self.stored.read()? {
                self.ended = Some(if self.is_plain() { End::Whole } else { End::Truncated });
                return Ok(false);
            }
            if self.is_plain() {
                let count = room.min(self.stored.end - self.stored.start);
                self.window[self.to..self.to + count].copy_from_slice(&self.stored.bytes()[..count]);
                self.stored.start += count;
                self.stored.mark = self.stored.start;
                self.to += count;
                return Ok(true);
            }
            let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
            let target = &mut self.window[self.to..self.to + room];
            let status = self.inflate.decompress(
                &self.stored.buffer[self.stored.start..self.stored.end],
                target,
                InflateFlush::NoFlush,
            );
            let made = (self.inflate.total_out() - before_out) as usize;
            self.stored.start += (self.inflate.total_in() - before_in) as usize;
            self.crc = crc32(self.crc, &self.window[self.to..self.to + made]);
            self.length = self.length.wrapping_add(made as u32);
            self.inflated += made as u64;
            self.to += made;
            match status {
                Err(_) => self.ended = Some(End::Corrupt),
                Ok(Status::StreamEnd) => self.ended = Some(self.trailer()?),
                Ok(_) if made == 0 => continue,
                Ok(_) => {}
            }
            return Ok(made > 0);
        }
    }

    fn trailer(&mut self) -> io::Result<End> {
        if !self.stored.ensure(8)? {
            self.stored.start = self.stored.end;
            return Ok(End::Truncated);
        }
        let bytes = self.stored.bytes();
        let right = bytes[..4] == self.crc.to_le_bytes() && bytes[4..8] == self.length.to_le_bytes();
        self.stored.start += 8;
        Ok(if right { End::Whole } else { End::BadCrc })
    }

    /// Goes from a boundary to the next member.
    pub(super) fn open_next(&mut self) -> io::Result<Boundary> {
        self.close();
        if !self.stored.ensure(1)? {
            return Ok(Boundary::End);
        }
        if self.gzip.is_none() {
            self.stored.ensure(64 << 10)?;
            let head = self.stored.bytes();
            self.gzip = Some(!head.starts_with(b"WARC/") && memmem::find(head, MAGIC).is_some());
        }
        if self.is_plain() {
            self.open = true;
            return Ok(Boundary::Member);
        }
        self.stored.ensure(3)?;
        if self.stored.bytes().starts_with(MAGIC) {
            return match self.open_here()? {
                true => Ok(Boundary::Member),
                false => {
                    self.find_next()?;
                    Ok(Boundary::Truncated)
                }
            };
        }
        let zeros = self.find_next()?;
        Ok(if zeros && !self.open { Boundary::End } else { Boundary::Garbage })
    }

    /// After damage: looks from behind the damaged member's magic for the next member that holds a record, and opens
    /// it.
    pub(super) fn recover(&mut self) -> io::Result<()> {
        if self.is_plain() {
            return Ok(());
        }
        self.stored.start = (self.stored.mark + 1).min(self.stored.end);
        self.close();
        self.find_next().map(|_| ())
    }

    /// Opens the next member that inflates to `WARC/`; tells whether only zeros were passed.
    fn find_next(&mut self) -> io::Result<bool> {
        let mut zeros = true;
        loop {
            // The magic may straddle two reads: the last two bytes are kept.
            let found = memmem::find(self.stored.bytes(), MAGIC);
            let passed = found.unwrap_or_else(|| self.stored.bytes().len().saturating_sub(2));
            zeros &= is_padding(&self.stored.bytes()[..passed]);
            self.stored.start += passed;
            self.stored.mark = self.stored.start;
            if found.is_none() {
                if !self.stored.read()? {
                    zeros &= is_padding(self.stored.bytes());
                    self.stored.start = self.stored.end;
                    self.close();
                    return Ok(zeros);
                }
                continue;
            }
            if self.open_here()? && self.ensure(5)? && self.bytes().starts_with(b"WARC/") {
                return Ok(zeros);
            }
            zeros = false;
            self.stored.start = (self.stored.mark + 1).min(self.stored.end);
            self.close();
        }
    }

    /// Passes the gzip header at hand; `false` if it is cut or broken.
    fn open_here(&mut self) -> io::Result<bool> {
        self.stored.mark = self.stored.start;
        self.offset = self.stored.offset();
        let length = loop {
            if let Some(length) = gzip_header_len(self.stored.bytes()) {
                break length;
            }
            if self.stored.bytes().len() > MAX_GZIP_HEADER || !self.stored.read()? {
                return Ok(false);
            }
        };
        self.stored.start += length;
        self.inflate.reset(false);
        self.crc = 0;
        self.length = 0;
        self.open = true;
        Ok(true)
    }
}

/// Length of the gzip header at the start of `bytes`, once it is there in full (RFC 1952, section 2.3).
pub(super) fn gzip_header_len(bytes: &[u8]) -> Option<usize> {
    let flags = *bytes.get(3)?;
    let mut at = 10;
    if flags & 4 != 0 {
        at += 2 + u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]) as usize;
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            at += memchr::memchr(0, bytes.get(at..)?)? + 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    (bytes.len() >= at).then_some(at)
}
