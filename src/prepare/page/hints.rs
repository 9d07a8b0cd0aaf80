//! What an element's attributes say of what is in it: words of `class` and `id`, roles, what is hidden.
//!
//! The words are those that people give the parts of their pages, in English and the larger languages of the web. They
//! are hints: what they are worth is decided where the text is known.

use crate::prepare::names::{Names, packed};

macro_rules! hints {
    ($($(#[doc = $doc:literal])+ $constant:ident $bit:literal: $($word:literal)*;)+) => {
        impl Hints { $(
            $(#[doc = $doc])+
            pub(in crate::prepare) const $constant: Hints = Hints(1 << $bit);
        )+ }

        static WORDS: Names<1024> = Names::new(&[$(($bit, &[$($word),*])),+]);
    };
}

/// How words start that name the comments of readers, whatever follows.
const COMMENT: &[u8] = b"comment";

/// A set of hints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::prepare) struct Hints(u32);

hints! {
    /// Not shown.
    HIDDEN 0: ;
    /// What readers wrote, and the form for it.
    COMMENTS 1: "comment" "comments" "commentlist" "commentary" "disqus" "respond" "reply" "replies" "discussion"
        "kommentar" "kommentare" "comentarios" "commentaires" "commenti" "reacties" "livefyre" "reviews" "commentform"
        "commento" "coral" "usercomments" "commentbox";
    /// Buttons that pass the page on.
    SHARING 2: "share" "sharing" "shares" "sharebar" "sharetools" "shareaholic" "sharedaddy" "social" "socials"
        "socialmedia" "sns" "addthis" "addtoany" "sharebuttons" "sharelinks" "teilen" "follow" "followus" "like" "likes" "sharethis" "shariff";
    /// Ways to other pages.
    RELATED 3: "related" "recommended" "recommendations" "recommendation" "recommend" "similar" "popular"
        "trending" "mostread" "mostpopular" "readmore" "readnext" "upnext" "suggested" "suggestions" "outbrain"
        "taboola" "teaser" "teasers" "relatedposts" "relatedarticles" "relatedlinks" "yarpp" "nextprev"
        "morefrom" "more" "moreon" "seealso" "alsoread" "also" "linklist" "prevnext" "relacionadas" "relacionados"
        "zergnet" "plista" "revcontent" "latest" "recent" "recirc" "recirculation" "carousel" "rail" "siblings"
        "crosslinks" "next" "previous" "prev" "furtherreading" "weitere" "verwandte" "promobox";
    /// The furniture of a site.
    FURNITURE 4: "nav" "navi" "navigation" "navbar" "menu" "submenu" "breadcrumb" "breadcrumbs" "crumb" "crumbs"
        "footer" "foot" "sidebar" "pagination" "pager" "paging" "toolbar" "masthead" "topbar" "login" "signin"
        "register" "search" "skip" "skiplink" "sitemap" "toc" "copyright" "legal" "disclaimer" "language"
        "languages" "siteheader" "sitefooter" "colophon" "widget" "widgets" "dropdown" "megamenu" "brotkrumen"
        "navbox" "hatnote" "editsection" "catlinks" "printfooter" "noprint" "buttons" "button"
        "aside" "jumpto" "actions" "tools" "utility";
    /// What a site wants of its readers.
    APPEAL 5: "ad" "ads" "adv" "advert" "adverts" "advertisement" "advertising" "advertorial" "adsense" "sponsor"
        "sponsored" "sponsors" "promo" "promos" "promotion" "promotions" "newsletter" "newsletters" "subscribe"
        "subscription" "subscriptions" "signup" "donate" "donation" "cookie" "cookies" "consent" "gdpr" "popup"
        "modal" "overlay" "lightbox" "werbung" "anzeige" "paywall" "cta" "dfp" "adslot" "adunit" "adbox" "banner"
        "banners" "notification" "notifications" "alert" "marketing" "affiliate" "shop" "poll" "quiz"
        "survey" "optin" "mailchimp" "membership" "contribute" "upsell" "gtm" "commercial" "mpu" "leaderboard"
        "app" "download";
    /// Who wrote it, when, about what.
    BYLINE 6: "byline" "bylines" "author" "authors" "dateline" "date" "dates" "published" "pubdate" "timestamp"
        "time" "posted" "postmeta" "meta" "metadata" "entrymeta" "tag" "tags" "taglist" "category" "categories"
        "keywords" "topics" "bio" "biography" "authorbox" "contributor" "contributors" "writer" "autor" "datum"
        "schlagworte" "rating" "ratings" "stars" "rate" "views" "vcard" "info" "labels" "details" "kicker" "eyebrow"
        "profile" "avatar" "print" "permalink" "filed" "source" "update" "updated" "modified" "readtime";
    /// Words about a picture.
    CAPTION 7: "caption" "captions" "figcaption" "credit" "credits" "imagecaption" "wpcaption" "photocredit"
        "bildunterschrift" "legende" "copyrightholder" "gallery" "slideshow" "galerie" "image" "photo" "picture"
        "thumbnail";
    /// What a page is about, one half of a name.
    SUBJECT 8: "article" "artikel" "articulo" "entry" "post" "story" "news" "blog" "hentry" "blogpost" "recipe"
        "noticia" "articolo" "nota" "paper";
    /// The content of it, the other half.
    CONTENT 9: "content" "contents" "body" "text" "main" "copy" "inhalt" "contenido" "contenu" "cuerpo" "corpo"
        "maincontent" "bodytext" "prose" "fulltext" "richtext" "rich" "full" "testo" "texte" "wysiwyg";
    /// Both halves in one word.
    ARTICLE_BODY 10: "articlebody" "articlecontent" "articletext" "entrycontent" "postcontent" "postbody"
        "posttext" "storybody" "storycontent" "storytext" "articlecopy" "postarticle" "blogcontent" "newstext"
        "artikeltext" "entrytext" "articlemain";
    /// The role of the page's content.
    MAIN 11: ;
    /// In a name that says what else there is, as in `content-with-sidebar`.
    BESIDE 12: "with" "has" "no" "without" "and" "is" "enabled" "page" "layout";
    /// What the page is filed under, if more follows.
    TAXONOMY 14: "category" "tag";
    /// Marked as the text of an article by the vocabulary of schema.org.
    MARKED 13: ;
    /// A link, not a place that links lead to.
    HREF 15: ;
}

/// Names that hide as a whole only: an `overflow-hidden` hides nothing. Letters alone: `a11y-hidden` is looked for without its digits.
static HIDING: Names<64> = Names::new(&[(
    0,
    &[
        "hidden",
        "hide",
        "invisible",
        "sronly",
        "screenreadertext",
        "visuallyhidden",
        "offscreen",
        "noprint",
        "printonly",
        "screenreaderonly",
        "dnone",
        "displaynone",
        "elementinvisible",
        "uhidden",
        "noscript",
        "assistivetext",
        "ayhidden",
        "ishidden",
        "jshidden",
    ],
)]);

impl Hints {
    /// Whether any of `others` is among these.
    pub(in crate::prepare) fn any(self, others: Hints) -> bool {
        self.0 & others.0 != 0
    }

    /// These and others.
    pub(in crate::prepare) const fn or(self, others: Hints) -> Hints {
        Hints(self.0 | others.0)
    }

    pub(super) fn merge(&mut self, others: Hints) {
        self.0 |= others.0;
    }

    /// Takes in what an attribute says.
    pub(super) fn attribute(&mut self, name: &[u8], value: &[u8]) {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        match name.len() {
            2 if is("id") => self.words(value),
            4 if is("role") => self.role(value),
            4 if is("href") => self.merge(Hints::HREF),
            5 if is("class") => self.words(value),
            5 if is("style") => self.style(value),
            6 if is("hidden") => self.merge(Hints::HIDDEN),
            8 if is("itemprop") => self.property(value),
            11 if is("aria-hidden") && value.eq_ignore_ascii_case(b"true") => self.merge(Hints::HIDDEN),
            _ => {}
        }
    }

    /// Words end where letters end, and before an upper case letter behind a lower case one; names at white space. A
    /// name counts as one word, too: `news-letter` is a newsletter.
    fn words(&mut self, value: &[u8]) {
        let mut name = Hints::default();
        let (mut word, mut whole) = (0_u128, 0_u128);
        let (mut letters, mut in_camel, mut first, mut in_taxonomy) = (0, false, true, false);
        let mut before = b' ';
        for &byte in value.iter().chain(b" ") {
            let ends =
                !byte.is_ascii_alphabetic() || byte.is_ascii_uppercase() && before.is_ascii_lowercase();
            if ends && word != 0 {
                let splits = byte.is_ascii_uppercase();
                // Letters of generated names make short words by chance.
                if (letters > 3 || !(splits || in_camel))
                    && let Some(slot) = WORDS.find(word)
                {
                    name.0 |= WORDS.bits(slot) as u32;
                }
                in_taxonomy |= first && byte == b'-' && name.any(Hints::TAXONOMY);
                (word, letters, in_camel, first) = (0, 0, splits, false);
            }
            if byte.is_ascii_alphabetic() {
                word = word.rotate_left(8) ^ u128::from(byte.to_ascii_lowercase());
                letters += 1;
                if letters == COMMENT.len() && word == packed(COMMENT) {
                    name.merge(Hints::COMMENTS);
                }
                whole = whole.rotate_left(8) ^ u128::from(byte.to_ascii_lowercase());
            } else if byte.is_ascii_whitespace() {
                // Of `category-shop` and `tag-video` the rest is what the page is about.
                if name.any(Hints::BESIDE) || in_taxonomy {
                    name = Hints::default();
                }
                (in_camel, first, in_taxonomy) = (false, true, false);
                if HIDING.find(whole).is_some() {
                    name.merge(Hints::HIDDEN);
                } else if let Some(slot) = WORDS.find(whole) {
                    name.0 |= WORDS.bits(slot) as u32;
                }
                whole = 0;
                if name.any(Hints::SUBJECT) && name.any(Hints::CONTENT) {
                    name.merge(Hints::ARTICLE_BODY);
                }
                self.merge(std::mem::take(&mut name));
            }
            before = byte;
        }
    }

    fn role(&mut self, value: &[u8]) {
        let hint = match value.to_ascii_lowercase().as_slice() {
            b"main" => Hints::MAIN,
            b"article" => Hints::SUBJECT,
            b"navigation" | b"banner" | b"contentinfo" | b"complementary" | b"search" | b"menu"
            | b"menubar" | b"toolbar" | b"tablist" => Hints::FURNITURE,
            b"dialog" | b"alert" | b"alertdialog" => Hints::APPEAL,
            _ => return,
        };
        self.merge(hint);
    }

    fn style(&mut self, value: &[u8]) {
        let mut words = value
            .split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-')
            .filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            let hides =
                word.eq_ignore_ascii_case(b"display") && words.next().is_some_and(|next| next == b"none");
            if hides {
                self.merge(Hints::HIDDEN);
            }
        }
    }

    fn property(&mut self, value: &[u8]) {
        if value.eq_ignore_ascii_case(b"articleBody") {
            self.merge(Hints::MARKED);
        }
        if value.eq_ignore_ascii_case(b"author") || value.eq_ignore_ascii_case(b"datePublished") {
            self.merge(Hints::BYLINE);
        }
    }
}
