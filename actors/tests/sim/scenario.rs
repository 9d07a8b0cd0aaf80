//! What a seed is about: archives, readers, sizes; and what must come out, computed plainly.

use crate::rng::Rng;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;
use warcdl_actors::batch::BatchRules;
use warcdl_actors::lease::TakeoverRules;
use warcdl_actors::ledger::Account;
use warcdl_actors::results::names::List;
use warcdl_actors::results::{Layout, Row};
use warcdl_actors::wire::{Progress, RECORD_COST};
use warcdl_actors::{Exclusion, Input, Lost, Meta, Position, Prepared, RecordKey};

/// A record is positive if its score is greater.
pub const THRESHOLD: f32 = 0.5;
/// Begins what is kept of a record on which the model fails.
pub const MODEL_FAILS: [u8; 4] = *b"FAIL";

/// More than a record's frame has beside what is kept.
const FRAME_OVERHEAD: u64 = 700 + Progress::deltas_bound() as u64 + RECORD_COST;

/// What a record is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// The model gives it this score; maybe NaN.
    Scored(f32),
    /// The model fails on it.
    ModelFails,
    /// The reader excludes it.
    Excluded(Exclusion),
    /// It kills who begins it.
    Kills,
    /// Who begins it hangs.
    Hangs,
}

/// A record of an archive.
#[derive(Clone, Debug)]
pub struct Record {
    /// Where it starts.
    pub at: Position,
    /// Where the next one starts.
    pub next: Position,
    /// Bytes read of the archive when it is read.
    pub bytes_read: u64,
    /// Bytes that are kept of it.
    pub size: usize,
    /// What it is like.
    pub kind: Kind,
}

/// An archive.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Its records, in their order.
    pub records: Vec<Record>,
    /// Bytes of the stored file as listed; 0 if not known.
    pub size: u64,
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// Stored.
    Positive,
    /// Counted.
    Negative,
    /// Counted, for this reason.
    Excluded(Exclusion),
}

/// A seed's setting.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The archives.
    pub archives: Vec<Archive>,
    /// Of each reader, the time that it takes for a record.
    pub readers: Vec<Duration>,
    /// Most bytes of a data frame.
    pub max_record: u64,
    /// Bytes of a reader's window.
    pub window: u64,
    /// When parts are cut or handed over.
    pub takeover: TakeoverRules,
    /// When batches close.
    pub batch: BatchRules,
    /// Devices.
    pub devices: usize,
    /// Of a batch, and of each record in it.
    pub device_time: (Duration, Duration),
    /// Commits: how often, from how many bytes on.
    pub commit_every: Duration,
    /// See [`Scenario::commit_every`].
    pub commit_bytes: u64,
    /// How long a full disk is waited for.
    pub full_disk: Duration,
    /// How long a commit takes at most.
    pub commit_time: Duration,
    /// How results lie.
    pub layout: Layout,
    /// Whether positives have files of their own.
    pub own_files: bool,
    /// The node's patience with a reader.
    pub patience: Duration,
    /// Usual delay of the network.
    pub delay: Duration,
    /// Whether faults cease at a time from which on everything must be over within [`LIVENESS`].
    pub liveness: bool,
}

/// How long the end may take once faults have ceased.
pub const LIVENESS: Duration = Duration::from_secs(60);

