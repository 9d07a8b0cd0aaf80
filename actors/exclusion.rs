//! Every reason for which a record gets no score: the one list of them.
//!
//! A record that the reader sees ends as a positive, a negative, or one of these, and the three always add up
//! (`seen = positives + negatives + Σ excluded`). Codes are part of the wire format: append, never renumber.

use std::fmt;

/// The counters of the ancestor WARC-DL, whose names existing notebooks know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LegacyCounter {
    /// `n_record_headers_none`
    RecordHeadersNone,
    /// `n_http_headers_none`
    HttpHeadersNone,
    /// `n_wrong_warc_type`
    WrongWarcType,
    /// `n_wrong_content_type`
    WrongContentType,
    /// `n_parsing_exception`
    ParsingException,
    /// `n_decoding_exception`
    DecodingException,
    /// `n_distributed_filter_not_passed`
    DistributedFilterNotPassed,
    /// `n_unhandled_record_exceptions`
    UnhandledRecordExceptions,
}

impl LegacyCounter {
    /// All of them, in the order in which the ancestor prints them.
    pub const ALL: [LegacyCounter; 8] = [
        LegacyCounter::RecordHeadersNone,
        LegacyCounter::HttpHeadersNone,
        LegacyCounter::WrongWarcType,
        LegacyCounter::WrongContentType,
        LegacyCounter::ParsingException,
        LegacyCounter::DecodingException,
        LegacyCounter::DistributedFilterNotPassed,
        LegacyCounter::UnhandledRecordExceptions,
    ];

    /// The ancestor's name of the counter.
    pub const fn name(self) -> &'static str {
        match self {
            LegacyCounter::RecordHeadersNone => "n_record_headers_none",
            LegacyCounter::HttpHeadersNone => "n_http_headers_none",
            LegacyCounter::WrongWarcType => "n_wrong_warc_type",
            LegacyCounter::WrongContentType => "n_wrong_content_type",
            LegacyCounter::ParsingException => "n_parsing_exception",
            LegacyCounter::DecodingException => "n_decoding_exception",
            LegacyCounter::DistributedFilterNotPassed => "n_distributed_filter_not_passed",
            LegacyCounter::UnhandledRecordExceptions => "n_unhandled_record_exceptions",
        }
    }
}

macro_rules! exclusions {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $code:literal, $name:literal, $legacy:expr, $damage:literal; )+) => {
        /// Why a record gets no score. The discriminant is its code on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Exclusion { $( $(#[doc = $doc])+ $variant = $code, )+ }

        impl Exclusion {
            /// Every reason, in the order of its code.
            pub const ALL: &'static [Exclusion] = &[ $( Exclusion::$variant, )+ ];

            /// The name in summaries, metrics and outputs.
            pub const fn name(self) -> &'static str { match self { $( Exclusion::$variant => $name, )+ } }

            /// One sentence for people.
            pub const fn help(self) -> &'static str {
                match self { $( Exclusion::$variant => concat!($($doc),+).trim_ascii(), )+ }
            }

            /// The counter under which the ancestor reported it, if it did.
            pub const fn legacy(self) -> Option<LegacyCounter> {
                match self { $( Exclusion::$variant => $legacy, )+ }
            }

            /// Whether the archive itself is damaged there: something that was archived is lost to this run.
            pub const fn is_damage(self) -> bool { match self { $( Exclusion::$variant => $damage, )+ } }

            /// The reason with this name.
            pub fn from_name(name: &str) -> Option<Exclusion> {
                match name { $( $name => Some(Exclusion::$variant), )+ _ => None }
            }

            /// The reason with this code.
            pub const fn from_code(code: u8) -> Option<Exclusion> {
                match code { $( $code => Some(Exclusion::$variant), )+ _ => None }
            }
        }
    };
}

impl Exclusion {
    /// Whether each record that is excluded for this reason is listed by its place in the results: what is damaged, and
    /// what a reader could not cope with. A person may want to look at it.
    pub const fn is_listed(self) -> bool {
        self.is_damage() || matches!(self, Exclusion::Panicked | Exclusion::Quarantined)
    }
}

use LegacyCounter as L;

