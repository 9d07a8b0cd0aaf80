//! A thousand seeded damages: what is not damaged comes out byte for byte, what is damaged is counted, each once, and together
//! they are the whole file.
//!
//! What "each once" means:
//!
//! - A file of one member or frame a record: a member with a flipped bit, cut off, or with zeros in it is one record lost,
//!   however often it is hit. A bit that means nothing (of a gzip header) costs nothing, and a member that is gone whole
//!   leaves no trace.
//! - Where records are not compressed one by one, a record is lost whose beginning or length is damaged. A flipped bit in a
//!   body without a checksum cannot be seen.
//! - A compressed member of all records: those that end before the damage are whole. From there on nothing is certain but
//!   that damage is told.
//! - Garbage is one piece, and costs no record. Members that are swapped or doubled are what they are.

use std::io::Cursor;

use warcdl_actors::{Exclusion, Position};

use super::super::ArchiveReader;
use super::{Random, gzip, open_at, read, record, record_with_length, settings, zstd};
use crate::kind::Kind;

const SEEDS: usize = 1000;
const RECORDS: usize = 10;

/// How records are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    GzipEach,
    GzipOne,
    ZstdEach,
    Plain,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Damage {
    Flip,
    Cut,
    Zeros,
    Swap,
    LongLength,
    ShortLength,
    HugeLength,
    NegativeLength,
    NoLength,
    Tail,
    Garbage,
    Double,
}

const FORMS: [Form; 4] = [Form::GzipEach, Form::GzipOne, Form::ZstdEach, Form::Plain];
const DAMAGES: [Damage; 12] = [
    Damage::Flip,
    Damage::Cut,
    Damage::Zeros,
    Damage::Swap,
    Damage::LongLength,
    Damage::ShortLength,
    Damage::HugeLength,
    Damage::NegativeLength,
    Damage::NoLength,
    Damage::Tail,
    Damage::Garbage,
    Damage::Double,
];

/// What must come of a piece of the file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// The page of this number.
    Page(usize),
    /// One entry of damage.
    Lost,
    /// The page, or one entry of damage.
    Either(usize),
}

/// A piece of the file, before and after compression.
struct Piece {
    bytes: Vec<u8>,
    fate: Option<Fate>,
}

impl Form {
    fn store(self, record: &[u8]) -> Vec<u8> {
        match self {
            Form::GzipEach => gzip(record),
            Form::ZstdEach => zstd(record),
            Form::GzipOne | Form::Plain => record.to_vec(),
        }
    }

    fn is_each(self) -> bool {
        matches!(self, Form::GzipEach | Form::ZstdEach)
    }
}

fn letters(random: &mut Random, length: usize) -> String {
    (0..length).map(|_| char::from(b'a' + random.below(26) as u8)).collect()
}

/// A record with this in the place of its Content-Length's digits; without the field if that is empty.
fn with_length(page: &str, digits: &str) -> Vec<u8> {
    let record = String::from_utf8(record(page)).unwrap();
    let at = record.find("Content-Length: ").unwrap();
    let end = at + record[at..].find("\r\n").unwrap() + 2;
    let field = if digits.is_empty() { String::new() } else { format!("Content-Length: {digits}\r\n") };
    [&record[..at], &field, &record[end..]].concat().into_bytes()
}

struct Case {
    form: Form,
    damage: Damage,
    random: Random,
    pages: Vec<String>,
    pieces: Vec<Piece>,
}

impl Case {
    fn draw(seed: usize) -> Case {
        let mut random = Random(seed as u64);
        let (form, damage) = (FORMS[seed % FORMS.len()], DAMAGES[seed / FORMS.len() % DAMAGES.len()]);
        let pages: Vec<String> = (0..RECORDS)
            .map(|_| {
                let length = 300 + random.below(1700);
                letters(&mut random, length)
            })
            .collect();
        let piece = |(index, page): (usize, &String)| Piece {
            bytes: form.store(&record(page)),
            fate: Some(Fate::Page(index)),
        };
        let pieces = pages.iter().enumerate().map(piece).collect();
        Case { form, damage, random, pages, pieces }
    }

    /// One to three records, none beside another: two damaged ones side by side may be one piece to a reader.
    fn hit(&mut self) -> Vec<usize> {
        let first = self.random.below(2);
        let mut hit: Vec<usize> =
            (0..1 + self.random.below(3)).map(|_| first + 2 * self.random.below(RECORDS / 2)).collect();
        hit.sort_unstable();
        hit.dedup();
        hit
    }

