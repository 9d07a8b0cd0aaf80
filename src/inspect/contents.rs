//! The counts of `inspect`, as tables and as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use warcdl_actors::{Exclusion, Lost, Position};
use whatlang::Lang;

use crate::exit::Exit;
use crate::source::{Entry, WarcType};
use crate::summary::counted;
use crate::telemetry::table::printable;
use crate::telemetry::{Column, Table, bytes};

/// Rows of a table before "others".
const SHOWN: usize = 15;
/// Characters of a name in a table.
const NAME_CHARS: usize = 60;
/// Different names that are told apart, and the longest: both are the data's to choose.
const MAX_NAMES: usize = 10_000;
const MAX_NAME_BYTES: usize = 200;

/// Archives that are named where nothing can be read.
const NAMED: usize = 3;

/// Damaged pieces that are named, in tables and in all.
const SHOWN_PLACES: usize = 10;
const MAX_PLACES: usize = 10_000;

/// What is in the archives.
#[derive(Debug, Default)]
pub(super) struct Contents {
    limit: Option<u64>,
    archives: u64,
    /// The one that is read.
    name: String,
    /// The first few.
    first: Vec<String>,
    /// Archives that could not be read to their end, and why.
    failed: Vec<(String, String)>,
    /// Records and damaged pieces.
    seen: u64,
    records: Counts,
    http_status: Counts,
    mime_types: Counts,
    /// HTML pages and plain texts whose body could be read.
    pages: u64,
    sampled: u64,
    charsets: Counts,
    languages: Counts,
    damage: Counts,
    /// Where the first damaged pieces are: archive, place.
    places: Vec<(String, Lost)>,
    bytes: u64,
    bytes_read: u64,
    bytes_inflated: u64,
    elapsed: Duration,
}

impl Contents {
    pub(super) fn new(limit: Option<u64>) -> Contents {
        Contents { limit, ..Contents::default() }
    }

    /// An entry of the archive; `mime` is that of a response or file.
    pub(super) fn entry(&mut self, entry: &Entry, mime: &str) {
        self.seen += 1;
        if let Some(warc_type) = entry.warc_type {
            self.records.add(warc_type.name());
        }
        if entry.warc_type == Some(WarcType::Response) {
            self.http_status.add(status_class(entry.http_status));
        }
        if let Some(WarcType::Response | WarcType::Resource | WarcType::Conversion) = entry.warc_type {
            self.mime_types.add(if mime.is_empty() { "(none)" } else { mime });
        }
        match &entry.content {
            Ok(_) => self.pages += 1,
            Err(reason) if reason.is_damage() => {
                self.damage.add(reason.name());
                if self.places.len() < MAX_PLACES {
                    self.places.push((self.name.clone(), entry.lost(*reason)));
                }
            }
            Err(_) => {}
        }
    }

