//! The named fields of a WARC record's header section.

use warc::WarcHeader;
use warcdl_actors::Meta;

use super::super::WarcType;
use super::super::arc;
use super::super::http::fields;
use super::text;

/// What a record says of itself.
pub(super) struct WarcHeaders {
    /// Length of the section.
    pub(super) length: usize,
    /// Length of the block.
    pub(super) content_length: Option<u64>,
    pub(super) warc_type: WarcType,
    /// `Content-Type` of the block, as written; empty if none.
    pub(super) content_type: Vec<u8>,
    pub(super) meta: Meta,
}

impl WarcHeaders {
    pub(super) fn parse(section: &[u8], length: usize) -> Self {
        let mut headers = WarcHeaders {
            length,
            content_length: None,
            warc_type: WarcType::Other,
            content_type: Vec::new(),
            meta: Meta::default(),
        };
        for (name, value) in fields(section) {
            let Ok(name) = str::from_utf8(name) else { continue };
            let meta = &mut headers.meta;
            match WarcHeader::from(name) {
                WarcHeader::WarcType => headers.warc_type = WarcType::named(value),
                WarcHeader::ContentLength => {
                    headers.content_length =
                        str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
                }
                WarcHeader::ContentType => headers.content_type = value.to_vec(),
                WarcHeader::TargetURI => meta.url = uri(value),
                WarcHeader::Date => meta.fetch_time = text(value),
                WarcHeader::PayloadDigest => meta.content_digest = text(value),
                WarcHeader::RecordID => meta.warc_record_id = uri(value),
                _ => {}
            }
        }
        headers
    }
}

impl From<arc::Line> for WarcHeaders {
    fn from(line: arc::Line) -> Self {
        let arc::Line { length, block, warc_type, meta } = line;
        WarcHeaders { length, content_length: block, warc_type, content_type: Vec::new(), meta }
    }
}

/// Some writers put `<…>` around the URI.
fn uri(value: &[u8]) -> String {
    text(value.strip_prefix(b"<").and_then(|value| value.strip_suffix(b">")).unwrap_or(value))
}
