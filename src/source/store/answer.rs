//! Whether an answer is the piece of the archive that was asked for.
//!
//! Between a reader and its archive stand proxies, load balancers and captive portals, which answer a GET with pages of
//! their own, some of them with status 200. None of that may be read as an archive. So every body must be vouched for: by
//! the range that it says to be (RFC 9110 section 14.4), by the size of the whole, and by the entity tag.

use super::trouble::{Kind, Trouble};

/// What of an answer's head is looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    /// `Content-Range`. Answers of status 206 have one.
    pub(super) content_range: Option<String>,
    /// `Content-Length`.
    pub(super) content_length: Option<u64>,
    /// Whether the body comes in chunks, of which the last one says that it is the last.
    pub(super) chunked: bool,
    /// `Content-Encoding`, by which S3 keeps what the uploader said of the object; set by proxies that compress.
    pub(super) content_encoding: Option<String>,
    /// `Content-Type`, for messages.
    pub(super) content_type: Option<String>,
    /// `ETag`.
    pub(super) etag: Option<String>,
}

/// What is asked for: the bytes `from..end` of an object.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) from: u64,
    /// `u64::MAX`: to the end of the object.
    pub(super) end: u64,
    /// Of the whole object; 0 if not known.
    pub(super) size: u64,
    /// As listed, or as the first answer said; empty if not known.
    pub(super) etag: String,
    /// A list or an index, which a server may make up as it is asked: it is taken whole, as it is sent, if nothing is known of
    /// its size. What its lines name is checked.
    pub(super) is_list: bool,
}

/// What the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Where it ends in the object; `u64::MAX`: where the body ends.
    pub(super) end: u64,
    /// Size of the whole object; 0 if not known.
    pub(super) size: u64,
}

impl Asked {
    /// The value of the header `Range`.
    pub(super) fn range(&self) -> String {
        match self.end {
            u64::MAX => format!("bytes={}-", self.from),
            end => format!("bytes={}-{}", self.from, end.saturating_sub(1)),
        }
    }

    /// Whether nothing is left to ask for.
    pub(super) fn is_done(&self) -> bool {
        self.from >= self.end || self.size > 0 && self.from >= self.size
    }

    /// Checks the head of a successful answer.
    pub(super) fn check(&self, answer: &Answer) -> Result<Piece, Trouble> {
        let piece = match &answer.content_range {
            Some(range) => self.check_range(range, answer)?,
            None => self.check_whole(answer)?,
        };
        if self.size > 0 && piece.size != self.size {
            return Err(changed(format!("it has {} bytes, and had {}", piece.size, self.size)));
        }
        if let Some(etag) = &answer.etag
            && !self.etag.is_empty()
            && strong(etag) != strong(&self.etag)
        {
            return Err(changed(format!("its entity tag is {etag}, and was {}", self.etag)));
        }
        Ok(piece)
    }

    fn check_range(&self, range: &str, answer: &Answer) -> Result<Piece, Trouble> {
        let wrong = || other(answer, format!("asked for {}, got the range {range:?}", self.range()));
        let (first, last, total) = parse_range(range).ok_or_else(wrong)?;
        let size = match total {
            Some(size) => size,
            None if self.size > 0 => self.size,
            None => return Err(wrong()),
        };
        // `last` may be less than was asked for: the rest is asked for next.
        let fits = first == self.from && last >= first && last < size && last < self.end;
        let end = last.saturating_add(1);
        if !fits || answer.content_length.is_some_and(|length| length != end - first) {
            return Err(wrong());
        }
        Ok(Piece { end, size })
    }

    /// An answer of status 200: the whole object, if it is one at all.
    fn check_whole(&self, answer: &Answer) -> Result<Piece, Trouble> {
        let encoded = answer.content_encoding.as_deref().is_some_and(|coding| coding != "identity");
        if self.is_list && self.size == 0 && !encoded {
            return self.check_list(answer);
        }
        if self.size == 0 || answer.content_length != Some(self.size) || encoded {
            return Err(other(answer, format!("asked for {}, got another answer", self.range())));
        }
        if self.from > 0 || self.end < self.size {
            let reason = format!("asked for {}, got the whole", self.range());
            return Err(Trouble::new(Kind::Final, reason, "the server must support Range requests"));
        }
        Ok(Piece { end: self.size, size: self.size })
    }

