use super::Metadata;
use crate::prepare::page::{Limits, Page};

fn of(page: &str) -> Metadata {
    let page = Page::parse(page, Limits { depth: 512, elements: 1_000 }).expect("small");
    Metadata::of(&page)
}

fn check(page: &str, title: &str, author: &str, published: &str) {
    let expected = Metadata { title: title.into(), author: author.into(), published: published.into() };
    assert_eq!(of(page), expected, "{page}");
}

#[test]
fn titles() {
    check("<title>Cake &amp;\n Tea</title><title>no</title>", "Cake & Tea", "", "");
    check("<meta property=og:title content='Cake &quot;quick&quot;'>", "Cake \"quick\"", "", "");
    check("<title>a</title><meta property=og:title content=b>", "a", "", "");
    check("<title> </title><meta property=og:title content=b>", "b", "", "");
    check("<svg><title>icon</title></svg>", "", "", "");
}

#[test]
fn authors_and_dates_of_meta_and_time() {
    check(
        "<meta name=Author content='Ada  L.'><meta name=date content=2026-01-02>",
        "",
        "Ada L.",
        "2026-01-02",
    );
    check(
        "<meta property='article:author' content='https://example.org/ada'><meta name=dc.creator content=Ada>",
        "",
        "Ada",
        "",
    );
    check(
        "<time datetime='yesterday'></time><time datetime='2026-01-02T03:04:05+01:00'></time>",
        "",
        "",
        "2026-01-02T03:04:05+01:00",
    );
    check("<meta name=date content='2 January 2026'><meta name=author content=' '>", "", "", "");
    check(&format!("<meta name=author content='{}'>", "x".repeat(201)), "", "", "");
    // The most telling name first, wherever it stands.
    check(
        "<meta name=date content=2020-01-01><meta property=article:published_time content=2026-01-02>",
        "",
        "",
        "2026-01-02",
    );
}

#[test]
fn authors_and_dates_of_json_ld() {
    let data = |json: &str| {
        format!("<script type=\"application/ld+json\">{json}</script><meta name=author content=M>")
    };
    let check = |json: &str, author: &str, published: &str| check(&data(json), "", author, published);
    check(r#"{"author": "Ada", "datePublished": "2026-01-02"}"#, "Ada", "2026-01-02");
    check(r#"[{"@type": "WebSite"}, {"author": {"name": "Ada &amp; Co"}}]"#, "Ada & Co", "");
    check(r#"{"@graph": [{"author": [{"name": "Ada"}, "Bob", {}]}]}"#, "Ada, Bob", "");
    check(r#"{"author": {"@id": "x"}, "datePublished": 5}"#, "M", "");
    // What cannot be read says nothing.
    check(r#"{"author": "Ada","#, "M", "");
    check(&format!("{}\"author\"", "[".repeat(10_000)), "M", "");
    check(&format!("{{\"author\": \"Ada\", \"x\": \"{}\"}}", "x".repeat(super::MAX_DATA)), "M", "");
}
