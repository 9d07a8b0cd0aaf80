//! Elements, and what the HTML standard says of them.

use crate::prepare::names::{Names, hash, packed};

/// The name of an element: its place in the table of those that HTML has, or a hash of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::prepare) struct Tag(u16);

/// Slots of the table.
const SLOTS: usize = 512;
/// Set in the numbers of elements that HTML does not have.
const UNKNOWN: u16 = 0x8000;

macro_rules! tags {
    ($($constant:ident $name:literal),+ $(,)?) => { $(pub(in crate::prepare) const $constant: Tag = Tag::known($name);)+ };
}

impl Tag {
    tags! {
        A "a", ADDRESS "address", ARTICLE "article", ASIDE "aside", BLOCKQUOTE "blockquote", BR "br",
        BUTTON "button", CAPTION "caption", COLGROUP "colgroup", DD "dd", DIV "div", DT "dt", FIGCAPTION "figcaption",
        FIGURE "figure", FOOTER "footer", FORM "form", FRAMESET "frameset", H1 "h1", HEADER "header", HR "hr", HTML "html", LI "li", MAIN "main", META "meta", NAV "nav", NOBR "nobr", OL "ol",
        OPTGROUP "optgroup", OPTION "option", P "p", PLAINTEXT "plaintext", PRE "pre", SCRIPT "script",
        SECTION "section", SELECT "select", TABLE "table", TBODY "tbody", TD "td", TEMPLATE "template",
        TFOOT "tfoot", TH "th", THEAD "thead", TIME "time", TITLE "title", TR "tr", UL "ul", XMP "xmp",
    }

    /// No element: text between tags.
    pub(in crate::prepare) const TEXT: Tag = Tag(UNKNOWN - 1);

    /// The element of this name, in upper or lower case.
    pub(super) fn new(name: &[u8]) -> Self {
        let name = packed(name);
        TABLE.find(name).map_or(Self(UNKNOWN | hash(name) as u16), |slot| Self(slot as u16))
    }

    const fn known(name: &str) -> Self {
        match TABLE.find(packed(name.as_bytes())) {
            Some(slot) => Self(slot as u16),
            None => panic!("not in the table"),
        }
    }

    /// A number below [`Tag::NUMBERS`], which few elements share.
    pub(in crate::prepare) fn number(self) -> usize {
        usize::from(self.0) % Self::NUMBERS
    }

    /// Numbers that elements have.
    pub(in crate::prepare) const NUMBERS: usize = 1024;

    fn is_in(self, set: Set) -> bool {
        usize::from(self.0) < SLOTS && TABLE.bits(usize::from(self.0)) >> (set as u8) & 1 == 1
    }
}

/// Sets of elements, most of them of the standard's section "Parsing HTML documents".
macro_rules! sets {
    ($($(#[doc = $doc:literal])+ $function:ident: $($name:literal)+;)+) => {
        #[expect(non_camel_case_types, reason = "each is named after its test")]
        #[derive(Clone, Copy)]
        enum Set { $($function),+ }

        static TABLE: Names<SLOTS> = Names::new(&[$((Set::$function as u8, &[$($name),+])),+]);

        impl Tag { $(
            $(#[doc = $doc])+
            pub(in crate::prepare) fn $function(self) -> bool {
                self.is_in(Set::$function)
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
    /// Elements that show no text of the page wherever they stand: controls, pictures, what stands in for scripts.
    is_silent: "applet" "audio" "button" "canvas" "datalist" "dialog" "frameset" "head" "math" "menuitem" "meter"
        "noscript" "object" "optgroup" "option" "picture" "progress" "rp" "rt" "select" "svg" "template" "video";
    /// Elements whose attributes say what is in them.
    is_container: "address" "article" "aside" "blockquote" "body" "center" "dd" "details" "div" "dl" "dt" "fieldset"
        "figcaption" "figure" "footer" "form" "h1" "h2" "h3" "h4" "h5" "h6" "header" "li" "main" "menu" "nav" "ol" "p"
        "pre" "search" "section" "span" "summary" "table" "tbody" "td" "time" "tr" "ul" "a" "label" "strong" "em" "small" "b" "i";
    /// Elements whose start closes an open paragraph.
    closes_p: "address" "article" "aside" "blockquote" "center" "dd" "details" "dialog" "dir" "div" "dl" "dt"
        "fieldset" "figcaption" "figure" "footer" "form" "h1" "h2" "h3" "h4" "h5" "h6" "header" "hgroup" "hr" "li"
        "listing" "main" "menu" "nav" "ol" "p" "plaintext" "pre" "search" "section" "summary" "table" "ul" "xmp";
    /// Elements whose start ends SVG and MathML.
    breaks_out: "b" "big" "blockquote" "body" "br" "center" "code" "dd" "div" "dl" "dt" "em" "embed" "h1" "h2" "h3"
        "h4" "h5" "h6" "head" "hr" "i" "img" "li" "listing" "menu" "meta" "nobr" "ol" "p" "pre" "ruby" "s" "small"
        "span" "strike" "strong" "sub" "sup" "table" "tt" "u" "ul" "var";
    /// Elements that every page has, whether it says so or not.
    is_frame: "body" "head" "html";
}

impl Tag {
    /// Where the search for an open list item ends: special elements but `address`, `div` and `p`.
    pub(in crate::prepare) fn ends_item_search(self) -> bool {
        self.is_special() && !matches!(self, Tag::ADDRESS | Tag::DIV | Tag::P)
    }
}

#[cfg(test)]
mod tests {
    use super::Tag;

    #[test]
    fn elements_are_told_apart_by_name() {
        assert_eq!(Tag::new(b"BlockQuote"), Tag::BLOCKQUOTE);
        assert!(Tag::new(b"td").is_table_part() && !Tag::new(b"td").is_void());
        let unknown = Tag::new(b"x-card");
        assert_eq!(unknown, Tag::new(b"X-Card"));
        assert_ne!(unknown, Tag::new(b"y-card"));
        assert!(!unknown.is_special() && !unknown.is_block() && !unknown.is_raw());
    }
}
