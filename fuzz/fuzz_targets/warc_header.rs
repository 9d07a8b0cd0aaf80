//! Any bytes as a record, alone in its member: whatever its header says, the record of the next member is found.
#![no_main]

use warcdl_fuzz::{check_archive, gzip};

const NEXT: &[u8] =
    b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: 50\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<next>\r\n\r\n";

libfuzzer_sys::fuzz_target!(|record: &[u8]| {
    let first = gzip(&[b"WARC/1.0\r\n", record].concat());
    let file = [&first[..], &gzip(NEXT)].concat();
    let entries = check_archive(&file);
    let Some((at, _, Ok(body))) = entries.last() else { panic!("the next record is lost: {entries:?}") };
    assert_eq!((at.offset, at.ordinal, &body[..]), (first.len() as u64, 0, &b"<next>"[..]));
    check_archive(&[b"WARC/1.0\r\n", record].concat());
});
