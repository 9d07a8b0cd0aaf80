//! The cheap filter: what a record must be before anything costly is done with it.

use regex::Regex;
use serde::{Deserialize, Serialize};
use warcdl_actors::Exclusion;
use whatlang::Lang;

/// `[filter]`: the keys as the user writes them. Zeros, empty strings and empty lists set no condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterSettings {
    /// Fewest Unicode characters of the text.
    pub min_chars: usize,
    /// Most Unicode characters of the text.
    pub max_chars: usize,
    /// Languages taken, ISO 639-1 or 639-3.
    pub languages: Vec<String>,
    /// Must be found somewhere in the URL.
    pub url_regex: String,
    /// Must be found somewhere in the text.
    pub text_regex: String,
    /// Least width of the original picture in pixels.
    pub min_width: u32,
    /// Greatest width of the original picture in pixels.
    pub max_width: u32,
    /// Least height of the original picture in pixels.
    pub min_height: u32,
    /// Greatest height of the original picture in pixels.
    pub max_height: u32,
}

/// Why a filter cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// A regular expression does not compile.
    #[error("{key} is no regular expression: {reason}; correct it, or set it to \"\" for no condition")]
    Regex {
        /// The TOML key.
        key: &'static str,
        /// What the compiler says.
        reason: String,
    },
    /// A language code is not known to the detector.
    #[error(
        "filter.languages names {code:?}, which is no language that can be detected; use codes like {examples}"
    )]
    Language {
        /// The code as written.
        code: String,
        /// A few codes that are valid.
        examples: String,
    },
    /// A lower limit is above its upper limit.
    #[error(
        "{min_key} = {min} is above {max_key} = {max}, so nothing could pass; lower it, or set {max_key} = 0 for no limit"
    )]
    Contradiction {
        /// Key of the lower limit.
        min_key: &'static str,
        /// Its value.
        min: u64,
        /// Key of the upper limit.
        max_key: &'static str,
        /// Its value.
        max: u64,
    },
}

/// The filter, checked and compiled. Each method tests one condition and names it where it is not met.
#[derive(Clone, Debug)]
pub struct Filter {
    settings: FilterSettings,
    languages: Vec<Lang>,
    url: Option<Regex>,
    text: Option<Regex>,
}

impl Filter {
    /// Checks every key and compiles the expressions; needs no model, so any node can call it at its start.
    pub fn new(settings: &FilterSettings) -> Result<Self, FilterError> {
        let limits = [
            ("filter.min_chars", settings.min_chars as u64, "filter.max_chars", settings.max_chars as u64),
            ("filter.min_width", settings.min_width.into(), "filter.max_width", settings.max_width.into()),
            (
                "filter.min_height",
                settings.min_height.into(),
                "filter.max_height",
                settings.max_height.into(),
            ),
        ];
        for (min_key, min, max_key, max) in limits {
            if max != 0 && min > max {
                return Err(FilterError::Contradiction { min_key, min, max_key, max });
            }
        }
        Ok(Self {
            languages: settings.languages.iter().map(|code| language(code)).collect::<Result<_, _>>()?,
            url: regex("filter.url_regex", &settings.url_regex)?,
            text: regex("filter.text_regex", &settings.text_regex)?,
            settings: settings.clone(),
        })
    }

    /// `url_regex`.
    pub fn url(&self, url: &str) -> Result<(), Exclusion> {
        ensure(self.url.as_ref().is_none_or(|regex| regex.is_match(url)), Exclusion::FilterUrl)
    }

    /// `min_chars` and `max_chars`, in Unicode characters.
    pub fn chars(&self, text: &str) -> Result<(), Exclusion> {
        let (min, max) = (self.settings.min_chars, self.settings.max_chars);
        if min == 0 && max == 0 {
            return Ok(());
        }
        let chars = text.chars().count();
        ensure(chars >= min, Exclusion::FilterMinChars)?;
        ensure(max == 0 || chars <= max, Exclusion::FilterMaxChars)
    }

    /// `text_regex`.
    pub fn text(&self, text: &str) -> Result<(), Exclusion> {
        ensure(self.text.as_ref().is_none_or(|regex| regex.is_match(text)), Exclusion::FilterText)
    }

