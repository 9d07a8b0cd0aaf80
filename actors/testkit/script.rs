//! A run of the results folder in which what comes next depends on nothing but the state of the parts.

use super::ModelDisk;
use crate::results::names::List;
use crate::results::{Layout, OpenError, Recovered, Results, ResultsError, Row};
use crate::{Exclusion, PartState, Position};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Archives.
const PARTS: u32 = 6;
/// Commits of the run, from 1 on.
pub const COMMITS: u64 = 40;

/// The settings that the results belong to.
pub fn identity() -> BTreeMap<String, String> {
    BTreeMap::from([("model.threshold".to_owned(), "0.5".to_owned())])
}

/// Small enough for several files of lines, and for a journal that is rewritten.
pub fn layout() -> Layout {
    Layout { part_bytes: Some(1200), journal_bytes: 3000 }
}

/// What the next commit brings: the parts as they are then, and its rows; `None` after the last commit.
pub fn next(parts: &[PartState]) -> Option<(Vec<PartState>, Vec<Row>)> {
    if parts.is_empty() {
        return Some(((0..PARTS).map(PartState::whole).collect(), Vec::new()));
    }
    let commit = commits(parts) + 1;
    if commit > COMMITS {
        return None;
    }
    let mut parts = parts.to_vec();
    let mut rows = Vec::new();
    for _ in 0..records(commit) {
        let part = &mut parts[(commit % u64::from(PARTS)) as usize];
        let record = part.frontier.ordinal;
        match row(part.part, record) {
            Some(row) => {
                match row.list {
                    List::Results => part.account.positives += 1,
                    List::Quarantine => {
                        part.account.excluded.add(Exclusion::Garbage, 1);
                        part.listed += 1;
                    }
                }
                rows.push(row);
            }
            None => part.account.negatives += 1,
        }
        part.account.seen += 1;
        part.frontier = Position { offset: part.frontier.offset + 100, ordinal: record + 1 };
        part.bytes_read = part.frontier.offset;
    }
    Some((parts, rows))
}

/// Number of the commit that this is the state after.
pub fn commits(parts: &[PartState]) -> u64 {
    if parts.is_empty() {
        return 0;
    }
    let mut left: u64 = parts.iter().map(|part| part.account.seen).sum();
    let mut commit = 1;
    while left > 0 {
        commit += 1;
        left = left.saturating_sub(records(commit));
    }
    commit
}

/// Records that a commit covers.
fn records(commit: u64) -> u64 {
    if commit == 20 { 15 } else { 1 + commit % 4 }
}

/// The row of a record, if it is positive or damaged.
fn row(part: u32, record: u32) -> Option<Row> {
    let mixed = (part * 31 + record * 17) % 13;
    if mixed < 2 {
        return None;
    }
    if mixed < 4 {
        let line = format!("{{\"part\":{part},\"record\":{record},\"reason\":\"garbage\"}}\n");
        return Some(Row { list: List::Quarantine, line: line.into_bytes(), file: None });
    }
    // One line is longer than a file of lines.
    let len = if (part, record) == (2, 9) { 1500 } else { 40 + 11 * mixed as usize };
    let line = format!("{{\"part\":{part},\"record\":{record},\"text\":\"{}\"}}\n", "x".repeat(len));
    let file = (mixed > 6).then(|| {
        let path = format!("images/{:02x}/{part}-{record}.png", mixed % 3);
        (path, Bytes::from(vec![mixed as u8; 20 * mixed as usize]))
    });
    Some(Row { list: List::Results, line: line.into_bytes(), file })
}

/// Why a run broke off.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// In opening the folder.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// In writing to it.
    #[error(transparent)]
    Write(#[from] ResultsError),
}

/// Opens the folder.
pub fn open(disk: &ModelDisk) -> Result<(Results, Recovered), OpenError> {
    Results::open(Box::new(disk.clone()), identity(), layout())
}

/// Runs from what is committed on to commit number `until`, and finishes if that is the last. `committed` is told the
/// state that was found, and that after every commit.
pub fn run(
    disk: &ModelDisk,
    until: u64,
    mut committed: impl FnMut(&[PartState], u64),
) -> Result<(), Stopped> {
    let (mut results, Recovered { mut parts, rows, .. }) = open(disk)?;
    committed(&parts, rows);
    while commits(&parts) < until
        && let Some((next, rows)) = next(&parts)
    {
        rows.into_iter().for_each(|row| results.put(row));
        let is_last = commits(&next) == COMMITS;
        patiently(|| if is_last { results.finish(&next) } else { results.commit(&next) })?;
        parts = next;
        committed(&parts, results.rows());
    }
    if until == COMMITS {
        // Where the last commit was reached before the crash, but not its end.
        patiently(|| results.finish(&parts))?;
    }
    Ok(())
}

/// Tries again while the disk is full.
fn patiently(mut write: impl FnMut() -> Result<(), ResultsError>) -> Result<(), ResultsError> {
    loop {
        match write() {
            Err(ResultsError::Full { .. }) => {}
            result => return result,
        }
    }
}
