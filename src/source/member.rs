//! The stored file as a row of members: gzip members (RFC 1952), zstd frames (RFC 8878), or one plain member in an
//! uncompressed archive.

use std::io::{self, Read};

use memchr::memmem;
use zlib_rs::{Inflate, InflateFlush, Status, crc32::crc32};

use super::arc;
use super::archive::opens_record;
pub(super) use boundary::Boundary;
use frame::Frames;
pub(super) use frame::WINDOW_LOG_MAX;
pub(super) use gzip::gzip_header_len;
pub(super) use place::Place;
use stored::{REREAD, Stored};
use whole::Whole;

mod boundary;
mod dictionary;
mod frame;
mod gzip;
mod place;
mod stored;
mod whole;

const WINDOW: usize = 1 << 20;
const STEP: usize = 64 << 10;
/// Stored bytes among which the end of a member is sought, so that it can be inflated in one go.
const MAX_WHOLE: usize = 512 << 10;
/// Bytes of a file by which its format is told.
const HEAD: usize = 64 << 10;

/// Opens the head of a file again, of which all else is read from further behind.
pub(super) type OpenHead = Box<dyn FnOnce() -> io::Result<Box<dyn Read + Send>> + Send>;

/// Opens a file at an offset.
pub(super) type OpenAt = Box<dyn Fn(u64) -> io::Result<Box<dyn Read + Send>> + Send>;

/// How the members are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Plain,
    Gzip,
    Zstd,
}

impl Format {
    /// By the first bytes of a file.
    fn of(head: &[u8]) -> Format {
        let holds = |magic| memmem::find(head, magic).is_some();
        if opens_record(head) || arc::Line::parse(head).is_some() {
            Format::Plain
        } else if head.starts_with(gzip::MAGIC) {
            Format::Gzip
        } else if frame::is_skippable(head) || holds(frame::MAGIC) {
            Format::Zstd
        } else if holds(gzip::MAGIC) {
            Format::Gzip
        } else {
            Format::Plain
        }
    }
}

/// How a member ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    BadCrc,
    Corrupt,
    Truncated,
}

/// The members of a stored file, inflated piece by piece into a window.
pub(super) struct Members {
    stored: Stored,
    inflate: Inflate,
    whole: Whole,
    frames: Option<Frames>,
    head: Option<OpenHead>,
    open_at: Option<OpenAt>,
    /// What begins like a member of gzip is one.
    trusted: bool,
    window: Box<[u8]>,
    from: usize,
    to: usize,
    format: Option<Format>,
    open: bool,
    offset: u64,
    crc: u32,
    length: u32,
    /// Bytes inflated so far, of all members.
    inflated: u64,
    /// The same when the open one was opened.
    inflated_before: u64,
    ended: Option<End>,
    /// Inflated bytes to read again.
    again: io::Cursor<Vec<u8>>,
    /// Sum of the bytes read again so far.
    reread: u64,
}

impl Members {
    pub(super) fn new(input: Box<dyn Read + Send>, offset: u64) -> Self {
        Members {
            stored: Stored::new(input, offset),
            inflate: Inflate::new(false, 15),
            whole: Whole::new(),
            frames: None,
            head: None,
            open_at: None,
            trusted: false,
            window: vec![0; WINDOW].into_boxed_slice(),
            from: 0,
            to: 0,
            format: None,
            open: false,
            offset,
            crc: 0,
            length: 0,
            inflated: 0,
            inflated_before: 0,
            ended: None,
            again: io::Cursor::default(),
            reread: 0,
        }
    }

    /// Where those who read from behind the file's head learn its format, and get the dictionary of its frames from.
    pub(super) fn set_head(&mut self, head: OpenHead) {
        self.head = Some(head);
    }

    /// How to read again what is not kept.
    pub(super) fn set_open_at(&mut self, open_at: OpenAt) {
        self.open_at = Some(open_at);
    }

