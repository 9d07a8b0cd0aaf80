//! Tags in the source of a page, and what the HTML standard says of their elements.

use memchr::{memchr, memchr2, memmem};

/// The name of an element: its ASCII lower case bytes, packed; longer names, which HTML has none of, are folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::prepare) struct Tag(u128);

/// One piece of markup.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::prepare) enum Token {
    /// A start tag; `source` is a hash of all of it.
    Start { tag: Tag, attributes: usize, self_closing: bool, source: u64 },
    /// An end tag.
    End { tag: Tag },
    /// A comment, a declaration, or a `<` that starts nothing.
    Other,
}

/// The markup that starts with the `<` at `at`, and where it ends.
pub(in crate::prepare) fn next_token(bytes: &[u8], at: usize) -> (Token, usize) {
    let rest = &bytes[at + 1..];
    match rest {
        [b'!', b'-', b'-', comment @ ..] => {
            (Token::Other, bytes.len() - comment.len() + comment_len(comment))
        }
        [b'/', letter, ..] if letter.is_ascii_alphabetic() => {
            let (tag, name_len) = name(&rest[1..]);
            let (_, _, len) = attributes(&rest[1 + name_len..]);
            (Token::End { tag }, at + 2 + name_len + len)
        }
        [b'!' | b'?' | b'/', ..] => {
            (Token::Other, memchr(b'>', rest).map_or(bytes.len(), |end| at + 2 + end))
        }
        [letter, ..] if letter.is_ascii_alphabetic() => {
            let (tag, name_len) = name(rest);
            let (attributes, self_closing, len) = attributes(&rest[name_len..]);
            let end = at + 1 + name_len + len;
            (Token::Start { tag, attributes, self_closing, source: hash(&bytes[at..end]) }, end)
        }
        _ => (Token::Other, at + 1),
    }
}

/// Bytes of a comment after its `<!--`, its end included.
fn comment_len(comment: &[u8]) -> usize {
    if comment.starts_with(b">") {
        return 1;
    }
    if comment.starts_with(b"->") {
        return 2;
    }
    let mut at = 0;
    while let Some(found) = memmem::find(&comment[at..], b"--") {
        at += found;
        if comment[at..].starts_with(b"-->") {
            return at + 3;
        }
        if comment[at..].starts_with(b"--!>") {
            return at + 4;
        }
        at += 1;
    }
    comment.len()
}

/// The name that stands at the start, and its length.
fn name(bytes: &[u8]) -> (Tag, usize) {
    let len = bytes.iter().position(ends_name).unwrap_or(bytes.len());
    (Tag::new(&bytes[..len]), len)
}

/// The name at the start, if it may be that of a raw text element. Looks at few bytes: in raw text the rest of what looks
/// like a tag is looked at again.
pub(in crate::prepare) fn raw_name(bytes: &[u8]) -> Option<Tag> {
    let head = &bytes[..bytes.len().min("plaintext ".len())];
    head.iter().position(ends_name).map(|len| Tag::new(&head[..len]))
}

fn ends_name(byte: &u8) -> bool {
    b" \t\r\n\x0c/>".contains(byte)
}

/// Number of attributes, whether the tag closes itself, and the length up to its `>` included.
fn attributes(bytes: &[u8]) -> (usize, bool, usize) {
    let mut count = 0;
    let mut at = 0;
    loop {
        while bytes.get(at).is_some_and(|byte| b" \t\r\n\x0c/".contains(byte)) {
            at += 1;
        }
        match bytes.get(at) {
            None => return (count, false, bytes.len()),
            Some(b'>') => return (count, at > 0 && bytes[at - 1] == b'/', at + 1),
            Some(_) => {}
        }
        count += 1;
        // A `=` in the first place belongs to the attribute's name.
        at += 1;
        while bytes.get(at).is_some_and(|byte| !b" \t\r\n\x0c/>=".contains(byte)) {
            at += 1;
        }
        let mut equals = at;
        while bytes.get(equals).is_some_and(|byte| b" \t\r\n\x0c".contains(byte)) {
            equals += 1;
        }
        if bytes.get(equals) != Some(&b'=') {
            continue;
        }
        at = equals + 1;
        while bytes.get(at).is_some_and(|byte| b" \t\r\n\x0c".contains(byte)) {
            at += 1;
        }
        match bytes.get(at) {
            Some(&quote @ (b'"' | b'\'')) => {
                at = memchr(quote, &bytes[at + 1..]).map_or(bytes.len(), |end| at + 2 + end);
            }
            Some(b'>') | None => {}
            Some(_) => {
                let blank = bytes[at..].iter().position(|byte| b" \t\r\n\x0c>".contains(byte));
                at = blank.map_or(bytes.len(), |end| at + end);
            }
        }
    }
}

