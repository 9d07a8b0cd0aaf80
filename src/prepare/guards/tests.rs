use super::{Limits, scan};
use warcdl_actors::Exclusion;

const LIMITS: Limits = Limits { depth: 512, elements: 200_000 };

#[test]
fn hostile_pages_are_refused() {
    let attributes: String = (0..100_000).map(|number| format!(" a{number}=1")).collect();
    let formatting: String = (0..400).map(|number| format!("<b id={number}>")).collect();
    for (name, page) in [
        ("nested blocks", "<div>".repeat(100_000)),
        ("unclosed links", "<div><a>".repeat(20_000)),
        ("attributes", format!("<p{attributes}>")),
        ("nested tables", "<table><tr><td>".repeat(5_000)),
        ("inline", "<span>".repeat(20_000)),
        ("unknown elements", "<x-y>".repeat(20_000)),
        ("elements", "<br>".repeat(200_001)),
        ("end tags without start", "</b>".repeat(200_001)),
        ("formatting opened again", format!("<p>{formatting}{}", "<p>x".repeat(10_000))),
        ("raw text that is none in a select", format!("<select><title></select>{}", "<div>".repeat(1_000))),
        ("raw text that is none in svg", format!("<svg><style>{}", "<g>".repeat(1_000))),
        (
            "a script in a script's comment",
            format!("<script><!--<script></script><title></script>{}", "<div>".repeat(1_000)),
        ),
        ("end tags behind a cell", "<div><table><tr><td></div>".repeat(1_000)),
        ("end tags behind a block", "<span><div></span>".repeat(1_000)),
        ("comments that end early", format!("<!-->{}", "<div>".repeat(1_000))),
        ("wide and deep", format!("{}{}", "<div>".repeat(500), "<i></i>".repeat(150_000))),
    ] {
        assert_eq!(scan(&page, LIMITS), Err(Exclusion::HtmlLimits), "{name}");
    }
}

#[test]
fn carelessly_closed_tags_are_no_depth() {
    let rows = "<tr><td>a<td><b>b<i>c".repeat(3_000);
    for (name, page) in [
        ("paragraphs", "<p>text".repeat(20_000)),
        ("items", format!("<ul>{}</ul>", "<li><div>x</div>".repeat(9_000))),
        ("definitions", format!("<dl>{}</dl>", "<dt>x<dd>y".repeat(9_000))),
        ("options", format!("<select>{}</select>", "<optgroup><option>x<option>y".repeat(5_000))),
        ("cells", format!("<table>{rows}</table>")),
        ("void", "<br><img src=x><input><hr/>".repeat(9_000)),
        ("links", "<a href=x>y".repeat(9_000)),
        ("one formatting in each block", "<p><b>x</b></p>".repeat(9_000)),
        ("misnested", "<b><p>x</b></p>".repeat(9_000)),
        ("svg", format!("<svg>{}</svg>", "<path d='M0 0'/>".repeat(9_000))),
        ("script", format!("<script>{}</script>", "'<div>'".repeat(9_000))),
        ("script in a script's comment", format!("<script><!--<script></script>{}", "'<div>'".repeat(9_000))),
        ("comment", format!("<!-- {} -->", "<div>".repeat(9_000))),
        ("attribute", format!("<p title='{}'>", "<div>".repeat(9_000))),
        ("rubies", "<ruby>a<rt>b<rp>c</ruby>".repeat(9_000)),
        ("headings", "<h1>x</h2>".repeat(9_000)),
        ("less than", "1 < 2 <3 <".repeat(9_000)),
    ] {
        assert!(scan(&page, LIMITS).is_ok(), "{name}");
    }
}

#[test]
fn limits_are_exact() {
    let limits = Limits { depth: 10, elements: 20 };
    let nested = |depth: usize| format!("<html><body>{}x", "<div>".repeat(depth));
    assert!(scan(&nested(10), limits).is_ok());
    assert!(scan(&nested(11), limits).is_err());
    assert!(scan(&"<hr>".repeat(20), limits).is_ok());
    assert!(scan(&"<hr>".repeat(21), limits).is_err());
}

#[test]
fn the_first_title_outside_pictures_is_found() {
    let title = |page| scan(page, LIMITS).expect("small");
    assert_eq!(title("<head><TITLE lang=de>A &amp; <b></title><title>C</title>"), Some("A &amp; <b>"));
    assert_eq!(title("<svg><title>icon</title></svg><title>page</title >"), Some("page"));
    assert_eq!(title("<title>cut"), Some("cut"));
    assert_eq!(title("<p>none"), None);
}