    /// `languages`; a text whose language was not recognised passes only where none is asked for.
    pub fn language(&self, detected: Option<Lang>) -> Result<(), Exclusion> {
        let pass = self.languages.is_empty() || detected.is_some_and(|lang| self.languages.contains(&lang));
        ensure(pass, Exclusion::FilterLanguage)
    }

    /// `min_width` to `max_height`, in pixels of the original picture.
    pub fn picture(&self, width: u32, height: u32) -> Result<(), Exclusion> {
        let within = |value, min, max| value >= min && (max == 0 || value <= max);
        let settings = &self.settings;
        ensure(within(width, settings.min_width, settings.max_width), Exclusion::FilterWidth)?;
        ensure(within(height, settings.min_height, settings.max_height), Exclusion::FilterHeight)
    }
}

fn ensure(pass: bool, otherwise: Exclusion) -> Result<(), Exclusion> {
    if pass { Ok(()) } else { Err(otherwise) }
}

fn regex(key: &'static str, pattern: &str) -> Result<Option<Regex>, FilterError> {
    if pattern.is_empty() {
        return Ok(None);
    }
    Regex::new(pattern).map(Some).map_err(|error| FilterError::Regex { key, reason: error.to_string() })
}

fn language(code: &str) -> Result<Lang, FilterError> {
    let lower = code.to_ascii_lowercase();
    let three = ISO_639_1.iter().find(|(two, _)| *two == lower).map_or(lower.as_str(), |(_, three)| three);
    Lang::from_code(three).ok_or_else(|| FilterError::Language {
        code: code.to_owned(),
        examples: "\"en\", \"eng\", \"de\", \"deu\", \"fr\", \"zh\", \"ja\"".to_owned(),
    })
}

