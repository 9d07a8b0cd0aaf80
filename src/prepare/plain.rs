//! All visible text of a page, without a tree.

use memchr::memchr;

use crate::prepare::guards::{Token, next_token, raw_end};

/// The page's text outside navigation, page furniture, scripts and pictures, normalised as by [`normalise`], block
/// elements on lines of their own.
///
/// Forms are not skipped, only their controls: there are servers that wrap whole pages in one.
pub(super) fn plain_text(html: &str) -> String {
    let bytes = html.as_bytes();
    let mut text = Lines::default();
    let mut at = 0;
    while at < bytes.len() {
        let tag_at = memchr(b'<', &bytes[at..]).map_or(bytes.len(), |found| at + found);
        text.push(&html_escape::decode_html_entities(&html[at..tag_at]));
        if tag_at == bytes.len() {
            break;
        }
        let (token, end) = next_token(bytes, tag_at);
        at = end;
        match token {
            Token::Start { tag, self_closing, .. } => {
                if tag.is_block() {
                    text.end_line();
                }
                if tag.is_raw() {
                    at = raw_end(bytes, at, tag);
                } else if tag.is_skipped() && !self_closing {
                    at = skip(bytes, at, tag);
                }
            }
            Token::End { tag } if tag.is_block() => text.end_line(),
            Token::Other if end == tag_at + 1 => text.push("<"),
            Token::End { .. } | Token::Other => {}
        }
    }
    text.finish()
}

/// White space runs as one space; line breaks kept, but no empty lines and no space at the ends of lines.
pub(super) fn normalise(text: &str) -> String {
    let mut lines = Lines::default();
    for line in text.lines() {
        lines.push(line);
        lines.end_line();
    }
    lines.finish()
}

/// Where the element `tag`, whose content starts at `at`, ends. One that is never closed ends with its start tag:
/// losing its mark is better than losing the page.
fn skip(bytes: &[u8], from: usize, tag: crate::prepare::guards::Tag) -> usize {
    let mut depth = 1_usize;
    let mut at = from;
    while let Some(found) = memchr(b'<', &bytes[at..]) {
        let (token, end) = next_token(bytes, at + found);
        at = end;
        match token {
            Token::Start { tag: inner, .. } if inner.is_raw() => at = raw_end(bytes, at, inner),
            Token::Start { tag: inner, self_closing: false, .. } if inner == tag => depth += 1,
            Token::End { tag: inner } if inner == tag => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    from
}

#[derive(Default)]
struct Lines {
    out: String,
    blank: bool,
    line_end: bool,
}

impl Lines {
    fn push(&mut self, text: &str) {
        for word in text.split_inclusive(char::is_whitespace) {
            let trimmed = word.trim_end();
            if !trimmed.is_empty() {
                if !self.out.is_empty() && (self.line_end || self.blank) {
                    self.out.push(if self.line_end { '\n' } else { ' ' });
                }
                (self.blank, self.line_end) = (false, false);
                self.out.push_str(trimmed);
            }
            self.blank |= trimmed.len() < word.len();
        }
    }

    fn end_line(&mut self) {
        self.line_end = true;
    }

    fn finish(self) -> String {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visible_text_is_kept_in_lines() {
        for (page, text) in [
            ("<p>One  <b>t</b>wo\n three<p>four", "One two three\nfour"),
            ("<title>t</title><style>p{}</style><script>if (a<b) '</p>'</script>x", "x"),
            ("<nav><ul><li>menu</ul></nav>a<aside><aside>x</aside>y</aside>b<footer>z</footer>", "a\nb"),
            ("<form><p>asp page<button>go</button></form>", "asp page"),
            ("<nav>never closed <p>text", "never closed\ntext"),
            ("K&auml;se &amp; Br&#246;t&nbsp;chen", "Käse & Bröt chen"),
            ("1 < 2 <3", "1 < 2 <3"),
            ("<!-- <p>no --><table><tr><td>a<td>b<tr><td>c</table>", "a\nb\nc"),
            ("", ""),
        ] {
            assert_eq!(plain_text(page), text, "{page}");
        }
        assert_eq!(normalise(" a \u{a0} b\t\n\n \n c\r\nd "), "a b\nc\nd");
    }
}
