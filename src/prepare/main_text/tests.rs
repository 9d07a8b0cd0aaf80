use proptest::collection::vec;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::{Texts, main_text};
use crate::prepare::page::{Limits, Page};

const LIMITS: Limits = Limits { depth: 512, elements: 1_000_000 };

const SENTENCE: &str = "The ferry leaves at seven, and whoever misses it waits for the tide. ";

fn texts(page: &str) -> Texts {
    let page = Page::parse(page, LIMITS).expect("small");
    main_text(&page).unwrap_or_default()
}

/// A paragraph that begins with `name`.
fn paragraph(name: &str) -> String {
    format!("<p>{name}: {}</p>", SENTENCE.repeat(3))
}

fn article() -> String {
    format!("{}{}{}", paragraph("first"), paragraph("second"), paragraph("third"))
}

/// The page's article comes out whole, and nothing else.
fn check(what: &str, page: &str) {
    let kept = texts(page).kept;
    for name in ["first: ", "second: ", "third: "] {
        assert!(kept.contains(name), "{what}: lacks {name}in {kept}");
    }
    assert!(!kept.contains("NOT"), "{what}: {kept}");
}

/// As old pages have it.
#[test]
fn text_straight_in_the_body_is_text() {
    let essay =
        ["first", "second", "third"].map(|name| format!("{name}: {}", SENTENCE.repeat(6))).join("<br><br>");
    check("in no element", &format!("<body>{essay}<hr><p>{}</p>", SENTENCE.repeat(2)));
    check("in a font", &format!("<body><font size=2>{essay}</font><hr>"));
}

#[test]
fn a_place_that_links_lead_to_is_no_link() {
    let heading = "<h2><a name=ferry>first: the ferry and its captain</a></h2>";
    let rest = [paragraph("second"), paragraph("third")].concat();
    check("a named heading", &format!("<div>{heading}{rest}</div>"));
    check(
        "an anchor that is never closed",
        &format!("<a name=top><div>{}</div><a href=/x>NOT</a>", article()),
    );
}

#[test]
fn furniture_is_left_out() {
    let not = format!("<p>NOT {}</p>", SENTENCE.repeat(2));
    let links = "<li><a href=/x>NOT the news of another day</a></li>".repeat(12);
    for (what, around) in [
        ("navigation", format!("<nav>{not}</nav>@")),
        ("navigation by its links", format!("<div><ul>{links}</ul></div><div>@</div>")),
        ("footer", format!("<div>@<footer>{not}</footer></div>")),
        ("aside", format!("<main>@<aside>{not}</aside></main>")),
        ("role", format!("<div>@<div role=complementary>{not}</div></div>")),
        ("comments by name", format!("<div>@<div id=comments>{}</div></div>", not.repeat(4))),
        ("comments by a longer name", format!("<div>@<ol class=commentThread>{not}</ol></div>")),
        ("related", format!("<article>@<div class='box related-posts'>{not}</div></article>")),
        ("sharing", "<article><div class=social-share>NOT share this</div>@</article>".to_owned()),
        ("newsletter", format!("<article>@<section class=newsletterSignup>{not}</section></article>")),
        ("cookies", format!("<div id=cookie-banner>{}</div><div>@</div>", not.repeat(2))),
        ("advertisement", format!("<div>@<div class=ad>{not}</div></div>")),
        ("byline", "<article><div class=byline>NOT by somebody, today.</div>@</article>".to_owned()),
        (
            "caption",
            "<article><figure><img><figcaption>NOT a harbour.</figcaption></figure>@</article>".to_owned(),
        ),
        ("hidden by style", format!("<div>@<div style='color: red; display: none'>{not}</div></div>")),
        ("hidden by attribute", format!("<div>@<div hidden>{not}</div></div>")),
        ("hidden by name", format!("<div>@<div class=visually-hidden>{not}</div></div>")),
        ("controls", "<div>@<button>NOT a button</button><select><option>NOT</select></div>".to_owned()),
        ("pictures", "<div>@<svg><text>NOT</text></svg></div>".to_owned()),
        (
            "scripts",
            "<div>@<script>'NOT'</script><style>NOT</style><noscript>NOT</noscript></div>".to_owned(),
        ),
        ("links at the end", format!("<article>@<ul>{links}</ul></article>")),
        ("a lone line", "<article><div>NOT seen</div>@</article>".to_owned()),
        ("the headline, which is the title", "<article><h1>NOT A Title</h1>@</article>".to_owned()),
        ("head", "<head><title>NOT</title><meta name=description content=NOT></head>@".to_owned()),
    ] {
        check(what, &around.replace('@', &article()));
    }
}