/// FNV-1a, over no more of a tag than is needed to tell tags of real pages apart.
fn hash(bytes: &[u8]) -> u64 {
    let end = memchr2(b'>', b'\0', bytes).unwrap_or(bytes.len()).min(256);
    bytes[..end]
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

macro_rules! tags {
    ($($constant:ident $name:literal),+ $(,)?) => { $(pub(in crate::prepare) const $constant: Tag = Tag::new($name.as_bytes());)+ };
}

impl Tag {
    tags! {
        A "a", ADDRESS "address", BODY "body", BUTTON "button", CAPTION "caption", COLGROUP "colgroup", DD "dd",
        DIV "div", DT "dt", FRAMESET "frameset", HEAD "head", HTML "html", LI "li", NOBR "nobr",
        OPTGROUP "optgroup", OPTION "option", P "p", PLAINTEXT "plaintext",
        SCRIPT "script", SELECT "select", TABLE "table", TBODY "tbody", TD "td", TEMPLATE "template",
        TFOOT "tfoot", TH "th", THEAD "thead", TITLE "title", TR "tr",
    }

    const fn new(name: &[u8]) -> Self {
        let mut packed = 0_u128;
        let mut at = 0;
        while at < name.len() {
            packed = packed.rotate_left(8) ^ (name[at].to_ascii_lowercase() as u128);
            at += 1;
        }
        Self(packed)
    }
}

/// Sets of elements of the standard's section "Parsing HTML documents", each tested against a compiled table.
macro_rules! sets {
    ($($(#[doc = $doc:literal])+ $function:ident: $($name:literal)+;)+) => {
        impl Tag { $(
            $(#[doc = $doc])+
            pub(in crate::prepare) fn $function(self) -> bool {
                const NAMES: &[Tag] = &[$(Tag::new($name.as_bytes())),+];
                NAMES.contains(&self)
            }
        )+ }
    };
}

sets! {
    /// Elements that never have content.
    is_void: "area" "base" "basefont" "bgsound" "br" "col" "embed" "frame" "hr" "image" "img" "input" "keygen" "link"
        "meta" "param" "source" "track" "wbr";
    /// Elements whose content is text up to their end tag.
    is_raw: "iframe" "noembed" "noframes" "plaintext" "script" "style" "textarea" "title" "xmp";
    /// Elements that are opened again after a block has closed over them.
    is_formatting: "a" "b" "big" "code" "em" "font" "i" "nobr" "s" "small" "strike" "strong" "tt" "u";
    /// `h1` to `h6`, each of which ends any other.
    is_heading: "h1" "h2" "h3" "h4" "h5" "h6";
    /// Parts of a ruby annotation, each of which ends the one before.
    is_ruby_part: "rb" "rp" "rt" "rtc";
    /// Parts of a table, looked for as far as the table.
    is_table_part: "caption" "table" "tbody" "td" "tfoot" "th" "thead" "tr";
    /// Where the search for most elements ends.
    is_scope: "applet" "caption" "foreignobject" "marquee" "object" "table" "td" "template" "th";
    /// Where the search for rows and cells ends.
    is_table_scope: "table" "template";
    /// Elements whose end ends the formatting in them.
    is_marker: "applet" "caption" "marquee" "object" "td" "template" "th";
    /// Roots of other vocabularies.
    is_foreign_root: "math" "svg";
    /// Block elements and others that an end tag of an inline element does not reach across.
    is_special: "address" "applet" "article" "aside" "blockquote" "button" "caption" "center" "colgroup" "dd"
        "details" "dir" "div" "dl" "dt" "fieldset" "figcaption" "figure" "footer" "form" "frameset" "h1" "h2" "h3" "h4"
        "h5" "h6" "header" "hgroup" "li" "listing" "main" "marquee" "menu" "nav" "noscript" "object" "ol" "p" "pre"
        "search" "section" "select" "summary" "table" "tbody" "td" "template" "tfoot" "th" "thead" "tr" "ul";
    /// Elements that begin and end lines of text.
    is_block: "address" "article" "aside" "blockquote" "body" "br" "caption" "center" "dd" "details" "dir" "div" "dl"
        "dt" "fieldset" "figcaption" "figure" "footer" "form" "h1" "h2" "h3" "h4" "h5" "h6" "header" "hr" "li" "main"
        "menu" "nav" "ol" "option" "p" "pre" "section" "summary" "table" "tbody" "td" "tfoot" "th" "thead" "tr" "ul";
    /// Elements that are not part of a page's text: navigation, furniture, controls, pictures.
    is_skipped: "aside" "audio" "button" "canvas" "datalist" "footer" "header" "math" "nav" "noscript" "object"
        "select" "svg" "template" "video";
    /// Elements whose start closes an open paragraph.
    closes_p: "address" "article" "aside" "blockquote" "center" "dd" "details" "dialog" "dir" "div" "dl" "dt"
        "fieldset" "figcaption" "figure" "footer" "form" "h1" "h2" "h3" "h4" "h5" "h6" "header" "hgroup" "hr" "li"
        "listing" "main" "menu" "nav" "ol" "p" "plaintext" "pre" "search" "section" "summary" "table" "ul" "xmp";
    /// Elements whose start ends SVG and MathML.
    breaks_out: "b" "big" "blockquote" "body" "br" "center" "code" "dd" "div" "dl" "dt" "em" "embed" "h1" "h2" "h3"
        "h4" "h5" "h6" "head" "hr" "i" "img" "li" "listing" "menu" "meta" "nobr" "ol" "p" "pre" "ruby" "s" "small"
        "span" "strike" "strong" "sub" "sup" "table" "tt" "u" "ul" "var";
}

impl Tag {
    /// Where the search for an open list item ends: special elements but `address`, `div` and `p`.
    pub(in crate::prepare) fn ends_item_search(self) -> bool {
        self.is_special() && !matches!(self, Tag::ADDRESS | Tag::DIV | Tag::P)
    }
}
