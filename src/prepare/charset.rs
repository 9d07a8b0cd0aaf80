//! Which charset a page is in, and its text in UTF-8.
//!
//! In this order: byte order mark; the HTTP header; UTF-8, if nearly valid; the page's own `meta`; a guess from the
//! text. The header and `meta` are taken at their word, but a guess is never made over bytes that are plainly UTF-8.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};
use warcdl_actors::Exclusion;

/// Bytes of text that the guess looks at.
const GUESS_BYTES: usize = 16 * 1024;
/// Bytes at the start in which `meta` must stand, as browsers have it.
const META_BYTES: usize = 1024;

/// The page as UTF-8, without byte order mark and with U+FFFD for what cannot be decoded, and the charset's WHATWG name.
///
/// Without NUL, which is in no text: browsers drop it from that of a page.
pub(super) fn decode(body: &[u8], http_label: &str) -> Result<(String, &'static str), Exclusion> {
    let encoding = detect(body, http_label);
    if encoding == REPLACEMENT {
        return Err(Exclusion::Charset);
    }
    let (text, _) = encoding.decode_with_bom_removal(body);
    let mut text = text.into_owned();
    if memchr::memchr(0, text.as_bytes()).is_some() {
        text.retain(|c| c != '\0');
    }
    Ok((text, encoding.name()))
}

fn detect(body: &[u8], http_label: &str) -> &'static Encoding {
    if let Some((encoding, _)) = Encoding::for_bom(body) {
        return encoding;
    }
    let label = http_label.trim_matches(|c: char| c.is_ascii_whitespace() || c == '"' || c == '\'');
    if let Some(encoding) = Encoding::for_label(label.as_bytes()) {
        return encoding;
    }
    if nearly_utf8(body) {
        return UTF_8;
    }
    meta(body).unwrap_or_else(|| guess(body))
}

/// Whether at least 95 % of the non-ASCII bytes stand in valid UTF-8 sequences. A page that is broken in a few places,
/// by a cut or a foreign quotation, is UTF-8 all the same.
fn nearly_utf8(body: &[u8]) -> bool {
    let (mut valid, mut invalid) = (0_usize, 0_usize);
    for chunk in body.utf8_chunks() {
        valid += chunk.valid().bytes().filter(|byte| !byte.is_ascii()).count();
        invalid += chunk.invalid().len();
    }
    // ISO-2022-JP is all ASCII: left to `meta` and the guess where its escape occurs.
    if valid + invalid == 0 {
        return memchr::memchr(0x1b, body).is_none();
    }
    valid * 100 >= (valid + invalid) * 95
}

/// The charset of `<meta charset=…>` or `<meta http-equiv content="…; charset=…">`.
fn meta(body: &[u8]) -> Option<&'static Encoding> {
    let head = body[..body.len().min(META_BYTES)].to_ascii_lowercase();
    let mut rest = head.as_slice();
    while let Some(start) = memchr::memmem::find(rest, b"<meta") {
        rest = &rest[start + 5..];
        let tag = &rest[..memchr::memchr(b'>', rest).unwrap_or(rest.len())];
        if let Some(encoding) = declared(tag) {
            return Some(encoding);
        }
    }
    None
}

fn declared(tag: &[u8]) -> Option<&'static Encoding> {
    let value = &tag[memchr::memmem::find(tag, b"charset")? + b"charset".len()..];
    let value = value.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let value =
        value.strip_prefix(b"\"").or_else(|| value.strip_prefix(b"'")).unwrap_or(value).trim_ascii_start();
    let end = value.iter().position(|byte| b" \t\r\n\x0c\"';/>".contains(byte)).unwrap_or(value.len());
    let encoding = Encoding::for_label(&value[..end])?;
    // A tag that can be read as ASCII is not UTF-16, whatever it says (WHATWG HTML, "prescan a byte stream").
    Some(match encoding {
        encoding if encoding == UTF_16LE || encoding == UTF_16BE => UTF_8,
        encoding if encoding == X_USER_DEFINED => WINDOWS_1252,
        encoding => encoding,
    })
}

