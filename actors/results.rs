//! The folder of results, which a crash at any moment leaves with whole commits.
//!
//! Rows are buffered until a commit, which also takes the state of the parts that they come from. So what is in the
//! folder and what readers must still read always fit together. A commit is:
//!
//! 1. Each row's own file is written under its unfinished name and synced.
//! 2. The lines are written behind the committed length of the open file of their list, under its unfinished name, and
//!    synced. Files that are full are closed, and the next begun.
//! 3. Folders are synced in which a name was made or changed, by this commit or after the last one.
//! 4. A line is appended to the journal and synced. **This is the commit point.**
//! 5. The files of the rows, and the files of lines that were closed, get their final names.
//!
//! Until the commit point everything stays in memory, and nothing that is committed is touched. Behind it, what is left
//! undone is known from the journal.

pub mod change;
mod committed;
mod growing;
pub mod names;
mod recovery;
#[cfg(test)]
mod tests;

use crate::PartState;
use crate::disk::Disk;
use crate::journal::{Commit, Header, Journal, Line, Lines, VERSION};
use crate::mutant::{Mutant, planted};
use bytes::Bytes;
pub use change::Change;
use committed::Committed;
use growing::Growing;
use names::{JOURNAL, List, folder, unfinished};
pub use recovery::{Damage, OpenError, Recovered};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// The journal is rewritten when it is longer than this and four times as long as after its last rewriting, in bytes.
pub const JOURNAL_BYTES: u64 = 4 << 20;

/// How rows lie in files of lines. A run that goes on must have the layout that it began with, so what decides
/// `part_bytes` belongs into the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Of results: `part-00000.jsonl`, `part-00001.jsonl`, ... of at most so many bytes, but a line that is longer has a file to
    /// itself; `None` for one `index.jsonl`.
    pub part_bytes: Option<u64>,
    /// [`JOURNAL_BYTES`], but in tests.
    pub journal_bytes: u64,
}

/// A positive, or what is listed beside the positives, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which files its line belongs into.
    pub list: List,
    /// Its line, with the newline.
    pub line: Vec<u8>,
    /// Its own file, if it has one: `images/` or `positives/`, the name of one folder (shelf), and a name, which no other
    /// record's file has.
    pub file: Option<(String, Bytes)>,
}

/// Results cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The same commit can be tried again once there is space.
    #[error("no space is left to write {path}; free some, or raise the quota")]
    Full {
        /// The file or folder, relative to the folder of results.
        path: String,
    },
    /// What is on the disk is uncertain now.
    #[error("cannot write {path}: {source}; what is committed is safe, start again once the disk works")]
    Io {
        /// The file or folder, relative to the folder of results.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// An error came before, after which a sync could claim what is not so.
    #[error("writing {path} failed before; start again once the disk works")]
    Broken {
        /// The file or folder, relative to the folder of results.
        path: String,
    },
}

/// The folder of results of a run.
pub struct Results {
    disk: Box<dyn Disk>,
    layout: Layout,
    header: Header,
    committed: Committed,
    /// Committed length.
    journal_bytes: u64,
    /// Its length after it was last rewritten.
    snapshot_bytes: u64,
    /// Something may lie behind the journal's committed length.
    journal_torn: bool,
    pending: Vec<Row>,
    pending_bytes: u64,
    /// Files of the last commit that do not have their final names yet.
    unnamed: Vec<String>,
    /// Folders with names that are not durable yet.
    unsynced: BTreeSet<String>,
    /// Folders that were made, or found.
    folders: BTreeSet<String>,
    broken: Option<String>,
}

impl Results {
    /// Opens the folder: empty of results, or with those of a run of the same `identity`, which are brought to the state
    /// of its last commit.
    pub fn open(
        disk: Box<dyn Disk>,
        identity: BTreeMap<String, String>,
        layout: Layout,
    ) -> Result<(Results, Recovered), OpenError> {
        recovery::open(disk, Header { version: VERSION, identity }, layout)
    }

    /// What [`Results::open`] would say of the folder, which is left as it is.
    pub fn check(disk: Box<dyn Disk>, identity: BTreeMap<String, String>) -> Result<(), OpenError> {
        recovery::check(disk, Header { version: VERSION, identity })
    }

    /// Takes a row for the next commit. The bytes of its file are copied, for they may be a slice of much more.
    pub fn put(&mut self, mut row: Row) {
        row.file = row.file.map(|(path, bytes)| (path, Bytes::copy_from_slice(&bytes)));
        self.pending_bytes += (row.line.len() + row.file.as_ref().map_or(0, |(_, bytes)| bytes.len())) as u64;
        self.pending.push(row);
    }

