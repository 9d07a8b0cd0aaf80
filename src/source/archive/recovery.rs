//! How reading goes on behind a record, be it whole or not.

use std::io;

use memchr::{memchr_iter, memmem, memrchr};
use warcdl_actors::Exclusion;

use super::super::arc;
use super::super::member::{End, Place};
use super::{ArchiveReader, MAX_HEADERS};

/// Bytes that show for certain that a record of WARC starts: `WARC/1.10`, a line break, `Content-`.
const MAX_START: usize = 20;

impl ArchiveReader {
    /// Behind a block: checks that a record or the end of the member follows. A length that is too long covers the records
    /// behind, which are then sought in the block, or from the `place` on where it begins if it was not kept.
    pub(super) fn finish<T>(
        &mut self,
        whole: bool,
        block: &mut Vec<u8>,
        place: Option<Place>,
        content: Result<T, Exclusion>,
    ) -> io::Result<Result<T, Exclusion>> {
        if !whole {
            if self.back_into(block)? {
                return Ok(Err(Exclusion::BadLength));
            }
            // An uncompressed archive has no other end than that of the file.
            let plain = self.members.is_plain();
            if self.members.ended() == Some(End::Whole)
                && let Some(place) = place
                && self.members.return_to(place)?
            {
                let found = self.resync(Exclusion::BadLength)?;
                let none = plain && !self.members.is_open();
                return Ok(if none { Err(Exclusion::Truncated) } else { found });
            }
            return self.lost(if plain { Exclusion::Truncated } else { Exclusion::BadLength });
        }
        let ends_well = self.at_blank_lines()?;
        let passed = self.skip_padding()?;
        block.extend_from_slice(&passed);
        if !self.members.ensure(5)? && self.members.bytes().is_empty() {
            return match self.members.ended() {
                Some(End::Whole) | None => {
                    self.members.close();
                    Ok(content)
                }
                Some(_) => Ok(Err(self.damage()?)),
            };
        }
        if !self.members.opens_record()? {
            if ends_well {
                // The record ends as it must. What follows is an entry of its own.
                self.ordinal += 1;
                return Ok(content);
            }
            if self.back_into(block)? {
                return Ok(Err(Exclusion::BadLength));
            }
            if let Some(place) = place {
                self.members.return_to(place)?;
            }
            return self.resync(Exclusion::BadLength);
        }
        self.ordinal += 1;
        Ok(content)
    }

    /// Whether the two line breaks stand here that end a record of WARC.
    fn at_blank_lines(&mut self) -> io::Result<bool> {
        self.members.ensure(4)?;
        let bytes = self.members.bytes();
        Ok(bytes.starts_with(b"\r\n\r\n") || bytes.starts_with(b"\n\n"))
    }

    /// Goes back to the record that starts inside the block just passed, if one does.
    fn back_into(&mut self, block: &mut Vec<u8>) -> io::Result<bool> {
        let padding = block.iter().rev().take_while(|byte| b"\r\n\0".contains(byte)).count();
        if padding > MAX_HEADERS {
            return Ok(false);
        }
        // Its first line may reach behind the block.
        self.members.ensure(arc::MAX_LINE)?;
        let length = block.len();
        block.extend_from_slice(&self.members.bytes()[..self.members.bytes().len().min(arc::MAX_LINE)]);
        let start = record_start(block).filter(|start| *start < length);
        let back = start.is_some_and(|start| self.members.back(&block[start..length]));
        self.ordinal += u32::from(back);
        Ok(back)
    }

    /// The member ended inside the record.
    pub(super) fn lost<T>(&mut self, whole_member: Exclusion) -> io::Result<Result<T, Exclusion>> {
        match self.members.ended() {
            Some(End::Whole) | None => {
                self.members.close();
                Ok(Err(whole_member))
            }
            Some(_) => Ok(Err(self.damage()?)),
        }
    }

    /// Leaves a damaged member for the next one that holds a record.
    pub(super) fn damage(&mut self) -> io::Result<Exclusion> {
        let reason = match self.members.ended() {
            Some(End::BadCrc) => Exclusion::BadCrc,
            Some(End::Truncated) => Exclusion::Truncated,
            _ => Exclusion::CorruptMember,
        };
        self.ordinal = 0;
        self.members.recover()?;
        Ok(reason)
    }

