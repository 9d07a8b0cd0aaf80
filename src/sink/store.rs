//! Files of positives, under names that nothing but a record's place in the archives decides.

use sha2::{Digest, Sha256};
use warcdl_actors::Positive;

use crate::kind::Kind;

/// Endings that files get; `bin` where the first bytes are of no known format.
const EXTENSIONS: [&str; 7] = ["txt", "jpg", "png", "gif", "bmp", "webp", "bin"];

/// The path of a positive's file relative to the folder of results, with `/` between names: in `folder`, spread over at
/// most 256 folders (shelves) by the first two digits of its name.
pub(super) fn path(positive: &Positive, folder: &str, kind: Kind) -> String {
    let name = name(positive);
    let extension = match kind {
        Kind::Text => "txt",
        Kind::Image => image_extension(&positive.keep),
    };
    format!("{folder}/{}/{name}.{extension}", &name[..2])
}

/// Whether a folder of this name may be a shelf.
pub(super) fn is_shelf(name: &str) -> bool {
    name.len() == 2 && is_hex(name)
}

/// Whether a file of this name may be a positive's.
pub(super) fn is_file(name: &str) -> bool {
    let is_name = |stem: &str| stem.len() == 64 && is_hex(stem);
    name.split_once('.').is_some_and(|(stem, end)| is_name(stem) && EXTENSIONS.contains(&end))
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
    use super::{image_extension, is_file, is_shelf};

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
    fn only_names_of_its_own_making_are_known() {
        let hash = "0123456789abcdef".repeat(4);
        assert!(is_file(&format!("{hash}.webp")));
        for foreign in
            [format!("{hash}.exe"), hash.clone(), format!("{}.txt", &hash[1..]), "a.txt".to_owned()]
        {
            assert!(!is_file(&foreign), "{foreign}");
        }
        assert!(is_shelf("0f") && !is_shelf("0F") && !is_shelf("..") && !is_shelf("0"));
    }
}
