//! The bombs, and what each is to cost.

use std::fmt::Write as _;
use std::io::Write as _;

use image::ImageFormat;
use warcdl::kind::Kind;

use crate::deflate::Stream;
use crate::pictures;
use crate::zstd::Frame;

/// A member of an archive.
pub struct Bomb {
    pub name: &'static str,
    pub kind: Kind,
    /// How the members around it are stored.
    pub wrap: Wrap,
    pub member: Vec<u8>,
    /// What becomes of its record.
    pub expected: &'static str,
    /// Bytes of memory that this one may take beside.
    pub more: u64,
}

/// How members are stored.
#[derive(Clone, Copy)]
pub enum Wrap {
    Gzip,
    Zstd,
}

/// Largest window of zstd frames in archives, see `source/member/frame.rs`.
const ZSTD_WINDOW: u64 = 128 << 20;

/// What a page costs that has as many elements as `text.max_elements` allows, and a text in each.
const ELEMENTS: u64 = 120 * 1_000_000;

/// A record as a member.
pub fn wrapped(record: &[u8], wrap: Wrap) -> Vec<u8> {
    match wrap {
        Wrap::Gzip => Stream::new().push(record).gzip(),
        Wrap::Zstd => Frame::new(17).push(record).end(),
    }
}

fn warc_head(length: u64) -> Vec<u8> {
    format!("WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a/bomb\r\nContent-Length: {length}\r\n\r\n")
        .into_bytes()
}

fn http_head(mime: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: {mime}\r\n{headers}\r\n").into_bytes()
}

fn record(mime: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = http_head(mime, headers);
    [&warc_head((head.len() + body.len()) as u64)[..], &head, body, b"\r\n\r\n"].concat()
}

pub fn all() -> impl Iterator<Item = Bomb> {
    members().into_iter().chain(frames()).chain(bodies()).chain(pages()).chain(files())
}

/// Members of gzip.
fn members() -> Vec<Bomb> {
    const GIB: u64 = 1 << 30;
    let html = http_head("text/html", "");
    let of = |name, expected, stream: Stream| Bomb {
        name,
        kind: Kind::Text,
        wrap: Wrap::Gzip,
        member: stream.gzip(),
        expected,
        more: 0,
    };
    let no_length = b"WARC/1.0\r\nWARC-Type: response\r\n\r\n";
    vec![
        of(
            "a body of 1 GiB",
            "body_too_long",
            Stream::new().push(&warc_head(html.len() as u64 + GIB)).push(&html).fill(0, 1024),
        ),
        of(
            "a body of 1 GiB, told as 100 bytes",
            "bad_length",
            Stream::new().push(&warc_head(html.len() as u64 + 200)).push(&html).fill(b' ', 1024),
        ),
        of(
            "a body of 1 GiB, told as 2^64 - 1",
            "bad_length",
            Stream::new().push(&warc_head(u64::MAX)).push(&html).fill(b' ', 1024),
        ),
        of(
            "a body of 1 GiB, of no length",
            "bad_length",
            Stream::new().push(no_length).push(&html).fill(b' ', 1024),
        ),
        of("HTTP headers of 1 GiB", "no_http_headers", {
            Stream::new().push(&warc_head(20 + GIB)).push(b"HTTP/1.1 200 OK\r\nX: ").fill(b'x', 1024)
        }),
        of(
            "WARC headers of 1 GiB",
            "no_record_headers",
            Stream::new().push(b"WARC/1.0\r\nX: ").fill(b'x', 1024),
        ),
        of("a member of 1 GiB that is no record", "no_record_headers", Stream::new().fill(b'x', 1024)),
        Bomb {
            member: b"\x1f\x8b\x08\x08".repeat(1 << 20),
            ..of("4 MB of headers of members", "truncated", Stream::new())
        },
        Bomb {
            // A header, and a stored block of 64 KiB, in which the next header stands.
            member: b"\x1f\x8b\x08\0\0\0\0\0\0\x03\0\xff\xff\0\0".repeat(1 << 18),
            ..of("4 MB of members inside each other", "corrupt_member", Stream::new())
        },
        of("line breaks of 128 MiB", "no_record_headers", Stream::new().fill(b'\n', 128).push(b"no record")),
    ]
}

/// Frames of zstd as members.
fn frames() -> Vec<Bomb> {
    let html = http_head("text/html", "");
    let head = [&warc_head(html.len() as u64 + (1 << 30))[..], &html].concat();
    let of = |name, expected, member, more| Bomb {
        name,
        kind: Kind::Text,
        wrap: Wrap::Zstd,
        member,
        expected,
        more,
    };
    vec![
        of("a frame of 1 GiB", "body_too_long", Frame::new(20).push(&head).fill(0, 1024).end(), MIB),
        of(
            "a frame of 1 GiB and the greatest window",
            "body_too_long",
            Frame::new(27).push(&head).fill(0, 1024).end(),
            ZSTD_WINDOW + MIB,
        ),
        of(
            "a frame with a window of 2 GiB",
            "corrupt_member",
            Frame::new(31).push(&head).fill(0, 1024).end(),
            0,
        ),
    ]
}