    /// A page that was looked at.
    pub(super) fn page(&mut self, look: Result<(&'static str, Option<Lang>), Exclusion>) {
        self.sampled += 1;
        match look {
            Ok((charset, language)) => {
                self.charsets.add(charset);
                self.languages.add(language.map_or("(not recognised)", |language| language.code()));
            }
            Err(reason) => {
                self.charsets.add(&format!("({reason})"));
                self.languages.add("(not recognised)");
            }
        }
    }

    /// An archive of so many bytes, as stored, whose entries follow.
    pub(super) fn archive(&mut self, name: &str, bytes: u64) {
        self.archives += 1;
        name.clone_into(&mut self.name);
        if self.first.len() < NAMED {
            self.first.push(name.to_owned());
        }
        self.bytes += bytes;
    }

    /// How many of its bytes were read, and what these inflate to.
    pub(super) fn read(&mut self, read: u64, inflated: u64) {
        self.bytes_read += read;
        self.bytes_inflated += inflated;
    }

    pub(super) fn failed(&mut self, name: &str, reason: String) {
        self.failed.push((name.to_owned(), reason));
    }

    pub(super) fn finish(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
    }

    /// How the process ends. That nothing is in an empty archive is no failure.
    pub(super) fn exit(&self) -> Exit {
        match (self.records.sum(), self.failed.len(), self.damage.sum()) {
            (0, 0, 0) => Exit::Done,
            (0, _, _) => Exit::Source,
            (_, 0, _) => Exit::Done,
            _ => Exit::Incomplete,
        }
    }

    /// Which archives were looked at, by name if they are few.
    pub(super) fn looked_at(&self) -> String {
        let names: Vec<_> = self.first.iter().map(|name| printable(name, usize::MAX)).collect();
        match self.archives - names.len() as u64 {
            0 => names.join(", "),
            more => format!("{} and {more} more", names.join(", ")),
        }
    }

    fn a_second(&self) -> f64 {
        self.seen as f64 / self.elapsed.as_secs_f64().max(1e-6)
    }

    /// Tables for a terminal.
    pub(super) fn report(&self) -> String {
        let mut report = format!(
            "{}, {} stored, {} read, {} inflated\n{} in {:.1} s, {:.0} a second\n",
            counted(self.archives, "archive"),
            bytes(self.bytes as f64),
            bytes(self.bytes_read as f64),
            bytes(self.bytes_inflated as f64),
            counted(self.seen, "record"),
            self.elapsed.as_secs_f64(),
            self.a_second(),
        );
        if let Some(limit) = self.limit {
            report += &format!("not more than {} of each archive\n", counted(limit, "record"));
        }
        let sample = match self.sampled == self.pages {
            true => format!("of {}", counted(self.pages, "page")),
            false => format!("of {} in {}", self.sampled, counted(self.pages, "page")),
        };
        for (title, counts) in [
            ("WARC type".to_owned(), &self.records),
            ("HTTP status".to_owned(), &self.http_status),
            ("MIME type".to_owned(), &self.mime_types),
            (format!("charset {sample}"), &self.charsets),
            (format!("language {sample}"), &self.languages),
            ("damage".to_owned(), &self.damage),
        ] {
            report += &counts.table(&title);
        }
        report += &self.places_table();
        if !self.failed.is_empty() {
            let archives = counted(self.failed.len() as u64, "archive");
            report += &format!("\n{archives} could not be read to the end\n");
        }
        report
    }

    /// The first damaged pieces, with an empty line before; nothing if there are none.
    fn places_table(&self) -> String {
        if self.places.is_empty() {
            return String::new();
        }
        let mut table = Table::new([
            Column::left("damaged").at_most(NAME_CHARS),
            Column::right("offset"),
            Column::right("record"),
            Column::right("bytes"),
            Column::left("reason"),
        ]);
        for (name, Lost { at, length, reason }) in self.places.iter().take(SHOWN_PLACES) {
            let Position { offset, ordinal } = at;
            let numbers = [offset.to_string(), ordinal.to_string(), length.to_string()];
            let [offset, ordinal, length] = &numbers;
            table.row([&tail(name), offset, ordinal, length, reason.name()]);
        }
        let more = match self.damage.sum() - self.places.len().min(SHOWN_PLACES) as u64 {
            0 => String::new(),
            more => format!("{more} more, see --json\n"),
        };
        format!("\n{table}{more}")
    }

    /// Everything, for programs.
    pub(super) fn json(&self) -> Value {
        let failed: Vec<_> = self
            .failed
            .iter()
            .map(|(name, reason)| json!({ "warc_filename": name, "reason": reason }))
            .collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "archives": self.archives,
            "failed": failed,
            "limit": self.limit,
            "seen": self.seen,
            "records": self.records.json(),
            "http_status": self.http_status.json(),
            "mime_types": self.mime_types.json(),
            "pages": self.pages,
            "pages_sampled": self.sampled,
            "charsets": self.charsets.json(),
            "languages": self.languages.json(),
            "damaged": self.damage.sum(),
            "damage": self.damage.json(),
            "damaged_places": self.places.iter().map(place_json).collect::<Vec<_>>(),
            "damaged_unlisted": self.damage.sum() - self.places.len() as u64,
            "bytes": self.bytes,
            "bytes_read": self.bytes_read,
            "bytes_inflated": self.bytes_inflated,
            "seconds": self.elapsed.as_secs_f64(),
            "records_per_second": self.a_second(),
        })
    }
}

/// The end of a name, which tells more than its beginning.
fn tail(name: &str) -> String {
    match name.chars().count().checked_sub(NAME_CHARS) {
        None | Some(0) => name.to_owned(),
        Some(more) => format!("…{}", name.chars().skip(more + 1).collect::<String>()),
    }
}

/// With the names of `quarantine.jsonl`.
fn place_json((name, Lost { at, length, reason }): &(String, Lost)) -> Value {
    json!({
        "warc_filename": name,
        "warc_record_offset": at.offset,
        "warc_record_ordinal": at.ordinal,
        "length": length,
        "reason": reason.name(),
    })
}

fn status_class(status: Option<u16>) -> &'static str {
    match status {
        Some(100..=199) => "1xx",
        Some(200..=299) => "2xx",
        Some(300..=399) => "3xx",
        Some(400..=499) => "4xx",
        Some(500..=599) => "5xx",
        Some(_) => "(other)",
        None => "(none)",
    }
}

/// How often each name occurs.
#[derive(Debug, Default)]
struct Counts {
    by_name: BTreeMap<String, u64>,
    /// Of names that came after [`MAX_NAMES`] others.
    others: u64,
}