impl Scenario {
    /// Draws a setting.
    pub fn draw(rng: &mut Rng, liveness: bool) -> Scenario {
        let max_size = rng.magnitude(10, 5000) as usize;
        let layout = Layout {
            part_bytes: (!rng.one_in(3)).then(|| rng.magnitude(100, 20_000)),
            journal_bytes: rng.magnitude(500, 50_000),
        };
        let mut deadly = 3;
        let archives: Vec<Archive> =
            (0..rng.within(1, 6)).map(|_| Archive::draw(rng, max_size, &mut deadly)).collect();
        let readers = rng.within(1, 6);
        let records: u64 = archives.iter().map(|archive| archive.records.len() as u64).sum();
        // From a second to a minute for all of it; the end of a liveness seed must not wait for work alone.
        let work =
            if liveness { rng.magnitude(500_000, 15_000_000) } else { rng.magnitude(500_000, 60_000_000) };
        let base = work * readers / records.max(1) / 2;
        let slow = rng.below(readers as usize) as u64;
        let one_is_slow = rng.one_in(2) && readers > 1;
        let readers = (0..readers)
            .map(|reader| {
                let factor =
                    if one_is_slow && reader == slow { rng.within(20, 100) } else { rng.within(1, 4) };
                Duration::from_micros((base * factor).clamp(10, 200_000))
            })
            .collect();
        let max_record = max_size as u64 + FRAME_OVERHEAD;
        let max_records = rng.magnitude(1, 32) as usize;
        Scenario {
            archives,
            readers,
            max_record,
            window: max_record * rng.within(1, 6) + rng.within(0, 200),
            takeover: TakeoverRules {
                split_bytes: rng.magnitude(100, 50_000),
                settled: rng.millis(500, 6000),
            },
            batch: BatchRules {
                max_records,
                max_tokens: rng.magnitude(64, 4096) as usize,
                max_wait: rng.millis(1, 300),
                window_records: max_records * rng.within(1, 4) as usize,
            },
            devices: rng.within(1, 2) as usize,
            device_time: (rng.micros(100, 20_000), rng.micros(1, 2_000)),
            commit_every: Duration::from_micros(rng.magnitude(5_000, 3_000_000)),
            commit_bytes: rng.magnitude(50, 100_000),
            full_disk: Duration::from_secs(rng.within(2, 8)),
            commit_time: rng.micros(10, 50_000),
            layout,
            own_files: rng.one_in(3),
            patience: rng.millis(1500, if liveness { 5000 } else { 15_000 }),
            delay: rng.micros(20, 4000),
            liveness,
        }
    }

    /// Records of all archives.
    pub fn records(&self) -> u64 {
        self.archives.iter().map(|archive| archive.records.len() as u64).sum()
    }

    /// The record of this key.
    pub fn record(&self, key: RecordKey) -> Option<&Record> {
        let records = &self.archives.get(key.warc as usize)?.records;
        records.binary_search_by_key(&key.position, |record| record.at).ok().map(|index| &records[index])
    }

    /// The row of a positive.
    pub fn row(&self, key: RecordKey, meta: &Meta, keep: &Bytes, score: f32) -> Row {
        let RecordKey { warc, position: Position { offset, ordinal } } = key;
        let line = format!("{warc} {offset} {ordinal} {score} {} {}\n", meta.url, crc32fast::hash(keep));
        let path = || format!("images/{:02x}/{warc}-{offset}-{ordinal}.bin", offset % 3);
        Row {
            list: List::Results,
            line: line.into_bytes(),
            file: self.own_files.then(|| (path(), keep.clone())),
        }
    }

    /// The row of a place that is listed.
    pub fn listed_row(&self, warc: u32, lost: Lost) -> Row {
        let Lost { at: Position { offset, ordinal }, length, reason } = lost;
        let line = format!("{warc} {offset} {ordinal} {length} {reason}\n");
        Row { list: List::Quarantine, line: line.into_bytes(), file: None }
    }

    /// Every row that must come out.
    pub fn expected_rows(&self) -> BTreeMap<RecordKey, Row> {
        let mut rows = BTreeMap::new();
        for (warc, archive) in (0..).zip(&self.archives) {
            for record in &archive.records {
                let key = RecordKey { warc, position: record.at };
                match (record.fate(self.max_record), record.kind) {
                    (Fate::Positive, Kind::Scored(score)) => {
                        let Prepared { meta, keep, .. } = record.prepared(warc);
                        rows.insert(key, self.row(key, &meta, &keep, score));
                    }
                    (Fate::Excluded(reason), _) if reason.is_listed() => {
                        rows.insert(key, self.listed_row(warc, record.lost(reason)));
                    }
                    _ => {}
                }
            }
        }
        rows
    }

    /// What must be counted of the records of an archive in members from `from` to `end`, before `frontier`; `skip`
    /// names records that do not count.
    pub fn account(
        &self,
        warc: u32,
        (from, end): (u64, u64),
        frontier: Position,
        skip: impl Fn(Position) -> bool,
    ) -> Account {
        let mut account = Account::default();
        let belongs = |record: &&Record| {
            (from..end).contains(&record.at.offset) && record.at < frontier && !skip(record.at)
        };
        for record in self.archives[warc as usize].records.iter().filter(belongs) {
            account.seen += 1;
            match record.fate(self.max_record) {
                Fate::Positive => account.positives += 1,
                Fate::Negative => account.negatives += 1,
                Fate::Excluded(reason) => account.excluded.add(reason, 1),
            }
        }
        account
    }
}

