//! The source of a page, piece by piece: tags and what is between them, as the HTML standard's tokenizer sees them.

mod element;

use memchr::{memchr, memchr2, memmem};

pub(in crate::prepare) use element::Tag;

/// One piece of markup.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::prepare) enum Token {
    /// A start tag.
    Start { tag: Tag, self_closing: bool },
    /// An end tag.
    End { tag: Tag },
    /// A comment, a declaration, or a `<` that starts nothing.
    Other,
}

/// The markup that starts with the `<` at `at`, and where it ends. `attribute` is told the name of each attribute of a
/// start tag as it is written, and its value, in which character references still stand.
pub(in crate::prepare) fn next_token<'a>(
    bytes: &'a [u8],
    at: usize,
    mut attribute: impl FnMut(Tag, &'a [u8], &'a [u8]),
) -> (Token, usize) {
    let rest = &bytes[at + 1..];
    match rest {
        [b'!', b'-', b'-', comment @ ..] => {
            (Token::Other, bytes.len() - comment.len() + comment_len(comment))
        }
        [b'/', letter, ..] if letter.is_ascii_alphabetic() => {
            let (tag, name_len) = name(&rest[1..]);
            let (_, len) = attributes(&rest[1 + name_len..], |_, _| ());
            (Token::End { tag }, at + 2 + name_len + len)
        }
        [b'!' | b'?' | b'/', ..] => {
            (Token::Other, memchr(b'>', rest).map_or(bytes.len(), |end| at + 2 + end))
        }
        [letter, ..] if letter.is_ascii_alphabetic() => {
            let (tag, name_len) = name(rest);
            let (self_closing, len) =
                attributes(&rest[name_len..], |name, value| attribute(tag, name, value));
            (Token::Start { tag, self_closing }, at + 1 + name_len + len)
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
fn raw_name(bytes: &[u8]) -> Option<Tag> {
    let head = &bytes[..bytes.len().min("plaintext ".len())];
    head.iter().position(ends_name).map(|len| Tag::new(&head[..len]))
}

fn ends_name(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'\x0c' | b'/' | b'>')
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'\x0c')
}

/// Whether the tag closes itself, and the length up to its `>` included.
fn attributes<'a>(bytes: &'a [u8], mut attribute: impl FnMut(&'a [u8], &'a [u8])) -> (bool, usize) {
    let mut at = 0;
    loop {
        while bytes.get(at).is_some_and(|byte| is_blank(byte) || *byte == b'/') {
            at += 1;
        }
        match bytes.get(at) {
            None => return (false, bytes.len()),
            Some(b'>') => return (at > 0 && bytes[at - 1] == b'/', at + 1),
            Some(_) => {}
        }
        let start = at;
        // A `=` in the first place belongs to the attribute's name.
        at += 1;
        while bytes.get(at).is_some_and(|byte| !ends_name(byte) && *byte != b'=') {
            at += 1;
        }
        let name = &bytes[start..at];
        let mut equals = at;
        while bytes.get(equals).is_some_and(is_blank) {
            equals += 1;
        }
        if bytes.get(equals) != Some(&b'=') {
            attribute(name, b"");
            continue;
        }
        at = equals + 1;
        while bytes.get(at).is_some_and(is_blank) {
            at += 1;
        }
        let value = match bytes.get(at) {
            Some(&quote @ (b'"' | b'\'')) => {
                let start = at + 1;
                let end = memchr(quote, &bytes[start..]).map_or(bytes.len(), |len| start + len);
                at = bytes.len().min(end + 1);
                &bytes[start..end]
            }
            Some(b'>') | None => b"",
            Some(_) => {
                let start = at;
                let len = bytes[at..].iter().position(|byte| is_blank(byte) || *byte == b'>');
                at = len.map_or(bytes.len(), |len| at + len);
                &bytes[start..at]
            }
        };
        attribute(name, value);
    }
}

/// Where the content of a raw text element that starts at `from` ends: at its end tag, or with the page.
pub(in crate::prepare) fn raw_end(bytes: &[u8], from: usize, tag: Tag) -> usize {
    match tag {
        Tag::PLAINTEXT => return bytes.len(),
        Tag::SCRIPT => return script_end(bytes, from),
        _ => {}
    }
    memmem::find_iter(&bytes[from..], b"</")
        .map(|found| from + found)
        .find(|&end| raw_name(&bytes[end + 2..]) == Some(tag))
        .unwrap_or(bytes.len())
}

/// Where a script ends. Between `<!--` and `-->` it may hold another script with an end tag of its own (the standard's
/// "script data double escaped state").
fn script_end(bytes: &[u8], from: usize) -> usize {
    let (mut comment, mut inner) = (false, false);
    let mut at = from;
    while let Some(found) = memchr2(b'<', if comment { b'-' } else { b'<' }, &bytes[at..]) {
        at += found;
        let rest = &bytes[at..];
        if rest.starts_with(b"-->") {
            (comment, inner) = (false, false);
        } else if rest.starts_with(b"<!--") {
            // Its own dashes may begin the `-->`.
            comment = true;
            at += 1;
        } else if rest.starts_with(b"</") && raw_name(&rest[2..]) == Some(Tag::SCRIPT) {
            if !inner {
                return at;
            }
            inner = false;
        } else if comment && rest[0] == b'<' && raw_name(&rest[1..]) == Some(Tag::SCRIPT) {
            inner = true;
        }
        at += 1;
    }
    bytes.len()
}
