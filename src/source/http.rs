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

/// Length of a header section with its blank line: CRLF, LF, or CRCRLF, which copying in text mode makes.
pub(super) fn section_len(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(found) = memchr(b'\n', bytes.get(at..)?) {
        at += found + 1;
        match bytes.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            [b'\r', b'\r', b'\n', ..] => return Some(at + 3),
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

#[cfg(test)]
mod tests {
    use super::{Headers, section_len};

    fn check(section: &str, expected: (u16, &str, &str, bool, &[&str])) {
        let headers = Headers::parse(section.as_bytes()).unwrap();
        let text = |bytes| str::from_utf8(bytes).unwrap();
        let codings: Vec<_> = headers.codings.iter().map(|coding| text(coding)).collect();
        let (mime, charset) = (text(headers.mime()), text(headers.charset()));
        assert_eq!((headers.status, mime, charset, headers.chunked, &codings[..]), expected, "{section}");
    }

    #[test]
    fn headers_are_read_leniently() {
        check("HTTP/1.1 200 OK\r\n\r\n", (200, "", "", false, &[]));
        check(
            "HTTP/2 404\ncontent-TYPE:text/html;Charset=\"utf-8\"\n\n",
            (404, "text/html", "utf-8", false, &[]),
        );
        check(
            "http/1.0  301 Moved\r\nno colon\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n\r\n",
            (301, "a/b", "", false, &[]),
        );
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\nContent-Encoding: br,\r\n gzip\r\nContent-Encoding: zstd\r\n\r\n",
            (200, "", "", true, &["br", "gzip", "zstd"]),
        );
        for broken in
            ["", "HTTP", "<html>", "HTTP/1.1", "HTTP/1.1 OK 200\r\n\r\n", "HTTP/1.1 99999 x\r\n\r\n"]
        {
            assert!(Headers::parse(broken.as_bytes()).is_none(), "{broken}");
        }
    }

    #[test]
    fn sections_end_with_a_blank_line() {
        for (section, length) in [
            ("a\r\n\r\nb", Some(5)),
            ("a\n\nb", Some(3)),
            ("a\n\r\nb", Some(4)),
            ("a\r\r\n\r\r\nb", Some(7)),
            ("a\r\nb", None),
            ("", None),
        ] {
            assert_eq!(section_len(section.as_bytes(), 0), length, "{section:?}");
        }
    }
}
