//! Archives made for the tests.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

/// A `response` record with this HTTP body.
pub fn response(url: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n", body.len());
    record("response", url, &[head.as_bytes(), body].concat())
}

/// A record of any type.
pub fn record(warc_type: &str, url: &str, block: &[u8]) -> Vec<u8> {
    let mut head = String::from("WARC/1.1\r\n");
    write!(
        head,
        "WARC-Type: {warc_type}\r\nWARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-{:012x}>\r\n\
         WARC-Date: 2026-11-22T00:00:00Z\r\nWARC-Target-URI: {url}\r\n\
         Content-Type: application/http; msgtype=response\r\nContent-Length: {}\r\n\r\n",
        url.len() + block.len(),
        block.len()
    )
    .unwrap();
    [head.as_bytes(), block, b"\r\n\r\n"].concat()
}

/// One gzip member a record.
pub fn write_gz(path: &Path, records: &[Vec<u8>]) {
    let mut out = Vec::new();
    for record in records {
        let mut member = GzEncoder::new(&mut out, Compression::fast());
        member.write_all(record).unwrap();
        member.finish().unwrap();
    }
    std::fs::write(path, out).unwrap();
}

/// A page of `n` sentences that differs from every other.
pub fn page(topic: &str, n: usize) -> String {
    let mut html = format!("<html><head><title>About {topic}</title></head><body><article><h1>{topic}</h1>");
    for i in 0..n {
        write!(
            html,
            "<p>This is sentence number {i} about {topic}, and it says that the weather is fine today.</p>"
        )
        .unwrap();
    }
    html + "</article></body></html>"
}

/// `pages` pages, each with its request, behind a warcinfo record: `2 * pages + 1` records.
pub fn crawl(name: &str, pages: usize) -> Vec<Vec<u8>> {
    let mut records = vec![record("warcinfo", "", b"software: tests\r\n")];
    for i in 0..pages {
        let url = format!("http://{name}.example.org/page-{i}.html");
        records.push(record("request", &url, b"GET / HTTP/1.1\r\n\r\n"));
        records.push(response(
            &url,
            "text/html; charset=utf-8",
            page(&format!("{name} {i}"), 3 + i % 7).as_bytes(),
        ));
    }
    records
}
