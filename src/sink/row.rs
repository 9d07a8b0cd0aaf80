//! A line of results: the columns of a positive.

use std::borrow::Cow;

use serde::Serialize;
use warcdl_actors::Positive;
use warcdl_actors::results;
use warcdl_actors::results::names::{IMAGES, List, POSITIVES};

use super::{OutputFormat, store};
use crate::kind::Kind;

/// A positive as it is stored: its line, and its own file if it has one.
pub(super) fn layout(
    positive: &Positive,
    kind: Kind,
    format: OutputFormat,
) -> Result<results::Row, serde_json::Error> {
    let file = match (format, kind) {
        (OutputFormat::Jsonl, Kind::Text) => None,
        (OutputFormat::Jsonl, Kind::Image) => Some(store::path(positive, IMAGES, kind)),
        (OutputFormat::Files, _) => Some(store::path(positive, POSITIVES, kind)),
    };
    let place = match (format, &file) {
        (_, None) => Place::Inline,
        (OutputFormat::Jsonl, Some(path)) => Place::Image(path),
        (OutputFormat::Files, Some(path)) => Place::File(path),
    };
    let line = Row::new(positive, kind, place).line()?;
    let file = file.map(|path| (path, positive.keep.clone()));
    Ok(results::Row { list: List::Results, line, file })
}

/// The columns of a positive. Those that Common Crawl's columnar index has bear its names and meanings; what is not
/// known is null.
#[derive(Debug, Serialize)]
struct Row<'a> {
    url: &'a str,
    url_host_name: Option<String>,
    fetch_time: Option<&'a str>,
    fetch_status: Option<u16>,
    content_digest: Option<&'a str>,
    content_mime_type: Option<&'a str>,
    content_charset: Option<&'a str>,
    content_languages: Option<&'a str>,
    warc_filename: &'a str,
    warc_record_offset: u64,
    warc_record_length: Option<u64>,
    warc_record_ordinal: u32,
    warc_record_id: Option<&'a str>,
    score: f32,
    label: &'a str,
    #[serde(flatten)]
    content: Content<'a>,
    /// Relative path of the positive's own file, where there is one for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
}

/// The columns of one kind only.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text {
        title: Option<&'a str>,
        author: Option<&'a str>,
        published: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<Cow<'a, str>>,
    },
    Image {
        #[serde(skip_serializing_if = "Option::is_none")]
        image_path: Option<&'a str>,
        image_width: u32,
        image_height: u32,
    },
}

/// Where the content of a positive is found.
#[derive(Clone, Copy, Debug)]
enum Place<'a> {
    /// The text in the line itself.
    Inline,
    /// A picture beside the lines, by its relative path.
    Image(&'a str),
    /// A file for each positive, by its relative path.
    File(&'a str),
}

impl<'a> Row<'a> {
    fn new(positive: &'a Positive, kind: Kind, place: Place<'a>) -> Row<'a> {
        let Positive { warc_filename, key, meta, keep, score, label } = positive;
        let content = match (kind, place) {
            (Kind::Text, place) => Content::Text {
                title: known(&meta.title),
                author: known(&meta.author),
                published: known(&meta.published),
                text: matches!(place, Place::Inline).then(|| String::from_utf8_lossy(keep)),
            },
            (Kind::Image, place) => Content::Image {
                image_path: match place {
                    Place::Image(path) => Some(path),
                    Place::Inline | Place::File(_) => None,
                },
                image_width: meta.image_size.0,
                image_height: meta.image_size.1,
            },
        };
        Row {
            url: &meta.url,
            url_host_name: host_name(&meta.url),
            fetch_time: known(&meta.fetch_time),
            fetch_status: Some(meta.fetch_status).filter(|&status| status != 0),
            content_digest: known(&meta.content_digest),
            content_mime_type: known(&meta.content_mime_type),
            content_charset: known(&meta.content_charset),
            content_languages: known(&meta.content_languages),
            warc_filename,
            warc_record_offset: key.position.offset,
            warc_record_length: Some(meta.warc_record_length).filter(|&length| length != 0),
            warc_record_ordinal: key.position.ordinal,
            warc_record_id: known(&meta.warc_record_id),
            score: *score,
            label,
            content,
            path: match place {
                Place::File(path) => Some(path),
                Place::Inline | Place::Image(_) => None,
            },
        }
    }

    /// The row as one line of JSON, with its newline.
    fn line(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }
}

fn known(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// The host of a URL, lower case, without user, port, or the brackets of an IPv6 address (RFC 3986, section 3.2).
fn host_name(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    if scheme.is_empty() || !scheme.bytes().all(is_scheme) {
        return None;
    }
    // Browsers take a backslash for a slash.
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(address) => address.split_once(']')?.0,
        None => host.split(':').next()?,
    };
    known(host).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::host_name;

    #[test]
    fn hosts_of_urls() {
        let check =
            |url: &str, expected: Option<&str>| assert_eq!(host_name(url).as_deref(), expected, "{url}");
        check("http://Example.ORG/a?b#c", Some("example.org"));
        check("https://example.org", Some("example.org"));
        check("https://example.org:8080?x=http://other.org/", Some("example.org"));
        check("http://user:p@ss@example.org/", Some("example.org"));
        check("http://example.org/@other.org", Some("example.org"));
        check("http://example.org\\@other.org", Some("example.org"));
        check("http://[2001:DB8::1]:80/", Some("2001:db8::1"));
        check("http://[2001:db8::1", None);
        check("http://bücher.example/", Some("bücher.example"));
        check("http:///path", None);
        check("dns:example.org", None);
        check("/path?u=http://other.org", None);
        check("", None);
    }
}