impl Counts {
    fn add(&mut self, name: &str) {
        let name = &name[..name.floor_char_boundary(MAX_NAME_BYTES)];
        if let Some(count) = self.by_name.get_mut(name) {
            *count += 1;
        } else if self.by_name.len() < MAX_NAMES {
            self.by_name.insert(name.to_owned(), 1);
        } else {
            self.others += 1;
        }
    }

    fn sum(&self) -> u64 {
        self.by_name.values().sum::<u64>() + self.others
    }

    /// The most frequent first, with an empty line before; nothing if there is nothing.
    fn table(&self, title: &str) -> String {
        let sum = self.sum();
        if sum == 0 {
            return String::new();
        }
        let mut rows: Vec<(&str, u64)> = self.by_name.iter().map(|(name, &n)| (name.as_str(), n)).collect();
        rows.sort_by_key(|&(name, n)| (std::cmp::Reverse(n), name));
        let others = rows.iter().skip(SHOWN).map(|(_, n)| n).sum::<u64>() + self.others;
        rows.truncate(SHOWN);
        if others > 0 {
            rows.push(("others", others));
        }
        let columns =
            [Column::left(title).at_most(NAME_CHARS), Column::right("records"), Column::right("share")];
        let mut table = Table::new(columns);
        for (name, n) in rows {
            let share = format!("{:.1} %", n as f64 * 100.0 / sum as f64);
            table.row([name, &n.to_string(), &share]);
        }
        format!("\n{table}")
    }

    fn json(&self) -> Value {
        let mut all = self.by_name.clone();
        if self.others > 0 {
            all.insert("(others)".to_owned(), self.others);
        }
        json!(all)
    }
}

#[cfg(test)]
mod tests {
    use warcdl_actors::{Exclusion, Position};

    use super::{Contents, Counts, MAX_NAMES};
    use crate::exit::Exit;
    use crate::source::{Entry, WarcType};

    #[test]
    fn the_exit_code_is_that_of_what_could_be_read() {
        let record = (Some(WarcType::Request), Exclusion::WrongWarcType);
        let damaged_record = (Some(WarcType::Response), Exclusion::BadCrc);
        let garbage = (None, Exclusion::Garbage);
        let check = |entries: &[(Option<WarcType>, Exclusion)], failed: bool, exit: Exit| {
            let mut contents = Contents::default();
            for &(warc_type, reason) in entries {
                let at = Position::default();
                let (next, bytes_read, url, http_status) = (at, 0, String::new(), None);
                let content = Err(reason);
                contents.entry(&Entry { at, next, bytes_read, url, warc_type, http_status, content }, "");
            }
            if failed {
                contents.failed("a.warc.gz", "the disk is gone".to_owned());
            }
            assert_eq!(contents.exit(), exit, "{entries:?}, failed: {failed}");
            let told = contents.report().contains("1 archive could not be read to the end");
            assert_eq!(told, failed);
        };
        check(&[], false, Exit::Done);
        check(&[], true, Exit::Source);
        check(&[garbage], false, Exit::Source);
        check(&[garbage, record], false, Exit::Done);
        check(&[damaged_record], false, Exit::Done);
        check(&[record], true, Exit::Incomplete);
    }

    #[test]
    fn the_first_archives_are_named() {
        let mut contents = Contents::default();
        for (name, expected) in [
            ("/a", "/a"),
            ("/b\u{1b}[2J", "/a, /b\\u{1b}[2J"),
            ("/c", "/a, /b\\u{1b}[2J, /c"),
            ("/d", "/a, /b\\u{1b}[2J, /c and 1 more"),
            ("/e", "/a, /b\\u{1b}[2J, /c and 2 more"),
        ] {
            contents.archive(name, 1);
            assert_eq!(contents.looked_at(), expected);
        }
    }

    #[test]
    fn the_most_frequent_are_shown_and_the_rest_summed() {
        let mut counts = Counts::default();
        for name in 0..20 {
            (0..=name).for_each(|_| counts.add(&format!("type-{name}\u{1b}[2J")));
        }
        let table = counts.table("MIME type");
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 1 + 1 + 15 + 1, "{table}");
        assert_eq!(lines[2], "type-19\\u{1b}[2J       20  9.5 %");
        assert_eq!(lines[17], "others                 15  7.1 %");
        assert_eq!(Counts::default().table("damage"), "");
    }

    #[test]
    fn names_are_bounded_and_none_is_lost() {
        let mut counts = Counts::default();
        for name in 0..MAX_NAMES + 7 {
            counts.add(&format!("{name}{}", "ü".repeat(1000)));
        }
        assert_eq!((counts.by_name.len(), counts.others), (MAX_NAMES, 7));
        assert!(counts.by_name.keys().all(|name| name.len() <= 200));
        assert_eq!(counts.json()["(others)"], 7);
        assert_eq!(counts.sum(), MAX_NAMES as u64 + 7);
    }
}
