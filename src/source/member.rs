//! The stored file as a row of members: gzip members (RFC 1952), zstd frames (RFC 8878), or one plain member in an
//! uncompressed archive.

use std::io::{self, Read};

use memchr::memmem;
use zlib_rs::{Inflate, InflateFlush, Status, crc32::crc32};

use super::arc;
use super::archive::{is_padding, opens_record};
use frame::Frames;
pub(super) use gzip::gzip_header_len;
use stored::{LOOK_BACK, Stored};

mod dictionary;
mod frame;
mod gzip;
mod stored;

const WINDOW: usize = 640 << 10;
const STEP: usize = 64 << 10;

/// Opens the head of a file again, of which all else is read from further behind.
pub(super) type OpenHead = Box<dyn FnOnce() -> io::Result<Box<dyn Read + Send>> + Send>;

/// How the members are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Plain,
    Gzip,
    Zstd,
}

/// How a member ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    BadCrc,
    Corrupt,
    Truncated,
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
    frames: Option<Frames>,
    head: Option<OpenHead>,
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
    ended: Option<End>,
}

impl Members {
    pub(super) fn new(input: Box<dyn Read + Send>, offset: u64) -> Self {
        Members {
            stored: Stored::new(input, offset),
            inflate: Inflate::new(false, 15),
            frames: None,
            head: None,
            window: vec![0; WINDOW].into_boxed_slice(),
            from: 0,
            to: 0,
            format: None,
            open: false,
            offset,
            crc: 0,
            length: 0,
            inflated: 0,
            ended: None,
        }
    }

    /// Where frames that are read from behind the file's head get its dictionary from.
    pub(super) fn set_head(&mut self, head: OpenHead) {
        self.head = Some(head);
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

    /// Goes back in an uncompressed archive to where `bytes` start, which end where the bytes at hand begin. `false`
    /// for an archive that would be read over and over.
    pub(super) fn back(&mut self, bytes: &[u8]) -> bool {
        let start = self.offset() - bytes.len() as u64;
        if !self.stored.back(start, [bytes, &self.window[self.from..self.to]]) {
            return false;
        }
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
        if self.format.is_none() {
            self.recognise()?;
        }
        if self.is_plain() {
            self.open = true;
            return Ok(Boundary::Member);
        }
        if self.frames.is_some() && !self.pass_skippable()? {
            self.recover()?;
            return Ok(Boundary::Truncated);
        }
        if !self.stored.ensure(1)? {
            return Ok(Boundary::End);
        }
        self.stored.ensure(self.magic().len())?;
        if self.stored.bytes().starts_with(self.magic()) {
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

    /// Tells by the first bytes how the members are stored, and gets the dictionary of frames.
    fn recognise(&mut self) -> io::Result<()> {
        self.stored.ensure(64 << 10)?;
        let head = self.stored.bytes();
        let holds = |magic| memmem::find(head, magic).is_some();
        let format = if opens_record(head) || arc::Line::parse(head).is_some() {
            Format::Plain
        } else if head.starts_with(gzip::MAGIC) {
            Format::Gzip
        } else if frame::is_skippable(head) || holds(frame::MAGIC) {
            Format::Zstd
        } else if holds(gzip::MAGIC) {
            Format::Gzip
        } else {
            Format::Plain
        };
        self.format = Some(format);
        if format == Format::Zstd {
            let dictionary = if self.stored.offset() == 0 {
                dictionary::read(&mut self.stored)?
            } else {
                self.head
                    .take()
                    .map(|open| dictionary::read(&mut Stored::new(open()?, 0)))
                    .transpose()?
                    .flatten()
            };
            self.frames = Some(Frames::new(dictionary.as_deref())?);
        }
        Ok(())
    }

    /// Passes the skippable frames at hand; `false` if the file ends in one.
    fn pass_skippable(&mut self) -> io::Result<bool> {
        while self.stored.ensure(frame::SKIPPABLE_HEADER)? && frame::is_skippable(self.stored.bytes()) {
            let length = frame::skippable_len(self.stored.bytes());
            // What may have to be gone back over is kept; a longer one counts as garbage.
            if length > LOOK_BACK as u64 {
                break;
            }
            self.stored.mark = self.stored.start;
            if !self.stored.pass(length, |_| ())? {
                return Ok(false);
            }
            self.stored.ensure(frame::MAGIC.len())?;
            let behind = self.stored.bytes();
            let right = is_padding(behind.get(..1).unwrap_or_default())
                || behind.starts_with(frame::MAGIC)
                || frame::is_skippable(behind);
            if !right {
                // A length that lies leads into the midst of a frame.
                self.stored.start = self.stored.mark + 1;
            }
        }
        self.stored.mark = self.stored.start;
        Ok(true)
    }

    fn magic(&self) -> &'static [u8] {
        if self.format == Some(Format::Zstd) { frame::MAGIC } else { gzip::MAGIC }
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

    /// Opens the next member that inflates to a record; tells whether only zeros were passed.
    fn find_next(&mut self) -> io::Result<bool> {
        let mut zeros = true;
        loop {
            // The magic may straddle two reads: all but one of its length is kept.
            let magic = self.magic();
            let found = memmem::find(self.stored.bytes(), magic);
            let passed = found.unwrap_or_else(|| self.stored.bytes().len().saturating_sub(magic.len() - 1));
            zeros &= is_padding(&self.stored.bytes()[..passed]);
            self.stored.start += passed;
            self.stored.mark = self.stored.start;
            if found.is_none() {
                if !self.stored.fill()? {
                    zeros &= is_padding(self.stored.bytes());
                    self.stored.start = self.stored.end;
                    self.close();
                    return Ok(zeros);
                }
                continue;
            }
            if self.open_here()? && self.opens_record()? {
                return Ok(zeros);
            }
            zeros = false;
            self.stored.start = (self.stored.mark + 1).min(self.stored.end);
            self.close();
        }
    }

    /// Opens the frame at hand, or passes the gzip header; `false` if that is cut or broken.
    fn open_here(&mut self) -> io::Result<bool> {
        self.stored.mark = self.stored.start;
        self.offset = self.stored.offset();
        if let Some(frames) = &mut self.frames {
            frames.open()?;
            self.open = true;
            return Ok(true);
        }
        let length = loop {
            if let Some(length) = gzip_header_len(self.stored.bytes()) {
                break length;
            }
            if self.stored.bytes().len() > gzip::MAX_HEADER || !self.stored.fill()? {
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