const MIB: u64 = 1 << 20;

/// Bodies in content codings and chunks.
fn bodies() -> Vec<Bomb> {
    let of = |name, expected, coding: &str, body: &[u8]| Bomb {
        name,
        kind: Kind::Text,
        wrap: Wrap::Gzip,
        member: wrapped(&record("text/html", coding, body), Wrap::Gzip),
        expected,
        more: 0,
    };
    let gzip = || Stream::new().fill(b' ', 1024).gzip();
    let twice = Stream::new().push(&gzip()).gzip();
    let sound = "<p>A page of some words, and of some more, that is long enough. </p>".repeat(8);
    let nested = (0..5).fold(sound.clone().into_bytes(), |body, _| Stream::new().push(&body).gzip());
    let mut brotli = Vec::new();
    brotli::CompressorWriter::new(&mut brotli, 4096, 1, 22).write_all(&vec![b' '; 32 << 20]).unwrap();
    let chunks = "Transfer-Encoding: chunked\r\n";
    let mut small = String::new();
    (0..500_000).for_each(|_| small.push_str("1\r\nx\r\n"));
    let mut extensions = String::new();
    (0..3_000).for_each(|_| write!(extensions, "1;{}\r\nx\r\n", "x".repeat(1_000)).unwrap());
    vec![
        of("gzip of 1 GiB", "body_too_long", "Content-Encoding: gzip\r\n", &gzip()),
        of("gzip of gzip of 1 GiB", "body_too_long", "Content-Encoding: gzip, gzip\r\n", &twice),
        of("gzip of gzip of 1 GiB, told as one", "html_parse", "Content-Encoding: gzip\r\n", &twice),
        of(
            "more codings than are undone",
            "html_parse",
            "Content-Encoding: gzip, gzip, gzip, gzip, gzip\r\n",
            &nested,
        ),
        of(
            "codings without number",
            "ok",
            &format!("Content-Encoding: {}\r\n", ",".repeat(250_000)),
            sound.as_bytes(),
        ),
        of(
            "deflate of 1 GiB",
            "body_too_long",
            "Content-Encoding: deflate\r\n",
            &Stream::new().fill(b' ', 1024).raw(),
        ),
        of(
            "zlib of 1 GiB",
            "body_too_long",
            "Content-Encoding: deflate\r\n",
            &Stream::new().fill(b' ', 1024).zlib(),
        ),
        of("brotli of 32 MiB", "body_too_long", "Content-Encoding: br\r\n", &brotli),
        of(
            "brotli with a window of 1 GiB",
            "ok",
            "Content-Encoding: br\r\n",
            &large_brotli(sound.as_bytes()),
        ),
        of(
            "zstd of 1 GiB",
            "body_too_long",
            "Content-Encoding: zstd\r\n",
            &Frame::new(20).fill(b' ', 1024).end(),
        ),
        of(
            "zstd of 1 GiB with the greatest window of HTTP",
            "body_too_long",
            "Content-Encoding: zstd\r\n",
            &Frame::new(23).fill(b' ', 1024).end(),
        ),
        of(
            "zstd with a window of 128 MiB",
            "ok",
            "Content-Encoding: zstd\r\n",
            &Frame::new(27).fill(b' ', 1024).end(),
        ),
        of(
            "zstd with a window of 2 GiB",
            "ok",
            "Content-Encoding: zstd\r\n",
            &Frame::new(31).fill(b' ', 1024).end(),
        ),
        of("a chunk of 2^64 - 1", "ok", chunks, format!("ffffffffffffffff\r\n{sound}").as_bytes()),
        of("a chunk of more than 2^64", "ok", chunks, format!("fffffffffffffffff\r\n{sound}").as_bytes()),
        of("chunks of one byte", "ok", chunks, small.as_bytes()),
        of("chunks with long extensions", "ok", chunks, extensions.as_bytes()),
    ]
}

/// A stream in the format for windows above 16 MiB, which RFC 7932 does not have: a header, one block as it is.
fn large_brotli(body: &[u8]) -> Vec<u8> {
    // 8 bits that say so, 6 of the window; not the last block, 4 nibbles of length, the length, not compressed.
    let bits = 0x11 | 30 << 8 | (body.len() as u64 - 1) << 17 | 1 << 33;
    [&bits.to_le_bytes()[..5], body, &[3]].concat()
}