    /// Bytes of the rows that wait for a commit.
    pub fn pending_bytes(&self) -> u64 {
        self.pending_bytes
    }

    /// Rows of results committed so far, by this run or before.
    pub fn rows(&self) -> u64 {
        self.committed.rows
    }

    /// Commits the rows that were put, together with the state of the parts that they come from. `parts` may hold parts
    /// that did not change. Where nothing changed at all, nothing is committed.
    ///
    /// After [`ResultsError::Full`] nothing is lost, and it can be called again; also with more rows and other states.
    pub fn commit(&mut self, parts: &[PartState]) -> Result<(), ResultsError> {
        self.guarded(|results| results.write(parts, false))
    }

    /// Commits, closes the open file of lines, and makes everything durable under its final name.
    pub fn finish(&mut self, parts: &[PartState]) -> Result<(), ResultsError> {
        self.guarded(|results| {
            results.write(parts, true)?;
            results.sync_folders()
        })
    }

    fn guarded(
        &mut self,
        write: impl FnOnce(&mut Results) -> Result<(), ResultsError>,
    ) -> Result<(), ResultsError> {
        if let Some(path) = self.broken.clone() {
            return Err(ResultsError::Broken { path });
        }
        let result = write(self);
        if let Err(ResultsError::Io { path, .. }) = &result {
            self.broken = Some(path.clone());
        }
        result
    }

    fn write(&mut self, parts: &[PartState], close: bool) -> Result<(), ResultsError> {
        self.give_names()?;
        if self.journal_bytes > self.layout.journal_bytes.max(self.snapshot_bytes.saturating_mul(4)) {
            self.rewrite_journal()?;
        }
        let parts = self.committed.changed(parts);
        let stays_open = !close || self.committed.open.is_empty();
        if parts.is_empty() && self.pending.is_empty() && stays_open {
            return Ok(());
        }
        // Taken out so that they can be read while files are written, and put back.
        let pending = std::mem::take(&mut self.pending);
        let written = self.write_rows(&pending, close);
        self.pending = pending;
        let Written { open, closed, files } = written?;
        self.sync_folders()?;

        let positives = self.pending.iter().filter(|row| row.list == List::Results).count();
        let (n, rows) = (self.committed.n + 1, self.committed.rows + positives as u64);
        let commit = Commit { n, rows, parts, open, closed, files };
        self.append_to_journal(&commit)?;

        self.unnamed = commit.files.clone();
        self.unnamed.extend(commit.closed.iter().map(|lines| lines.name.clone()));
        self.pending.clear();
        self.pending_bytes = 0;
        self.committed.apply(commit);
        self.give_names()
    }

    /// Gives what the last commit wrote its final names.
    fn give_names(&mut self) -> Result<(), ResultsError> {
        while let Some(path) = self.unnamed.last() {
            self.disk.rename(&unfinished(path), path).map_err(failed(path))?;
            self.unsynced.insert(folder(path).to_owned());
            self.unnamed.pop();
        }
        Ok(())
    }

    fn sync_folders(&mut self) -> Result<(), ResultsError> {
        while let Some(folder) = self.unsynced.first() {
            self.disk.sync_folder(folder).map_err(failed(folder))?;
            self.unsynced.pop_first();
        }
        Ok(())
    }

    /// Writes files and lines, to be committed; all again if it is called again.
    fn write_rows(&mut self, rows: &[Row], close: bool) -> Result<Written, ResultsError> {
        let mut files = BTreeSet::new();
        for (path, bytes) in rows.iter().filter_map(|row| row.file.as_ref()) {
            self.write_file(path, bytes)?;
            files.insert(path.clone());
        }
        let (mut open, mut closed) = (Vec::new(), Vec::new());
        for list in List::ALL {
            let lines = rows.iter().filter(|row| row.list == list).map(|row| &*row.line);
            open.extend(self.write_lines(list, lines, &mut closed)?);
        }
        if close {
            closed.append(&mut open);
        }
        Ok(Written { open, closed, files: files.into_iter().collect() })
    }

