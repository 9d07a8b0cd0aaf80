//! One file a positive, under a name that nothing but the record's place in the archives decides.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use warcdl_actors::{Positive, SinkError};

use super::whole::{failed, place, sync_folder};
use crate::kind::Kind;

/// Folder of the pictures beside jsonl parts.
pub(super) const IMAGES: &str = "images";
/// Folder of the positives where each is a file.
pub(super) const POSITIVES: &str = "positives";

/// Endings that files get; `bin` where the first bytes are of no known format.
const EXTENSIONS: [&str; 7] = ["txt", "jpg", "png", "gif", "bmp", "webp", "bin"];

/// A folder of positives, spread over at most 256 folders (shelves) by the first two digits of their names.
pub(super) struct Store {
    root: PathBuf,
    name: &'static str,
    kind: Kind,
    /// Folders with names that are not durable yet.
    unsynced: BTreeSet<PathBuf>,
}

impl Store {
    pub(super) fn new(root: &Path, name: &'static str, kind: Kind) -> Store {
        Store { root: root.to_owned(), name, kind, unsynced: BTreeSet::new() }
    }

    /// Writes what is kept of a positive, whole, and returns its path relative to the root, with `/` between names.
    /// A positive that is put again replaces itself.
    pub(super) fn put(&mut self, positive: &Positive) -> Result<String, SinkError> {
        let name = name(positive);
        let extension = match self.kind {
            Kind::Text => "txt",
            Kind::Image => image_extension(&positive.keep),
        };
        let relative = format!("{}/{}/{name}.{extension}", self.name, &name[..2]);
        let shelf = self.root.join(self.name).join(&name[..2]);
        if !self.unsynced.contains(&shelf) {
            fs::create_dir_all(&shelf).map_err(failed(&shelf))?;
        }
        place(&shelf.join(format!("{name}.{extension}")), &positive.keep)?;
        self.unsynced.insert(shelf);
        Ok(relative)
    }

    /// Makes everything put so far durable.
    pub(super) fn sync(&mut self) -> Result<(), SinkError> {
        if self.unsynced.is_empty() {
            return Ok(());
        }
        for shelf in &self.unsynced {
            sync_folder(shelf)?;
        }
        sync_folder(&self.root.join(self.name))?;
        sync_folder(&self.root)?;
        self.unsynced.clear();
        Ok(())
    }

    /// Whether a folder of this name may be a store's.
    pub(super) fn is_shelf(name: &str) -> bool {
        name.len() == 2 && is_hex(name)
    }

    /// Whether a file of this name may be a store's.
    pub(super) fn is_file(name: &str) -> bool {
        let is_name = |stem: &str| stem.len() == 64 && is_hex(stem);
        name.split_once('.').is_some_and(|(stem, end)| is_name(stem) && EXTENSIONS.contains(&end))
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// SHA-256, in hexadecimal, over the archive's name, a zero byte, and offset and ordinal as little-endian numbers of 8
/// and 4 bytes.
fn name(positive: &Positive) -> String {
    let position = positive.key.position;
    let mut hash = Sha256::new();
    hash.update(positive.warc_filename.as_bytes());
    hash.update([0]);
    hash.update(position.offset.to_le_bytes());
    hash.update(position.ordinal.to_le_bytes());
    format!("{:x}", hash.finalize())
}

/// The ending for a picture, by its first bytes and never by what a server said of it.
fn image_extension(bytes: &[u8]) -> &'static str {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => "jpg",
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "png",
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => "gif",
        [b'B', b'M', ..] => "bmp",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "webp",
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    use super::{Store, image_extension};

    #[test]
    fn endings_follow_the_first_bytes() {
        let check = |bytes: &[u8], expected: &str| assert_eq!(image_extension(bytes), expected, "{bytes:?}");
        check(b"\xff\xd8\xff\xe0", "jpg");
        check(b"\x89PNG\r\n\x1a\n....", "png");
        check(b"GIF89a...", "gif");
        check(b"GIF88a...", "bin");
        check(b"BM....", "bmp");
        check(b"RIFF\x01\x02\x03\x04WEBPVP8 ", "webp");
        check(b"RIFF\x01\x02\x03\x04WAVE", "bin");
        check(b"<svg onload=", "bin");
        check(b"", "bin");
    }

    #[test]
    fn only_names_of_its_own_making_are_a_stores() {
        let hash = "0123456789abcdef".repeat(4);
        assert!(Store::is_file(&format!("{hash}.webp")));
        for foreign in
            [format!("{hash}.exe"), hash.clone(), format!("{}.txt", &hash[1..]), "a.txt".to_owned()]
        {
            assert!(!Store::is_file(&foreign), "{foreign}");
        }
        assert!(
            Store::is_shelf("0f")
                && !Store::is_shelf("0F")
                && !Store::is_shelf("..")
                && !Store::is_shelf("0")
        );
    }
}