    /// Takes what begins like a member of gzip for one, without a look at the head.
    pub(super) fn trust_magic(&mut self) {
        self.trusted = true;
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn is_plain(&self) -> bool {
        self.format == Some(Format::Plain)
    }

    /// Bytes of the stored file consumed, absolute.
    pub(super) fn bytes_read(&self) -> u64 {
        self.stored.bytes_read()
    }

    /// Bytes that the compressed members read so far inflate to.
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

    /// Goes back to where `bytes` start, which end where the bytes at hand begin. `false` for an archive that would be read
    /// over and over.
    pub(super) fn back(&mut self, bytes: &[u8]) -> bool {
        if !self.is_plain() {
            return self.back_in_member(bytes);
        }
        let start = self.offset() - bytes.len() as u64;
        if !self.stored.back(start, [bytes, &self.window[self.from..self.to]]) {
            return false;
        }
        (self.from, self.to, self.ended) = (0, 0, None);
        true
    }

    /// The same in a compressed member.
    fn back_in_member(&mut self, bytes: &[u8]) -> bool {
        let pending = &self.again.get_ref()[self.again.position() as usize..];
        let again = [bytes, &self.window[self.from..self.to], pending].concat();
        self.reread += again.len() as u64;
        if self.reread > self.inflated + REREAD {
            return false;
        }
        self.again = io::Cursor::new(again);
        (self.from, self.to) = (0, 0);
        true
    }

    fn is_again(&self) -> bool {
        self.again.position() < self.again.get_ref().len() as u64
    }

    /// How the open member ended, once its last byte is in the window.
    pub(super) fn ended(&self) -> Option<End> {
        self.ended.filter(|_| !self.is_again())
    }

    pub(super) fn close(&mut self) {
        self.open = false;
        self.from = 0;
        self.to = 0;
        self.ended = None;
        self.again = io::Cursor::default();
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

    /// Whether a record starts at the window's beginning, of WARC or of ARC.
    pub(super) fn opens_record(&mut self) -> io::Result<bool> {
        self.ensure(5)?;
        if opens_record(self.bytes()) {
            return Ok(true);
        }
        if !arc::may_open(self.bytes()) {
            return Ok(false);
        }
        self.ensure(arc::MAX_LINE)?;
        Ok(arc::Line::parse(self.bytes()).is_some())
    }

    /// Brings more bytes into the window; `false` at the end of the member, or with a full window.
    pub(super) fn more(&mut self) -> io::Result<bool> {
        let again = self.is_again();
        if !self.open || self.ended.is_some() && !again {
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
        if again {
            self.to += self.again.read(&mut self.window[self.to..self.to + room])?;
            return Ok(true);
        }
        loop {
            if self.stored.start == self.stored.end && !self.stored.fill()? {
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
            let made = match &mut self.frames {
                Some(frames) => {
                    let step = frames.decode(self.stored.bytes(), &mut self.window[self.to..self.to + room]);
                    self.stored.start += step.taken;
                    self.to += step.made;
                    self.ended = step.ended;
                    step.made
                }
                None => self.inflate(room)?,
            };
            self.inflated += made as u64;
            if made > 0 || self.ended.is_some() {
                return Ok(made > 0);
            }
        }
    }

    /// Inflates up to `room` bytes into the window; tells how many.
    fn inflate(&mut self, room: usize) -> io::Result<usize> {
        let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
        let target = &mut self.window[self.to..self.to + room];
        let status = self.inflate.decompress(self.stored.bytes(), target, InflateFlush::NoFlush);
        let made = (self.inflate.total_out() - before_out) as usize;
        self.stored.start += (self.inflate.total_in() - before_in) as usize;
        self.crc = crc32(self.crc, &self.window[self.to..self.to + made]);
        self.length = self.length.wrapping_add(made as u32);
        self.to += made;
        match status {
            Err(_) => self.ended = Some(End::Corrupt),
            Ok(Status::StreamEnd) => self.ended = Some(self.trailer()?),
            Ok(_) => {}
        }
        Ok(made)
    }

    /// Inflates the gzip member just opened in one go, if it comes to hand whole and fits the window; else, or if anything
    /// is wrong with it, it is left to be inflated piece by piece.
    fn inflate_whole(&mut self) -> io::Result<()> {
        if self.frames.is_none()
            && let Some(length) = self.stored_len()?
            && let Some(made) = self.whole.inflate(self.stored.member(length), &mut self.window)
        {
            self.stored.start += length;
            self.to = made;
            self.inflated += made as u64;
            self.ended = Some(End::Whole);
        }
        Ok(())
    }

    /// Length of what is stored of the open member behind its header, if that is not too long: up to the next magic or the
    /// end of the file. The magic may be a few bytes of the member's own; then what is before it is no whole member.
    fn stored_len(&mut self) -> io::Result<Option<usize>> {
        let mut searched = 0;
        loop {
            let bytes = self.stored.bytes();
            if let Some(found) = memmem::find(&bytes[searched..], gzip::MAGIC) {
                return Ok(Some(searched + found));
            }
            searched = bytes.len().saturating_sub(gzip::MAGIC.len() - 1);
            if searched > MAX_WHOLE {
                return Ok(None);
            }
            if !self.stored.fill()? {
                return Ok(Some(self.stored.bytes().len()));
            }
        }
    }

    fn trailer(&mut self) -> io::Result<End> {
        if !self.stored.ensure(gzip::TRAILER)? {
            self.stored.start = self.stored.end;
            return Ok(End::Truncated);
        }
        let bytes = self.stored.bytes();
        let right = bytes[..4] == self.crc.to_le_bytes() && bytes[4..8] == self.length.to_le_bytes();
        self.stored.start += gzip::TRAILER;
        Ok(if right { End::Whole } else { End::BadCrc })
    }
}
