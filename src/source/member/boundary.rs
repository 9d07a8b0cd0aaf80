//! Boundaries between members: how the next one is found, and how after damage.

use std::io;

use memchr::memmem;

use super::super::archive::is_padding;
use super::frame::{self, Frames};
use super::gzip::{self, gzip_header_len};
use super::stored::{LOOK_BACK, Stored};
use super::{Format, HEAD, Members, dictionary};

/// What stands at a boundary between members.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Boundary {
    /// A member was opened.
    Member,
    /// Bytes that belong to no member were passed; a member may be open behind them.
    Garbage,
    /// The file ends inside a member's header.
    Truncated,
    /// The end of the file.
    End,
}

impl Members {
    /// Goes from a boundary to the next member.
    pub(in super::super) fn open_next(&mut self) -> io::Result<Boundary> {
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
            if self.open_here()? {
                self.inflate_whole()?;
                return Ok(Boundary::Member);
            }
            self.find_next()?;
            return Ok(Boundary::Truncated);
        }
        let zeros = self.find_next()?;
        Ok(if zeros && !self.open { Boundary::End } else { Boundary::Garbage })
    }

    /// Tells by the first bytes of the file how the members are stored, and gets the dictionary of frames. Reading that starts
    /// behind them asks the head, since anything may stand where it starts.
    fn recognise(&mut self) -> io::Result<()> {
        self.stored.ensure(HEAD)?;
        let mut head = None;
        if self.stored.offset() > 0
            && !(self.trusted && self.stored.bytes().starts_with(gzip::MAGIC))
            && let Some(open) = self.head.take()
        {
            let mut opened = Stored::new(open()?, 0);
            opened.ensure(HEAD)?;
            head = Some(opened);
        }
        let format = Format::of(head.as_ref().unwrap_or(&self.stored).bytes());
        self.format = Some(format);
        if format == Format::Zstd {
            let dictionary = match &mut head {
                Some(head) => dictionary::read(head)?,
                None if self.stored.offset() == 0 => dictionary::read(&mut self.stored)?,
                None => None,
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
    pub(in super::super) fn recover(&mut self) -> io::Result<()> {
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
    pub(super) fn open_here(&mut self) -> io::Result<bool> {
        self.stored.mark = self.stored.start;
        self.offset = self.stored.offset();
        self.inflated_before = self.inflated;
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
