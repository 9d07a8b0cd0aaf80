//! Pages made up for benchmarks, as long as those of a crawl and as compressible.

use std::fmt::Write as _;

/// Words of the language that the pages are written in.
const VOCABULARY: usize = 20_000;
/// Sites, each with a head, a menu and a foot of its own, which all its pages carry.
const SITES: usize = 40;

/// Writes pages: words by Zipf's law, lengths by a log-normal law, markup around them.
pub struct Author {
    random: fastrand::Rng,
    words: Vec<String>,
    sites: Vec<[String; 2]>,
}

impl Author {
    pub fn new(seed: u64) -> Author {
        let mut random = fastrand::Rng::with_seed(seed);
        let syllables: Vec<String> = (0..400)
            .map(|_| {
                let consonant = char::from(random.choice(*b"bcdfghklmnprstvwz").unwrap_or(b'b'));
                let vowel = char::from(random.choice(*b"aeiou").unwrap_or(b'a'));
                let end = random.choice(["", "", "n", "r", "s", "t", "l"]).unwrap_or("");
                format!("{consonant}{vowel}{end}")
            })
            .collect();
        let words = (0..VOCABULARY)
            .map(|rank| {
                // Frequent words are short.
                let count = 1 + random.usize(0..2 + usize::from(rank > 100) + usize::from(rank > 2000));
                (0..count).map(|_| syllables[random.usize(..syllables.len())].as_str()).collect()
            })
            .collect();
        let mut author = Author { random, words, sites: Vec::new() };
        author.sites = (0..SITES).map(|site| author.site(site)).collect();
        author
    }

    /// Log-normal around a median, in whole numbers.
    pub fn about(&mut self, median: f64, spread: f64) -> usize {
        // Irwin and Hall's approximation of the normal law.
        let normal = (0..12).map(|_| self.random.f64()).sum::<f64>() - 6.0;
        (median * (spread * normal).exp()) as usize
    }

    fn word(&mut self) -> &str {
        // By Zipf's law the rank's logarithm is about uniform.
        let rank = (VOCABULARY as f64).powf(self.random.f64()) as usize - 1;
        &self.words[rank.min(VOCABULARY - 1)]
    }

    fn text(&mut self, words: usize) -> String {
        let mut text = String::new();
        for index in 0..words {
            if index > 0 {
                text.push_str(if self.random.u8(..14) == 0 { ". " } else { " " });
            }
            let word = self.word().to_owned();
            text.push_str(&word);
        }
        text
    }

    /// What stands before and behind each page of a site.
    fn site(&mut self, site: usize) -> [String; 2] {
        let mut head = String::from("<meta charset=\"utf-8\"><style>");
        for _ in 0..self.about(60.0, 0.7) {
            let (class, width) = (self.text(1), self.random.u8(..));
            let _ = writeln!(
                head,
                ".{class}-box {{ margin: {width}px auto; color: #{:06x}; }}",
                self.random.u32(..1 << 24)
            );
        }
        head += "</style><script>";
        for _ in 0..self.about(60.0, 0.9) {
            let (name, value) = (self.text(1), self.random.u32(..));
            let _ = writeln!(
                head,
                "window.{name} = window.{name} || {{ id: {value}, on: function (e) {{ return e.{name}; }} }};"
            );
        }
        head += "</script></head><body><nav><ul>";
        for item in 0..self.about(40.0, 0.6) {
            let text = self.text(2);
            let _ = writeln!(
                head,
                "<li class=\"menu-item menu-item-{item}\"><a href=\"https://site-{site}.example/{item}/\">{text}</a></li>"
            );
        }
        head += "</ul></nav>";
        let foot = format!("<footer><p>{}</p></footer></body></html>", self.text(80));
        [head, foot]
    }

    /// URL and page.
    pub fn page(&mut self, number: usize) -> (String, String) {
        let site = self.random.usize(..SITES);
        let title = self.text(6);
        let [head, foot] = self.sites[site].clone();
        let mut page = format!(
            "<!doctype html><html lang=\"en\"><head><title>{title}</title>{head}<main><h1>{title}</h1>\n"
        );
        for paragraph in 0..self.about(35.0, 0.9).min(2_000) {
            let words = self.about(45.0, 0.5);
            let text = self.text(words);
            let link = self.text(3);
            let _ = writeln!(
                page,
                "<p class=\"wp-block-paragraph\" id=\"p{paragraph}\">{text} <a href=\"https://site-{site}.example/{}/\">{link}</a>.</p>",
                self.random.u32(..)
            );
            if paragraph % 9 == 8 {
                let alt = self.text(4);
                let _ = writeln!(
                    page,
                    "<figure class=\"wp-block-image\"><img src=\"/media/{:x}.jpg\" alt=\"{alt}\" loading=\"lazy\"></figure>",
                    self.random.u64(..)
                );
            }
        }
        page += "</main>";
        page += &foot;
        (
            format!("https://site-{site}.example/{number}/{}.html", title.replace(' ', "-").replace('.', "")),
            page,
        )
    }
}