    /// Damages the pieces, or in a member of all records the whole; returns the file.
    fn file(&mut self) -> Vec<u8> {
        match self.damage {
            Damage::Swap => {
                let [a, b] = [(); 2].map(|()| self.random.below(RECORDS));
                self.pieces.swap(a, b);
            }
            Damage::Double => {
                let from = self.random.below(RECORDS);
                let Piece { bytes, fate } = &self.pieces[from];
                let copy = Piece { bytes: bytes.clone(), fate: *fate };
                let at = self.random.below(RECORDS + 1);
                self.pieces.insert(at, copy);
            }
            Damage::Garbage => {
                let length = 1 + self.random.below(300);
                let garbage =
                    Piece { bytes: letters(&mut self.random, length).into_bytes(), fate: Some(Fate::Lost) };
                let at = 1 + self.random.below(RECORDS);
                self.pieces.insert(at, garbage);
            }
            Damage::Tail if self.form != Form::GzipOne => self.cut_tail(),
            Damage::Flip | Damage::Cut | Damage::Zeros | Damage::Tail if self.form == Form::GzipOne => {}
            _ => self.hit().into_iter().for_each(|index| self.damage(index)),
        }
        let file = self.pieces.iter().flat_map(|piece| piece.bytes.clone()).collect::<Vec<u8>>();
        if self.form != Form::GzipOne {
            return file;
        }
        let mut file = gzip(&file);
        // Behind the header.
        let at = 10 + self.random.below(file.len() - 10);
        match self.damage {
            Damage::Flip => file[at] ^= 1 << self.random.below(8),
            Damage::Zeros => {
                let end = file.len().min(at + 1 + self.random.below(64));
                file[at..end].fill(0);
            }
            Damage::Cut => drop(file.drain(at..file.len().min(at + 1 + self.random.below(64)))),
            Damage::Tail => file.truncate(at),
            _ => {}
        }
        file
    }

    /// The file ends in one of its last records.
    fn cut_tail(&mut self) {
        let last = RECORDS - 1 - self.random.below(3);
        self.pieces.truncate(last + 1);
        let piece = &mut self.pieces[last];
        let at = self.random.below(piece.bytes.len());
        piece.bytes.truncate(at);
        let is_whole = self.form == Form::Plain && at + b"\r\n\r\n".len() >= record(&self.pages[last]).len();
        piece.fate = match at {
            0 => None,
            _ if is_whole => Some(Fate::Page(last)),
            _ => Some(Fate::Lost),
        };
    }

    fn damage(&mut self, index: usize) {
        let Case { form, random, pages, pieces, .. } = self;
        let (page, piece) = (&pages[index], &mut pieces[index]);
        let lost = Some(Fate::Lost);
        // A length that says nothing costs nothing where the end of the member says it.
        let by_member = match form.is_each() || *form == Form::GzipOne && index == RECORDS - 1 {
            true => Some(Fate::Page(index)),
            false => lost,
        };
        let (bytes, fate) = match self.damage {
            Damage::LongLength => (record_with_length(page, 5 + random.below(200) as i64), lost),
            Damage::ShortLength => (record_with_length(page, -1 - random.below(page.len()) as i64), lost),
            Damage::HugeLength => {
                let huge = ["99999999999999999999999", "18446744073709551615", "1000000000000"];
                let choice = random.below(huge.len());
                (with_length(page, huge[choice]), if choice == 0 { by_member } else { lost })
            }
            Damage::NegativeLength => (with_length(page, &format!("-{}", 1 + random.below(5000))), by_member),
            Damage::NoLength => (with_length(page, ""), by_member),
            Damage::Flip | Damage::Cut | Damage::Zeros => return self.damage_bytes(index),
            other => unreachable!("{other:?} is not for a record"),
        };
        *piece = Piece { bytes: form.store(&bytes), fate };
    }

    fn damage_bytes(&mut self, index: usize) {
        let Case { form, random, pieces, damage, .. } = self;
        let bytes = &mut pieces[index].bytes;
        let whole = bytes.clone();
        // In a file that is not compressed: of the version, for a body has no checksum.
        let length = if form.is_each() { bytes.len() } else { 5 };
        match damage {
            Damage::Flip => {
                for _ in 0..1 + random.below(2) {
                    let at = random.below(length);
                    // Which says whether there is a checksum.
                    let descriptor = *form == Form::ZstdEach && at == 4;
                    bytes[at + usize::from(descriptor)] ^= 1 << random.below(8);
                }
            }
            Damage::Zeros => {
                let at = random.below(length);
                let end = bytes.len().min(at + 1 + random.below(64));
                bytes[at..end].fill(0);
            }
            _ => {
                let at = random.below(bytes.len());
                bytes.truncate(at);
            }
        }
        let is_hit = *bytes != whole;
        // But for line breaks behind it.
        let is_all = *form == Form::Plain && whole.len() - bytes.len() <= 4 && whole.starts_with(bytes);
        pieces[index].fate = match pieces[index].bytes.len() {
            0 => None,
            _ if !is_hit || is_all => Some(Fate::Page(index)),
            _ => Some(Fate::Either(index)),
        };
    }

