//! Character references, as browsers read them.

use std::borrow::Cow;

/// Letters of the longest name that is looked at.
const LONGEST: usize = 40;
/// What `windows-1252` has in place of the control characters U+0080 to U+009F, in their order; 0 where it has nothing.
/// The table of the HTML standard, "numeric character reference end state".
const WINDOWS: [u16; 32] = [
    0x20ac, 0, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0,
    0x017d, 0, 0, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a,
    0x0153, 0, 0x017e, 0x0178,
];

/// Names of characters that are understood without a semicolon: those of HTML 2 to 4, sorted. From the HTML standard, "named
/// character references".
const BARE: [&str; 106] = [
    "AElig", "AMP", "Aacute", "Acirc", "Agrave", "Aring", "Atilde", "Auml", "COPY", "Ccedil", "ETH",
    "Eacute", "Ecirc", "Egrave", "Euml", "GT", "Iacute", "Icirc", "Igrave", "Iuml", "LT", "Ntilde", "Oacute",
    "Ocirc", "Ograve", "Oslash", "Otilde", "Ouml", "QUOT", "REG", "THORN", "Uacute", "Ucirc", "Ugrave",
    "Uuml", "Yacute", "aacute", "acirc", "acute", "aelig", "agrave", "amp", "aring", "atilde", "auml",
    "brvbar", "ccedil", "cedil", "cent", "copy", "curren", "deg", "divide", "eacute", "ecirc", "egrave",
    "eth", "euml", "frac12", "frac14", "frac34", "gt", "iacute", "icirc", "iexcl", "igrave", "iquest",
    "iuml", "laquo", "lt", "macr", "micro", "middot", "nbsp", "not", "ntilde", "oacute", "ocirc", "ograve",
    "ordf", "ordm", "oslash", "otilde", "ouml", "para", "plusmn", "pound", "quot", "raquo", "reg", "sect",
    "shy", "sup1", "sup2", "sup3", "szlig", "thorn", "times", "uacute", "ucirc", "ugrave", "uml", "uuml",
    "yacute", "yen", "yuml",
];

/// The text with its character references replaced; the semicolon of a number or of an old name may be missing. Numbers that
/// mean control characters mean those of `windows-1252`, in which old pages are written; what stands there as it is, is taken
/// for the same mistake.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    replaced(text, |_| true)
}

/// The same of an attribute's value, where `&copy=` is a part of an address.
pub(super) fn decode_attribute(text: &str) -> Cow<'_, str> {
    replaced(text, |next| next != b'=' && !next.is_ascii_alphanumeric())
}

/// `may_follow` says what may stand behind a name without a semicolon.
fn replaced(text: &str, may_follow: impl Fn(u8) -> bool) -> Cow<'_, str> {
    let text = match memchr::memchr(b'&', text.as_bytes()) {
        // Most pieces of text have none.
        None => Cow::Borrowed(text),
        Some(_) => match with_semicolons(text, may_follow) {
            None => html_escape::decode_html_entities(text),
            Some(text) => Cow::Owned(html_escape::decode_html_entities(&text).into_owned()),
        },
    };
    let is_control = |pair: &[u8]| pair[0] == 0xc2 && (0x80..0xa0).contains(&pair[1]);
    if !memchr::memchr_iter(0xc2, text.as_bytes())
        .any(|at| text.as_bytes().get(at..at + 2).is_some_and(is_control))
    {
        return text;
    }
    let meant = |letter: char| match u32::from(letter) {
        code @ 0x80..0xa0 => match WINDOWS[code as usize - 0x80] {
            0 => letter,
            code => char::from_u32(code.into()).unwrap_or(letter),
        },
        _ => letter,
    };
    Cow::Owned(text.chars().map(meant).collect())
}

/// The text with a semicolon behind each reference that lacks it; `None` if there is none such.
fn with_semicolons(text: &str, may_follow: impl Fn(u8) -> bool) -> Option<String> {
    let mut made = String::new();
    let mut copied = 0;
    for at in memchr::memchr_iter(b'&', text.as_bytes()) {
        let behind = &text.as_bytes()[at + 1..];
        let length = match behind {
            [b'#', b'x' | b'X', digits @ ..] => 2 + run(digits, u8::is_ascii_hexdigit),
            [b'#', digits @ ..] => 1 + run(digits, u8::is_ascii_digit),
            name => {
                let name = &name[..run(&name[..name.len().min(LONGEST)], u8::is_ascii_alphanumeric)];
                let known =
                    |length: &usize| BARE.binary_search_by(|bare| bare.as_bytes().cmp(&name[..*length]));
                if behind.get(name.len()) == Some(&b';') && is_reference(&text[at..at + name.len() + 2]) {
                    continue;
                }
                (2..=name.len()).rev().find(|length| known(length).is_ok()).unwrap_or(0)
            }
        };
        let next = behind.get(length).copied();
        let may_end = if behind.first() == Some(&b'#') {
            is_reference(&format!("{};", &text[at..=at + length]))
        } else {
            length > 0 && next.is_none_or(&may_follow)
        };
        if next != Some(b';') && may_end {
            made.push_str(&text[copied..=at + length]);
            made.push(';');
            copied = at + 1 + length;
        }
    }
    (copied > 0).then(|| made + &text[copied..])
}

/// Whether it means a character, semicolon and all.
fn is_reference(text: &str) -> bool {
    html_escape::decode_html_entities(text) != text
}

/// How many bytes at the start are such.
fn run(bytes: &[u8], such: impl Fn(&u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| such(byte)).count()
}

#[cfg(test)]
mod tests {
    use super::{decode, decode_attribute};

    #[test]
    fn numbers_of_control_characters_are_those_of_windows() {
        assert_eq!(decode("It&#146;s 5&#150;6&#x85; &#129;"), "It\u{2019}s 5\u{2013}6\u{2026} \u{81}");
        assert_eq!(decode("caf&eacute; \u{a0}&amp; \u{92}"), "caf\u{e9} \u{a0}& \u{2019}");
    }

    #[test]
    fn old_names_and_numbers_need_no_semicolon() {
        for (text, expected) in [
            ("&copy 2004 &nbsp&eacute", "\u{a9} 2004 \u{a0}\u{e9}"),
            ("a &lt b &amp; c&#33d &#x21g", "a < b & c!d !g"),
            ("&notit &times &frac12", "\u{ac}it \u{d7} \u{bd}"),
            // One reference is replaced once.
            ("&ampcopy &amp;copy", "&copy &copy"),
            ("&hellip &no & &; &# &#x &", "&hellip &no & &; &# &#x &"),
            ("&#99999999999 &#xfffffff ", "&#99999999999 &#xfffffff "),
            ("&notit; &nbspHello; &notin;", "\u{ac}it; \u{a0}Hello; \u{2209}"),
            ("&hellip; &notin; \u{e9}&eacute\u{e9}", "\u{2026} \u{2209} \u{e9}\u{e9}\u{e9}"),
        ] {
            assert_eq!(decode(text), expected, "{text}");
        }
        assert_eq!(decode_attribute("?a=1&copy=2&reg3&copy 4&#33"), "?a=1&copy=2&reg3\u{a9} 4!");
    }

    #[test]
    fn bare_names_are_sorted() {
        assert!(super::BARE.is_sorted());
    }
}
