//! Pages as sites have them: some text, and a great deal around it.

use std::fmt::Write as _;

use crate::archive;

/// The texts that the sample archive is made of, in ten languages: what the text of pages is put together from.
const TEXTS: [&str; 10] = [
    include_str!("../../examples/sample/texts/de.txt"),
    include_str!("../../examples/sample/texts/en.txt"),
    include_str!("../../examples/sample/texts/es.txt"),
    include_str!("../../examples/sample/texts/fr.txt"),
    include_str!("../../examples/sample/texts/it.txt"),
    include_str!("../../examples/sample/texts/ja.txt"),
    include_str!("../../examples/sample/texts/nl.txt"),
    include_str!("../../examples/sample/texts/pl.txt"),
    include_str!("../../examples/sample/texts/pt.txt"),
    include_str!("../../examples/sample/texts/ru.txt"),
];

/// A response with page `number`, of 90 to 260 KB: half of it scripts and styles, 4 to 12 KB text. Each is another.
pub fn record(number: usize) -> Vec<u8> {
    let url = format!("https://site-{}.example/section/page-{number}.html", number % 50);
    archive::response(&url, "text/html; charset=utf-8", page(number).as_bytes())
}

struct Maker {
    random: fastrand::Rng,
    sentences: Vec<&'static str>,
    out: String,
}

fn page(number: usize) -> String {
    let text = TEXTS[number % TEXTS.len()];
    let sentences: Vec<&str> =
        text.lines().filter(|line| line.len() > 60 && !line.starts_with(['#', '@'])).collect();
    let mut maker = Maker { random: fastrand::Rng::with_seed(number as u64), sentences, out: String::new() };
    maker.head(number);
    maker.header();
    maker.article();
    maker.asides();
    maker.footer();
    maker.out
}

