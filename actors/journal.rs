//! The journal: what of the results is committed, as a file of lines that only grows.
//!
//! A line is 8 lower-case hexadecimal digits, the CRC-32 of what follows the space behind them, the space, an object of
//! JSON, and a newline. The first line is the [`Header`], the second a snapshot; both are written whole, before the file
//! gets its name. Then each commit is a line, numbered from the snapshot on without a gap.
//!
//! Only the last line can be torn by a crash, for a commit is not begun before the one before it is on the disk. So an
//! invalid last line is cut, and an invalid line before a valid one is damage.

use crate::PartState;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the format.
pub const VERSION: u32 = 2;

/// Hexadecimal digits of the checksum.
const DIGITS: usize = 8;

/// Whose results these are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`].
    pub version: u32,
    /// Settings that decide what the results are.
    pub identity: BTreeMap<String, String>,
}

/// What a commit changed, in absolute values; or in a snapshot, all there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Its number. A run begins with a snapshot of number 0.
    pub n: u64,
    /// Rows of results so far.
    pub rows: u64,
    /// Parts of archives whose state is another than before.
    pub parts: Vec<PartState>,
    /// Files of lines that grow, one of a list at most.
    pub open: Vec<Lines>,
    /// Files of lines that grow no more since this commit.
    pub closed: Vec<Lines>,
    /// Paths of the files that belong to this commit's rows. They get these names after the commit.
    pub files: Vec<String>,
}

/// A file of lines, as far as it is committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lines {
    /// Its final name.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// CRC-32 of these bytes.
    pub crc: u32,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first line.
    Header(Header),
    /// The second.
    Snapshot(Commit),
    /// All others.
    Commit(Commit),
}

impl Line {
    /// The line, with its newline.
    pub fn encode(&self) -> serde_json::Result<Vec<u8>> {
        let json = serde_json::to_vec(self)?;
        let mut line = format!("{:08x} ", crc32fast::hash(&json)).into_bytes();
        line.extend(json);
        line.push(b'\n');
        Ok(line)
    }

    /// What a line says, given without its newline; `None` if it is invalid.
    fn decode(line: &[u8]) -> Option<Line> {
        let (crc, json) = checksum(line)?;
        if crc32fast::hash(json) != crc {
            return None;
        }
        serde_json::from_slice(json).ok()
    }
}

/// The checksum that a line begins with, and the rest behind the space.
fn checksum(line: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = line.split_at_checked(DIGITS)?;
    if !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let crc = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    Some((crc, rest.strip_prefix(b" ")?))
}

/// A journal that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// The first line.
    pub header: Header,
    /// The second.
    pub snapshot: Commit,
    /// The others, in their order.
    pub commits: Vec<Commit>,
    /// Bytes of header and snapshot.
    pub snapshot_bytes: u64,
    /// Bytes of all valid lines. What lies behind is a torn line.
    pub valid_bytes: u64,
}

/// The journal cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The header or the snapshot is no valid line, although they are written before the file gets its name.
    #[error("its beginning, up to byte {offset}, is damaged")]
    Beginning {
        /// Where the invalid line begins.
        offset: u64,
    },
    /// It was written by another version of the program.
    #[error("it has format version {version}, and this program reads version {VERSION}")]
    Version {
        /// What the header says.
        version: u32,
    },
    /// A line is invalid, and committed lines lie behind it.
    #[error("the line at byte {offset} is damaged, and later commits lie behind it")]
    Damaged {
        /// Where the invalid line begins.
        offset: u64,
    },
    /// A valid line is not the one that must follow.
    #[error("the line at byte {offset} is not commit {expected}")]
    Gap {
        /// Where the line begins.
        offset: u64,
        /// Number of the commit that must be there.
        expected: u64,
    },
}

impl Journal {
    /// Header and snapshot: what a journal begins with.
    pub fn begin(header: Header, snapshot: Commit) -> serde_json::Result<Vec<u8>> {
        let mut bytes = Line::Header(header).encode()?;
        bytes.extend(Line::Snapshot(snapshot).encode()?);
        Ok(bytes)
    }

    /// Reads a whole journal.
    pub fn parse(bytes: &[u8]) -> Result<Journal, JournalError> {
        let mut offset = 0;
        // The next line with the offset behind it; `None` if it is torn or corrupt, or there is none.
        let line_at = |offset: usize| {
            let rest = &bytes[offset..];
            let end = rest.iter().position(|&byte| byte == b'\n')?;
            Some((Line::decode(&rest[..end])?, offset + end + 1))
        };
        let header = match line_at(offset) {
            Some((Line::Header(header), next)) => {
                offset = next;
                header
            }
            _ => return Err(JournalError::Beginning { offset: 0 }),
        };
        if header.version != VERSION {
            return Err(JournalError::Version { version: header.version });
        }
        let snapshot = match line_at(offset) {
            Some((Line::Snapshot(snapshot), next)) => {
                offset = next;
                snapshot
            }
            _ => return Err(JournalError::Beginning { offset: offset as u64 }),
        };
        let snapshot_bytes = offset as u64;
        let mut commits = Vec::new();
        while let Some((line, next)) = line_at(offset) {
            let expected = snapshot.n + commits.len() as u64 + 1;
            match line {
                Line::Commit(commit) if commit.n == expected => commits.push(commit),
                _ => return Err(JournalError::Gap { offset: offset as u64, expected }),
            }
            offset = next;
        }
        if holds_a_line(&bytes[offset..]) {
            return Err(JournalError::Damaged { offset: offset as u64 });
        }
        Ok(Journal { header, snapshot, commits, snapshot_bytes, valid_bytes: offset as u64 })
    }
}

