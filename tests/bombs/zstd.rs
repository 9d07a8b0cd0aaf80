//! Frames of zstd (RFC 8878) written by hand: of any window, of 128 KiB in four bytes.

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Longest block.
const BLOCK: usize = 128 << 10;

/// A frame in the making.
pub struct Frame(Vec<u8>);

impl Frame {
    /// With a window of `2^window_log` bytes, and no length.
    pub fn new(window_log: u8) -> Frame {
        Frame([&MAGIC[..], &[0, (window_log - 10) << 3]].concat())
    }

    pub fn push(mut self, bytes: &[u8]) -> Frame {
        assert!(bytes.len() <= BLOCK);
        self.block(0, bytes.len(), bytes);
        self
    }

    /// So many MiB of one byte.
    pub fn fill(mut self, byte: u8, mib: usize) -> Frame {
        for _ in 0..mib << 20 >> 17 {
            self.block(2, BLOCK, &[byte]);
        }
        self
    }

    pub fn end(mut self) -> Vec<u8> {
        self.block(1, 0, &[]);
        self.0
    }

    /// `kind`: 0 stored, 2 one byte repeated; 1 added: the last block.
    fn block(&mut self, kind: u32, length: usize, content: &[u8]) {
        let header = (length as u32) << 3 | kind;
        self.0.extend_from_slice(&header.to_le_bytes()[..3]);
        self.0.extend_from_slice(content);
    }
}