impl Maker {
    fn sentence(&mut self) -> &'static str {
        self.sentences[self.random.usize(..self.sentences.len())]
    }

    /// Some words of the language.
    fn words(&mut self) -> &'static str {
        let sentence = self.sentence();
        let end = sentence.char_indices().map(|(at, _)| at).rfind(|&at| at < 40).unwrap_or(0);
        &sentence[..end]
    }

    fn code(&mut self, bytes: usize) {
        let end = self.out.len() + bytes;
        while self.out.len() < end {
            let (a, b) = (self.random.u32(..), self.random.u16(..));
            let _ = writeln!(
                self.out,
                "  var v{a:x} = window.__q || []; if (v{a:x}.length < {b}) {{ v{a:x}.push({{id: \"s{b:x}\", t: '<div>'}}); }}"
            );
        }
    }

    fn head(&mut self, number: usize) {
        let title = self.words();
        let _ = write!(
            self.out,
            "<!DOCTYPE html>\n<html lang=\"x\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title} &ndash; No. {number}</title>\n\
             <meta property=\"og:title\" content=\"{title}\"><meta name=\"author\" content=\"A. Writer\">\n\
             <script type=\"application/ld+json\">{{\"@type\": \"Article\", \"headline\": \"No. {number}\", \
             \"author\": {{\"name\": \"A. Writer\"}}, \"datePublished\": \"2026-01-{:02}T08:00:00Z\"}}</script>\n",
            1 + number % 28
        );
        for _ in 0..12 {
            let id = self.random.u32(..);
            let _ = writeln!(
                self.out,
                "<link rel=\"preload\" href=\"/static/{id:x}.js\" as=\"script\" crossorigin>"
            );
        }
        let (styles, scripts) = (self.random.usize(10_000..30_000), self.random.usize(20_000..80_000));
        self.out.push_str("<style>\n");
        let end = self.out.len() + styles;
        while self.out.len() < end {
            let id = self.random.u16(..);
            let _ = writeln!(
                self.out,
                ".c{id:x}>a:hover{{color:#{id:04x}00;margin:0 {}px;display:flex}}",
                id % 40
            );
        }
        self.out.push_str("</style>\n<script>\n");
        self.code(scripts);
        self.out.push_str("</script>\n</head>\n");
    }

    fn header(&mut self) {
        self.out.push_str(
            "<body class=\"page single\">\n<div id=\"cookie-notice\" class=\"banner hidden\"><p>This site uses cookies. \
             <a href=\"/privacy\">More&hellip;</a></p><button type=\"button\">OK</button></div>\n\
             <header class=\"site-header\"><a class=\"logo\" href=\"/\"><svg viewBox=\"0 0 24 24\"><path \
             d=\"M12 2 4 6v12l8 4 8-4V6z\"/></svg></a>\n<nav class=\"main-menu\" role=\"navigation\"><ul>\n",
        );
        for _ in 0..self.random.usize(60..180) {
            let (id, words) = (self.random.u16(..), self.words());
            let _ = writeln!(
                self.out,
                "<li class=\"menu-item menu-item-{id} level-2\"><a href=\"/section/{id:x}/\" data-track=\"nav-{id}\">{words}</a></li>"
            );
        }
        self.out.push_str("</ul></nav></header>\n");
    }

    fn paragraph(&mut self) {
        self.out.push_str("<p class=\"text\">");
        for at in 0..self.random.usize(2..6) {
            let sentence = self.sentence();
            let (first, rest) = sentence.split_once(' ').unwrap_or((sentence, ""));
            match at {
                1 => {
                    let _ = write!(self.out, "<a href=\"/tag/{}\">{first}</a> {rest} ", self.random.u16(..));
                }
                2 => {
                    let _ = write!(self.out, "<strong>{first}</strong> {rest}&nbsp;&ndash; ");
                }
                _ => {
                    let _ =
                        write!(self.out, "{first} {} ", rest.replace('&', "&amp;").replace('\'', "&#39;"));
                }
            }
        }
        self.out.push_str("</p>\n");
    }

    fn article(&mut self) {
        self.out.push_str("<div class=\"layout\"><main id=\"content\"><article class=\"post\">\n<h1>");
        let title = self.words();
        self.out.push_str(title);
        self.out.push_str(
            "</h1>\n<div class=\"byline\">A. Writer, <time datetime=\"2026-01-02\">2 January</time></div>\n",
        );
        for _ in 0..self.random.usize(2..5) {
            let words = self.words();
            let _ = writeln!(self.out, "<h2>{words}</h2>");
            for _ in 0..self.random.usize(2..5) {
                self.paragraph();
            }
            self.out.push_str("<ul class=\"points\">");
            for _ in 0..4 {
                let words = self.words();
                let _ = write!(self.out, "<li>{words}</li>");
            }
            self.out.push_str(
                "</ul>\n<figure><img src=\"/i.jpg\" srcset=\"/i-400.jpg 400w, /i-800.jpg 800w\" alt=\"\"><figcaption>",
            );
            let words = self.words();
            self.out.push_str(words);
            self.out.push_str("</figcaption></figure>\n");
        }
        self.out.push_str("<table class=\"data\"><tbody>");
        for row in 0..8 {
            let words = self.words();
            let _ =
                write!(self.out, "<tr><th scope=\"row\">{words}</th><td>{row}</td><td>{}</td></tr>", row * 7);
        }
        self.out.push_str("</tbody></table>\n<div class=\"share-buttons\">");
        for name in ["one", "two", "three"] {
            let _ = write!(
                self.out,
                "<a href=\"https://{name}.example/share?u=\"><span class=\"icon\"></span>{name}</a>"
            );
        }
        self.out.push_str("</div></article>\n");
    }

    fn asides(&mut self) {
        self.out.push_str("<section class=\"related\"><h3>&rarr;</h3>\n");
        for _ in 0..self.random.usize(20..70) {
            let (id, words, sentence) = (self.random.u32(..), self.words(), self.sentence());
            let _ = writeln!(
                self.out,
                "<div class=\"card teaser c{id:x}\" data-id=\"{id}\"><a href=\"/a/{id:x}\"><div class=\"card__media\">\
                 <img loading=\"lazy\" src=\"data:image/gif;base64,R0lGODlhAQABAAAAACw=\" data-src=\"/img/{id:x}-320x180.jpg\" \
                 width=\"320\" height=\"180\" alt=\"{words}\"></div><h4 class=\"card__title\">{words}</h4></a>\
                 <p class=\"card__text\">{sentence}</p></div>"
            );
        }
        self.out.push_str("</section>\n<div id=\"comments\" class=\"comments\">\n");
        for _ in 0..self.random.usize(0..20) {
            let (id, sentence) = (self.random.u16(..), self.sentence());
            let _ = writeln!(
                self.out,
                "<div class=\"comment\" id=\"comment-{id}\"><span class=\"who\">reader {id}</span><p>{sentence}</p></div>"
            );
        }
        self.out.push_str("</div></main>\n<aside class=\"sidebar\">");
        for _ in 0..30 {
            let (id, words) = (self.random.u16(..), self.words());
            let _ = write!(self.out, "<div class=\"widget w-{id}\"><a href=\"/w/{id}\">{words}</a></div>");
        }
        self.out.push_str("</aside></div>\n");
    }

    fn footer(&mut self) {
        self.out.push_str("<footer class=\"site-footer\"><ul>");
        for _ in 0..40 {
            let words = self.words();
            let _ = write!(self.out, "<li><a href=\"/about\">{words}</a>");
        }
        self.out.push_str("</ul></footer>\n<script>");
        let bytes = self.random.usize(20_000..60_000);
        self.code(bytes);
        self.out.push_str("</script>\n</body></html>\n");
    }
}
