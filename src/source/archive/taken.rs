//! Which records are taken, by what their headers say.

use warcdl_actors::{Exclusion, Meta};

use super::super::body;
use super::super::http::Headers;
use super::super::{RecordSettings, Response, WarcType};
use super::text;

/// Which responses are taken.
pub(super) struct Taken {
    pub(super) settings: RecordSettings,
    pub(super) content_types: Vec<String>,
}

/// What the headers of the record at hand tell, whatever becomes of it.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) url: String,
    pub(super) warc_type: Option<WarcType>,
    pub(super) http_status: Option<u16>,
    /// In lower case; one buffer for all records.
    pub(super) mime: String,
}

/// A record that passed the checks of its headers; its body comes next.
pub(super) struct Wanted {
    pub(super) body: u64,
    pub(super) chunked: bool,
    pub(super) codings: Vec<Vec<u8>>,
    pub(super) response: Response,
}
impl Taken {
    /// Whether records of this type are taken.
    pub(super) fn check_type(&self, warc_type: WarcType) -> Result<(), Exclusion> {
        match warc_type {
            _ if self.settings.types.iter().any(|taken| taken.warc_type() == warc_type) => Ok(()),
            WarcType::Revisit => Err(Exclusion::Revisit),
            _ => Err(Exclusion::WrongWarcType),
        }
    }

    /// Whether the record is taken whose block is the file itself, as the record's own header says what it is.
    pub(super) fn check_file(
        &self,
        content_type: &[u8],
        body: u64,
        meta: Meta,
        seen: &mut Seen,
    ) -> Result<Wanted, Exclusion> {
        self.check(&Headers { content_type, ..Headers::default() }, body, meta, seen)
    }

    /// Whether the response with this section of HTTP headers and so long a body is taken.
    pub(super) fn check_http(
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
    pub(super) fn note_mime(&mut self, mime: &[u8]) {
        self.mime.push_str(&String::from_utf8_lossy(mime));
        self.mime.make_ascii_lowercase();
    }

    pub(super) fn clear(&mut self) {
        self.url.clear();
        self.mime.clear();
        (self.warc_type, self.http_status) = (None, None);
    }
}

impl Wanted {
    pub(super) fn decode(mut self, body: Vec<u8>, cap: usize) -> Result<Response, Exclusion> {
        let decoded = body::decode(body, self.chunked, &self.codings, cap);
        self.response.body = decoded.map_err(|body::TooLong| Exclusion::BodyTooLong)?;
        Ok(self.response)
    }
}
