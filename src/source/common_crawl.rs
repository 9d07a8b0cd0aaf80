//! Crawls of Common Crawl by their names, whole or a sample.
//!
//! A crawl `CC-MAIN-2024-33` has a list of its archives at `crawl-data/CC-MAIN-2024-33/warc.paths.gz`, under the address
//! of the project's server or bucket; <https://commoncrawl.org/get-started> tells both.

use serde::{Deserialize, Serialize};

/// `[source.common_crawl]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CommonCrawlSettings {
    /// The crawl's name; empty for none.
    pub crawl: String,
    /// Which of its files.
    pub subset: Subset,
    /// How many of them; see [`Sample::parse`].
    pub sample: String,
    /// Where they lie: `https://`, or `s3://` and the bucket.
    pub base_url: String,
}

/// Files of a crawl.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subset {
    /// What servers answered.
    #[default]
    Warc,
    /// The texts of it.
    Wet,
}

impl CommonCrawlSettings {
    /// Where the list of the archives lies, if a crawl is named.
    pub fn list(&self) -> Option<String> {
        let subset = match self.subset {
            Subset::Warc => "warc",
            Subset::Wet => "wet",
        };
        let base = self.base_url.trim_end_matches('/');
        (!self.crawl.is_empty()).then(|| format!("{base}/crawl-data/{}/{subset}.paths.gz", self.crawl))
    }
}

/// Which of a list's archives are taken: always the same ones of the same list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sample {
    /// All.
    Whole,
    /// The first so many.
    First(usize),
    /// So many of a hundred, spread evenly; at least one.
    Percent(f64),
}

impl Sample {
    /// `""`, a number such as `"100"`, or a share such as `"1%"` or `"0.5%"`, more than 0 and at most 100 %.
    pub fn parse(text: &str) -> Option<Sample> {
        match text.strip_suffix('%') {
            _ if text.is_empty() => Some(Sample::Whole),
            Some(share) => {
                let share: f64 = share.trim().parse().ok()?;
                (share > 0.0 && share <= 100.0).then_some(Sample::Percent(share))
            }
            None => text.parse().ok().filter(|&count| count > 0).map(Sample::First),
        }
    }

    /// Takes the sample of `all`.
    pub fn of<T>(self, all: Vec<T>) -> Vec<T> {
        let total = all.len();
        let count = match self {
            Sample::Whole => return all,
            Sample::First(count) => return all.into_iter().take(count).collect(),
            Sample::Percent(share) => ((total as f64 * share / 100.0).ceil() as usize).clamp(1, total.max(1)),
        };
        // Of `total` equal steps, those in which the sample's own steps begin.
        let begins = |index: usize| index * count % total < count;
        all.into_iter().enumerate().filter(|&(index, _)| begins(index)).map(|(_, item)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_what_it_says_and_spread_evenly() {
        for (text, expected) in [
            ("", Some(Sample::Whole)),
            ("100", Some(Sample::First(100))),
            ("1%", Some(Sample::Percent(1.0))),
            ("0.5 %", Some(Sample::Percent(0.5))),
            ("0", None),
            ("0%", None),
            ("101%", None),
            ("-1", None),
            ("ten", None),
        ] {
            assert_eq!(Sample::parse(text), expected, "{text:?}");
        }
        for total in [0_usize, 1, 2, 7, 99, 100, 1000, 90_000] {
            for (sample, count) in [
                (Sample::Whole, total),
                (Sample::First(10), total.min(10)),
                (Sample::Percent(1.0), total.div_ceil(100)),
                (Sample::Percent(33.0), (total * 33).div_ceil(100)),
                (Sample::Percent(100.0), total),
            ] {
                let taken = sample.of((0..total).collect());
                assert_eq!(taken.len(), count, "{sample:?} of {total}");
                if let Sample::Percent(_) = sample {
                    let steps = taken.windows(2).map(|pair| pair[1] - pair[0]);
                    let even = total / count.max(1);
                    assert!(
                        steps.clone().all(|step| step == even || step == even + 1),
                        "{sample:?} of {total}"
                    );
                }
            }
        }
        let crawl = CommonCrawlSettings {
            crawl: "CC-MAIN-2024-33".to_owned(),
            subset: Subset::Wet,
            base_url: "s3://commoncrawl/".to_owned(),
            ..CommonCrawlSettings::default()
        };
        assert_eq!(crawl.list().unwrap(), "s3://commoncrawl/crawl-data/CC-MAIN-2024-33/wet.paths.gz");
    }
}