exclusions! {
    // What the archive is made of.
    /// The record has no WARC header, or one that cannot be read.
    NoRecordHeaders = 0, "no_record_headers", Some(L::RecordHeadersNone), true;
    /// Not of a type in `record.types` (requests, metadata, warcinfo, ...).
    WrongWarcType = 1, "wrong_warc_type", Some(L::WrongWarcType), false;
    /// The block of the response does not start with HTTP headers.
    NoHttpHeaders = 2, "no_http_headers", Some(L::HttpHeadersNone), false;
    /// The HTTP status is not among `record.http_status`.
    HttpStatus = 3, "http_status", None, false;
    /// The content type is not one that this kind of pipeline takes.
    WrongContentType = 4, "wrong_content_type", Some(L::WrongContentType), false;
    /// The body is shorter than `record.min_body_bytes`.
    BodyTooShort = 5, "body_too_short", None, false;
    /// The body is longer than `record.max_body_bytes`, as archived or once decoded.
    BodyTooLong = 6, "body_too_long", None, false;
    /// A `revisit`: the capture is the same as one before, and only that one was stored.
    Revisit = 7, "revisit", Some(L::WrongWarcType), false;

    // Damage: each counts one record lost.
    /// A compressed member cannot be inflated.
    CorruptMember = 16, "corrupt_member", None, true;
    /// A compressed member inflates, but its checksum or length is wrong.
    BadCrc = 17, "bad_crc", None, true;
    /// The archive ends inside a record.
    Truncated = 18, "truncated", None, true;
    /// The record's Content-Length does not fit the record.
    BadLength = 19, "bad_length", None, true;
    /// Bytes between records that belong to none.
    Garbage = 20, "garbage", None, true;

    // Preparing.
    /// The bytes of the text could not be decoded in any charset.
    Charset = 32, "charset", Some(L::ParsingException), false;
    /// The page is nested deeper, made of more nodes, or more laborious to read than the limits allow.
    HtmlLimits = 33, "html_limits", Some(L::ParsingException), false;
    /// The body is called a page and is none: a picture, a PDF, an archive.
    HtmlParse = 34, "html_parse", Some(L::ParsingException), false;
    /// The tokenizer refused the text.
    Tokenizer = 35, "tokenizer", Some(L::ParsingException), false;
    /// The bytes are no picture of a known format, or its header is broken.
    ImageHeader = 36, "image_header", Some(L::DecodingException), false;
    /// The picture has more pixels, or a longer side, than the limits allow.
    ImageLimits = 37, "image_limits", Some(L::DecodingException), false;
    /// The picture is truncated or broken.
    ImageDecode = 38, "image_decode", Some(L::DecodingException), false;
    /// Preparing the record panicked: a defect of ours, confined to the record.
    Panicked = 39, "panicked", Some(L::UnhandledRecordExceptions), false;
    /// The prepared record is larger than `transport.max_record_bytes`.
    RecordTooLarge = 40, "record_too_large", Some(L::UnhandledRecordExceptions), false;
    /// Three readers died or hung while they worked on the record, so it was passed over.
    Quarantined = 41, "quarantined", Some(L::UnhandledRecordExceptions), false;

    // The user's filter.
    /// Fewer characters than `filter.min_chars`.
    FilterMinChars = 64, "filter_min_chars", Some(L::DistributedFilterNotPassed), false;
    /// More characters than `filter.max_chars`.
    FilterMaxChars = 65, "filter_max_chars", Some(L::DistributedFilterNotPassed), false;
    /// The language is not among `filter.languages`.
    FilterLanguage = 66, "filter_language", Some(L::DistributedFilterNotPassed), false;
    /// The URL does not match `filter.url_regex`.
    FilterUrl = 67, "filter_url", Some(L::DistributedFilterNotPassed), false;
    /// The text does not match `filter.text_regex`.
    FilterText = 68, "filter_text", Some(L::DistributedFilterNotPassed), false;
    /// The width is outside `filter.min_width ..= filter.max_width`.
    FilterWidth = 69, "filter_width", Some(L::DistributedFilterNotPassed), false;
    /// The height is outside `filter.min_height ..= filter.max_height`.
    FilterHeight = 70, "filter_height", Some(L::DistributedFilterNotPassed), false;

    // Scoring.
    /// The model's score is not a number.
    ScoreNan = 96, "score_nan", None, false;
    /// The model fails on this record alone.
    ModelError = 97, "model_error", None, false;
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl serde::Serialize for Exclusion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> serde::Deserialize<'de> for Exclusion {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Exclusion, D::Error> {
        let name = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let unknown = || serde::de::Error::custom(format_args!("there is no reason of exclusion {name:?}"));
        Exclusion::from_name(&name).ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::Exclusion;

    #[test]
    fn codes_round_trip_and_names_are_unique() {
        let mut names: Vec<_> = Exclusion::ALL.iter().map(|reason| reason.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Exclusion::ALL.len());
        for &reason in Exclusion::ALL {
            assert_eq!(Exclusion::from_code(reason as u8), Some(reason));
            assert_eq!(Exclusion::from_name(reason.name()), Some(reason));
            assert!(reason.help().ends_with('.'), "{reason}: {}", reason.help());
        }
        assert_eq!(Exclusion::from_code(255), None);
    }
}