/// ISO 639-1 codes of the languages that the detector knows, with the ISO 639-3 codes that it gives. Macrolanguages
/// (`zh`, `fa`, `no`) stand for the member that it knows.
const ISO_639_1: &[(&str, &str)] = &[
    ("af", "afr"),
    ("ak", "aka"),
    ("am", "amh"),
    ("ar", "ara"),
    ("az", "aze"),
    ("be", "bel"),
    ("bg", "bul"),
    ("bn", "ben"),
    ("ca", "cat"),
    ("cs", "ces"),
    ("cy", "cym"),
    ("da", "dan"),
    ("de", "deu"),
    ("el", "ell"),
    ("en", "eng"),
    ("eo", "epo"),
    ("es", "spa"),
    ("et", "est"),
    ("fa", "pes"),
    ("fi", "fin"),
    ("fr", "fra"),
    ("gu", "guj"),
    ("he", "heb"),
    ("hi", "hin"),
    ("hr", "hrv"),
    ("hu", "hun"),
    ("hy", "hye"),
    ("id", "ind"),
    ("it", "ita"),
    ("ja", "jpn"),
    ("jv", "jav"),
    ("ka", "kat"),
    ("km", "khm"),
    ("kn", "kan"),
    ("ko", "kor"),
    ("la", "lat"),
    ("lt", "lit"),
    ("lv", "lav"),
    ("mk", "mkd"),
    ("ml", "mal"),
    ("mr", "mar"),
    ("my", "mya"),
    ("nb", "nob"),
    ("ne", "nep"),
    ("nl", "nld"),
    ("no", "nob"),
    ("or", "ori"),
    ("pa", "pan"),
    ("pl", "pol"),
    ("pt", "por"),
    ("ro", "ron"),
    ("ru", "rus"),
    ("si", "sin"),
    ("sk", "slk"),
    ("sl", "slv"),
    ("sn", "sna"),
    ("sr", "srp"),
    ("sv", "swe"),
    ("ta", "tam"),
    ("te", "tel"),
    ("th", "tha"),
    ("tk", "tuk"),
    ("tl", "tgl"),
    ("tr", "tur"),
    ("uk", "ukr"),
    ("ur", "urd"),
    ("uz", "uzb"),
    ("vi", "vie"),
    ("yi", "yid"),
    ("zh", "cmn"),
    ("zu", "zul"),
];

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Settings that let everything pass.
    pub(crate) fn open() -> FilterSettings {
        FilterSettings {
            min_chars: 0,
            max_chars: 0,
            languages: Vec::new(),
            url_regex: String::new(),
            text_regex: String::new(),
            min_width: 0,
            max_width: 0,
            min_height: 0,
            max_height: 0,
        }
    }

    #[test]
    fn every_detectable_language_has_both_codes() {
        for lang in Lang::all() {
            assert_eq!(language(lang.code()).expect("three letters"), *lang);
            assert!(
                ISO_639_1.iter().any(|(_, three)| *three == lang.code()),
                "{lang:?} has no two-letter code"
            );
        }
    }

    #[test]
    fn mistakes_name_the_key_and_the_cure() {
        let check = |settings: FilterSettings, words: &[&str]| {
            let message = Filter::new(&settings).expect_err("must be refused").to_string();
            for word in words {
                assert!(message.contains(word), "{message:?} lacks {word:?}");
            }
        };
        check(FilterSettings { url_regex: "(".into(), ..open() }, &["filter.url_regex", "unclosed group"]);
        check(FilterSettings { text_regex: "[".into(), ..open() }, &["filter.text_regex"]);
        check(
            FilterSettings { languages: vec!["klingon".into()], ..open() },
            &["klingon", "\"en\"", "\"deu\""],
        );
        check(
            FilterSettings { min_chars: 2, max_chars: 1, ..open() },
            &["filter.min_chars = 2", "filter.max_chars = 1"],
        );
        check(FilterSettings { min_width: 2, max_width: 1, ..open() }, &["filter.min_width"]);
        check(FilterSettings { min_height: 2, max_height: 1, ..open() }, &["filter.max_height = 0"]);
    }

    #[test]
    fn each_condition_names_itself() {
        let check = |settings: FilterSettings, expected: Result<(), Exclusion>| {
            let filter = Filter::new(&settings).expect("valid");
            let outcome = filter
                .url("http://example.org/recipe")
                .and_then(|()| filter.chars("Süßes"))
                .and_then(|()| filter.text("Süßes"))
                .and_then(|()| filter.language(Some(Lang::Deu)))
                .and_then(|()| filter.picture(20, 10));
            assert_eq!(outcome, expected, "{settings:?}");
        };
        check(open(), Ok(()));
        check(FilterSettings { min_chars: 5, max_chars: 5, ..open() }, Ok(()));
        check(FilterSettings { min_chars: 6, ..open() }, Err(Exclusion::FilterMinChars));
        check(FilterSettings { max_chars: 4, ..open() }, Err(Exclusion::FilterMaxChars));
        check(FilterSettings { url_regex: "rec.pe$".into(), ..open() }, Ok(()));
        check(FilterSettings { url_regex: "^recipe".into(), ..open() }, Err(Exclusion::FilterUrl));
        check(FilterSettings { text_regex: "(?i)SÜSS|süß".into(), ..open() }, Ok(()));
        check(FilterSettings { text_regex: "sauer".into(), ..open() }, Err(Exclusion::FilterText));
        check(FilterSettings { languages: vec!["en".into(), "DE".into()], ..open() }, Ok(()));
        check(FilterSettings { languages: vec!["eng".into()], ..open() }, Err(Exclusion::FilterLanguage));
        check(FilterSettings { min_width: 20, max_width: 20, min_height: 10, ..open() }, Ok(()));
        check(FilterSettings { min_width: 21, ..open() }, Err(Exclusion::FilterWidth));
        check(FilterSettings { max_height: 9, ..open() }, Err(Exclusion::FilterHeight));
    }

    #[test]
    fn an_unrecognised_language_passes_only_where_none_is_asked_for() {
        assert_eq!(Filter::new(&open()).expect("valid").language(None), Ok(()));
        let english = Filter::new(&FilterSettings { languages: vec!["en".into()], ..open() }).expect("valid");
        assert_eq!(english.language(None), Err(Exclusion::FilterLanguage));
    }
}
