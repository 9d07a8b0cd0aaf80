//! HTTP response headers as they stand in archives, read leniently.

use memchr::{memchr, memmem};

/// What of the headers decides about a record. Of repeated headers the first wins, codings excepted.
#[derive(Debug, Default)]
pub(super) struct Headers<'a> {
    pub(super) status: u16,
    pub(super) content_type: &'a [u8],
    pub(super) chunked: bool,
    /// `Content-Encoding`s in the order in which they were applied.
    pub(super) codings: Vec<&'a [u8]>,
}

/// Length of a header section with its blank line, CRLF or LF.
pub(super) fn section_len(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(found) = memchr(b'\n', bytes.get(at..)?) {
        at += found + 1;
        match bytes.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
    None
}

/// The `name: value` pairs of a section, trimmed; a folded value keeps its line breaks.
pub(super) fn fields(section: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = section;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let mut end = 0;
            loop {
                end += memchr(b'\n', &rest[end..]).map_or(rest.len() - end, |at| at + 1);
                if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                    break;
                }
            }
            let (line, tail) = rest.split_at(end);
            rest = tail;
            if let Some(colon) = memchr(b':', line) {
                return Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()));
            }
        }
        None
    })
}

impl<'a> Headers<'a> {
    /// Reads a section; `None` if it does not start with an HTTP status line.
    pub(super) fn parse(section: &'a [u8]) -> Option<Self> {
        if !section.get(..5)?.eq_ignore_ascii_case(b"HTTP/") {
            return None;
        }
        let line_end = memchr(b'\n', section).unwrap_or(section.len());
        let (line, rest) = section.split_at(line_end);
        let status =
            line.split(|byte| *byte == b' ').skip(1).find(|word| !word.is_empty()).unwrap_or_default();
        let status = str::from_utf8(status.trim_ascii()).ok()?.parse().ok()?;
        let mut headers = Headers { status, ..Headers::default() };
        for (name, value) in fields(rest) {
            if name.eq_ignore_ascii_case(b"content-type") {
                if headers.content_type.is_empty() {
                    headers.content_type = value;
                }
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                headers.chunked |= value.len() >= 7 && value.to_ascii_lowercase().ends_with(b"chunked");
            } else if name.eq_ignore_ascii_case(b"content-encoding") {
                headers.codings.extend(value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii));
            }
        }
        Some(headers)
    }

    /// The MIME type without parameters, as written.
    pub(super) fn mime(&self) -> &'a [u8] {
        let end = memchr::memchr2(b';', b',', self.content_type).unwrap_or(self.content_type.len());
        self.content_type[..end].trim_ascii()
    }

    /// The `charset` parameter without quotes, as written; empty if none.
    pub(super) fn charset(&self) -> &'a [u8] {
        let lower = self.content_type.to_ascii_lowercase();
        let Some(at) = memmem::find(&lower, b"charset=") else { return b"" };
        let value = &self.content_type[at + 8..];
        let value = value.strip_prefix(b"\"").unwrap_or(value);
        let end = value.iter().position(|byte| b"\"'; ,".contains(byte)).unwrap_or(value.len());
        value[..end].trim_ascii()
    }
}