    /// What is wrong with what a reader makes of the file.
    fn check(&mut self) -> Result<(), String> {
        let file = self.file();
        let entries = read(Box::new(Cursor::new(file.clone())), &file, Position::default());
        // `read` has compared the bytes read with those of the file.
        let mut end = 0;
        for (at, next, _) in &entries {
            let gap =
                file.get(end as usize..at.offset as usize).ok_or(format!("{at:?} lies before {end}"))?;
            if !gap.iter().all(|byte| b"\r\n\0".contains(byte)) {
                return Err(format!("nothing is told of bytes {end} to {}", at.offset));
            }
            end = next.offset;
        }
        if end != file.len() as u64 && !file[end as usize..].iter().all(|&byte| byte == 0) {
            return Err(format!("the last entry ends at {end} of {}", file.len()));
        }
        let passed_over = passed_over(&file);
        let walked: Vec<_> =
            entries.iter().map(|(at, next, outcome)| (*at, *next, outcome.clone().err())).collect();
        let parts = passed_over.iter().zip(&walked).find(|(passed, walked)| passed != walked);
        if parts.is_some() || passed_over.len() != walked.len() {
            return Err(format!("{} entries, {} passed over: {parts:?}", walked.len(), passed_over.len()));
        }
        let outcomes: Vec<Result<String, Exclusion>> = entries.into_iter().map(|entry| entry.2).collect();
        let page = |index: usize| format!("<p>{}</p>", self.pages[index]);
        let of_bytes = [Damage::Flip, Damage::Cut, Damage::Zeros, Damage::Tail].contains(&self.damage);
        if self.form == Form::GzipOne && of_bytes {
            // Whatever is whole comes first, and damage is told.
            let whole = outcomes.iter().zip(0..).take_while(|(outcome, index)| **outcome == Ok(page(*index)));
            let (whole, damaged) =
                (whole.count(), outcomes.iter().filter(|outcome| outcome.is_err()).count());
            let bound = self.whole_before(&file);
            return match (whole >= bound, damaged, whole) {
                (true, 1.., _) | (true, 0, RECORDS) => Ok(()),
                _ => Err(format!("{whole} of {bound} whole records, {damaged} damaged")),
            };
        }
        let mut outcomes = outcomes.into_iter();
        for fate in self.pieces.iter().filter_map(|piece| piece.fate) {
            let mut outcome = outcomes.next();
            // It inflated to a record of no interest before its checksum told.
            if matches!((&outcome, fate), (Some(Err(reason)), Fate::Either(_)) if !reason.is_damage()) {
                outcome = outcomes.next();
            }
            let fits = match (&outcome, fate) {
                (Some(Ok(found)), Fate::Page(index)) => *found == page(index),
                (Some(Ok(found)), Fate::Either(index)) => *found == page(index),
                (Some(Err(reason)), Fate::Lost | Fate::Either(_)) => reason.is_damage(),
                _ => false,
            };
            if !fits {
                return Err(format!("{fate:?} gives {outcome:.200?}"));
            }
        }
        outcomes.next().map_or(Ok(()), |more| Err(format!("one too many: {more:.200?}")))
    }

    /// Records that can be had of the whole bytes of a damaged member: those that inflating yields before the first byte that
    /// differs.
    fn whole_before(&self, damaged: &[u8]) -> usize {
        let whole: Vec<Vec<u8>> = self.pages.iter().map(|page| record(page)).collect();
        let stored = gzip(&whole.concat());
        let same = stored.iter().zip(damaged).take_while(|(a, b)| a == b).count();
        let mut inflated = Vec::new();
        // It ends in an error, as the rest is missing. What a block of Huffman codes needs is in front of it.
        let _ = std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&stored[..same]), &mut inflated);
        let mut end = 0;
        // The last one is known to be whole by what follows it.
        let ends = whole.iter().map(|record| {
            end += record.len();
            end
        });
        ends.take_while(|end| *end < inflated.len()).count()
    }
}

/// The same entries when each record is passed over: places, and why there is no page but for that.
fn passed_over(file: &[u8]) -> Vec<(Position, Position, Option<Exclusion>)> {
    let input = Box::new(Cursor::new(file.to_vec()));
    let mut reader = ArchiveReader::new(input, "test", Position::default(), &settings(), Kind::Text)
        .sized(file.len() as u64)
        .with_open_at(open_at(file));
    let mut entries = Vec::new();
    while let Some(entry) = reader.pass_over().unwrap() {
        let reason = entry.content.unwrap_err();
        entries.push((entry.at, entry.next, Some(reason).filter(|&reason| reason != Exclusion::Quarantined)));
    }
    entries
}

#[test]
fn a_thousand_damages_cost_what_is_damaged_and_no_more() {
    let wrong: Vec<String> = (0..SEEDS)
        .filter_map(|seed| {
            let mut case = Case::draw(seed);
            let Err(what) = case.check() else { return None };
            Some(format!("seed {seed}, {:?} of {:?}: {what}", case.damage, case.form))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {SEEDS}:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
}
