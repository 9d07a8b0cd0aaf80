//! Records of ARC, the format before WARC (Internet Archive, 1996; versions 1 and 2): a line of fields apart by spaces, then
//! so many bytes as the last field says, in general an HTTP response.
//!
//! ```text
//! version 1   URL IP-address date content-type length
//! version 2   URL IP-address date content-type result-code checksum location offset filename length
//! ```
//!
//! The first record, `filedesc://…`, describes the file. Dates have 14 digits (`yyyymmddhhmmss`). Writers were careless: in
//! the first line anything may stand but the length, dates have fractions, and a length that was not known is -1 or a dash.

use memchr::memchr;
use warcdl_actors::Meta;

use super::WarcType;

/// Longest line that is taken for a record's, in bytes: URLs were stored as they came.
pub(super) const MAX_LINE: usize = 16 << 10;
/// How a line begins that describes the file.
const FILEDESC: &[u8] = b"filedesc://";
/// Longest name of a scheme before the colon of a URL.
const MAX_SCHEME: usize = 12;

/// A record's line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Bytes of the line, its end included.
    pub(super) length: usize,
    /// Bytes of what follows, if the line says.
    pub(super) block: Option<u64>,
    pub(super) warc_type: WarcType,
    pub(super) meta: Meta,
}

/// Whether a record may start with these bytes: with a URL's scheme. [`Line::parse`] tells for sure.
pub(super) fn may_open(bytes: &[u8]) -> bool {
    let scheme = bytes.iter().take(MAX_SCHEME).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    scheme > 0 && bytes.get(scheme).is_none_or(|&byte| byte == b':')
}

impl Line {
    /// The line at the start of `bytes`, if a record starts there.
    pub(super) fn parse(bytes: &[u8]) -> Option<Line> {
        if !may_open(bytes) {
            return None;
        }
        let end = memchr(b'\n', &bytes[..bytes.len().min(MAX_LINE)])?;
        let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
        // From the right: a URL may hold spaces.
        let fields: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
        let is_number = |field: &[u8]| !field.is_empty() && field.iter().all(u8::is_ascii_digit);
        let is_date = |field: &[u8]| (14..=18).contains(&field.len()) && is_number(field);
        let date = [3, 8].iter().filter_map(|back| fields.len().checked_sub(*back)).find(|&at| {
            // The URL and the address of the server stand before it.
            at >= 2 && is_date(fields[at])
        });
        let is_about_file = line.starts_with(FILEDESC);
        let length = fields.last().copied().unwrap_or_default();
        if date.is_none() && !is_about_file {
            return None;
        }
        let block = str::from_utf8(length).ok().filter(|_| is_number(length)).and_then(|n| n.parse().ok());
        if block.is_none() && ![&b"-1"[..], b"-"].contains(&length) && !is_about_file {
            return None;
        }
        let url = fields[..date.map_or(1, |date| date - 1)].join(&b' ');
        let url = String::from_utf8_lossy(&url).into_owned();
        let warc_type = match url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase()).as_deref() {
            Some("http" | "https") => WarcType::Response,
            Some("filedesc") => WarcType::Warcinfo,
            // What a name server answered, say: no HTTP.
            _ => WarcType::Resource,
        };
        let fetch_time = date.map_or_else(String::new, |date| {
            let date = String::from_utf8_lossy(fields[date]);
            let [day, time] = [&date[..8], &date[8..14]];
            let (year, month, day) = (&day[..4], &day[4..6], &day[6..]);
            format!("{year}-{month}-{day}T{}:{}:{}Z", &time[..2], &time[2..4], &time[4..])
        });
        let meta = Meta { url, fetch_time, ..Meta::default() };
        Some(Line { length: end + 1, block, warc_type, meta })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_versions() {
        let check = |line: &str, expected: Option<(&str, &str, Option<u64>, WarcType)>| {
            let parsed = Line::parse(line.as_bytes());
            let told = parsed
                .as_ref()
                .map(|line| (&*line.meta.url, &*line.meta.fetch_time, line.block, line.warc_type));
            assert_eq!(told, expected, "{line:?}");
            assert!(parsed.is_none_or(|parsed| parsed.length == line.find('\n').unwrap() + 1), "{line:?}");
        };
        let time = "1997-03-05T12:34:56Z";
        check(
            "http://a.b/c 1.2.3.4 19970305123456 text/html 42\nHTTP/1.0 200",
            Some(("http://a.b/c", time, Some(42), WarcType::Response)),
        );
        check(
            "filedesc://x.arc.gz 0.0.0.0 19970305123456 text/plain 77\r\n",
            Some(("filedesc://x.arc.gz", time, Some(77), WarcType::Warcinfo)),
        );
        check(
            "dns:a.b 1.2.3.4 19970305123456 text/dns 5\n",
            Some(("dns:a.b", time, Some(5), WarcType::Resource)),
        );
        check(
            "https://a.b/ 1.2.3.4 19970305123456 text/html 200 a1b2 - 1234 x.arc 42\n",
            Some(("https://a.b/", time, Some(42), WarcType::Response)),
        );
        check(
            "http://a.b/c d 1.2.3.4 19970305123456 text/html 42\n",
            Some(("http://a.b/c d", time, Some(42), WarcType::Response)),
        );
        check("http://a.b/c 1.2.3.4 19970305123456 text/html 42", None);
        check("http://a.b/c 1.2.3.4 19970305 text/html 42\n", None);
        for length in ["-1", "-"] {
            let line = format!("http://a.b/c 1.2.3.4 19970305123456 text/html {length}\n");
            check(&line, Some(("http://a.b/c", time, None, WarcType::Response)));
        }
        check(
            "http://a.b/c 1.2.3.4 199703051234561234 text/html 42\n",
            Some(("http://a.b/c", time, Some(42), WarcType::Response)),
        );
        check("http://a.b/c 1.2.3.4 19970305123456 text/html none\n", None);
        check("filedesc:// - - - 76\n", Some(("filedesc://", "", Some(76), WarcType::Warcinfo)));
        check(
            "filedesc://a|\\b c yesterday x one\r\n",
            Some(("filedesc://a|\\b", "", None, WarcType::Warcinfo)),
        );
        check("19970305123456 text/html 42\n", None);
        check("http: 19970305123456 text/html 42\n", None);
        check("WARC/1.0\r\nContent-Length: 1\r\n", None);
        check(" 1.2.3.4 19970305123456 text/html 42\n", None);
        check("HTTP/1.1 200 OK\r\n", None);
    }
}