/// A guess from whole runs of text that hold non-ASCII bytes. Runs end only at `<`, `>` and line feeds, which are
/// trail bytes in none of the East Asian charsets, so no character is cut.
fn guess(body: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    let mut left = GUESS_BYTES;
    for run in body.split_inclusive(|byte| matches!(byte, b'<' | b'>' | b'\n')) {
        if run.iter().all(|byte| byte.is_ascii() && *byte != 0x1b) {
            continue;
        }
        // Never with `last`: a run that is cut here for its length may end inside a character, which then counts for
        // no charset instead of against the right one.
        detector.feed(&run[..run.len().min(left)], false);
        left = left.saturating_sub(run.len());
        if left == 0 {
            break;
        }
    }
    detector.guess(None, Utf8Detection::Deny)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(label: &str, text: &str) -> Vec<u8> {
        Encoding::for_label(label.as_bytes()).expect("a label").encode(text).0.into_owned()
    }

    fn check(body: &[u8], http: &str, name: &str, text: &str) {
        let (decoded, charset) = decode(body, http).expect("decodes");
        assert_eq!(charset, name, "http {http:?}, {text:?}");
        assert!(decoded.contains(text), "{decoded:?} lacks {text:?}");
    }

    const JAPANESE: &str = "<p>吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。</p>";
    const CHINESE: &str = "<p>我们在这里讨论如何制作传统的中国菜，包括材料和步骤。</p>";
    const RUSSIAN: &str =
        "<p>Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива.</p>";

    #[test]
    fn charsets_are_guessed_from_the_text_alone() {
        for (label, name, text) in [
            ("shift_jis", "Shift_JIS", JAPANESE),
            ("euc-jp", "EUC-JP", JAPANESE),
            ("iso-2022-jp", "ISO-2022-JP", JAPANESE),
            ("gbk", "GBK", CHINESE),
            ("koi8-r", "KOI8-U", RUSSIAN),
            ("windows-1251", "windows-1251", RUSSIAN),
            ("windows-1252", "windows-1252", "<p>Käse, Brötchen und süße Äpfel für später</p>"),
        ] {
            // Far from the start, between markup, and with long ASCII runs: no character may be cut.
            let page = format!("<html>{}\n{text}\n{text}", "<br class=spacer>".repeat(2000));
            check(&encoded(label, &page), "", name, text);
        }
    }

    #[test]
    fn byte_order_mark_wins_then_http_then_utf8_then_meta() {
        let utf16: Vec<u8> = "\u{feff}Grüße".encode_utf16().flat_map(u16::to_le_bytes).collect();
        check(&utf16, "koi8-r", "UTF-16LE", "Grüße");
        let utf16: Vec<u8> = "\u{feff}Grüße".encode_utf16().flat_map(u16::to_be_bytes).collect();
        check(&utf16, "", "UTF-16BE", "Grüße");
        check("\u{feff}Grüße".as_bytes(), "latin1", "UTF-8", "Grüße");

        check(&encoded("koi8-r", RUSSIAN), "\"KOI8-R\"", "KOI8-R", RUSSIAN);
        check(&encoded("koi8-r", RUSSIAN), " koi8-r ", "KOI8-R", RUSSIAN);
        check("Grüße".as_bytes(), "no-such-charset", "UTF-8", "Grüße");

        let claims_koi = format!("<meta charset=koi8-r>{RUSSIAN}");
        check(claims_koi.as_bytes(), "", "UTF-8", RUSSIAN);
        for meta in [
            "<meta charset=koi8-r>",
            "<META name=x><META  CHARSET = 'KOI8-R' />",
            "<meta http-equiv=\"Content-Type\" content=\"text/html; charset=koi8-r\">",
        ] {
            check(&encoded("koi8-r", &format!("{meta}<p>Привет")), "", "KOI8-R", "Привет");
        }
    }

    #[test]
    fn a_page_with_a_few_broken_bytes_stays_utf8() {
        let mut body = RUSSIAN.repeat(4).into_bytes();
        body.extend_from_slice(b"\xe9\xff tail");
        check(&body, "", "UTF-8", "tail");
        // A Latin page whose only UTF-8 is a quotation is not.
        let mut body = encoded("windows-1252", &"<p>Käse, Brötchen und süße Äpfel für später</p>".repeat(8));
        body.extend_from_slice("é".as_bytes());
        check(&body, "", "windows-1252", "süße");
    }

    #[test]
    fn there_is_no_nul_in_a_text() {
        check(b"<p>a\0b\0\0</p>\0", "", "UTF-8", "<p>ab</p>");
        check(b"\xff\xfea\0\0\0b\0", "", "UTF-16LE", "ab");
    }

    #[test]
    fn a_charset_that_browsers_refuse_is_refused() {
        assert_eq!(decode(b"text", "iso-2022-kr"), Err(Exclusion::Charset));
        assert_eq!(decode(b"", ""), Ok((String::new(), "UTF-8")));
    }
}
