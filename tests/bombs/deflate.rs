//! Deflate streams (RFC 1951) that hold far more than they are long, and are made without ever holding it.

use flate2::{Compress, Compression, Crc, FlushCompress};

const MIB: usize = 1 << 20;

/// A stream in the making.
pub struct Stream {
    deflated: Vec<u8>,
    crc: Crc,
}

impl Stream {
    pub fn new() -> Stream {
        Stream { deflated: Vec::new(), crc: Crc::new() }
    }

    pub fn push(mut self, bytes: &[u8]) -> Stream {
        self.deflated.extend(flushed(bytes));
        self.crc.update(bytes);
        self
    }

    /// So many MiB of one byte.
    pub fn fill(mut self, byte: u8, mib: usize) -> Stream {
        let piece = vec![byte; MIB];
        let deflated = flushed(&piece);
        let mut crc = Crc::new();
        crc.update(&piece);
        for _ in 0..mib {
            self.deflated.extend_from_slice(&deflated);
            self.crc.combine(&crc);
        }
        self
    }

    /// Without a frame around it.
    pub fn raw(mut self) -> Vec<u8> {
        // The last block, stored and empty.
        self.deflated.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
        self.deflated
    }

    /// As a gzip member.
    pub fn gzip(self) -> Vec<u8> {
        let trailer = [self.crc.sum().to_le_bytes(), self.crc.amount().to_le_bytes()].concat();
        [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &self.raw(), &trailer].concat()
    }

    /// As a zlib stream, its checksum wrong: who reads so far has lost already.
    pub fn zlib(self) -> Vec<u8> {
        [&[0x78, 0x9c][..], &self.raw(), &[0; 4]].concat()
    }
}

/// Blocks that look at nothing before them, up to a byte's end.
fn flushed(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 1024);
    let mut compress = Compress::new(Compression::default(), false);
    while (compress.total_in() as usize) < bytes.len() {
        let rest = &bytes[compress.total_in() as usize..];
        compress.compress_vec(rest, &mut out, FlushCompress::Full).unwrap();
    }
    out
}
