//! Any bytes as the block of a response: headers, chunks, codings. The body keeps to its limit, memory to its own, and the next
//! record is found.
#![no_main]

use warcdl_actors::Position;
use warcdl_fuzz::{gzip, read, within};

const NEXT: &[u8] =
    b"WARC/1.0\r\nWARC-Type: resource\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<next>\r\n\r\n";
/// Windows of the reader and of the decoders, of which zstd's, in C, is not counted; four codings of at most 64 KiB.
const MOST: usize = 40 << 20;

libfuzzer_sys::fuzz_target!(|block: &[u8]| {
    let head = format!("WARC/1.0\r\nWARC-Type: response\r\nContent-Length: {}\r\n\r\n", block.len());
    let file = gzip(&[head.as_bytes(), block, b"\r\n\r\n", NEXT].concat());
    let entries = within(MOST, || read(&file, Position::default(), false)).expect("no dictionary");
    let [_, (_, _, Ok(next))] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(&next[..], b"<next>");
});