    /// The same of a list of which no size was told. A server that does not know ranges will not learn them.
    fn check_list(&self, answer: &Answer) -> Result<Piece, Trouble> {
        match answer.content_length {
            _ if self.from > 0 => {}
            Some(length) => return Ok(Piece { end: length, size: length }),
            None if answer.chunked => return Ok(Piece { end: u64::MAX, size: 0 }),
            None => {}
        }
        let reason = format!("asked for {}, got another answer, of which no end is told", self.range());
        Err(Trouble::new(Kind::Final, reason, "the server must support Range requests"))
    }

    /// Whether `first`, the first bytes of the object, may be those of an archive. Only looked at where the listing does
    /// not vouch for the size: no archive starts so, plain or compressed.
    pub(super) fn may_start_with(&self, first: &[u8]) -> bool {
        let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start();
        self.size > 0 || self.from > 0 || !text.starts_with(b"<")
    }
}

/// The trouble with an object that begins like a page of markup.
pub(super) fn markup(answer: &Answer) -> Trouble {
    other(answer, "it begins as XML or HTML does, and no archive does".to_owned())
}

fn changed(reason: String) -> Trouble {
    let cure = "the object has changed since it was listed: start the run again";
    Trouble::new(Kind::Final, reason, cure)
}

/// Somebody else answered, or the server is out of order: it may be itself again soon.
fn other(answer: &Answer, reason: String) -> Trouble {
    let content_type = answer.content_type.as_deref().unwrap_or("of no type");
    let length = answer.content_length.map_or("no length".to_owned(), |length| format!("{length} bytes"));
    let reason = format!("{reason} ({content_type}, {length})");
    let cure = "see whether a proxy or a portal answers in the server's place, and whether the server supports \
                Range requests";
    Trouble::new(Kind::Busy, reason, cure)
}

/// `bytes first-last/total`; the total is `None` for `*`.
fn parse_range(range: &str) -> Option<(u64, u64, Option<u64>)> {
    let (span, total) = range.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = span.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((first.parse().ok()?, last.parse().ok()?, total))
}

/// The total in `bytes */total`, with which a server refuses a range that lies behind the end.
pub(super) fn unsatisfied_total(range: &str) -> Option<u64> {
    range.trim().strip_prefix("bytes */")?.parse().ok()
}

