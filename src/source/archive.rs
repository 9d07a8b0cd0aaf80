//! The records of an archive, one entry for each record and for each damaged piece.
//!
//! WARC 0.17 to 1.1 (ISO 28500), read leniently: header names in any case, LF-only lines, folded values; and ARC.

use std::io::{self, Read};

use warcdl_actors::{Exclusion, Position};

use super::arc;
use super::http::section_len;
use super::member::{Boundary, End, Members};
use super::response::PLAIN_TEXT;
use super::{RecordSettings, RecordType, Response, WarcType};
use crate::kind::Kind;
pub use entry::{Entry, ReadError};
use header::WarcHeaders;
use recovery::{is_cut_off, record_start, undecided, warc_start};
pub(super) use recovery::{is_padding, opens_record};
use taken::{Seen, Taken, Wanted};

mod entry;
mod header;
mod recovery;
mod taken;

/// Longest header section, of WARC and of HTTP.
const MAX_HEADERS: usize = 256 << 10;
/// Bytes of a block of no interest that are kept even if it is the first of its member, and so in general the only one.
const KEPT_ALWAYS: u64 = 4 << 10;

/// Reads an archive from a position.
pub struct ArchiveReader {
    name: String,
    members: Members,
    /// Records before the next one in the open member.
    ordinal: u32,
    /// Records to pass before the first entry.
    skip: u32,
    start: u64,
    /// Bytes of the stored file, if known.
    size: Option<u64>,
    /// Nothing is made of the record at hand.
    passing_over: bool,
    taken: Taken,
    seen: Seen,
}
impl ArchiveReader {
    /// Reads `input`, which stands at byte `start.offset` of the stored file `name`.
    pub fn new(
        input: Box<dyn Read + Send>,
        name: &str,
        start: Position,
        settings: &RecordSettings,
        kind: Kind,
    ) -> Self {
        let mut content_types = settings.content_types.clone();
        if content_types.is_empty() {
            content_types = kind.content_types().iter().map(|name| (*name).to_owned()).collect();
            if kind == Kind::Text && settings.types.contains(&RecordType::Conversion) {
                content_types.push(PLAIN_TEXT.to_owned());
            }
        }
        ArchiveReader {
            name: name.to_owned(),
            members: Members::new(input, start.offset),
            ordinal: 0,
            skip: start.ordinal,
            start: start.offset,
            size: None,
            passing_over: false,
            taken: Taken { settings: settings.clone(), content_types },
            seen: Seen::default(),
        }
    }

    /// MIME type of the last entry, if it is of a type that is taken, whether it is taken itself or not: in lower case, without
    /// parameters; empty if the server told none.
    pub fn mime(&self) -> &str {
        &self.seen.mime
    }

    /// Bytes that the members read so far inflate to; those read, of an uncompressed archive.
    pub fn bytes_inflated(&self) -> u64 {
        if self.members.is_plain() { self.bytes_read() - self.start } else { self.members.bytes_inflated() }
    }

    /// The same with a way to open the head of the file, which tells its format, and holds the dictionary of some archives of
    /// zstd frames. It is opened only where reading starts behind the head.
    #[must_use]
    pub fn with_head(
        mut self,
        open: impl FnOnce() -> io::Result<Box<dyn Read + Send>> + Send + 'static,
    ) -> Self {
        self.members.set_head(Box::new(open));
        self
    }

    /// The same with a way to open the file at an offset: a record whose length covers more than is kept in memory, and is
    /// found to lie, is read again.
    #[must_use]
    pub fn with_open_at(
        mut self,
        open: impl Fn(u64) -> io::Result<Box<dyn Read + Send>> + Send + 'static,
    ) -> Self {
        self.members.set_open_at(Box::new(open));
        self
    }

    /// The same at a record that an index names: what begins there like a member of gzip is one, and the head is not asked.
    #[must_use]
    pub fn indexed(mut self) -> Self {
        self.members.trust_magic();
        self
    }