    /// Writes the lines of a list; returns the file that goes on growing, and appends those that are full to `closed`.
    fn write_lines<'a>(
        &mut self,
        list: List,
        lines: impl Iterator<Item = &'a [u8]>,
        closed: &mut Vec<Lines>,
    ) -> Result<Option<Lines>, ResultsError> {
        let limit = self.part_bytes(list).unwrap_or(u64::MAX);
        let mut open = self.committed.open(list).cloned().map(Growing::new);
        for line in lines {
            let is_full = |growing: &mut Growing| {
                let bytes = growing.lines.bytes;
                bytes > 0 && bytes.saturating_add(line.len() as u64) > limit
            };
            if let Some(full) = open.take_if(is_full) {
                closed.push(full.finish(&mut *self.disk)?);
            }
            let growing = match &mut open {
                Some(growing) => growing,
                none => none.insert(Growing::new(self.next_lines(list, closed)?)),
            };
            growing.append(line, &mut *self.disk)?;
        }
        open.map(|growing| growing.finish(&mut *self.disk)).transpose()
    }

    /// The size at which a list goes on in another file; `None` if it has but one.
    fn part_bytes(&self, list: List) -> Option<u64> {
        match list {
            List::Results => self.layout.part_bytes,
            List::Quarantine => None,
        }
    }

    /// A row's own file, under its unfinished name.
    fn write_file(&mut self, path: &str, bytes: &[u8]) -> Result<(), ResultsError> {
        let shelf = folder(path);
        for made in [folder(shelf), shelf] {
            if !made.is_empty() && !self.folders.contains(made) {
                self.disk.create_folder(made).map_err(failed(made))?;
                self.unsynced.insert(folder(made).to_owned());
                self.folders.insert(made.to_owned());
            }
        }
        let name = unfinished(path);
        self.disk.write_at(&name, 0, bytes).map_err(failed(path))?;
        self.unsynced.insert(shelf.to_owned());
        self.disk.sync(&name).map_err(failed(path))
    }

    /// The file of lines to begin after those that are closed, and `closing`.
    fn next_lines(&mut self, list: List, closing: &[Lines]) -> Result<Lines, ResultsError> {
        self.unsynced.insert(String::new());
        if self.part_bytes(list).is_some() {
            let closed = self.committed.closed.iter().chain(closing);
            let number = closed.filter(|lines| List::of(&lines.name) == Some(list)).count();
            return Ok(Lines { name: names::part(number), bytes: 0, crc: 0 });
        }
        let name = match list {
            List::Results => names::INDEX,
            List::Quarantine => names::QUARANTINE,
        };
        let closed = self.committed.closed.iter().find(|closed| closed.name == name);
        let Some(closed) = closed.cloned() else {
            return Ok(Lines { name: name.to_owned(), bytes: 0, crc: 0 });
        };
        // It was finished, and grows again: never under its final name, not even after a crash.
        if self.disk.len(name).map_err(failed(name))?.is_some() {
            self.disk.rename(name, &unfinished(name)).map_err(failed(name))?;
        }
        self.sync_folders()?;
        Ok(closed)
    }

    /// The commit point.
    fn append_to_journal(&mut self, commit: &Commit) -> Result<(), ResultsError> {
        if self.journal_torn {
            self.disk.truncate(JOURNAL, self.journal_bytes).map_err(failed(JOURNAL))?;
            self.journal_torn = false;
        }
        let line = Line::Commit(commit.clone()).encode().map_err(invalid)?;
        self.journal_torn = true;
        self.disk.write_at(JOURNAL, self.journal_bytes, &line).map_err(failed(JOURNAL))?;
        if !planted(Mutant::AcknowledgeBeforeSync) {
            self.disk.sync(JOURNAL).map_err(failed(JOURNAL))?;
        }
        self.journal_torn = false;
        self.journal_bytes += line.len() as u64;
        Ok(())
    }

    /// Puts a journal in the place of the old one, if any, that has everything in its snapshot.
    fn rewrite_journal(&mut self) -> Result<(), ResultsError> {
        let bytes = Journal::begin(self.header.clone(), self.committed.snapshot()).map_err(invalid)?;
        let new = unfinished(JOURNAL);
        // What a try before this one wrote may be longer.
        self.disk.write_at(&new, 0, &bytes).map_err(failed(JOURNAL))?;
        self.disk.truncate(&new, bytes.len() as u64).map_err(failed(JOURNAL))?;
        self.disk.sync(&new).map_err(failed(JOURNAL))?;
        self.disk.rename(&new, JOURNAL).map_err(failed(JOURNAL))?;
        self.journal_torn = false;
        (self.journal_bytes, self.snapshot_bytes) = (bytes.len() as u64, bytes.len() as u64);
        self.unsynced.insert(String::new());
        self.sync_folders()
    }
}

/// Rows on the disk that are not committed yet.
struct Written {
    open: Vec<Lines>,
    closed: Vec<Lines>,
    files: Vec<String>,
}

/// Tells a full disk from one that fails.
fn failed(path: &str) -> impl FnOnce(io::Error) -> ResultsError {
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ResultsError::Full { path: path.to_owned() }
        }
        _ => ResultsError::Io { path: path.to_owned(), source },
    }
}

fn invalid(error: serde_json::Error) -> ResultsError {
    ResultsError::Io { path: JOURNAL.to_owned(), source: error.into() }
}
