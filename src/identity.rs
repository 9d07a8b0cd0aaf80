//! What makes a run this run: a folder of results is gone on with only by a run that would have begun it alike.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use toml::{Table, Value};
use warcdl_actors::lease::Archive;
use warcdl_actors::results::change::{ARCHIVE, MODEL_FILE};

use crate::config::Config;

/// Sections and keys of the configuration that decide which records are taken and what becomes of them.
const DECISIVE: [&str; 7] = ["kind", "record", "text", "image", "filter", "model", "output.format"];
/// Keys among those that do not: where the model lies and runs changes no verdict, but for the last digits of a score.
const INDIFFERENT: [&str; 3] = ["model.path", "model.device", "model.threads"];

/// The settings, the model's files (`digests`: SHA-256 by name) and the archives, by name.
pub fn identity(
    config: &Config,
    digests: &BTreeMap<String, String>,
    label: &str,
    archives: &[Archive],
) -> BTreeMap<String, String> {
    let mut identity = BTreeMap::new();
    collect("", config.table(), &mut identity);
    identity.insert("model.label".to_owned(), label.to_owned());
    identity.extend(digests.iter().map(|(name, digest)| (format!("{MODEL_FILE}{name}"), digest.clone())));
    for Archive { name, size, etag, named } in archives {
        let version = if etag.is_empty() { String::new() } else { format!(", version {etag}") };
        let records = match named {
            None => String::new(),
            Some(named) => format!(", records {:x}", Sha256::digest(named.as_bytes())),
        };
        identity.insert(format!("{ARCHIVE}{name}"), format!("{size} bytes{version}{records}"));
    }
    identity
}

fn collect(prefix: &str, table: &Table, identity: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(inner) => collect(&key, inner, identity),
            value => {
                let within = |section: &str| {
                    key.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                };
                if DECISIVE.iter().any(|section| within(section)) && !INDIFFERENT.contains(&key.as_str()) {
                    identity.insert(key, value.to_string());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use warcdl_actors::{Extent, Named};

    fn config(overrides: &[&str]) -> Config {
        let overrides: Vec<String> = ["source.paths=[\"a\"]", "model.path=m"]
            .iter()
            .chain(overrides)
            .map(|&setting| setting.to_owned())
            .collect();
        Config::parse(Path::new("my.toml"), "", &overrides).unwrap()
    }

    fn of(overrides: &[&str], size: u64) -> BTreeMap<String, String> {
        let archive = Archive { name: "a.warc.gz".into(), size, etag: String::new(), named: None };
        identity(
            &config(overrides),
            &[("model.onnx".to_owned(), "ab".to_owned())].into(),
            "RECIPE",
            &[archive],
        )
    }

    #[test]
    fn what_decides_about_results_is_told_apart_and_nothing_else() {
        let calm = of(&[], 7);
        for same in [
            "readers=9",
            "reader_threads=9",
            "model.device=cuda:0",
            "model.threads=3",
            "batch.max_records=2",
            "output.part_bytes=9",
        ] {
            assert_eq!(of(&[same], 7), calm, "{same}");
        }
        for (other, key) in [
            ("filter.min_chars=100", "filter.min_chars"),
            ("model.threshold=0.9", "model.threshold"),
            ("output.format=files", "output.format"),
            ("record.http_status=[200]", "record.http_status"),
        ] {
            let changed = of(&[other], 7);
            let differing: Vec<_> =
                changed.iter().filter(|(key, value)| calm.get(*key) != Some(value)).collect();
            assert_eq!(differing.len(), 1, "{other}");
            assert_eq!(differing[0].0, key);
        }
        assert_eq!(of(&[], 8)["archive a.warc.gz"], "8 bytes");
        let named = |offset| {
            let named = Some(Named::new([Extent { offset, length: 5 }]));
            let archive = Archive { name: "a.warc.gz".into(), size: 7, etag: String::new(), named };
            identity(&config(&[]), &BTreeMap::new(), "", &[archive])["archive a.warc.gz"].clone()
        };
        assert!(named(1).starts_with("7 bytes, records ") && named(1) != named(2), "{}", named(1));
        assert_eq!((&*calm["model.label"], &*calm["model file model.onnx"]), ("RECIPE", "ab"));
    }
}
