use super::{Head, Limits, Page};
use crate::prepare::markup::Tag;
use warcdl_actors::Exclusion;

const LIMITS: Limits = Limits { depth: 512, elements: 200_000 };

#[test]
fn hostile_pages_are_refused() {
    let formatting: String = (0..400).map(|number| format!("<b id={number}>")).collect();
    for (name, page) in [
        ("nested blocks", "<div>".repeat(100_000)),
        ("unclosed links", "<div><a>".repeat(20_000)),
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
    ] {
        let refused = Page::parse(&page, LIMITS).err();
        assert_eq!(refused, Some(Exclusion::HtmlLimits), "{name}");
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
        assert!(Page::parse(&page, LIMITS).is_ok(), "{name}");
    }
}

/// As a `<` in a text makes of the words behind it.
#[test]
fn of_many_attributes_the_first_are_looked_at() {
    for (before, looked_at) in [(0, true), (255, true), (256, false), (100_000, false)] {
        let words: String = (0..before).map(|number| format!(" a{number}")).collect();
        let page = format!("<pre>if a <time{words} datetime=2026 and more>text");
        let page = Page::parse(&page, LIMITS).expect("it is linear");
        assert_eq!(page.heads, Vec::from_iter(looked_at.then_some(Head::Time("2026"))), "{before}");
        assert_eq!(page.text(page.nodes.last().unwrap()), "text", "{before}");
    }
}

#[test]
fn limits_are_exact() {
    let limits = Limits { depth: 10, elements: 20 };
    let nested = |depth: usize| format!("<html><body>{}x", "<div>".repeat(depth));
    assert!(Page::parse(&nested(10), limits).is_ok());
    assert!(Page::parse(&nested(11), limits).is_err());
    assert!(Page::parse(&"<hr>".repeat(20), limits).is_ok());
    assert!(Page::parse(&"<hr>".repeat(21), limits).is_err());
    assert!(Page::parse(&"x<!>".repeat(39), limits).is_ok());
    assert!(Page::parse(&"x<!>".repeat(40), limits).is_err());
}

#[test]
fn heads_are_found() {
    let heads = |page| Page::parse(page, LIMITS).expect("small").heads;
    assert_eq!(
        heads("<head><TITLE lang=de>A &amp; <b></title><title>C</title>"),
        [Head::Title("A &amp; <b>"), Head::Title("C")]
    );
    assert_eq!(heads("<svg><title>icon</title></svg><title>page</title >"), [Head::Title("page")]);
    assert_eq!(heads("<title>cut"), [Head::Title("cut")]);
    assert_eq!(heads("<p>none"), []);
    assert_eq!(
        heads(
            "<meta charset=utf-8><META NAME=author content='A. B.'><time datetime=2026-01-02>yesterday</time>"
        ),
        [Head::Meta("author", "A. B."), Head::Time("2026-01-02")]
    );
    assert_eq!(
        heads("<script>1</script><script type='application/ld+json'>{\"a\": \"<b>\"}</script>"),
        [Head::Data("{\"a\": \"<b>\"}")]
    );
    assert_eq!(heads(&"<meta name=a content=b>".repeat(10_000)).len(), super::MAX_HEADS);
}

#[test]
fn wide_and_deep_pages_are_read() {
    let page = format!("{}{}", "<div>".repeat(500), "<i>x</i>".repeat(99_000));
    assert!(Page::parse(&page, LIMITS).is_ok());
}

/// What a page takes in memory is a matter of its nodes, and these of its markup.
#[test]
fn nodes_are_few_and_small() {
    assert_eq!(size_of::<super::Node>(), 24);
    for (page, nodes) in [
        ("<a href=x>a link</a> ".repeat(10_000), 20_001),
        ("<br>\n".repeat(10_000), 10_001),
        ("<p>text\n".repeat(10_000), 20_001),
        ("<script>1 < 2</script><!-- <p> -->".repeat(10_000), 10_001),
        ("1 < 2 <".repeat(10_000), 2),
    ] {
        assert_eq!(Page::parse(&page, LIMITS).expect("small").nodes.len(), nodes, "{page:.20}");
    }
}

/// Elements and texts as a string: `div(text p(text))`.
fn outline(page: &str) -> String {
    let page = Page::parse(page, LIMITS).expect("small");
    let mut out = String::new();
    let mut ends = Vec::new();
    for (index, node) in page.nodes.iter().enumerate().skip(1) {
        while ends.last().is_some_and(|&end| end <= index) {
            ends.pop();
            out.push(')');
        }
        assert_eq!(page.nodes[node.parent as usize].end.max(node.end), page.nodes[node.parent as usize].end);
        out.push_str(if node.spaced { " " } else { "" });
        if node.tag == Tag::TEXT {
            out.push_str(page.text(node).trim());
        } else {
            let names = [(Tag::P, "p"), (Tag::A, "a"), (Tag::LI, "li"), (Tag::UL, "ul"), (Tag::DIV, "div")];
            out.push_str(names.iter().find(|(tag, _)| *tag == node.tag).map_or("?", |(_, name)| name));
            out.push('(');
            ends.push(node.end as usize);
        }
    }
    out + &")".repeat(ends.len())
}

#[test]
fn trees_are_built_as_browsers_build_them() {
    for (page, expected) in [
        ("<p>one<p>two", "p(one)p(two)"),
        ("<p>one<div>two</div>three", "p(one)div(two)three"),
        ("<ul><li>one<li>two<ul><li>three</ul>four</ul>", "ul(li(one)li(twoul(li(three))four))"),
        ("<a>one<a>two", "a(one)a(two)"),
        ("<div><a>one</div>two", "div(a(one))a(two)"),
        ("<p>one</div>two", "p(onetwo)"),
        ("<div>a</div> \n <div>b</div>", "div(a) div(b)"),
        ("a < b <!-- <p> -->c", "a < bc"),
        ("<script>'<p>'</script><style><p></style><p>x", "?()?()p(x)"),
    ] {
        assert_eq!(outline(page), expected, "{page}");
    }
}

#[test]
fn steps_grow_with_the_page_and_no_faster() {
    let pieces = [
        "<p>text",
        "<a href=x>y",
        "<div><b>x</div>",
        "<table><tr><td>x</table>",
        "</i></x-y></p>",
        "<br>",
        "<li><ul>x</ul>",
        "<b><i><p>x</b>",
        "<select><option>x</select>",
        "<svg><g></svg>",
        "<button>x",
        "<!-- x --><x-y></x-y>",
    ];
    let steps = |page: &str| Page::parse(page, LIMITS).map(|page| page.steps());
    for piece in pieces {
        // As deep as it may be, so that whatever walks up walks far.
        let page = |times: usize| format!("{}{}", "<div>".repeat(400), piece.repeat(times));
        let (once, twice) = (steps(&page(2_000)), steps(&page(4_000)));
        let (Ok(once), Ok(twice)) = (once, twice) else {
            panic!("{piece}: {once:?}, {twice:?}");
        };
        assert!(twice * 10 <= once * 22, "{piece}: {once} and {twice} steps");
    }
}

#[test]
fn steps_are_limited() {
    // Each end tag looks through 500 open elements up to the cell, in vain.
    let deep = format!("<nav><table><tr><td>{}", "<u>".repeat(480));
    let page = format!("{deep}{}", "</nav>".repeat(100_000));
    assert_eq!(Page::parse(&page, LIMITS).err(), Some(Exclusion::HtmlLimits));
    let page = format!("{deep}{}", "</nav>".repeat(1_000));
    assert!(Page::parse(&page, LIMITS).is_ok());
}
