use warcdl_actors::{Exclusion, Input, Meta};
use whatlang::Lang;

use super::{Extractor, TextPreparer, TextSettings};
use crate::filter::FilterSettings;
use crate::filter::tests::open;
use crate::prepare::{PrepareError, Preparer};
use crate::source::Response;

fn settings(extractor: Extractor) -> TextSettings {
    TextSettings { extractor, max_depth: 512, max_elements: 200_000 }
}

fn page(body: &str) -> Response {
    let meta = Meta { url: "http://example.org/recipe".into(), ..Meta::default() };
    Response { meta, http_charset: String::new(), body: body.as_bytes().to_vec() }
}

fn preparer(extractor: Extractor, filter: &FilterSettings) -> Preparer {
    let text = TextPreparer::new(&settings(extractor), filter, None, 0).expect("valid");
    Preparer::Text(Box::new(text))
}

const SENTENCE: &str =
    "Whisk the eggs with the sugar, then fold in the flour and bake the cake for an hour. ";

fn article() -> String {
    let paragraph = format!("<p>{}</p>", SENTENCE.repeat(4));
    format!(
        "<title>Cake &amp;\n Tea</title><nav><a href=/>Home</a></nav><div id=content><article>{}</article></div>\
         <footer>All rights reserved</footer>",
        paragraph.repeat(5)
    )
}

#[test]
fn a_page_becomes_text_and_provenance() {
    for extractor in [Extractor::Main, Extractor::Plain] {
        let prepared = preparer(extractor, &open()).prepare(page(&article())).expect("passes");
        let text = str::from_utf8(&prepared.keep).expect("UTF-8");
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(lines, [SENTENCE.repeat(4).trim_end(); 5], "{extractor:?}");
        assert_eq!(prepared.input, Input::None);
        assert_eq!(prepared.meta.title, "Cake & Tea");
        assert_eq!(prepared.meta.content_charset, "UTF-8");
        assert_eq!(prepared.meta.content_languages, "eng");
        assert_eq!(prepared.meta.url, "http://example.org/recipe");
    }
}

#[test]
fn the_model_reads_one_line_and_what_is_kept_has_paragraphs() {
    let filter = FilterSettings { text_regex: "an hour\\. Whisk".into(), ..open() };
    for extractor in [Extractor::Main, Extractor::Plain] {
        let page = page(&article().replace("<p>", "<p>\n"));
        let prepared = preparer(extractor, &filter).prepare(page).expect("its model's text matches");
        let kept = str::from_utf8(&prepared.keep).expect("UTF-8");
        assert!(kept.contains("an hour.\n"), "{extractor:?}: {kept}");
    }
}

#[test]
fn a_page_without_main_text_keeps_its_plain_text() {
    let prepared = preparer(Extractor::Main, &open()).prepare(page("<table><tr><td>x")).expect("passes");
    assert_eq!(&prepared.keep[..], b"x");
}

#[test]
fn a_text_is_taken_as_it_is() {
    let mut text = page("\n1 < 2 && 2 <b> 1\n\nsecond line\n");
    text.meta.content_mime_type = "text/plain".into();
    let prepared = preparer(Extractor::Main, &open()).prepare(text).expect("passes");
    assert_eq!(&prepared.keep[..], b"1 < 2 && 2 <b> 1\n\nsecond line");
    assert_eq!(prepared.meta.title, "");
}

#[test]
fn filters_name_themselves() {
    let check = |filter: FilterSettings, expected: Option<Exclusion>| {
        let outcome = preparer(Extractor::Main, &filter).prepare(page(&article()));
        assert_eq!(outcome.err(), expected, "{filter:?}");
    };
    check(FilterSettings { min_chars: 1_000, languages: vec!["en".into()], ..open() }, None);
    check(FilterSettings { min_chars: 5_000, ..open() }, Some(Exclusion::FilterMinChars));
    check(FilterSettings { max_chars: 1_000, ..open() }, Some(Exclusion::FilterMaxChars));
    check(FilterSettings { languages: vec!["deu".into()], ..open() }, Some(Exclusion::FilterLanguage));
    check(FilterSettings { url_regex: "\\.com/".into(), ..open() }, Some(Exclusion::FilterUrl));
    check(FilterSettings { text_regex: "rights reserved".into(), ..open() }, Some(Exclusion::FilterText));
}

#[test]
fn the_url_is_tested_before_the_page_is_looked_at() {
    let filter = FilterSettings { url_regex: "never".into(), ..open() };
    let hostile = page(&"<div>".repeat(1_000));
    assert_eq!(preparer(Extractor::Main, &open()).prepare(hostile.clone()), Err(Exclusion::HtmlLimits));
    assert_eq!(preparer(Extractor::Main, &filter).prepare(hostile), Err(Exclusion::FilterUrl));
}

