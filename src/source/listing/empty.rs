//! Places that have no archive: told, since nobody names one on purpose.

use super::Place;
use crate::source::{SourceError, SourceSettings};

/// Places that are named in one message.
const SHOWN: usize = 10;

#[derive(Debug, Default)]
pub(in crate::source) struct Empty {
    /// Folders, globs and buckets.
    pub searched: Vec<Place>,
    /// Lists and indexes without a name in them.
    pub nameless: Vec<String>,
}

impl Empty {
    /// What the list of this name names, which is noted if that is nothing.
    pub fn unless_named(&mut self, list: &str, places: Vec<Place>) -> Vec<Place> {
        if places.is_empty() {
            self.nameless.push(list.to_owned());
        }
        places
    }

    /// An error for each.
    pub fn each(self, settings: &SourceSettings) -> Vec<SourceError> {
        let searched = self.searched.into_iter().map(|place| {
            let (looked_at, suffixes) = (place.name.clone(), settings.suffixes.join(", "));
            place.told(SourceError::Empty { looked_at, suffixes })
        });
        let nameless = self.nameless.into_iter().map(|files| SourceError::Nameless { files });
        searched.chain(nameless).collect()
    }

    /// One error for all.
    pub fn all(self, settings: &SourceSettings) -> SourceError {
        if self.searched.is_empty() && !self.nameless.is_empty() {
            return SourceError::Nameless { files: joined(self.nameless) };
        }
        let nameless = self.nameless.into_iter().map(|file| format!("{file} (which names nothing)"));
        let places: Vec<_> = self.searched.into_iter().map(|place| place.name).chain(nameless).collect();
        let looked_at = if places.is_empty() { "an empty source".to_owned() } else { joined(places) };
        SourceError::Empty { looked_at, suffixes: settings.suffixes.join(", ") }
    }
}

fn joined(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let names = names.join(", ");
    if more == 0 { names } else { format!("{names} and {more} more") }
}
