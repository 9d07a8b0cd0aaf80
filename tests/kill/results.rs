//! What a run left, and how it differs from what a calm one leaves.

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Differences that are told.
const TOLD: usize = 5;

/// Archive, offset, ordinal.
type Key = (String, u64, u64);

pub struct Results {
    /// The rows, those of `quarantine.jsonl` among them, by their keys, as often as they are there. A record has one.
    rows: BTreeMap<Key, Vec<String>>,
    /// The archives of `summary.json`: their states and funnels.
    archives: Vec<Value>,
    /// Files under a name that says that they are not finished.
    unfinished: Vec<PathBuf>,
}

/// What is wrong with a run's results.
#[derive(Debug, Default)]
pub struct Difference {
    /// Rows of the calm run that are not there.
    pub lost: usize,
    /// Rows that are there more than once.
    pub doubled: usize,
    /// The first differences of any kind, in words.
    pub told: Vec<String>,
}

impl Results {
    pub fn read(folder: &Path) -> Results {
        let mut rows = BTreeMap::<_, Vec<_>>::new();
        let mut unfinished = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("jsonl") => {
                    for line in fs::read_to_string(&path).unwrap().lines() {
                        let row: Value = serde_json::from_str(line).unwrap();
                        let number = |name: &str| row[name].as_u64().unwrap();
                        let archive = row["warc_filename"].as_str().unwrap().to_owned();
                        let key = (archive, number("warc_record_offset"), number("warc_record_ordinal"));
                        rows.entry(key).or_default().push(line.to_owned());
                    }
                }
                Some("tmp") => unfinished.push(path),
                _ => {}
            }
        }
        let summary = fs::read(folder.join("summary.json")).unwrap();
        let mut summary: Value = serde_json::from_slice(&summary).unwrap();
        let Value::Array(archives) = summary["archives"].take() else { panic!("no archives in the summary") };
        Results { rows, archives, unfinished }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows.values().map(Vec::len).sum()
    }

    /// SHA-256 over the rows in the order of their keys, and the archives' states and funnels.
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for row in self.rows.values().flatten() {
            digest.update(row);
            digest.update(b"\n");
        }
        digest.update(serde_json::to_vec(&self.archives).unwrap());
        digest.finalize().into()
    }

    /// What is other than in a calm run's results. Nothing is told if and only if the digests are equal and every file is
    /// finished.
    pub fn compare(&self, calm: &Results) -> Difference {
        let lost: Vec<_> = calm.rows.keys().filter(|key| !self.rows.contains_key(key)).collect();
        let doubled: Vec<_> =
            self.rows.iter().filter(|(_, rows)| rows.len() > 1).map(|(key, _)| key).collect();
        let strange = self.rows.keys().filter(|key| !calm.rows.contains_key(key));
        let other =
            self.rows.iter().filter(|(key, rows)| calm.rows.get(key).is_some_and(|calm| calm[0] != rows[0]));
        let archives = calm.archives.iter().zip(&self.archives).filter(|(calm, this)| calm != this);

        let mut told = Vec::new();
        told.extend(lost.iter().take(TOLD).map(|key| format!("lost: {key:?}")));
        told.extend(doubled.iter().take(TOLD).map(|key| format!("doubled: {key:?}")));
        told.extend(strange.take(TOLD).map(|key| format!("not in the calm run: {key:?}")));
        told.extend(other.take(TOLD).map(|(key, rows)| format!("other: {key:?}: {}", rows[0])));
        told.extend(
            archives.take(TOLD).map(|(calm, this)| format!("archive {this}, but in the calm run {calm}")),
        );
        told.extend(self.unfinished.iter().take(TOLD).map(|path| format!("unfinished: {}", path.display())));
        if told.is_empty() && self.digest() != calm.digest() {
            told.push("the digests differ".to_owned());
        }
        Difference { lost: lost.len(), doubled: doubled.len(), told }
    }
}
