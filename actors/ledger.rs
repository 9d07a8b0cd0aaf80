//! The books: what became of every record, by archive and in all.

use crate::Exclusion;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// Counts of excluded records by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tally(BTreeMap<Exclusion, u64>);

impl Tally {
    /// Counts `n` more.
    pub fn add(&mut self, reason: Exclusion, n: u64) {
        if n > 0 {
            *self.0.entry(reason).or_default() += n;
        }
    }

    /// Records excluded for this reason.
    pub fn get(&self, reason: Exclusion) -> u64 {
        self.0.get(&reason).copied().unwrap_or(0)
    }

    /// Records excluded for any reason.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Records lost to damage of the archive.
    pub fn damaged(&self) -> u64 {
        self.iter().filter(|(reason, _)| reason.is_damage()).map(|(_, n)| n).sum()
    }

    /// Records whose places are listed, or would be if they were not too many.
    pub fn listed(&self) -> u64 {
        self.iter().filter(|(reason, _)| reason.is_listed()).map(|(_, n)| n).sum()
    }

    /// Reasons that occurred, in the order of their codes.
    pub fn iter(&self) -> impl Iterator<Item = (Exclusion, u64)> + '_ {
        self.0.iter().map(|(&reason, &n)| (reason, n))
    }

    /// Takes everything out, in a form that fits a frame.
    pub fn drain(&mut self) -> Vec<(Exclusion, u32)> {
        let mut out = Vec::with_capacity(self.0.len());
        self.0.retain(|&reason, n| {
            let part = u32::try_from(*n).unwrap_or(u32::MAX);
            out.push((reason, part));
            *n -= u64::from(part);
            *n > 0
        });
        out
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl AddAssign<&Tally> for Tally {
    fn add_assign(&mut self, other: &Tally) {
        other.iter().for_each(|(reason, n)| self.add(reason, n));
    }
}

/// What became of the records of one archive, or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Records that a reader came across, damaged ones included.
    pub seen: u64,
    /// Records whose score is above the threshold.
    pub positives: u64,
    /// Records whose score is not.
    pub negatives: u64,
    /// Records without a score.
    pub excluded: Tally,
}

/// The books do not balance: a defect of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{seen} records were seen, but {positives} positives, {negatives} negatives and {excluded} excluded make {}", positives + negatives + excluded)]
pub struct Imbalance {
    /// Records seen.
    pub seen: u64,
    /// Positives.
    pub positives: u64,
    /// Negatives.
    pub negatives: u64,
    /// Excluded records.
    pub excluded: u64,
}

impl Account {
    /// The conservation law: `seen = positives + negatives + Σ excluded`.
    pub fn check(&self) -> Result<(), Imbalance> {
        let &Account { seen, positives, negatives, .. } = self;
        let excluded = self.excluded.total();
        if seen == positives + negatives + excluded {
            Ok(())
        } else {
            Err(Imbalance { seen, positives, negatives, excluded })
        }
    }
}

impl AddAssign<&Account> for Account {
    fn add_assign(&mut self, other: &Account) {
        self.seen += other.seen;
        self.positives += other.positives;
        self.negatives += other.negatives;
        self.excluded += &other.excluded;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drained_tally_is_empty_and_nothing_is_cut_off() {
        let mut tally = Tally::default();
        tally.add(Exclusion::BadCrc, u64::from(u32::MAX) + 2);
        tally.add(Exclusion::WrongWarcType, 3);
        tally.add(Exclusion::Garbage, 0);
        assert_eq!(tally.damaged(), u64::from(u32::MAX) + 2);
        assert_eq!(tally.drain(), [(Exclusion::WrongWarcType, 3), (Exclusion::BadCrc, u32::MAX)]);
        assert_eq!(tally.drain(), [(Exclusion::BadCrc, 2)]);
        assert!(tally.is_empty() && tally.drain().is_empty());
    }

    #[test]
    fn the_law_holds_or_is_told() {
        let mut account = Account { seen: 6, positives: 1, negatives: 2, ..Account::default() };
        account.excluded.add(Exclusion::HtmlLimits, 3);
        assert_eq!(account.check(), Ok(()));
        account.seen += 1;
        let error = account.check().unwrap_err().to_string();
        assert_eq!(error, "7 records were seen, but 1 positives, 2 negatives and 3 excluded make 6");
    }
}