/// Pages that are dear to parse.
fn pages() -> Vec<Bomb> {
    let of = |name, expected, page: String, more| Bomb {
        name,
        kind: Kind::Text,
        wrap: Wrap::Gzip,
        member: wrapped(&record("text/html", "", page.as_bytes()), Wrap::Gzip),
        expected,
        more,
    };
    let mut attributes = String::from("<p");
    (0..100_000).for_each(|i| write!(attributes, " a{i}").unwrap());
    vec![
        of("100,000 elements inside each other", "ok", "<div>".repeat(100_000), 0),
        of("100,000 attributes", "ok", attributes + ">x", 0),
        of("1,000,000 elements", "ok", "<br>".repeat(990_000), ELEMENTS),
        of("links that are never closed", "ok", "<div><a href=x>".repeat(20_000), 0),
        of("end tags without number", "ok", "</p>".repeat(990_000), ELEMENTS),
        of("4 MB of text", "ok", "words of a page ".repeat(249_000), 0),
        of("4 MB of one word", "ok", "x".repeat(3_990_000), 0),
        of("4 MB of zeros", "ok", format!("<p>text{}", "\0".repeat(3_900_000)), 0),
        of("4 MB of a comment that never ends", "ok", format!("<p>text<!--{}", "-!".repeat(1_990_000)), 0),
        of("4 MB of open brackets", "ok", "<".repeat(3_990_000), 0),
        of("4 MB of references to nothing", "ok", format!("<p>text{}", " &x; &#0;".repeat(400_000)), 0),
        of("4 MB of quotes in a tag", "ok", format!("<p>text<a {}>", "\"'".repeat(1_900_000)), 0),
    ]
}

/// Pictures.
fn files() -> Vec<Bomb> {
    let of = |name, expected, file: &[u8]| Bomb {
        name,
        kind: Kind::Image,
        wrap: Wrap::Gzip,
        // The format is told by the file's first bytes; what is shorter than `record.min_body_bytes` is left out for that.
        member: wrapped(&record("image/png", "", &[file, &[0; 128]].concat()), Wrap::Gzip),
        expected,
        more: 0,
    };
    let chunk = |name: &'static [u8; 4], before: &[u8]| {
        pictures::png((64, 64), (8, 0), false, &[(name, pictures::inflating(before))])
    };
    let texts = vec![(b"zTXt", b"a\0\0x\x9c".to_vec()); 100_000];
    vec![
        of("PNG, 30,000 × 30,000", "image_limits", &pictures::png((30_000, 30_000), (1, 0), false, &[])),
        of("PNG, 16,000 × 250 of one bit", "ok", &pictures::png((16_000, 250), (1, 0), false, &[])),
        of("PNG, 2,000 × 2,000 of 64 bits", "ok", &pictures::png((2_000, 2_000), (16, 6), false, &[])),
        of("PNG, the same interlaced", "ok", &pictures::png((2_000, 2_000), (16, 6), true, &[])),
        of("PNG, a colour profile of 1 GiB", "ok", &chunk(b"iCCP", b"a\0\0")),
        of("PNG, a text of 1 GiB", "ok", &chunk(b"zTXt", b"a\0\0")),
        of("PNG, an international text of 1 GiB", "ok", &chunk(b"iTXt", b"a\0\x01\0\0\0")),
        of("PNG, 100,000 texts", "ok", &pictures::png((64, 64), (8, 0), false, &texts)),
        of("GIF, a screen of 65,535 × 65,535", "image_limits", &pictures::gif(u16::MAX, 1, 1)),
        of("GIF, a frame larger than the screen", "image_decode", &pictures::gif(64, u16::MAX, 1)),
        of("GIF, 200,000 frames", "ok", &pictures::gif(1, 1, 200_000)),
        of("JPEG, 65,535 × 65,535", "image_limits", &pictures::giant_jpeg()),
        of("JPEG, 1,000 scans", "image_decode", &pictures::many_scans(500, 1_000)),
        of("WebP, 16,384 × 16,384", "image_header", &pictures::giant_webp()),
        of("WebP, a canvas of 2^24 × 2^24", "image_header", &pictures::giant_canvas()),
        of("WebP, at the limit", "ok", &pictures::at_the_limit(ImageFormat::WebP, 4_000_000)),
        of("BMP, 2^31 - 1 × 2^31 - 1", "image_header", &pictures::bmp(i32::MAX, i32::MAX, 24)),
        of("BMP, upside down without end", "image_header", &pictures::bmp(64, i32::MIN, 24)),
        of(
            "TIFF",
            "image_header",
            b"II*\0\x08\0\0\0\x01\0\0\x01\x04\0\x01\0\0\0\xff\xff\xff\xff\0\0\0\0".repeat(8).as_slice(),
        ),
    ]
}