#[test]
fn names_that_mislead_lose_nothing() {
    for (what, around) in [
        ("layout named after what is beside", "<div class=has-sidebar>@</div>"),
        ("one with", "<div class='content-with-sidebar'>@</div>"),
        ("all in a form", "<form>@</form>"),
        ("all in an element named after furniture", "<div class=sidebar>@</div>"),
        ("all in an element that is hidden until a script shows it", "<div style='display:none'>@</div>"),
        ("all named after comments", "<div class=comments>@</div>"),
        ("of a category", "<article class='post category-shop tag-advertising'>@</article>"),
        ("chance words in generated names", "<div class='hAdP x9-ad1'>@</div>"),
        ("overflow", "<div class=overflow-hidden>@</div>"),
    ] {
        check(what, &format!("<div>{}</div>", around.replace('@', &article())));
    }
}

#[test]
fn what_belongs_to_the_text_stays() {
    let around =
        |inner: &str| texts(&format!("<article>{}{inner}{}</article>", article(), paragraph("last"))).kept;
    for (inner, expected) in [
        ("<h2>A part</h2>", "\n\nA part\n\n"),
        ("<ul><li>two eggs<li>flour<ul><li>sifted</ul></ul>", "\n\n• two eggs\n• flour\n  • sifted\n\n"),
        ("<ol><li><p>Whisk.</p><li><p>Bake.</p></ol>", "\n\n• Whisk.\n\n• Bake.\n\n"),
        ("<blockquote>She said <em>no</em>.</blockquote>", "\n\nShe said no.\n\n"),
        ("<pre>one  two\n  three</pre>", "\n\none two\nthree\n\n"),
        ("<table><tr><th>Age<td>12<tr><th>Size<td>3</table>", "\n\nAge\t12\nSize\t3\n\n"),
        ("<p>a<br>b</p>", "\n\na\nb\n\n"),
        ("<p>K&auml;se &amp; Br&#246;t&nbsp;chen, 1 &lt; 2</p>", "\n\nKäse & Bröt chen, 1 < 2\n\n"),
        ("<p>an <a href=/x>inner link</a> or two</p>", "\n\nan inner link or two\n\n"),
        ("<p><b>bold</b> <i>italic</i><u>!</u></p>", "\n\nbold italic!\n\n"),
    ] {
        let kept = around(inner);
        assert!(kept.contains(expected), "{inner}: {kept:?}");
    }
}

#[test]
fn the_more_telling_element_is_chosen() {
    let other = paragraph("NOT").repeat(4);
    check(
        "marked by its vocabulary",
        &format!(
            "<div><div>{other}</div><ul>{}</ul><div itemprop=articleBody>{}{}</div></div>",
            "<li><a href=x>menu of some words</a>".repeat(40),
            article(),
            "<p>And so on, and so on.</p>"
        ),
    );
    check(
        "the longer one",
        &format!(
            "<table><tr><td><p>NOT this one, which is short.</p></td></tr></table>\
        <ul>{}</ul><div>{}</div>",
            "<li><a href=x>menu</a>".repeat(9),
            article()
        ),
    );
}

