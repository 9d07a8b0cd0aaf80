//! How a folder of results is opened, and brought to the state of its last commit.
//!
//! First everything is looked at, and nothing is changed in a folder that cannot be taken. Then come the changes, each of
//! which may be the last before a crash: what was done is found done the next time.

use super::change::{Change, Few, changes};
use super::committed::Committed;
use super::names::{JOURNAL, List, STORES, UNFINISHED, folder, unfinished};
use super::{Layout, Results, ResultsError, failed};
use crate::PartState;
use crate::disk::Disk;
use crate::journal::{Header, Journal, JournalError, Lines};
use crate::mutant::{Mutant, planted};
use std::collections::BTreeSet;

/// Files are checked in pieces of so many bytes.
const PIECE_BYTES: u64 = 1 << 20;

/// What was found in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The committed state of every part, by number; empty where no commit was made yet.
    pub parts: Vec<PartState>,
    /// Whether there were results of this run.
    pub resumed: bool,
    /// Rows that are committed.
    pub rows: u64,
    /// Number of the last commit.
    pub commits: u64,
    /// Bytes of a commit that was not completed, cut off the journal.
    pub torn_bytes: u64,
}

/// The folder of results cannot be taken. Nothing in it was changed, but by [`OpenError::Write`].
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The results are of a run with other settings or archives.
    #[error(
        "the results there were begun with other settings or archives: {}; go on with the same, or set another \
         output.path, or output.overwrite = true",
        Few(changes)
    )]
    Changed {
        /// What differs, by key.
        changes: Vec<Change>,
    },
    /// There are results and no journal that says what is committed.
    #[error("{path} is there, but no {JOURNAL}; set another output.path, or output.overwrite = true")]
    NoJournal {
        /// One of them, relative to the folder of results.
        path: String,
    },
    /// The journal cannot be trusted.
    #[error(
        "{JOURNAL} cannot be used: {source}; restore it from a copy, or set another output.path, or \
         output.overwrite = true"
    )]
    Journal {
        /// What is wrong, with the offset in bytes.
        source: JournalError,
    },
    /// What is committed is not there.
    #[error(
        "{path} is damaged: {damage}; restore it from a copy, or set another output.path, or output.overwrite = \
         true"
    )]
    Damaged {
        /// The file, relative to the folder of results.
        path: String,
        /// What is wrong.
        damage: Damage,
    },
    /// The folder cannot be read or written.
    #[error(transparent)]
    Write(#[from] ResultsError),
}

/// What is wrong with a file of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It is not there.
    #[error("it is committed, and missing")]
    Missing,
    /// It has another length than was committed; a file that grows, less.
    #[error("{committed} bytes are committed, and it has {found}")]
    Length {
        /// Bytes that the journal says.
        committed: u64,
        /// Bytes that there are.
        found: u64,
    },
    /// Bytes are not those that were committed.
    #[error("its first {committed} bytes are not those that were committed")]
    Checksum {
        /// Bytes that the checksum is over.
        committed: u64,
    },
}

/// [`Results::open`].
pub(super) fn open(
    mut disk: Box<dyn Disk>,
    header: Header,
    layout: Layout,
) -> Result<(Results, Recovered), OpenError> {
    let length = disk.len(JOURNAL).map_err(failed(JOURNAL))?;
    let mut results = Results::nothing_yet(disk, header, layout);
    let torn_bytes = match length {
        Some(length) => results.resume(length)?,
        None => {
            results.begin()?;
            0
        }
    };
    let Committed { n, rows, parts, .. } = &results.committed;
    let recovered = Recovered {
        parts: parts.values().cloned().collect(),
        resumed: length.is_some(),
        rows: *rows,
        commits: *n,
        torn_bytes,
    };
    Ok((results, recovered))
}

/// [`Results::check`].
pub(super) fn check(mut disk: Box<dyn Disk>, header: Header) -> Result<(), OpenError> {
    let length = disk.len(JOURNAL).map_err(failed(JOURNAL))?;
    // Nothing is written, so neither size matters.
    let layout = Layout { part_bytes: None, journal_bytes: 0 };
    let mut results = Results::nothing_yet(disk, header, layout);
    match length {
        Some(length) => results.look(length).map(|_| ()),
        None => results.expect_no_results(),
    }
}

/// A change to the folder.
#[derive(Debug)]
enum Step {
    Truncate(String, u64),
    Rename(String, String),
    Remove(String),
}

impl Results {
    /// Before the folder was looked at.
    fn nothing_yet(disk: Box<dyn Disk>, header: Header, layout: Layout) -> Results {
        Results {
            disk,
            layout,
            header,
            committed: Committed::default(),
            journal_bytes: 0,
            snapshot_bytes: 0,
            journal_torn: false,
            pending: Vec::new(),
            pending_bytes: 0,
            unnamed: Vec::new(),
            unsynced: BTreeSet::new(),
            folders: BTreeSet::new(),
            broken: None,
        }
    }

    fn begin(&mut self) -> Result<(), OpenError> {
        self.expect_no_results()?;
        Ok(self.rewrite_journal()?)
    }

    /// In a folder without a journal no row was ever written, for the journal comes first.
    fn expect_no_results(&mut self) -> Result<(), OpenError> {
        let names = self.disk.list("").map_err(failed(""))?;
        let is_result = |name: &String| {
            List::of(name.strip_suffix(UNFINISHED).unwrap_or(name)).is_some()
                || STORES.contains(&name.as_str())
        };
        if let Some(path) = names.into_iter().find(is_result) {
            return Err(OpenError::NoJournal { path });
        }
        Ok(())
    }

