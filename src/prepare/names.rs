//! Short names looked up without a comparison of strings: a table that is made when the program is compiled.

/// A name of up to 16 bytes, its ASCII letters in lower case, as a number. Longer ones are folded: they are equal to a
/// short one only by an unlikely chance.
pub(super) const fn packed(name: &[u8]) -> u128 {
    let mut packed = 0_u128;
    let mut at = 0;
    while at < name.len() {
        packed = packed.rotate_left(8) ^ (name[at].to_ascii_lowercase() as u128);
        at += 1;
    }
    packed
}

/// Names with the sets that each belongs to, as bits. `SLOTS` is a power of two, well above the number of names, so
/// that a search ends soon at an empty slot.
pub(super) struct Names<const SLOTS: usize> {
    names: [u128; SLOTS],
    bits: [u64; SLOTS],
}

impl<const SLOTS: usize> Names<SLOTS> {
    /// A table of `sets`: the number of a bit, and the names that have it.
    pub(super) const fn new(sets: &[(u8, &[&str])]) -> Self {
        let mut table = Self { names: [0; SLOTS], bits: [0; SLOTS] };
        let mut set = 0;
        while set < sets.len() {
            let (bit, names) = sets[set];
            let mut at = 0;
            while at < names.len() {
                let name = packed(names[at].as_bytes());
                let slot = table.slot(name);
                table.names[slot] = name;
                table.bits[slot] |= 1 << bit;
                at += 1;
            }
            set += 1;
        }
        table
    }

    /// The place of a name, or the empty one where it would be.
    const fn slot(&self, name: u128) -> usize {
        let mut slot = hash(name) as usize & (SLOTS - 1);
        while self.names[slot] != name && self.names[slot] != 0 {
            slot = (slot + 1) & (SLOTS - 1);
        }
        slot
    }

    /// Where a name stands, if it does.
    pub(super) const fn find(&self, name: u128) -> Option<usize> {
        let slot = self.slot(name);
        if self.names[slot] == 0 { None } else { Some(slot) }
    }

    /// The sets of the name at a place.
    pub(super) const fn bits(&self, slot: usize) -> u64 {
        self.bits[slot]
    }
}

/// Spreads names over a table.
pub(super) const fn hash(name: u128) -> u32 {
    let folded = (name as u64) ^ ((name >> 64) as u64).rotate_left(29);
    (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    static TABLE: Names<16> = Names::new(&[(0, &["one", "two"]), (3, &["two", "three"])]);

    #[test]
    fn names_know_their_sets() {
        let bits = |name: &str| TABLE.find(packed(name.as_bytes())).map(|slot| TABLE.bits(slot));
        assert_eq!(bits("one"), Some(1));
        assert_eq!(bits("TWO"), Some(9));
        assert_eq!(bits("three"), Some(8));
        assert_eq!(bits("four"), None);
        assert_eq!(bits("a-name-of-more-than-sixteen-bytes"), None);
    }
}