/// Whether a valid line lies anywhere in `tail`: also behind something else than a newline, for that may be what was
/// damaged.
fn holds_a_line(tail: &[u8]) -> bool {
    let mut lines = tail.split_inclusive(|&byte| byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
    lines.any(|line| (0..line.len()).any(|start| Line::decode(&line[start..]).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(n: u64) -> Commit {
        Commit {
            n,
            rows: 3 * n,
            parts: vec![PartState::whole(7)],
            files: vec!["images/ab/c.png".to_owned()],
            ..Commit::default()
        }
    }

    fn beginning() -> Vec<u8> {
        let identity = BTreeMap::from([("model".to_owned(), "a".to_owned())]);
        Journal::begin(Header { version: VERSION, identity }, commit(4)).unwrap()
    }

    fn line(n: u64) -> Vec<u8> {
        Line::Commit(commit(n)).encode().unwrap()
    }

    /// Beginning and lines 5 to 7, and where each of these begins.
    fn whole() -> (Vec<u8>, [usize; 3]) {
        let (begin, one) = (beginning(), line(5).len());
        let starts = [begin.len(), begin.len() + one, begin.len() + 2 * one];
        ([begin, line(5), line(6), line(7)].concat(), starts)
    }

    #[test]
    fn what_was_written_is_read() {
        let (bytes, starts) = whole();
        let journal = Journal::parse(&bytes).unwrap();
        assert_eq!(journal.header.identity["model"], "a");
        assert_eq!(journal.snapshot, commit(4));
        assert_eq!(journal.commits, [commit(5), commit(6), commit(7)]);
        assert_eq!(journal.snapshot_bytes, starts[0] as u64);
        assert_eq!(journal.valid_bytes, bytes.len() as u64);
    }

    #[test]
    fn the_form_of_a_line_stays() {
        let line = Line::Commit(Commit { n: 9, ..Commit::default() }).encode().unwrap();
        let json = r#"{"commit":{"n":9,"rows":0,"parts":[],"open":[],"closed":[],"files":[]}}"#;
        assert_eq!(
            String::from_utf8(line).unwrap(),
            format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()))
        );
    }

    #[test]
    fn a_cut_costs_the_line_it_is_in() {
        let (bytes, starts) = whole();
        for len in 0..bytes.len() {
            let result = Journal::parse(&bytes[..len]);
            if len < starts[0] {
                assert!(matches!(result, Err(JournalError::Beginning { .. })), "{len}: {result:?}");
                continue;
            }
            let whole_lines = starts.iter().skip(1).filter(|&&start| start <= len).count();
            let journal = result.unwrap();
            assert_eq!(
                (journal.commits.len(), journal.valid_bytes as usize),
                (whole_lines, starts[whole_lines])
            );
        }
    }

    #[test]
    fn a_flipped_bit_costs_the_last_line_or_is_damage() {
        let (bytes, starts) = whole();
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let result = Journal::parse(&bytes);
            let message = format!("bit {bit}: {result:?}");
            match starts.iter().rposition(|&start| start <= bit / 8) {
                None => assert!(matches!(result, Err(JournalError::Beginning { .. })), "{message}"),
                Some(2) => assert_eq!(result.unwrap().commits.len(), 2, "{message}"),
                Some(line) => {
                    assert_eq!(
                        result,
                        Err(JournalError::Damaged { offset: starts[line] as u64 }),
                        "{message}"
                    )
                }
            }
        }
    }

    #[test]
    fn what_does_not_follow_is_told() {
        let check = |pieces: &[Vec<u8>], expected: JournalError| {
            assert_eq!(Journal::parse(&pieces.concat()), Err(expected));
        };
        let begin = beginning();
        let [offset, second] = [begin.len() as u64, (begin.len() + line(5).len()) as u64];
        check(&[begin.clone(), line(6)], JournalError::Gap { offset, expected: 5 });
        check(&[begin.clone(), line(5), line(5)], JournalError::Gap { offset: second, expected: 6 });
        check(&[begin.clone(), beginning()], JournalError::Gap { offset, expected: 5 });
        check(&[begin.clone(), b"\0\0\n".to_vec(), line(5)], JournalError::Damaged { offset });
        check(&[begin.clone(), b"\0\0".to_vec(), line(6)], JournalError::Damaged { offset });
        check(&[line(5)], JournalError::Beginning { offset: 0 });
        let header = Line::Header(Header { version: 9, identity: BTreeMap::new() }).encode().unwrap();
        check(&[header], JournalError::Version { version: 9 });
    }
}
