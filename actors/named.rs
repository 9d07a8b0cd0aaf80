//! The records of an archive that an index names, where only these are read.
//!
//! A crawl's index names hundreds of millions of records, so a list is kept as it travels: for each record the distance of its
//! offset from the one before and its length, as LEB128 integers. That is about 6 bytes a record.

use bytes::{BufMut, Bytes, BytesMut};
use std::cmp::Ordering;
use std::fmt;

/// Longest list of one archive, in bytes: more than two million records, where an archive of Common Crawl has a tenth of that.
pub const MAX_NAMED_BYTES: usize = 16 << 20;

/// Where a record lies in the stored file: the compressed member that holds it, or itself in an uncompressed archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extent {
    /// Byte offset.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

impl Extent {
    /// Where it ends.
    pub fn end(self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// A list of extents, whose offsets grow strictly.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named(Bytes);

impl Named {
    /// Of `extents`; an extent that does not lie behind the one before is left out.
    pub fn new(extents: impl IntoIterator<Item = Extent>) -> Named {
        let mut list = BytesMut::new();
        let mut last: Option<u64> = None;
        for Extent { offset, length } in extents {
            if last.is_none_or(|last| offset > last) {
                put(&mut list, offset - last.unwrap_or(0));
                put(&mut list, length);
                last = Some(offset);
            }
        }
        Named(list.freeze())
    }

    /// As it travels.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As it arrived; `None` if it is no such list. Takes no memory of its own.
    pub fn decode(bytes: Bytes) -> Option<Named> {
        let mut extents = Named(bytes).into_iter();
        let whole = extents.list.clone();
        let mut last = None;
        while extents.at < whole.len() {
            let Extent { offset, .. } = extents.next()?;
            if last.is_some_and(|last| offset <= last) {
                return None;
            }
            last = Some(offset);
        }
        Some(Named(whole))
    }

    /// Those whose offset lies in `from..end`.
    #[must_use]
    pub fn within(&self, from: u64, end: u64) -> Named {
        if from == 0 && end == u64::MAX {
            return self.clone();
        }
        Named::new(self.clone().into_iter().filter(|extent| (from..end).contains(&extent.offset)))
    }
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records", self.clone().into_iter().count())
    }
}

impl IntoIterator for Named {
    type Item = Extent;
    type IntoIter = Extents;

    fn into_iter(self) -> Extents {
        Extents { list: self.0, at: 0, offset: 0 }
    }
}

/// The extents of a [`Named`], in their order.
#[derive(Clone, Debug)]
pub struct Extents {
    list: Bytes,
    at: usize,
    offset: u64,
}

impl Iterator for Extents {
    type Item = Extent;

    fn next(&mut self) -> Option<Extent> {
        let distance = take(&self.list, &mut self.at)?;
        let length = take(&self.list, &mut self.at)?;
        self.offset = self.offset.checked_add(distance)?;
        Some(Extent { offset: self.offset, length })
    }
}

fn put(list: &mut BytesMut, mut number: u64) {
    while number >= 0x80 {
        list.put_u8(number as u8 | 0x80);
        number >>= 7;
    }
    list.put_u8(number as u8);
}

fn take(list: &[u8], at: &mut usize) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *list.get(*at)?;
        *at += 1;
        let bits = u64::from(byte & 0x7f);
        match (bits << shift >> shift).cmp(&bits) {
            Ordering::Equal => number |= bits << shift,
            _ => return None,
        }
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_list_travels_whole_and_in_parts(
            mut offsets in prop::collection::btree_set(any::<u64>(), 0..40),
            length in any::<u64>(),
            from in any::<u64>(),
            end in any::<u64>(),
        ) {
            offsets.insert(0);
            let extents: Vec<Extent> = offsets.iter().map(|&offset| Extent { offset, length }).collect();
            let named = Named::new(extents.clone());
            prop_assert_eq!(Named::decode(Bytes::copy_from_slice(named.as_bytes())), Some(named.clone()));
            prop_assert_eq!(named.clone().into_iter().collect::<Vec<_>>(), extents.clone());
            let part: Vec<Extent> = named.within(from, end).into_iter().collect();
            let expected = extents.into_iter().filter(|extent| extent.offset >= from && extent.offset < end);
            prop_assert_eq!(part, expected.collect::<Vec<_>>());
        }

        #[test]
        fn what_is_no_list_is_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(named) = Named::decode(Bytes::from(bytes)) {
                let offsets: Vec<u64> = named.into_iter().map(|extent| extent.offset).collect();
                prop_assert!(offsets.is_sorted_by(|a, b| a < b));
            }
        }
    }

    #[test]
    fn a_record_named_twice_is_one() {
        let extent = |offset| Extent { offset, length: 5 };
        let named = Named::new([extent(3), extent(3), extent(9), extent(7)]);
        assert_eq!(named.into_iter().collect::<Vec<_>>(), [extent(3), extent(9)]);
        assert_eq!(Named::decode(Bytes::from_static(&[3, 5, 0, 5])), None, "offsets do not grow");
        assert_eq!(Named::decode(Bytes::from_static(&[3])), None, "cut");
    }
}
