//! The records of an archive, one entry for each record and for each damaged piece.
//!
//! WARC 0.17 to 1.1 (ISO 28500), read leniently: header names in any case, LF-only lines, folded values; and ARC.

use std::io::{self, Read};

use memchr::memmem;
use thiserror::Error;
use warcdl_actors::{Exclusion, Meta, Position};

use super::arc;
use super::body;
use super::http::{Headers, section_len};
use super::member::{Boundary, End, Members};
use super::response::PLAIN_TEXT;
use super::{RecordSettings, RecordType, Response, WarcType};
use crate::kind::Kind;
use header::WarcHeaders;

mod header;

/// Longest header section, of WARC and of HTTP.
const MAX_HEADERS: usize = 256 << 10;
/// Length of a line break and `WARC/1.`, which tell a record's start from a text about it.
const RECORD_START: usize = 8;

/// The stored file cannot be read on.
#[derive(Debug, Error)]
#[error("cannot read {name} at byte {offset}: {source}")]
pub struct ReadError {
    /// The archive.
    pub name: String,
    /// Where in the stored file.
    pub offset: u64,
    /// What the source reports.
    pub source: io::Error,
}

/// One record, or one damaged piece.
#[derive(Debug)]
pub struct Entry {
    /// Where it starts.
    pub at: Position,
    /// Where reading resumes behind it.
    pub next: Position,
    /// Bytes of the stored file read so far, absolute.
    pub bytes_read: u64,
    /// Target URI of a `response`; else empty.
    pub url: String,
    /// Its type; `None` if no WARC header could be read.
    pub warc_type: Option<WarcType>,
    /// HTTP status of a `response`, whether it is taken or not; `None` if no HTTP headers could be read.
    pub http_status: Option<u16>,
    /// The response, or why there is none.
    pub content: Result<Response, Exclusion>,
}

/// Reads an archive from a position.
pub struct ArchiveReader {
    name: String,
    members: Members,
    /// Records before the next one in the open member.
    ordinal: u32,
    /// Records to pass before the first entry.
    skip: u32,
    start: u64,
    /// Nothing is made of the record at hand.
    passing_over: bool,
    taken: Taken,
    seen: Seen,
}

/// Which responses are taken.
struct Taken {
    settings: RecordSettings,
    content_types: Vec<String>,
}

/// What the headers of the record at hand tell, whatever becomes of it.
#[derive(Default)]
struct Seen {
    url: String,
    warc_type: Option<WarcType>,
    http_status: Option<u16>,
    /// In lower case; one buffer for all records.
    mime: String,
}

/// A record that passed the checks of its headers; its body comes next.
struct Wanted {
    body: u64,
    chunked: bool,
    codings: Vec<Vec<u8>>,
    response: Response,
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

