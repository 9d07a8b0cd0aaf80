//! Who knows what must come out, and says at once when something else does.

use crate::clock::Life;
use crate::scenario::{Fate, Scenario};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use warcdl_actors::part::TO_THE_END;
use warcdl_actors::results::names::{JOURNAL, List, UNFINISHED};
use warcdl_actors::results::{Recovered, Row};
use warcdl_actors::suspicion::{MAX_DEATHS, MAX_FAILURES, STRIKES};
use warcdl_actors::{Exclusion, PartId, PartOver, PartState, Position, RecordKey};

/// Ends of sessions at a place of a part, for which no record is to blame.
#[derive(Clone, Copy, Debug, Default)]
struct Deaths {
    any: u32,
    /// Those in the middle of a record that had been announced.
    attempted: u32,
    failures: u32,
}

/// See the module.
pub struct Oracle {
    scenario: Rc<Scenario>,
    expected: BTreeMap<RecordKey, Row>,
    /// What was acknowledged as committed.
    parts: BTreeMap<PartId, PartState>,
    rows: Vec<(RecordKey, List)>,
    /// What a commit that was begun would change.
    begun: Option<(BTreeMap<PartId, PartState>, usize)>,
    /// Rows that wait for their commit.
    waiting: Vec<(RecordKey, List)>,
    stored: BTreeSet<RecordKey>,
    /// By node process too, for what a node suspects ends with it.
    deaths: BTreeMap<(Life, PartId, Position), Deaths>,
    /// Records that were passed over for a run of deaths that they did not cause.
    unlucky: BTreeSet<RecordKey>,
    violation: Option<String>,
    /// Records without a verdict, or with more than one.
    pub lost: u64,
    /// See [`Oracle::lost`].
    pub doubled: u64,
}

impl Oracle {
    /// The oracle of a setting.
    pub fn new(scenario: Rc<Scenario>) -> Oracle {
        Oracle {
            expected: scenario.expected_rows(),
            scenario,
            parts: BTreeMap::new(),
            rows: Vec::new(),
            begun: None,
            waiting: Vec::new(),
            stored: BTreeSet::new(),
            deaths: BTreeMap::new(),
            unlucky: BTreeSet::new(),
            violation: None,
            lost: 0,
            doubled: 0,
        }
    }

    /// Something is not as it must be. The first one stays.
    pub fn violated(&mut self, what: impl Into<String>) {
        self.violation.get_or_insert_with(|| what.into());
    }

    /// What was not as it must be, if anything.
    pub fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    /// A session that held a lease, accepted up to here, is gone.
    pub fn died(&mut self, boot: Life, part: PartId, at: Position, attempted: bool) {
        let deaths = self.deaths.entry((boot, part, at)).or_default();
        deaths.any += 1;
        deaths.attempted += u32::from(attempted);
    }

    /// An archive could not be read on.
    pub fn failed(&mut self, boot: Life, part: PartId, at: Position) {
        self.deaths.entry((boot, part, at)).or_default().failures += 1;
    }

    /// A part is given up.
    pub fn given_up(&mut self, boot: Life, part: PartId, at: Position) {
        let deaths = self.deaths.get(&(boot, part, at)).copied().unwrap_or_default();
        // A record that kills has its strikes on top.
        if deaths.any + STRIKES < MAX_DEATHS && deaths.failures < MAX_FAILURES {
            self.violated(format!("part {part} was given up at {at:?} after {deaths:?}"));
        }
    }

    /// A reader passes a record over, as the lease of `part` from `start` on tells it to.
    pub fn passed_over(&mut self, boot: Life, part: PartId, start: Position, key: RecordKey) {
        let deaths = self.deaths.get(&(boot, part, start)).copied().unwrap_or_default();
        let Some(record) = self.scenario.record(key) else { return };
        if record.fate(0) == Fate::Excluded(Exclusion::Quarantined) {
            return;
        }
        if deaths.attempted < STRIKES - 1 {
            return self.violated(format!("{key:?} is passed over after {deaths:?}"));
        }
        self.unlucky.insert(key);
    }

    /// The row of a record that was passed over for deaths that it did not cause.
    fn unlucky_row(&self, key: RecordKey) -> Option<Row> {
        let record = self.scenario.record(key).filter(|_| self.unlucky.contains(&key))?;
        Some(self.scenario.listed_row(key.warc, record.lost(Exclusion::Quarantined)))
    }