    /// Goes to the next line of the member that starts a record, else to the member's end.
    pub(super) fn resync<T>(&mut self, reason: Exclusion) -> io::Result<Result<T, Exclusion>> {
        loop {
            if let Some(found) = record_start(self.members.bytes()) {
                self.members.consume(found);
                self.ordinal += 1;
                return Ok(Err(reason));
            }
            let keep = undecided(self.members.bytes());
            self.members.consume(self.members.bytes().len() - keep);
            if !self.members.more()? && self.members.ended().is_some() && self.members.bytes().len() == keep {
                self.members.consume(keep);
                return self.lost(reason);
            }
        }
    }

    /// Passes the line breaks behind a record, and zeros that pad a file; returns them.
    pub(super) fn skip_padding(&mut self) -> io::Result<Vec<u8>> {
        let mut passed = Vec::new();
        loop {
            let bytes = self.members.bytes();
            let count = bytes.iter().position(|byte| !b"\r\n\0".contains(byte)).unwrap_or(bytes.len());
            let more = count == bytes.len();
            if passed.len() <= MAX_HEADERS {
                passed.extend_from_slice(&bytes[..count]);
            }
            self.members.consume(count);
            if !more || !self.members.ensure(1)? {
                return Ok(passed);
            }
        }
    }
}

/// Where in `bytes`, behind their first one, a record starts, of WARC or of ARC.
pub(super) fn record_start(bytes: &[u8]) -> Option<usize> {
    let lower = |&at: &usize| bytes[at..].starts_with(b"warc/") && is_version(&bytes[at + 5..]);
    let at_line = memchr_iter(b'\n', bytes)
        .map(|at| at + 1)
        .find(|at| lower(at) || arc::Line::parse(&bytes[*at..]).is_some());
    warc_start(&bytes[..at_line.unwrap_or(bytes.len())]).or(at_line)
}

/// Where in `bytes`, behind their first one, a record of WARC starts: at a line's start, or with a named field on its second
/// line anywhere, for the record before it may have been cut off.
pub(super) fn warc_start(bytes: &[u8]) -> Option<usize> {
    memmem::find_iter(bytes, b"WARC/").find(|&at| {
        let is_line = at > 0 && bytes[at - 1] == b'\n' && is_version(&bytes[at + 5..]);
        is_line || at > 0 && has_fields(&bytes[at..])
    })
}

/// Fields of which a record has one each.
const ONCE: [&[u8]; 5] =
    [b"WARC-Type", b"WARC-Target-URI", b"WARC-Record-ID", b"WARC-Date", b"Content-Length"];

/// Whether the header section of a record was cut off, and is now the next record's from a place in it on. A URI alone may end
/// as the first line of a record does.
pub(super) fn is_cut_off(section: &[u8]) -> bool {
    let Some(at) = warc_start(section) else { return false };
    let (before, behind) = section.split_at(at);
    let tells = |lines: &[u8], name: &[u8]| {
        lines
            .split(|&byte| byte == b'\n')
            .any(|line| line.get(name.len()) == Some(&b':') && line[..name.len()].eq_ignore_ascii_case(name))
    };
    let last = memrchr(b'\n', before).map_or(before, |line| &before[line + 1..]);
    let in_a_name = !last.contains(&b':');
    in_a_name || ONCE.iter().any(|name| tells(before, name) && tells(behind, name))
}

/// Whether a version stands here, which tells a record's start from a text about it.
fn is_version(bytes: &[u8]) -> bool {
    matches!(bytes, [version, b'.', ..] if version.is_ascii_digit())
}

/// Whether these bytes, up to [`MAX_START`] of them, are `WARC/`, a version, a line break, and the beginning of a field.
fn has_fields(bytes: &[u8]) -> bool {
    let line = bytes[..bytes.len().min(MAX_START)].split(|&byte| byte == b'\n').nth(1);
    let line = line.unwrap_or_default();
    let names = [&b"WARC-"[..], b"Content-"];
    is_version(&bytes[5..])
        && names
            .iter()
            .any(|name| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))
}

/// How many bytes at the end of `bytes`, in which no record starts, may be the beginning of one.
pub(super) fn undecided(bytes: &[u8]) -> usize {
    let line = memrchr(b'\n', bytes).map_or(0, |at| bytes.len() - at);
    let line = if line <= arc::MAX_LINE { line } else { 0 };
    line.max(bytes.len().min(MAX_START + 1))
}

/// Whether a record starts here. Some writers put all that is not case-sensitive into lower case, the version too.
pub(in super::super) fn opens_record(bytes: &[u8]) -> bool {
    bytes.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"WARC/"))
}

/// Whether only zeros stand here, with which some tools pad a file.
pub(in super::super) fn is_padding(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}