    /// The same of a stored file of so many bytes, which then must all be there, and which no record outgrows; 0 if not known.
    #[must_use]
    pub fn sized(mut self, size: u64) -> Self {
        self.size = Some(size).filter(|&size| size > 0);
        self
    }

    /// Bytes of the stored file read so far, absolute.
    pub fn bytes_read(&self) -> u64 {
        self.members.bytes_read()
    }

    /// The next entry; `None` at the end of the archive. After an error the reader is of no more use.
    #[expect(clippy::should_implement_trait, reason = "fallible, and never used as an iterator")]
    pub fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        loop {
            let entry = self.entry().map_err(|source| ReadError {
                name: self.name.clone(),
                offset: self.members.bytes_read(),
                source,
            })?;
            match &entry {
                Some(entry) if entry.at.offset == self.start && entry.at.ordinal < self.skip => {}
                _ => return Ok(entry),
            }
        }
    }

    /// The same, but a record that is taken is passed over: nothing is decoded of its block. Such an entry, if no damage was
    /// found in it, is [`Exclusion::Quarantined`]. Its bounds are those that [`ArchiveReader::next`] finds.
    pub fn pass_over(&mut self) -> Result<Option<Entry>, ReadError> {
        self.passing_over = true;
        let entry = self.next();
        self.passing_over = false;
        entry
    }

    fn position(&self) -> Position {
        let ordinal = if self.members.is_open() && !self.members.is_plain() { self.ordinal } else { 0 };
        Position { offset: self.members.offset(), ordinal }
    }

    fn entry(&mut self) -> io::Result<Option<Entry>> {
        let mut at = self.position();
        self.seen.clear();
        let content = loop {
            if !self.members.is_open() {
                at = self.position();
                self.ordinal = 0;
                match self.members.open_next()? {
                    Boundary::Member => at = self.position(),
                    Boundary::End => return self.end(),
                    Boundary::Garbage => break Err(Exclusion::Garbage),
                    Boundary::Truncated => break Err(Exclusion::Truncated),
                }
            }
            self.skip_padding()?;
            if self.members.ensure(1)? {
                at = self.position();
                break self.record()?;
            }
            match self.members.ended() {
                Some(End::Whole) | None => self.members.close(),
                Some(_) => break Err(self.damage()?),
            }
        };
        let next = self.position();
        let url = std::mem::take(&mut self.seen.url);
        let Seen { warc_type, http_status, .. } = self.seen;
        let bytes_read = self.members.bytes_read();
        let mut entry = Entry { at, next, bytes_read, url, warc_type, http_status, content };
        if let Ok(response) = &mut entry.content
            && at.ordinal == 0
            && next.ordinal == 0
        {
            response.meta.warc_record_length = next.offset - at.offset;
        }
        Ok(Some(entry))
    }

    /// The end of the file: whether all of it was read.
    fn end(&self) -> io::Result<Option<Entry>> {
        let read = self.members.bytes_read();
        match self.size {
            Some(size) if size != read => {
                let text = format!("it ends there, and has {size} bytes in the listing");
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, text))
            }
            _ => Ok(None),
        }
    }

    /// Bytes of an uncompressed archive behind the next `passed` ones.
    fn rest(&self, passed: usize) -> u64 {
        self.size.map_or(u64::MAX, |size| size.saturating_sub(self.members.offset() + passed as u64))
    }

    /// A record that claims more bytes than an uncompressed archive has left: the next one is sought behind its headers. If
    /// there is none, the archive ends in it.
    fn overlong(&mut self, headers: usize) -> io::Result<Result<Response, Exclusion>> {
        self.members.consume(headers);
        let found = self.resync(Exclusion::BadLength)?;
        Ok(if self.members.is_open() { found } else { Err(Exclusion::Truncated) })
    }

    /// Reads the record at hand and goes to the start of the next one.
    fn record(&mut self) -> io::Result<Result<Response, Exclusion>> {
        if !self.members.opens_record()? {
            // Behind a record it is no record that lacks its headers.
            let Position { offset, ordinal } = self.position();
            let behind = ordinal > 0 || self.members.is_plain() && offset > 0;
            return self.resync(if behind { Exclusion::Garbage } else { Exclusion::NoRecordHeaders });
        }
        let headers = match arc::Line::parse(self.members.bytes()) {
            Some(line) => WarcHeaders::from(line),
            None => {
                let Some(length) = self.section(MAX_HEADERS)? else {
                    return self.resync(Exclusion::NoRecordHeaders);
                };
                let section = &self.members.bytes()[..length];
                if is_cut_off(section) {
                    // What follows is the next record's.
                    return self.resync(Exclusion::NoRecordHeaders);
                }
                WarcHeaders::parse(section, length)
            }
        };
        let is_response = headers.warc_type == WarcType::Response;
        self.seen.warc_type = Some(headers.warc_type);
        if is_response {
            self.seen.url.clone_from(&headers.meta.url);
        }
        let Some(block) = headers.content_length else {
            if self.members.is_plain() {
                return self.resync(Exclusion::BadLength);
            }
            self.members.consume(headers.length);
            return self.rest_of_member(headers);
        };
        if self.members.is_plain() && block > self.rest(headers.length) {
            return self.overlong(headers.length);
        }
        self.members.consume(headers.length);
        if let Err(reason) = self.taken.check_type(headers.warc_type) {
            return self.discard(block, reason, false);
        }
        if !is_response {
            return match self.taken.check_file(&headers.content_type, block, headers.meta, &mut self.seen) {
                Err(reason) => self.discard(block, reason, false),
                Ok(wanted) => self.body(wanted, Vec::new()),
            };
        }
        let limit = block.min(MAX_HEADERS as u64) as usize;
        let http = match self.section(limit)? {
            Some(length) => Some(length),
            // The headers are the whole block.
            None if block <= MAX_HEADERS as u64 && self.members.bytes().len() >= limit => Some(limit),
            None => None,
        };
        // What looks like a record in the HTTP headers is one only if the block does not end where the length says: a server
        // may send such headers.
        let mut doubtful = Vec::new();
        let wanted = match http {
            Some(length) if length as u64 <= block => {
                let section = &self.members.bytes()[..length];
                if warc_start(section).is_some() {
                    doubtful = section.to_vec();
                }
                self.taken.check_http(section, block - length as u64, headers.meta, &mut self.seen)
            }
            _ => Err(Exclusion::NoHttpHeaders),
        };
        match wanted {
            Err(reason) => self.discard(block, reason, !doubtful.is_empty()),
            Ok(wanted) => {
                self.members.consume((block - wanted.body) as usize);
                self.body(wanted, doubtful)
            }
        }
    }

    /// A record whose length is not known: it ends with its member, if no other record follows in there.
    fn rest_of_member(&mut self, headers: WarcHeaders) -> io::Result<Result<Response, Exclusion>> {
        let cap = self.cap().saturating_add(MAX_HEADERS);
        let mut block = Vec::new();
        loop {
            let bytes = self.members.bytes();
            if block.len() + bytes.len() > cap || record_start(bytes).is_some() {
                return self.resync(Exclusion::BadLength);
            }
            let passed = bytes.len() - undecided(bytes);
            block.extend_from_slice(&bytes[..passed]);
            self.members.consume(passed);
            if !self.members.more()? && self.members.ended().is_some() {
                break;
            }
        }
        block.extend_from_slice(self.members.bytes());
        if self.members.ended() != Some(End::Whole) {
            return Ok(Err(self.damage()?));
        }
        self.members.close();
        if let Err(reason) = self.taken.check_type(headers.warc_type) {
            return Ok(Err(reason));
        }
        let trimmed = block.strip_suffix(b"\r\n\r\n").or_else(|| block.strip_suffix(b"\n\n"));
        block.truncate(trimmed.map_or(block.len(), <[u8]>::len));
        let WarcHeaders { warc_type, content_type, meta, .. } = headers;
        let (wanted, body) = if warc_type == WarcType::Response {
            let section = section_len(&block, 0).unwrap_or(block.len());
            let body = block.split_off(section);
            (self.taken.check_http(&block, body.len() as u64, meta, &mut self.seen), body)
        } else {
            (self.taken.check_file(&content_type, block.len() as u64, meta, &mut self.seen), block)
        };
        Ok(wanted.and_then(|wanted| self.decode(wanted, body)))
    }

    /// Length of the header section at hand, if it ends within `limit` bytes of the member.
    fn section(&mut self, limit: usize) -> io::Result<Option<usize>> {
        let mut searched = 0;
        loop {
            let bytes = self.members.bytes();
            let bytes = &bytes[..bytes.len().min(limit)];
            if let Some(length) = section_len(bytes, searched) {
                return Ok(Some(length));
            }
            // A blank line may straddle two pieces by up to three bytes.
            searched = bytes.len().saturating_sub(3);
            if bytes.len() >= limit || !self.members.more()? && self.members.ended().is_some() {
                // The last piece may have come together with the end of the member.
                let bytes = self.members.bytes();
                return Ok(section_len(&bytes[..bytes.len().min(limit)], searched));
            }
        }
    }

    /// Reads the body; `block` is what stands before it, if records may start in there.
    fn body(&mut self, wanted: Wanted, mut block: Vec<u8>) -> io::Result<Result<Response, Exclusion>> {
        let before = block.len();
        block.reserve_exact(wanted.body as usize);
        let whole = self.pass(wanted.body, |piece| block.extend_from_slice(piece))?;
        let length = block.len();
        let followed = self.finish(whole, &mut block, None, Ok(()))?;
        block.truncate(length);
        block.drain(..before);
        Ok(followed.and_then(|()| self.decode(wanted, block)))
    }

    fn decode(&self, wanted: Wanted, body: Vec<u8>) -> Result<Response, Exclusion> {
        if self.passing_over { Err(Exclusion::Quarantined) } else { wanted.decode(body, self.cap()) }
    }

    /// Longest block that is kept in memory.
    fn cap(&self) -> usize {
        usize::try_from(self.taken.settings.max_body_bytes).unwrap_or(usize::MAX - 1)
    }

    /// Passes the block of a record that is left out; `is_doubtful` if records seem to start in it.
    fn discard<T>(
        &mut self,
        count: u64,
        reason: Exclusion,
        is_doubtful: bool,
    ) -> io::Result<Result<T, Exclusion>> {
        let place = self.members.place();
        let mut block = Vec::new();
        // Where other records may follow, to go back to if the length covers them.
        let cap = self.cap();
        let may_lie = is_doubtful || count <= KEPT_ALWAYS || count > cap as u64;
        let mut keep = self.members.is_plain() || self.ordinal > 0 || may_lie;
        let whole = self.pass(count, |piece| {
            keep &= block.len() + piece.len() <= cap;
            if keep {
                block.extend_from_slice(piece);
            } else {
                block = Vec::new();
            }
        })?;
        self.finish(whole, &mut block, Some(place).filter(|_| !keep), Err(reason))
    }

    /// Passes `count` bytes of the member; `false` if it ends before.
    fn pass(&mut self, mut count: u64, mut take: impl FnMut(&[u8])) -> io::Result<bool> {
        while count > 0 {
            if !self.members.ensure(1)? {
                return Ok(false);
            }
            let bytes = self.members.bytes();
            let piece = bytes.len().min(usize::try_from(count).unwrap_or(usize::MAX));
            take(&bytes[..piece]);
            self.members.consume(piece);
            count -= piece as u64;
        }
        Ok(true)
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

#[cfg(test)]
mod tests;
