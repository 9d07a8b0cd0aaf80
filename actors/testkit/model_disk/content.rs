//! What is in a file, as it is read and as it is on the disk.

use super::Survival;

#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) durable: Vec<u8>,
    pub(super) current: Vec<u8>,
    pub(super) unsynced: Vec<Change>,
}

impl Content {
    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.current);
        self.unsynced.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    pub(super) fn crash(&mut self, survival: Survival, random: &mut Random) {
        let changes = std::mem::take(&mut self.unsynced);
        match survival {
            Survival::Nothing => {}
            Survival::Everything => self.durable = std::mem::take(&mut self.current),
            Survival::Random(_) if random.below(2) == 0 => {
                let whole = random.below(changes.len() + 1);
                changes[..whole].iter().for_each(|change| change.apply(&mut self.durable));
                if let Some(change) = changes.get(whole) {
                    change.torn(random).apply(&mut self.durable);
                }
            }
            Survival::Random(_) => {
                for change in &changes {
                    match random.below(3) {
                        0 => {}
                        1 => change.apply(&mut self.durable),
                        _ => change.torn(random).apply(&mut self.durable),
                    }
                }
            }
        }
        self.current.clone_from(&self.durable);
    }
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Change::Write(offset, bytes) => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
            Change::Truncate(len) => content.truncate(*len),
        }
    }

    /// A part of a write, from any byte to any other.
    fn torn(&self, random: &mut Random) -> Change {
        match self {
            Change::Write(offset, bytes) => {
                let [a, b] = [random.below(bytes.len() + 1), random.below(bytes.len() + 1)];
                // Mostly the beginning.
                let from = if random.below(3) == 0 { a.min(b) } else { 0 };
                Change::Write(offset + from, bytes[from..a.max(b)].to_vec())
            }
            other => other.clone(),
        }
    }
}

/// SplitMix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    /// A number below `n`, which is not 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % n as u64) as usize
    }
}