/// An entity tag without the mark of a weak one, which proxies set on the way.
fn strong(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(range: &str, length: Option<u64>, etag: &str) -> Answer {
        Answer {
            content_range: (!range.is_empty()).then(|| range.to_owned()),
            content_length: length,
            etag: (!etag.is_empty()).then(|| etag.to_owned()),
            content_type: Some("text/html".to_owned()),
            ..Answer::default()
        }
    }

    #[test]
    fn only_the_piece_that_was_asked_for_is_taken() {
        let etag = "\"a\"".to_owned();
        let rest = Asked { from: 100, end: u64::MAX, size: 1000, etag, is_list: false };
        let whole = Asked { from: 0, ..rest.clone() };
        let some = Asked { end: 200, ..rest.clone() };
        let unknown = Asked { size: 0, etag: String::new(), ..whole.clone() };
        let piece = |end| Ok(Piece { end, size: 1000 });
        let (busy, last) = (Err(Kind::Busy), Err(Kind::Final));
        for (asked, range, length, etag, expected) in [
            (&rest, "bytes 100-999/1000", Some(900), "\"a\"", piece(1000)),
            (&rest, "bytes 100-999/1000", None, "W/\"a\"", piece(1000)),
            (&rest, "bytes 100-999/*", None, "", piece(1000)),
            (&rest, "bytes 100-500/1000", Some(401), "", piece(501)),
            (&some, "bytes 100-199/1000", Some(100), "\"a\"", piece(200)),
            (&whole, "", Some(1000), "\"a\"", piece(1000)),
            (&unknown, "bytes 0-999/1000", Some(1000), "\"b\"", piece(1000)),
            // Not the piece.
            (&rest, "bytes 99-999/1000", Some(901), "\"a\"", busy),
            (&rest, "bytes 100-999/1000", Some(901), "\"a\"", busy),
            (&rest, "bytes 100-1000/1000", Some(901), "\"a\"", busy),
            (&some, "bytes 100-999/1000", Some(900), "\"a\"", busy),
            (&rest, "bytes 100-99/1000", Some(0), "\"a\"", busy),
            (&rest, "lines 100-999/1000", Some(900), "\"a\"", busy),
            (&rest, "bytes 100-18446744073709551615/1000", None, "\"a\"", busy),
            (&unknown, "bytes 0-999/*", Some(1000), "\"b\"", busy),
            // Status 200.
            (&whole, "", Some(312), "", busy),
            (&whole, "", None, "", busy),
            (&unknown, "", Some(1000), "", busy),
            (&rest, "", Some(1000), "\"a\"", last),
            // Another object.
            (&rest, "bytes 100-1999/2000", Some(1900), "\"a\"", last),
            (&rest, "bytes 100-999/1000", Some(900), "\"b\"", last),
            (&whole, "", Some(1000), "\"a-gzip\"", last),
        ] {
            let got = asked.check(&answer(range, length, etag)).map_err(|trouble| trouble.kind);
            assert_eq!(got, expected, "{asked:?}: {range:?}, {length:?}, {etag:?}");
        }
        let packed = Answer { content_encoding: Some("gzip".to_owned()), ..answer("", Some(1000), "\"a\"") };
        assert!(whole.check(&packed).is_err(), "compressed on the way");
        let trouble = whole.check(&answer("", Some(312), "")).unwrap_err();
        assert!(trouble.reason.contains("text/html, 312 bytes"), "{}", trouble.reason);
    }

    #[test]
    fn a_list_of_no_known_size_is_taken_whole() {
        let list = Asked { from: 0, end: u64::MAX, size: 0, etag: String::new(), is_list: true };
        let (later, known) = (Asked { from: 9, ..list.clone() }, Asked { size: 9, ..list.clone() });
        let plain = |length| answer("", length, "");
        let chunked = Answer { chunked: true, ..plain(None) };
        let packed = Answer { content_encoding: Some("gzip".to_owned()), ..chunked.clone() };
        let ranged = answer("bytes 0-8/9", Some(9), "");
        for (asked, answer, expected) in [
            (&list, &chunked, Ok((u64::MAX, 0))),
            (&list, &plain(Some(9)), Ok((9, 9))),
            (&list, &plain(Some(0)), Ok((0, 0))),
            (&list, &ranged, Ok((9, 9))),
            // It may have been cut off.
            (&list, &plain(None), Err(Kind::Final)),
            (&list, &packed, Err(Kind::Busy)),
            (&later, &chunked, Err(Kind::Final)),
            (&known, &chunked, Err(Kind::Busy)),
        ] {
            let got =
                asked.check(answer).map(|piece| (piece.end, piece.size)).map_err(|trouble| trouble.kind);
            assert_eq!(got, expected, "{asked:?}: {answer:?}");
        }
    }

    #[test]
    fn markup_is_no_archive_where_nothing_vouches_for_it() {
        let known = Asked { from: 0, end: u64::MAX, size: 9, etag: String::new(), is_list: false };
        let unknown = Asked { size: 0, ..known.clone() };
        for page in ["<?xml version=\"1.0\"?><Error>", "\u{feff}<!DOCTYPE html>", "\r\n <html>"] {
            assert!(!unknown.may_start_with(page.as_bytes()), "{page}");
            assert!(known.may_start_with(page.as_bytes()), "the size is right: {page}");
        }
        for archive in [&b"WARC/1.0\r\n"[..], b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"filedesc://", b""] {
            assert!(unknown.may_start_with(archive), "{archive:?}");
        }
    }
}