#[test]
fn a_picture_that_is_called_a_page_is_none() {
    for body in ["GIF89a and so on", "%PDF-1.7", "PK\u{3}\u{4}"] {
        assert_eq!(
            preparer(Extractor::Plain, &open()).prepare(page(body)),
            Err(Exclusion::HtmlParse),
            "{body}"
        );
    }
}

#[test]
fn hostile_pages_are_refused_or_cost_little() {
    // Unlimited, each of these takes minutes or a stack: a limit that fails shows as a test that does not end.
    let (refused, bounded) = (Some(Exclusion::HtmlLimits), None);
    let attributes: String = (0..100_000).map(|number| format!(" a{number}=1")).collect();
    let paragraphs = format!("<p>{}</p>", SENTENCE.repeat(2)).repeat(20_000_000 / 178);
    let preparer = |extractor| {
        let settings = TextSettings { max_elements: 1_000_000, ..settings(extractor) };
        let text = TextPreparer::new(&settings, &open(), None, 0).expect("valid");
        Preparer::Text(Box::new(text))
    };
    for (name, verdict, body) in [
        ("nested blocks", refused, "<div>".repeat(100_000)),
        ("unclosed links", refused, "<div><a>".repeat(20_000)),
        ("attributes", bounded, format!("<p{attributes}>")),
        ("nested tables", refused, "<table><tr><td>".repeat(5_000)),
        ("unclosed comments", bounded, "<!--".repeat(200_000)),
        ("paragraphs", bounded, paragraphs),
        ("links", bounded, "<a href=\"/page\">a link of some words</a> ".repeat(200_000)),
        ("many line breaks", refused, "<br>".repeat(1_000_001)),
        ("nested spans", refused, "<span>".repeat(20_000)),
        ("quotes", bounded, "<a b=\"".repeat(200_000)),
        ("raw text", bounded, "<title></".repeat(100_000)),
        ("raw text with tags", bounded, format!("<title>{}", "</x ".repeat(100_000))),
        ("raw text with long tags", bounded, format!("<title>{}", "</x".repeat(100_000))),
        ("scripts in a script", bounded, format!("<script><!--{}", "<script></script ".repeat(30_000))),
        ("skipped", refused, "<nav>".repeat(100_000)),
        ("buttons", bounded, format!("{}{}", "<button>".repeat(30_000), "</select>".repeat(30_000))),
        ("line breaks", bounded, "<br>".repeat(150_000)),
        // As much as the limits let through.
        ("deep", bounded, format!("{}{}", "<div>".repeat(505), "<p>x, y</p>".repeat(4_000))),
        ("tables", bounded, format!("{}{SENTENCE}", "<table><tr><td>".repeat(160))),
        ("formatting", bounded, format!("<p>{}", "<b><i><font>x".repeat(160))),
    ] {
        let both = [Extractor::Main, Extractor::Plain];
        // The largest need no second look.
        for &extractor in &both[..if body.len() > 4_000_000 { 1 } else { 2 }] {
            let outcome = preparer(extractor).prepare(page(&body));
            assert_eq!(outcome.err(), verdict, "{name}, {extractor:?}");
        }
    }
}

#[test]
fn settings_are_checked_without_a_tokenizer() {
    let zero = TextSettings { max_depth: 0, ..settings(Extractor::Main) };
    let error = TextPreparer::new(&zero, &open(), None, 0).err().expect("refused");
    assert!(matches!(error, PrepareError::Zero { key: "text.max_depth" }), "{error}");
    let filter = FilterSettings { url_regex: "(".into(), ..open() };
    let error = TextPreparer::new(&settings(Extractor::Main), &filter, None, 0).err().expect("refused");
    assert!(error.to_string().contains("filter.url_regex"), "{error}");
}

#[test]
fn the_language_is_that_of_most_of_the_text() {
    let english =
        "This manual is not yet translated, and its first chapters are as they were written. ".repeat(40);
    let russian =
        "Это руководство переведено не полностью, но большая его часть написана по-русски. ".repeat(100);
    for (text, expected) in [
        (format!("{english}{russian}"), Lang::Rus),
        (format!("{russian}{english}"), Lang::Rus),
        (format!("{}{english}", &russian[..russian.floor_char_boundary(2_000)]), Lang::Eng),
        (english[..300].to_owned(), Lang::Eng),
        (russian.clone(), Lang::Rus),
    ] {
        assert_eq!(super::language(&text), Some(expected), "{} bytes", text.len());
    }
    assert_eq!(super::language(""), None);
}
