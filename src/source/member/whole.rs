//! Inflating a whole member in one call, which libdeflate does faster than any decoder of streams.

use libdeflater::Decompressor;
use memchr::memmem;

use super::gzip::TRAILER;

/// Inflates members of which every byte is at hand.
pub(super) struct Whole(Decompressor);

impl Whole {
    pub(super) fn new() -> Self {
        Whole(Decompressor::new())
    }

    /// Inflates the member (RFC 1952, section 2.3) of which `stored` consists, into `target`; the bytes made. `None` if anything
    /// is not as it should be, or does not fit: a decoder of streams tells what.
    pub(super) fn inflate(&mut self, stored: &[u8], target: &mut [u8]) -> Option<usize> {
        let trailer = stored.get(stored.len().checked_sub(TRAILER)?..)?;
        let (crc, length) = trailer.split_first_chunk::<4>()?;
        // The length is modulo 2³², which more than fits no target.
        let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
        let target = target.get_mut(..length)?;
        // It looks for the trailer where the stream ends, and does not mind what follows.
        let made = self.0.gzip_decompress(stored, target).ok()?;
        let right = made == length && libdeflater::crc32(target).to_le_bytes() == *crc;
        let ends_before = memmem::find(&stored[..stored.len() - 1], trailer).is_some();
        (right && !ends_before).then_some(made)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::{TRAILER, Whole};

    #[test]
    fn what_is_not_exactly_one_member_is_left_alone() {
        let text: Vec<u8> = (0..10_000u32).flat_map(|n| (n * n).to_string().into_bytes()).collect();
        let mut whole = Whole::new();
        let mut target = vec![0; text.len() + 1];
        for level in [0, 1, 6, 9] {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
            encoder.write_all(&text).unwrap();
            let member = encoder.finish().unwrap();
            let mut check = |stored: &[u8], room: usize, expected: Option<usize>| {
                assert_eq!(whole.inflate(stored, &mut target[..room]), expected, "level {level}, {room}");
            };
            check(&member, text.len(), Some(text.len()));
            check(&member, text.len() + 1, Some(text.len()));
            check(&member, text.len() - 1, None);
            check(&[&member[..], b"\0"].concat(), text.len(), None);
            check(&[&member[..], &[0; 8]].concat(), text.len(), None);
            let (stream, trailer) = member.split_at(member.len() - TRAILER);
            check(&[stream, b"\0", trailer].concat(), text.len(), None);
            check(&[&member[..], trailer].concat(), text.len(), None);
            check(&[&member[..], b"no member", trailer].concat(), text.len(), None);
            for cut in [0, 1, 7, 8, 9, 18, 19, member.len() / 2, member.len() - 1] {
                check(&member[..cut], text.len(), None);
            }
            for bit in [member.len() / 2, member.len() - 1, member.len() - 8] {
                let mut flipped = member.clone();
                flipped[bit] ^= 4;
                check(&flipped, text.len(), None);
            }
            assert_eq!(target[..text.len()], text);
        }
    }
}
