//! RC4, for servers that allow nothing better.

/// A stream of key bytes, and where it is.
pub(crate) struct Rc4 {
    state: [u8; 256],
    i: u8,
    j: u8,
}

impl Rc4 {
    /// The stream of a key of 1 to 256 bytes.
    pub(crate) fn new(key: &[u8]) -> Rc4 {
        let mut state: [u8; 256] = std::array::from_fn(|at| at as u8);
        let mut j = 0u8;
        for i in 0..256 {
            j = j.wrapping_add(state[i]).wrapping_add(key[i % key.len()]);
            state.swap(i, j.into());
        }
        Rc4 { state, i: 0, j: 0 }
    }

    /// Encrypts or decrypts in place, going on where the last call ended.
    pub(crate) fn apply(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.i = self.i.wrapping_add(1);
            let at_i = self.state[usize::from(self.i)];
            self.j = self.j.wrapping_add(at_i);
            let at_j = self.state[usize::from(self.j)];
            self.state.swap(self.i.into(), self.j.into());
            *byte ^= self.state[usize::from(at_i.wrapping_add(at_j))];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_known_one() {
        fn check(key: &str, text: &str, expected: &[u8]) {
            let mut bytes = text.as_bytes().to_vec();
            let mut stream = Rc4::new(key.as_bytes());
            let (left, right) = bytes.split_at_mut(3);
            stream.apply(left);
            stream.apply(right);
            assert_eq!(bytes, expected);
        }
        check("Key", "Plaintext", &[0xbb, 0xf3, 0x16, 0xe8, 0xd9, 0x40, 0xaf, 0x0a, 0xd3]);
        check("Wiki", "pedia", &[0x10, 0x21, 0xbf, 0x04, 0x20]);
    }
}
