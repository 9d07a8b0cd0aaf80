use std::cell::RefCell;

use lol_html::html_content::TextType;
use lol_html::{HtmlRewriter, Settings, doc_text};
use proptest::collection::vec;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use super::{normalise, plain_text};

#[test]
fn visible_text_is_kept_in_lines() {
    for (page, text) in [
        ("<p>One  <b>t</b>wo\n three<p>four", "One two three\nfour"),
        ("<title>t</title><style>p{}</style><script>if (a<b) '</p>'</script>x", "x"),
        ("<form><p>asp page<button>go</button></form>", "asp page"),
        ("K&auml;se &amp; Br&#246;t&nbsp;chen", "Käse & Bröt chen"),
        ("1 < 2 <3", "1 < 2 <3"),
        ("<!-- <p>no --><table><tr><td>a<td>b<tr><td>c</table>", "a\nb\nc"),
        ("", ""),
    ] {
        assert_eq!(plain_text(page), text, "{page}");
    }
    assert_eq!(normalise(" a \u{a0} b\t\n\n \n c\r\nd "), "a b\nc\nd");
}

#[test]
fn skipped_elements_end_at_their_end_tags_only() {
    for (page, text) in [
        ("<nav><ul><li>menu</ul></nav>a<aside><aside>x</aside>y</aside>b<footer>z</footer>", "a\nb"),
        ("<nav>never closed <p>text", "never closed\ntext"),
        ("<nav>never closed <aside>x</aside>text", "never closed\ntext"),
        ("<nav>x<header>never closed</nav>text</header>", "text"),
        ("<header>x<nav>y</header>text", "text"),
        ("a<svg><title/><style/></svg>b", "ab"),
        ("a<svg><title>x</title></svg><style></svg></style>b", "ab"),
        ("a<svg><p>b<script></svg></script>c", "a\nbc"),
        ("a<svg><p><nav>x</nav><script></svg></script>c</svg>d", "ad"),
        ("<select><option>x</select>a</select>b", "ab"),
    ] {
        assert_eq!(plain_text(page), text, "{page}");
    }
}

/// Text of a page as `lol_html` finds it, without blanks; entities stand for themselves.
fn reference(page: &str) -> String {
    let text = RefCell::new(String::new());
    let collect = doc_text!(|chunk| {
        if chunk.text_type() == TextType::Data {
            text.borrow_mut().push_str(chunk.as_str());
        }
        Ok(())
    });
    let settings = Settings::new().with_strict(false).append_document_content_handler(collect);
    let mut rewriter = HtmlRewriter::new(settings, |_: &[u8]| ());
    rewriter.write(page.as_bytes()).expect("no limit is set");
    rewriter.end().expect("no limit is set");
    text.into_inner().split_whitespace().collect()
}

const PIECES: &[&str] = &[
    "a",
    "b ",
    "\n",
    "<",
    ">",
    "/",
    "-",
    "--",
    "!",
    "'",
    "\"",
    "=",
    "<p>",
    "</p>",
    "<b c=",
    "<i d='>",
    "<!--",
    "-->",
    "--!>",
    "<!>",
    "<!doctype x>",
    "<?x?>",
    "</>",
    "</ x>",
    "<script>",
    "</script>",
    "</script ",
    "<script/>",
    "</scripts>",
    "<style>",
    "</style>",
    "<title>",
    "</TITLE>",
    "<textarea>",
    "</textarea\n>",
    "<br/>",
    "<1>",
];

#[test]
fn markup_and_text_are_told_apart_as_by_the_reference_implementation() {
    let config = Config { cases: 3_000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let pages = vec(select(PIECES), 0..40);
    let outcome = runner.run(&pages, |pieces| {
        // A tag or comment that the end of the page cuts is another matter.
        let page = format!("{} ", pieces.concat());
        let text: String = plain_text(&page).split_whitespace().collect();
        proptest::prop_assert_eq!(text, reference(&page), "{}", page);
        Ok(())
    });
    outcome.expect("the same text");
}
