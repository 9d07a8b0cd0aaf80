//! Indexes: which records of which archives are read, where not all are.
//!
//! Two forms, both a line a record. CDXJ, as pywb and Common Crawl write it: a key, a time, and an object of JSON with
//! `filename`, `offset` and `length`; or the object alone, as index servers answer. And CDX, as the Internet Archive writes
//! it: fields between spaces, which a header line ` CDX N b a m s k r M S V g` names by letters; of those `S`, `V` and `g` are
//! length, offset and name.
//!
//! While an index is read a line takes 16 bytes, and the name of each archive is kept once; the list is sorted in place. So
//! an index of 100 million lines takes 1.6 GB, and up to twice that while the list grows.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};
use warcdl_actors::named::{Extent, MAX_NAMED_BYTES, Named};

use super::listing::lines::for_each_line;
use super::listing::{self, Archive, Empty, Place};
use super::store::{Store, is_url};
use super::{SourceError, SourceSettings};

/// How the header line of a CDX begins.
const CDX_HEADER: &str = "CDX";

/// Every archive that the indexes name, with the records that they name of it. Indexes that name none are noted.
pub(super) async fn read(
    settings: &SourceSettings,
    store: &Store,
    empty: &mut Empty,
) -> Result<Vec<Archive>, SourceError> {
    let mut indexes = Vec::with_capacity(settings.index.len());
    for name in &settings.index {
        indexes.push((name.clone(), store.describe(name).await?));
    }
    let (base, reading) = (settings.index_base.clone(), store.clone());
    let gathered = tokio::task::spawn_blocking(move || {
        let (mut gathered, mut nameless) = (Gathered::default(), Vec::new());
        for (given, index) in indexes {
            let base = Base {
                base: &base,
                index: index.name.as_str().into(),
                is_local: !is_url(&index.name) && !index.name.starts_with("s3://"),
            };
            gathered.written.clear();
            let (mut columns, before) = (None, gathered.lines.len());
            let take = |line: &str, number| gathered.take(line, number, &mut columns, &base);
            for_each_line(&index, &reading, take)?;
            if gathered.lines.len() == before {
                nameless.push(given);
            }
        }
        Ok((gathered.group()?, nameless))
    });
    let (gathered, nameless) = gathered.await.expect("reading an index does not panic")?;
    empty.nameless.extend(nameless);
    let places = gathered.iter().map(|(place, _)| place.clone()).collect();
    let mut named: HashMap<_, _> = gathered.into_iter().map(|(place, named)| (place.name, named)).collect();
    let described = listing::describe(places, store).await?;
    let archives =
        described.into_iter().map(|(name, archive)| Archive { named: named.remove(&name), ..archive });
    Ok(archives.collect())
}

/// Length of a member of 4 GiB and more, such as an archive that is one member: it is read to its own end, and the archive's
/// bounds it.
const TO_THE_END: u32 = u32::MAX;

/// A line of an index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    archive: u32,
    /// [`TO_THE_END`] stands for 4 GiB and more.
    length: u32,
    offset: u64,
}

impl Line {
    fn extent(&self) -> Extent {
        let length = if self.length == TO_THE_END { u64::MAX } else { self.length.into() };
        Extent { offset: self.offset, length }
    }
}

#[derive(Default)]
struct Gathered {
    lines: Vec<Line>,
    /// By the names under which they are opened, with the line that names each first.
    archives: HashMap<String, (u32, listing::Line)>,
    /// By the names that this index has for them.
    written: HashMap<String, u32>,
}

/// Against what names of archives are resolved.
struct Base<'a> {
    base: &'a str,
    /// The index.
    index: Arc<str>,
    /// Whether the index lies on this machine, and so may name its files.
    is_local: bool,
}

/// Where offset, length and name stand in a line of CDX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Columns {
    offset: usize,
    length: usize,
    name: usize,
}

/// What is read of a line's JSON: numbers come as such or in quotes.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    filename: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "number")]
    offset: Option<u64>,
    #[serde(default, deserialize_with = "number")]
    length: Option<u64>,
}

impl Gathered {
    fn take(
        &mut self,
        line: &str,
        number: u64,
        columns: &mut Option<Columns>,
        base: &Base<'_>,
    ) -> Result<(), String> {
        // `!` begins the header of some CDXJ files.
        if line.is_empty() || line.starts_with(['#', '!']) {
            return Ok(());
        }
        if let Some(letters) = line.strip_prefix(CDX_HEADER).filter(|rest| rest.starts_with(' ')) {
            *columns = Some(Columns::parse(letters)?);
            return Ok(());
        }
        let (name, extent) = match columns {
            Some(columns) => columns.extent(line)?,
            None => extent(line)?,
        };
        let archive = match self.written.get(&*name) {
            Some(&archive) => archive,
            None => {
                let next = self.archives.len() as u32;
                let line = || listing::Line { file: base.index.clone(), number };
                let known = self.archives.entry(base.resolve(&name)?).or_insert_with(|| (next, line()));
                let archive = known.0;
                self.written.insert(name.into_owned(), archive);
                archive
            }
        };
        let length = u32::try_from(extent.length).unwrap_or(TO_THE_END);
        self.lines.push(Line { archive, length, offset: extent.offset });
        Ok(())
    }