impl Archive {
    /// Whether an archive can be read from there on.
    pub fn is_place(&self, place: Position) -> bool {
        let is_here = |record: &Record| record.at == place || record.next == place;
        place == Position::default() || self.records.iter().any(is_here)
    }

    fn draw(rng: &mut Rng, max_size: usize, deadly: &mut u32) -> Archive {
        let count = if rng.one_in(8) { 0 } else { rng.within(1, 120) };
        // Some readers find the next member only when they look for it.
        let lazy = rng.one_in(2);
        let mut records: Vec<Record> = Vec::new();
        let mut offset = if rng.one_in(2) { 0 } else { rng.within(1, 500) };
        while (records.len() as u64) < count {
            let members = if rng.one_in(3) { rng.within(2, 3) as u32 } else { 1 };
            let length = rng.within(20, 3000);
            for ordinal in 0..members {
                let last = ordinal + 1 == members;
                let after = Position { offset: offset + length, ordinal: 0 };
                records.push(Record {
                    at: Position { offset, ordinal },
                    next: if last && !lazy { after } else { Position { offset, ordinal: ordinal + 1 } },
                    bytes_read: offset + length,
                    size: match rng.one_in(100) {
                        true => max_size + FRAME_OVERHEAD as usize + 1,
                        false => rng.within(8, max_size as u64) as usize,
                    },
                    kind: Kind::draw(rng, deadly),
                });
            }
            offset += length;
        }
        Archive { records, size: if rng.one_in(8) { 0 } else { offset + rng.within(0, 50) } }
    }
}

impl Kind {
    fn draw(rng: &mut Rng, deadly: &mut u32) -> Kind {
        match rng.within(0, 99) {
            0..=1 => Kind::Scored(f32::NAN),
            2..=3 => Kind::ModelFails,
            4..=29 => Kind::Excluded(match rng.below(3) {
                0 => Exclusion::WrongWarcType,
                1 => Exclusion::FilterLanguage,
                _ => Exclusion::BadCrc,
            }),
            30 if *deadly > 0 => {
                *deadly -= 1;
                // One at most, for each of its strikes costs the node's whole patience.
                if *deadly == 2 && rng.one_in(2) { Kind::Hangs } else { Kind::Kills }
            }
            _ => Kind::Scored(rng.within(0, 1000) as f32 / 1000.0),
        }
    }
}

impl Record {
    /// What must become of it.
    pub fn fate(&self, max_record: u64) -> Fate {
        match self.kind {
            Kind::Kills | Kind::Hangs => Fate::Excluded(Exclusion::Quarantined),
            Kind::Excluded(reason) => Fate::Excluded(reason),
            _ if self.size as u64 > max_record => Fate::Excluded(Exclusion::RecordTooLarge),
            Kind::ModelFails => Fate::Excluded(Exclusion::ModelError),
            Kind::Scored(score) if score.is_nan() => Fate::Excluded(Exclusion::ScoreNan),
            Kind::Scored(score) if score > THRESHOLD => Fate::Positive,
            Kind::Scored(_) => Fate::Negative,
        }
    }

    /// Its place, as it is listed for this reason.
    pub fn lost(&self, reason: Exclusion) -> Lost {
        Lost { at: self.at, length: self.next.offset - self.at.offset, reason }
    }

    /// What the reader sends of it. The score lies in what is kept, so that a mix-up shows.
    pub fn prepared(&self, warc: u32) -> Prepared {
        let Position { offset, ordinal } = self.at;
        let mut keep = vec![(offset as u8) ^ (ordinal as u8); self.size.max(4)];
        let first = match self.kind {
            Kind::Scored(score) => score.to_le_bytes(),
            _ => MODEL_FAILS,
        };
        keep[..4].copy_from_slice(&first);
        let meta = Meta { url: format!("{warc}/{offset}/{ordinal}"), ..Meta::default() };
        Prepared { meta, input: Input::Tokens(vec![0; self.size % 40 * 4].into()), keep: keep.into() }
    }
}