    /// A positive or a place leaves the books.
    pub fn put(&mut self, key: RecordKey, row: &Row) {
        match self.expected.get(&key) {
            Some(expected) if expected == row => {}
            _ if self.unlucky_row(key).as_ref() == Some(row) => {}
            expected => self.violated(format!("{key:?} gives the row {row:?} for {expected:?}")),
        }
        if !self.stored.insert(key) {
            self.doubled += 1;
            self.violated(format!("the row of {key:?} is stored twice"));
        }
        self.waiting.push((key, row.list));
    }

    /// A commit begins.
    pub fn commit(&mut self, parts: &[PartState]) {
        for state in parts {
            self.check(state);
        }
        let (begun, rows) = self.begun.get_or_insert_default();
        begun.extend(parts.iter().map(|state| (state.part, state.clone())));
        *rows = self.waiting.len();
    }

    /// A commit is acknowledged.
    pub fn acknowledged(&mut self) {
        if let Some((parts, rows)) = self.begun.take() {
            self.parts.extend(parts);
            self.rows.extend(self.waiting.drain(..rows));
        }
        self.check_tiling();
    }

    /// What was found on the disk.
    pub fn recovered(&mut self, recovered: &Recovered) {
        let found: BTreeMap<_, _> = recovered.parts.iter().map(|state| (state.part, state.clone())).collect();
        let (parts, rows) = self.begun.take().unwrap_or_default();
        let mut after = self.parts.clone();
        after.extend(parts);
        let positives = |rows: &[(RecordKey, List)]| {
            rows.iter().filter(|(_, list)| *list == List::Results).count() as u64
        };
        let committed = positives(&self.rows);
        if found == after && recovered.rows == committed + positives(&self.waiting[..rows]) {
            self.parts = after;
            self.rows.extend(self.waiting.drain(..rows));
        } else if found != self.parts || recovered.rows != committed {
            let rows = recovered.rows;
            self.violated(format!(
                "what was acknowledged is lost, or only a part of a commit is there: {} rows and {:?} were, {rows} and {found:?} are",
                committed,
                self.parts
            ));
        }
        self.waiting.clear();
        self.stored = self.rows.iter().map(|&(key, _)| key).collect();
        self.check_tiling();
    }

    /// Checks a part as it is about to be committed.
    fn check(&mut self, state: &PartState) {
        let &PartState { part, warc, from, end, frontier, .. } = state;
        if let Err(imbalance) = state.account.check() {
            return self.violated(format!("part {part}: {imbalance}"));
        }
        if state.listed != state.account.excluded.listed() {
            return self.violated(format!("{} places are listed of {state:?}", state.listed));
        }
        if let Some(before) = self.parts.get(&part) {
            let goes_on = before.warc == warc
                && before.from == from
                && before.end >= end
                && before.frontier <= frontier
                && before.account.seen <= state.account.seen
                && before.over != Some(PartOver::Done);
            if !goes_on && before != state {
                return self.violated(format!("part {part} goes back from {before:?} to {state:?}"));
            }
        }
        let done = state.over == Some(PartOver::Done);
        let frontier = if done { Position { offset: u64::MAX, ordinal: 0 } } else { frontier };
        let range = (from, end);
        let everything = self.scenario.account(warc, range, frontier, |_| false);
        let (seen, expected) = (state.account.seen, everything.seen);
        if seen != expected {
            self.lost += expected.saturating_sub(seen);
            self.doubled += seen.saturating_sub(expected);
            return self.violated(format!("{seen} records are counted for {expected} in {state:?}"));
        }
        let unlucky = |position| self.unlucky.contains(&RecordKey { warc, position });
        let certain = self.scenario.account(warc, range, frontier, unlucky);
        let fits = state.account.positives >= certain.positives
            && state.account.negatives >= certain.negatives
            && certain.excluded.iter().all(|(reason, n)| state.account.excluded.get(reason) >= n);
        if !fits || certain.seen == expected && certain != state.account {
            self.violated(format!("{certain:?} must be counted in {state:?}"));
        }
    }

    /// Checks that the committed parts of an archive lie side by side.
    fn check_tiling(&mut self) {
        for warc in 0..self.scenario.archives.len() as u32 {
            let mut ranges: Vec<_> = self
                .parts
                .values()
                .filter(|state| state.warc == warc)
                .map(|state| (state.from, state.end))
                .collect();
            ranges.sort_unstable();
            let begins = ranges.first().is_none_or(|&(from, _)| from == 0);
            let ends = ranges.last().is_none_or(|&(_, end)| end == TO_THE_END);
            if !begins || !ends || ranges.windows(2).any(|pair| pair[0].1 != pair[1].0) {
                self.violated(format!("the parts of archive {warc} are {ranges:?}"));
            }
        }
    }

