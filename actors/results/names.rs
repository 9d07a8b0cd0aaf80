//! Names of files in the folder of results.

/// The journal.
pub const JOURNAL: &str = "journal";
/// The only file of lines where each positive is a file.
pub const INDEX: &str = "index.jsonl";
/// The file of lines that lists what is damaged or was passed over.
pub const QUARANTINE: &str = "quarantine.jsonl";
/// Folder of the pictures beside lines.
pub const IMAGES: &str = "images";
/// Folder of the positives where each is a file.
pub const POSITIVES: &str = "positives";
/// The ending of a file that is not whole yet.
pub const UNFINISHED: &str = ".tmp";

/// Folders of files, each of which holds folders (shelves) of files.
pub(super) const STORES: [&str; 2] = [IMAGES, POSITIVES];

/// Name of a file of lines of bounded size: `part-00000.jsonl`.
pub fn part(number: usize) -> String {
    format!("part-{number:05}.jsonl")
}

/// What files of lines hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum List {
    /// Positives.
    Results,
    /// What is damaged or was passed over.
    Quarantine,
}

impl List {
    /// Both.
    pub const ALL: [List; 2] = [List::Results, List::Quarantine];

    /// What a file of this name holds, if it is one of lines.
    pub fn of(name: &str) -> Option<List> {
        let number = name.strip_prefix("part-").and_then(|name| name.strip_suffix(".jsonl"));
        let is_number = |number: &str| number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_digit());
        match name {
            INDEX => Some(List::Results),
            QUARANTINE => Some(List::Quarantine),
            _ => number.is_some_and(is_number).then_some(List::Results),
        }
    }
}

/// The name of a file until it is whole.
pub fn unfinished(path: &str) -> String {
    format!("{path}{UNFINISHED}")
}

/// The folder that a path is in; empty for the root.
pub(super) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_lines_are_known_by_their_names() {
        for name in [part(0), part(99_999), part(123_456), INDEX.to_owned()] {
            assert_eq!(
                (List::of(&name), List::of(&unfinished(&name))),
                (Some(List::Results), None),
                "{name}"
            );
        }
        assert_eq!(List::of(QUARANTINE), Some(List::Quarantine));
        for name in ["part-0000.jsonl", "part-0000x.jsonl", "part-00000.json", "summary.json", JOURNAL] {
            assert_eq!(List::of(name), None, "{name}");
        }
    }

    #[test]
    fn a_path_lies_in_its_folder() {
        assert_eq!(folder("images/ab/c.png"), "images/ab");
        assert_eq!(folder("images"), "");
    }
}