    /// The same with a way to open the head of the file, which holds the dictionary of some archives of zstd frames; it
    /// is taken only for those, and only where reading starts behind the head.
    #[must_use]
    pub fn with_head(
        mut self,
        open: impl FnOnce() -> io::Result<Box<dyn Read + Send>> + Send + 'static,
    ) -> Self {
        self.members.set_head(Box::new(open));
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

    /// The same, but a response is passed over: nothing is parsed, kept or decoded of its block. Such an entry, if no
    /// damage was found in it, is [`Exclusion::Quarantined`].
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
                    Boundary::End => return Ok(None),
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

    /// Reads the record at hand and goes to the start of the next one.
    fn record(&mut self) -> io::Result<Result<Response, Exclusion>> {
        if !self.members.opens_record()? {
            return self.resync(Exclusion::NoRecordHeaders);
        }
        let headers = match arc::Line::parse(self.members.bytes()) {
            Some(line) => WarcHeaders::from(line),
            None => {
                let Some(length) = self.section(MAX_HEADERS)? else {
                    return self.resync(Exclusion::NoRecordHeaders);
                };
                WarcHeaders::parse(&self.members.bytes()[..length], length)
            }
        };
        let is_response = headers.warc_type == WarcType::Response;
        self.seen.warc_type = Some(headers.warc_type);
        if is_response {
            self.seen.url.clone_from(&headers.meta.url);
        }
        let Some(block) = headers.content_length else {
            if !is_response || self.members.is_plain() {
                return self.resync(Exclusion::BadLength);
            }
            self.members.consume(headers.length);
            return self.rest_of_member(headers.meta);
        };
        self.members.consume(headers.length);
        if !self.taken.settings.types.iter().any(|taken| taken.warc_type() == headers.warc_type) {
            return self.discard(block, Exclusion::WrongWarcType);
        }
        if self.passing_over {
            return self.discard(block, Exclusion::Quarantined);
        }
        if !is_response {
            // The block is the file itself, and the record's own header says what it is.
            let file = Headers { content_type: &headers.content_type, ..Headers::default() };
            return match self.taken.check(&file, block, headers.meta, &mut self.seen) {
                Err(reason) => self.discard(block, reason),
                Ok(wanted) => self.body(wanted),
            };
        }
        let limit = block.min(MAX_HEADERS as u64) as usize;
        let http = match self.section(limit)? {
            Some(length) => Some(length),
            // The headers are the whole block.
            None if block <= MAX_HEADERS as u64 && self.members.bytes().len() >= limit => Some(limit),
            None => None,
        };
        let wanted = match http {
            Some(length) if length as u64 <= block => {
                let section = &self.members.bytes()[..length];
                self.taken.check_http(section, block - length as u64, headers.meta, &mut self.seen)
            }
            _ => Err(Exclusion::NoHttpHeaders),
        };
        match wanted {
            Err(reason) => self.discard(block, reason),
            Ok(wanted) => {
                self.members.consume((block - wanted.body) as usize);
                self.body(wanted)
            }
        }
    }

    /// A response whose length is not known: it ends with its member, if no other record follows in there.
    fn rest_of_member(&mut self, meta: Meta) -> io::Result<Result<Response, Exclusion>> {
        let cap = self.cap().saturating_add(MAX_HEADERS);
        let mut block = Vec::new();
        while self.members.ensure(1)? {
            let bytes = self.members.bytes();
            // A record's start may straddle two pieces.
            let searched = block.len().saturating_sub(RECORD_START);
            block.extend_from_slice(bytes);
            if block.len() > cap || record_start(&block[searched..]).is_some() {
                return self.resync(Exclusion::BadLength);
            }
            self.members.consume(self.members.bytes().len());
        }
        if self.members.ended() != Some(End::Whole) {
            return Ok(Err(self.damage()?));
        }
        self.members.close();
        let trimmed = block.strip_suffix(b"\r\n\r\n").or_else(|| block.strip_suffix(b"\n\n"));
        block.truncate(trimmed.map_or(block.len(), <[u8]>::len));
        let section = section_len(&block, 0).unwrap_or(block.len());
        let body = block.split_off(section);
        let wanted = self.taken.check_http(&block, body.len() as u64, meta, &mut self.seen);
        Ok(wanted.and_then(|wanted| wanted.decode(body, self.cap())))
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

    fn body(&mut self, wanted: Wanted) -> io::Result<Result<Response, Exclusion>> {
        let mut body = Vec::with_capacity(wanted.body as usize);
        let whole = self.pass(wanted.body, |piece| body.extend_from_slice(piece))?;
        let length = body.len();
        let followed = self.finish(whole, &mut body, Ok(()))?;
        body.truncate(length);
        Ok(followed.and_then(|()| wanted.decode(body, self.cap())))
    }

    /// Longest block that is kept in memory.
    fn cap(&self) -> usize {
        usize::try_from(self.taken.settings.max_body_bytes).unwrap_or(usize::MAX - 1)
    }

    fn discard<T>(&mut self, count: u64, reason: Exclusion) -> io::Result<Result<T, Exclusion>> {
        let mut block = Vec::new();
        let keep = self.members.is_plain() && count <= self.cap() as u64;
        let whole = self.pass(count, |piece| {
            if keep {
                block.extend_from_slice(piece);
            }
        })?;
        self.finish(whole, &mut block, Err(reason))
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

    /// Behind a block: checks that a record or the end of the member follows. In an uncompressed archive a length that
    /// is too long covers the records behind, which are then sought in the block.
    fn finish<T>(
        &mut self,
        whole: bool,
        block: &mut Vec<u8>,
        content: Result<T, Exclusion>,
    ) -> io::Result<Result<T, Exclusion>> {
        if !whole {
            return if self.back_into(block) {
                Ok(Err(Exclusion::BadLength))
            } else {
                self.lost(Exclusion::BadLength)
            };
        }
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
            if self.back_into(block) {
                return Ok(Err(Exclusion::BadLength));
            }
            return self.resync(Exclusion::BadLength);
        }
        self.ordinal += 1;
        Ok(content)
    }

    /// Goes back to the record that starts inside the block just passed, if one does.
    fn back_into(&mut self, block: &[u8]) -> bool {
        let padding = block.iter().rev().take_while(|byte| b"\r\n\0".contains(byte)).count();
        if !self.members.is_plain() || padding > MAX_HEADERS {
            return false;
        }
        record_start(block).is_some_and(|start| self.members.back(&block[start..]))
    }

    /// The member ended inside the record.
    fn lost<T>(&mut self, whole_member: Exclusion) -> io::Result<Result<T, Exclusion>> {
        match self.members.ended() {
            // An uncompressed archive has no other end than that of the file.
            Some(End::Whole) if self.members.is_plain() && whole_member == Exclusion::BadLength => {
                self.members.close();
                Ok(Err(Exclusion::Truncated))
            }
            Some(End::Whole) | None => {
                self.members.close();
                Ok(Err(whole_member))
            }
            Some(_) => Ok(Err(self.damage()?)),
        }
    }

    /// Leaves a damaged member for the next one that holds a record.
    fn damage(&mut self) -> io::Result<Exclusion> {
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
    fn resync<T>(&mut self, reason: Exclusion) -> io::Result<Result<T, Exclusion>> {
        loop {
            if let Some(found) = record_start(self.members.bytes()) {
                self.members.consume(found);
                self.ordinal += 1;
                return Ok(Err(reason));
            }
            let keep = self.members.bytes().len().min(RECORD_START);
            self.members.consume(self.members.bytes().len() - keep);
            if !self.members.more()? && self.members.ended().is_some() && self.members.bytes().len() == keep {
                self.members.consume(keep);
                return self.lost(reason);
            }
        }
    }

    /// Passes the line breaks behind a record, and zeros that pad a file; returns them for an uncompressed archive.
    fn skip_padding(&mut self) -> io::Result<Vec<u8>> {
        let mut passed = Vec::new();
        loop {
            let bytes = self.members.bytes();
            let count = bytes.iter().position(|byte| !b"\r\n\0".contains(byte)).unwrap_or(bytes.len());
            let more = count == bytes.len();
            if self.members.is_plain() && passed.len() <= MAX_HEADERS {
                passed.extend_from_slice(&bytes[..count]);
            }
            self.members.consume(count);
            if !more || !self.members.ensure(1)? {
                return Ok(passed);
            }
        }
    }
}

impl Taken {
    /// Whether the response with this section of HTTP headers and so long a body is taken.
    fn check_http(
        &self,
        section: &[u8],
        body: u64,
        meta: Meta,
        seen: &mut Seen,
    ) -> Result<Wanted, Exclusion> {
        let headers = Headers::parse(section).ok_or(Exclusion::NoHttpHeaders)?;
        seen.http_status = Some(headers.status);
        if !self.settings.http_status.is_empty() && !self.settings.http_status.contains(&headers.status) {
            seen.note_mime(headers.mime());
            return Err(Exclusion::HttpStatus);
        }
        self.check(&headers, body, meta, seen)
    }

    /// Whether what has these headers and is so long is taken.
    fn check(
        &self,
        headers: &Headers<'_>,
        body: u64,
        mut meta: Meta,
        seen: &mut Seen,
    ) -> Result<Wanted, Exclusion> {
        let mime = headers.mime();
        seen.note_mime(mime);
        if !self.content_types.iter().any(|taken| taken.as_bytes().eq_ignore_ascii_case(mime)) {
            return Err(Exclusion::WrongContentType);
        }
        if body < self.settings.min_body_bytes {
            return Err(Exclusion::BodyTooShort);
        }
        if body > self.settings.max_body_bytes {
            return Err(Exclusion::BodyTooLong);
        }
        meta.fetch_status = headers.status;
        meta.content_mime_type.clone_from(&seen.mime);
        Ok(Wanted {
            body,
            chunked: headers.chunked,
            codings: headers.codings.iter().map(|coding| coding.to_vec()).collect(),
            response: Response { meta, http_charset: text(headers.charset()), body: Vec::new() },
        })
    }
}

impl Seen {
    fn note_mime(&mut self, mime: &[u8]) {
        self.mime.push_str(&String::from_utf8_lossy(mime));
        self.mime.make_ascii_lowercase();
    }

    fn clear(&mut self) {
        self.url.clear();
        self.mime.clear();
        (self.warc_type, self.http_status) = (None, None);
    }
}

impl Wanted {
    fn decode(mut self, body: Vec<u8>, cap: usize) -> Result<Response, Exclusion> {
        let decoded = body::decode(body, self.chunked, &self.codings, cap);
        self.response.body = decoded.map_err(|body::TooLong| Exclusion::BodyTooLong)?;
        Ok(self.response)
    }
}

/// Where in `bytes` a line starts that opens a record.
fn record_start(bytes: &[u8]) -> Option<usize> {
    let versioned = |at: &usize| matches!(bytes.get(at + 6..at + RECORD_START), Some([version, b'.']) if version.is_ascii_digit());
    let upper = memmem::find_iter(bytes, b"\nWARC/").find(versioned);
    let lower = memmem::find_iter(&bytes[..upper.unwrap_or(bytes.len())], b"\nwarc/").find(versioned);
    lower.or(upper).map(|at| at + 1)
}

/// Whether a record starts here. Some writers put all that is not case-sensitive into lower case, the version too.
pub(super) fn opens_record(bytes: &[u8]) -> bool {
    bytes.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"WARC/"))
}

/// Whether only zeros stand here, with which some tools pad a file.
pub(super) fn is_padding(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

#[cfg(test)]
mod tests;