    /// Reads the journal of so many bytes, and checks that what it says is there. Returns what is to be done, and how many
    /// bytes are to be cut off the journal.
    fn look(&mut self, length: u64) -> Result<(Vec<Step>, u64), OpenError> {
        let bytes = self.disk.read_at(JOURNAL, 0, length as usize).map_err(failed(JOURNAL))?;
        let journal = Journal::parse(&bytes).map_err(|source| OpenError::Journal { source })?;
        let torn_bytes = bytes.len() as u64 - journal.valid_bytes;
        let changes = changes(&journal.header.identity, &self.header.identity);
        if !changes.is_empty() {
            return Err(OpenError::Changed { changes });
        }
        self.committed = Committed::of(journal);
        Ok((self.survey()?, torn_bytes))
    }

    /// Returns the bytes that were cut off the journal.
    fn resume(&mut self, length: u64) -> Result<u64, OpenError> {
        let (steps, torn_bytes) = self.look(length)?;
        // What was read may not be durable: if the program died and the machine did not, or if a sync failed, after which
        // the system takes for written what is not. It must be before anything rests on it, so it is written anew.
        self.rewrite_journal()?;
        for step in steps {
            self.perform(step)?;
        }
        // So may names be that the last commit's files have already.
        self.unsynced.extend(self.committed.files.iter().map(|path| folder(path).to_owned()));
        self.sync_folders()?;
        Ok(torn_bytes)
    }

    /// Checks that all that is committed is there, and returns what is to be done.
    fn survey(&mut self) -> Result<Vec<Step>, OpenError> {
        let Results { disk, committed, .. } = self;
        let mut names: BTreeSet<String> = disk.list("").map_err(failed(""))?.into_iter().collect();
        let mut steps = Vec::new();
        for open in &committed.open {
            let growing = unfinished(&open.name);
            if !names.remove(&growing) && names.remove(&open.name) {
                // The line of the commit that closed it is lost.
                check_lines(&mut **disk, &open.name, open)?;
                steps.push(Step::Rename(open.name.clone(), growing.clone()));
            } else {
                check_lines(&mut **disk, &growing, open)?;
            }
            if !planted(Mutant::UncutTail) {
                steps.push(Step::Truncate(growing, open.bytes));
            }
        }
        for closed in &committed.closed {
            let growing = unfinished(&closed.name);
            if !names.contains(&closed.name) && names.remove(&growing) {
                check_lines(&mut **disk, &growing, closed)?;
                steps.push(Step::Truncate(growing.clone(), closed.bytes));
                steps.push(Step::Rename(growing, closed.name.clone()));
                continue;
            }
            let found = disk.len(&closed.name).map_err(failed(&closed.name))?;
            let damage = match found {
                Some(found) if found == closed.bytes => continue,
                Some(found) => Damage::Length { committed: closed.bytes, found },
                None => Damage::Missing,
            };
            return Err(OpenError::Damaged { path: closed.name.clone(), damage });
        }
        let mut whole = BTreeSet::new();
        for path in &committed.files {
            let growing = unfinished(path);
            if disk.len(&growing).map_err(failed(path))?.is_some() {
                whole.insert(growing.clone());
                steps.push(Step::Rename(growing, path.clone()));
            } else if disk.len(path).map_err(failed(path))?.is_none() {
                return Err(OpenError::Damaged { path: path.clone(), damage: Damage::Missing });
            }
        }
        steps.extend(names.into_iter().filter(|name| committed.is_unnamed(name)).map(Step::Remove));
        for store in STORES {
            for shelf in disk.list(store).map_err(failed(store))? {
                let shelf = format!("{store}/{shelf}");
                let files = disk.list(&shelf).map_err(failed(&shelf))?;
                let unfinished = files.iter().filter(|name| name.ends_with(UNFINISHED));
                let paths = unfinished.map(|name| format!("{shelf}/{name}"));
                steps.extend(paths.filter(|path| !whole.contains(path)).map(Step::Remove));
            }
        }
        Ok(steps)
    }

    fn perform(&mut self, step: Step) -> Result<(), OpenError> {
        let (path, done) = match &step {
            // Cut already, perhaps, but that may not be durable.
            Step::Truncate(path, len) => {
                (path, self.disk.truncate(path, *len).and_then(|()| self.disk.sync(path)))
            }
            Step::Rename(from, to) => (to, self.disk.rename(from, to)),
            Step::Remove(path) => (path, self.disk.remove(path)),
        };
        done.map_err(failed(path))?;
        if !matches!(step, Step::Truncate(..)) {
            self.unsynced.insert(folder(path).to_owned());
        }
        Ok(())
    }
}

/// Checks that the file at `path` begins with the committed bytes.
fn check_lines(disk: &mut dyn Disk, path: &str, lines: &Lines) -> Result<(), OpenError> {
    let committed = lines.bytes;
    let damaged = |damage| OpenError::Damaged { path: path.to_owned(), damage };
    let found = disk.len(path).map_err(failed(path))?.ok_or_else(|| damaged(Damage::Missing))?;
    if found < committed {
        return Err(damaged(Damage::Length { committed, found }));
    }
    let mut crc = crc32fast::Hasher::new();
    let mut offset = 0;
    while offset < committed {
        let piece = PIECE_BYTES.min(committed - offset) as usize;
        let bytes = disk.read_at(path, offset, piece).map_err(failed(path))?;
        if bytes.len() < piece {
            return Err(damaged(Damage::Length { committed, found: offset + bytes.len() as u64 }));
        }
        crc.update(&bytes);
        offset += piece as u64;
    }
    if crc.finalize() == lines.crc { Ok(()) } else { Err(damaged(Damage::Checksum { committed })) }
}