    /// The records of each archive.
    fn group(mut self) -> Result<Vec<(Place, Named)>, SourceError> {
        // Of two lines for one offset the longer one counts: too many bytes cost nothing, too few the record.
        self.lines.sort_unstable_by_key(|line| (line.archive, line.offset, Reverse(line.length)));
        let place = |(name, (id, line))| (id, Place { name, line: Some(line) });
        let mut places: HashMap<u32, Place> = self.archives.into_iter().map(place).collect();
        let mut named = Vec::with_capacity(places.len());
        for lines in self.lines.chunk_by(|a, b| a.archive == b.archive) {
            let records = Named::new(lines.iter().map(Line::extent));
            let place = places.remove(&lines[0].archive).expect("lines are of archives that are known");
            if records.as_bytes().len() > MAX_NAMED_BYTES {
                return Err(SourceError::TooManyNamed { archive: place.name, records: lines.len() });
            }
            named.push((place, records));
        }
        Ok(named)
    }
}

impl Base<'_> {
    /// The archive of this name: an address as it is; else beneath the base.
    fn resolve(&self, name: &str) -> Result<String, String> {
        listing::check_scheme(name, self.is_local).map_err(|error| error.to_string())?;
        if is_url(name) || name.starts_with("s3://") || self.is_local && name.starts_with('/') {
            return Ok(name.to_owned());
        }
        if self.base.is_empty() {
            return Err(format!(
                "{name:?} is no address: set source.index_base to the folder, s3://bucket or https://host that it lies in"
            ));
        }
        if name.split('/').any(|part| part == "..") {
            return Err(format!("{name:?} leads out of source.index_base"));
        }
        Ok(format!("{}/{}", self.base.trim_end_matches('/'), name.trim_start_matches('/')))
    }
}

impl Columns {
    /// Of the letters behind `CDX`.
    fn parse(letters: &str) -> Result<Columns, String> {
        let place = |letter: &str, what: &str| {
            let found = letters.split_ascii_whitespace().position(|other| other == letter);
            found.ok_or_else(|| {
                format!("this CDX has no column {letter}, the {what}: make an index of 11 columns")
            })
        };
        Ok(Columns {
            offset: place("V", "offset")?,
            length: place("S", "length")?,
            name: place("g", "file's name")?,
        })
    }

    fn extent(self, line: &str) -> Result<(Cow<'_, str>, Extent), String> {
        let column = |index: usize, what: &str| {
            line.split_ascii_whitespace().nth(index).ok_or_else(|| format!("there is no {what}"))
        };
        let number = |index: usize, what: &str| {
            let text = column(index, what)?;
            text.parse::<u64>().map_err(|_| format!("{text:?} is no {what}"))
        };
        let extent =
            Extent { offset: number(self.offset, "offset")?, length: number(self.length, "length")? };
        Ok((column(self.name, "file's name")?.into(), extent))
    }
}

/// What a line of CDXJ names.
fn extent(line: &str) -> Result<(Cow<'_, str>, Extent), String> {
    // Keys may hold braces, as URLs do, but no spaces.
    let start = if line.starts_with('{') { Some(0) } else { line.find(" {").map(|space| space + 1) };
    let json = start.map(|start| &line[start..]);
    let json =
        json.ok_or("neither CDXJ, which ends with {...}, nor CDX, which begins with a line \" CDX ...\"")?;
    let fields: Fields<'_> = serde_json::from_str(json).map_err(|error| format!("no JSON: {error}"))?;
    match fields {
        Fields { filename: Some(name), offset: Some(offset), length: Some(length) } => {
            Ok((name, Extent { offset, length }))
        }
        _ => Err("\"filename\", \"offset\" and \"length\" must all be there".to_owned()),
    }
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    deserializer.deserialize_any(Number).map(Some)
}

/// A number, in quotes or not.
struct Number;