#[test]
fn languages_without_spaces_count_as_much() {
    let text = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所で泣いていた。";
    let page = format!("<ul>{}</ul><div><p>{text}</p></div>", "<li><a href=x>NOT 目次</a>".repeat(9));
    assert_eq!(texts(&page).kept, text);
}

#[test]
fn both_texts_have_the_same_words() {
    let page = format!("<main>{}<ul><li>x<li>y</ul><h2>z</h2>{}</main>", article(), paragraph("last"));
    let Texts { model, kept } = texts(&page);
    assert!(!model.contains('\n') && !model.contains("  "), "{model}");
    assert!(kept.contains("\n\n• x\n• y\n\nz\n\n"), "{kept}");
    let words = kept.split_whitespace().filter(|word| *word != "•").collect::<Vec<_>>().join(" ");
    assert_eq!(words, model);
}

#[test]
fn pages_without_text_have_none() {
    for page in
        ["", " ", "<p>", "<nav>menu</nav>", "<a href=x>link</a>", "<script>1", "<!-- x -->", "<svg><text>x"]
    {
        assert_eq!(texts(page), Texts::default(), "{page}");
    }
}

#[test]
fn deep_pages_need_no_stack() {
    let pages = ["<div>", "<ul><li>", "<table><tr><td>", "<b id=1><i>", "<x-y>"]
        .map(|piece| format!("{}{}", piece.repeat(50_000), article()));
    let thread = std::thread::Builder::new().stack_size(256 << 10);
    let limits = Limits { depth: 200_000, ..LIMITS };
    let lengths = thread.spawn(move || {
        pages.map(|page| {
            let page = Page::parse(&page, limits).expect("within limits");
            main_text(&page).map(|texts| texts.model.len())
        })
    });
    let expected = texts(&article()).model.len();
    assert_eq!(lengths.expect("starts").join().expect("no overflow"), [Some(expected); 5]);
}

const PIECES: &[&str] = &[
    "text ",
    "A sentence, long enough to be taken for one that belongs to the text of the page. ",
    "<p>",
    "</p>",
    "<div class=content>",
    "<div class='sidebar ad'>",
    "</div>",
    "<a href=x>",
    "</a>",
    "<ul>",
    "<li>",
    "</ul>",
    "<table>",
    "<tr>",
    "<td>",
    "</table>",
    "<b>",
    "</b>",
    "<h1>",
    "</h2>",
    "<article>",
    "</article>",
    "<svg>",
    "</svg>",
    "<select>",
    "<option>",
    "<pre>\n",
    "</pre>",
    "<br>",
    "<hr/>",
    "<script>",
    "</script>",
    "<title>",
    "</title>",
    "<body>",
    "</body>",
    "<!--",
    "-->",
    "<button>",
    "<form>",
    "<template>",
    "</template>",
    "<plaintext>",
    "<frameset>",
    "<ruby><rb>",
    "<rt>",
    "&amp;",
    "&",
    "é",
    "語",
    "<",
    ">",
    "\"",
    "<p class=\"",
    " id='comments",
    "\n",
    "\u{a0}",
];

#[test]
fn random_pages_are_read_without_panic_and_in_the_order_of_the_page() {
    let config = Config { cases: 2_000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let pages = vec(select(PIECES), 0..120);
    let outcome = runner.run(&pages, |pieces| {
        let page = pieces.concat();
        let Texts { model, kept } = texts(&page);
        let source = html_escape::decode_html_entities(&page).into_owned();
        let mut rest = source.chars();
        for letter in model.chars().filter(|letter| !letter.is_whitespace()) {
            proptest::prop_assert!(rest.any(|other| other == letter), "{letter} is out of order in {page}");
        }
        proptest::prop_assert!(!kept.starts_with('\n') && !kept.ends_with('\n') && !kept.contains("\n\n\n"));
        Ok(())
    });
    outcome.expect("no panic");
}