    /// Whether every record of every archive has its committed verdict.
    pub fn all_over(&self) -> bool {
        let over = |warc: u32| {
            let mut parts = self.parts.values().filter(|state| state.warc == warc).peekable();
            parts.peek().is_some() && parts.all(|state| state.over == Some(PartOver::Done))
        };
        (0..self.scenario.archives.len() as u32).all(over)
    }

    /// Whether a part is committed as given up.
    pub fn gave_up(&self) -> bool {
        self.parts.values().any(|state| matches!(state.over, Some(PartOver::Failed(_))))
    }

    /// Checks the end: the books, and the files as they are on the disk.
    pub fn check_end(&mut self, files: &BTreeMap<String, Vec<u8>>) {
        for state in self.parts.clone().values() {
            if state.over != Some(PartOver::Done) {
                self.violated(format!("{state:?} is not over"));
            }
        }
        for (key, _) in self.expected.clone() {
            if !self.stored.contains(&key) && !self.unlucky.contains(&key) {
                self.lost += 1;
                self.violated(format!("the row of {key:?} is lost"));
            }
        }
        // What each record may have: an unlucky one either.
        let mut rows: BTreeMap<RecordKey, Vec<Row>> =
            self.expected.iter().map(|(&key, row)| (key, vec![row.clone()])).collect();
        for &key in &self.unlucky {
            let rows = rows.entry(key).or_default();
            rows.extend(self.unlucky_row(key).filter(|row| !rows.contains(row)));
        }
        let by_line: BTreeMap<(List, &[u8]), RecordKey> = rows
            .iter()
            .flat_map(|(&key, rows)| rows.iter().map(move |row| ((row.list, row.line.as_slice()), key)))
            .collect();
        let lines = files.iter().filter_map(|(name, bytes)| Some((List::of(name)?, bytes)));
        let lines = lines.flat_map(|(list, bytes)| {
            bytes.split_inclusive(|&byte| byte == b'\n').map(move |line| (list, line))
        });
        let mut found: BTreeMap<(List, &[u8]), u64> = BTreeMap::new();
        let mut last: BTreeMap<(PartId, List), RecordKey> = BTreeMap::new();
        let mut wrong = None;
        for (list, line) in lines {
            *found.entry((list, line)).or_default() += 1;
            let Some(&key) = by_line.get(&(list, line)) else {
                wrong.get_or_insert(format!("a line is no row: {:?}", String::from_utf8_lossy(line)));
                continue;
            };
            let holds = |state: &&PartState| {
                state.warc == key.warc && (state.from..state.end).contains(&key.position.offset)
            };
            if let Some(state) = self.parts.values().find(holds)
                && last.insert((state.part, list), key).is_some_and(|before| before > key)
            {
                wrong.get_or_insert(format!("{key:?} is out of order"));
            }
        }
        let times = |row: &Row| found.get(&(row.list, row.line.as_slice())).copied().unwrap_or(0);
        for (key, rows) in &rows {
            match (rows.iter().map(times).sum::<u64>(), self.stored.contains(key)) {
                (1, true) | (0, false) => {}
                (0, true) => {
                    self.lost += 1;
                    wrong.get_or_insert(format!("the line of {key:?} is lost"));
                }
                (n, _) => {
                    self.doubled += n - 1;
                    wrong.get_or_insert(format!("the line of {key:?} is there {n} times"));
                }
            }
            if let Some((row, (path, bytes))) = rows.iter().find_map(|row| Some((row, row.file.as_ref()?)))
                && (times(row) > 0) != files.get(path).is_some_and(|found| *found == bytes[..])
            {
                wrong.get_or_insert(format!("the file of {key:?} is not there, or another"));
            }
        }
        let own: BTreeSet<&String> =
            self.expected.values().filter_map(|row| Some(&row.file.as_ref()?.0)).collect();
        for name in files.keys() {
            if name.ends_with(UNFINISHED)
                || name != JOURNAL && List::of(name).is_none() && !own.contains(name)
            {
                wrong.get_or_insert(format!("{name} was left"));
            }
        }
        if let Some(wrong) = wrong {
            self.violated(wrong);
        }
    }
}