impl Visitor<'_> for Number {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive, and offsets and lengths in it.
    type Found = (String, Vec<(u64, u64)>);

    fn base(base: &str, is_local: bool) -> Base<'_> {
        Base { base, index: "index.cdxj".into(), is_local }
    }

    /// What `lines` name.
    fn gathered(lines: &[&str], base: &Base<'_>) -> Result<Vec<Found>, String> {
        let (mut gathered, mut columns) = (Gathered::default(), None);
        for (number, line) in (1..).zip(lines) {
            gathered.take(line.trim(), number, &mut columns, base)?;
        }
        let named = gathered.group().map_err(|error| error.to_string())?;
        let mut found: Vec<_> = named
            .into_iter()
            .map(|(place, named)| (place.name, named.into_iter().map(|e| (e.offset, e.length)).collect()))
            .collect();
        found.sort();
        Ok(found)
    }

    #[test]
    fn both_forms_are_read_and_grouped_by_archive() {
        let web = base("https://h/", true);
        let lines = [
            "com,a)/ 20240801000000 {\"url\": \"http://a.com/\", \"status\": \"200\", \"length\": \"50\", \"offset\": \"900\", \"filename\": \"x/b.warc.gz\"}",
            "com,b)/ 20240801000000 {\"filename\": \"x/a.warc.gz\", \"offset\": 7, \"length\": 3}",
            "",
            "{\"filename\": \"x/b.warc.gz\", \"offset\": \"10\", \"length\": \"5\"}",
            "com,c)/ 20240801000000 {\"filename\": \"x/b.warc.gz\", \"offset\": \"900\", \"length\": \"50\"}",
        ];
        let expected = [
            ("https://h/x/a.warc.gz".to_owned(), vec![(7, 3)]),
            ("https://h/x/b.warc.gz".to_owned(), vec![(10, 5), (900, 50)]),
        ];
        assert_eq!(gathered(&lines, &web).unwrap(), expected);
        let lines = [
            " CDX N b a m s k r M S V g",
            "com,a)/ 20240801000000 http://a.com/ text/html 200 AAAA - - 50 900 /data/b.warc.gz",
            "com,b)/ 20240801000000 http://b.com/ text/html 200 AAAA - - 5 10 c.warc.gz",
        ];
        let expected = [
            ("/data/b.warc.gz".to_owned(), vec![(900, 50)]),
            ("https://h/c.warc.gz".to_owned(), vec![(10, 5)]),
        ];
        assert_eq!(gathered(&lines, &web).unwrap(), expected);
    }

    /// As where two indexes are one archive's: whichever stands first, the record is read whole.
    #[test]
    fn of_two_lines_for_one_record_the_longer_counts() {
        let cdxj = |length: &str| format!("a {{\"filename\": \"a\", \"offset\": 9, \"length\": {length}}}");
        for (lengths, expected) in [
            (["50", "60"], 60),
            (["60", "50"], 60),
            // A member of 4 GiB and more ends where it ends.
            (["4294967294", "0"], 4_294_967_294),
            (["5000000000", "60"], u64::MAX),
        ] {
            let lines = lengths.map(cdxj);
            let found = gathered(&lines.each_ref().map(String::as_str), &base("/", true)).unwrap();
            assert_eq!(found, [("/a".to_owned(), vec![(9, expected)])], "{lengths:?}");
        }
    }

    #[test]
    fn what_is_no_index_is_told_with_a_cure() {
        let here = base("", true);
        let away = base("/data", false);
        let cdxj = |name: &str| format!("a {{\"filename\": {name:?}, \"offset\": 1, \"length\": 1}}");
        for (lines, base, part) in [
            (vec!["a.warc.gz".to_owned()], &here, "neither CDXJ"),
            (vec!["a {\"filename\": \"b\"}".to_owned()], &here, "must all be there"),
            (vec!["a {\"filename\": \"b\", \"offset\": \"x\", \"length\": 1}".to_owned()], &here, "no JSON"),
            (vec![" CDX N b a m s k r V g".to_owned()], &here, "no column S"),
            (vec![" CDX S V g".to_owned(), "1 x a".to_owned()], &here, "\"x\" is no offset"),
            (vec![" CDX S V g".to_owned(), "1 2".to_owned()], &here, "no file's name"),
            (vec![cdxj("a.warc.gz")], &here, "source.index_base"),
            (vec![cdxj("../../etc/passwd")], &away, "leads out of"),
            (vec![cdxj("hdfs://n/a.warc.gz")], &away, "hdfs:// is not known"),
            (vec![cdxj("file:///a.warc.gz")], &here, "write the path alone"),
        ] {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let error = gathered(&lines, base).unwrap_err();
            assert!(error.contains(part), "{lines:?}: {error}");
        }
        // An index that lies elsewhere names no file of this machine.
        let found = gathered(&[&cdxj("/etc/passwd")], &away).unwrap();
        assert_eq!(found[0].0, "/data/etc/passwd");
    }
}
