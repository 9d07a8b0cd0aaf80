//! Undoing the transfer and content codings of an HTTP body, leniently and never past a cap.

use std::io::{self, Read};

use memchr::memchr;
use zlib_rs::{Inflate, InflateFlush, Status};

use super::member::{WINDOW_LOG_MAX, gzip_header_len};

/// More stacked codings than servers ever apply.
const MAX_CODINGS: usize = 4;

/// First bits of a stream in the format for windows of up to 1 GiB, which the decoder takes too. Of HTTP's format they are no
/// window (RFC 7932, section 9.1).
const BROTLI_LARGE_WINDOW: u8 = 0x11;
/// Windows of zstd up to 8 MiB are what servers may use (RFC 9659).
const ZSTD_WINDOW_LOG: u32 = 23;

/// The decoded body is longer than the cap.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Undoes chunking and codings (in the order in which they were applied). A body that is not what its headers claim
/// stays as it is; of one that breaks midway, what came before is kept.
pub(super) fn decode(
    body: Vec<u8>,
    chunked: bool,
    codings: &[Vec<u8>],
    cap: usize,
) -> Result<Vec<u8>, TooLong> {
    let mut body = if chunked { dechunk(&body).unwrap_or(body) } else { body };
    for coding in codings.iter().rev().take(MAX_CODINGS) {
        let name = coding.to_ascii_lowercase();
        let decoded = match name.as_slice() {
            b"gzip" | b"x-gzip" if body.starts_with(&[0x1f, 0x8b, 8]) => {
                gzip_header_len(&body).map(|header| inflate(&body[header..], false, cap))
            }
            b"deflate" => {
                let zlib =
                    body.len() > 2 && body[0] & 15 == 8 && u16::from_be_bytes([body[0], body[1]]) % 31 == 0;
                Some(inflate(&body, zlib, cap))
            }
            b"br" if body.first().is_some_and(|first| first & 0x7f != BROTLI_LARGE_WINDOW) => {
                Some(read(brotli::Decompressor::new(body.as_slice(), 64 << 10), cap))
            }
            b"zstd" if body.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) => {
                zstd_decoder(&body, cap).ok().map(|decoder| read(decoder, cap))
            }
            _ => None,
        };
        match decoded.transpose()? {
            Some(decoded) if !decoded.is_empty() => body = decoded,
            _ => {}
        }
    }
    Ok(body)
}

/// `None` if the body is not chunked at all.
fn dechunk(body: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(end) = memchr(b'\n', &rest[..rest.len().min(1024)]) {
        let digits = rest[..end].split(|byte| *byte == b';').next()?.trim_ascii();
        let Some(size) = str::from_utf8(digits).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok())
        else {
            break;
        };
        rest = &rest[end + 1..];
        if size == 0 {
            return Some(plain);
        }
        let size = size.min(rest.len());
        plain.extend_from_slice(&rest[..size]);
        rest = &rest[size..];
        rest = rest.strip_prefix(b"\r").unwrap_or(rest);
        rest = rest.strip_prefix(b"\n").unwrap_or(rest);
    }
    (!plain.is_empty()).then_some(plain)
}

fn inflate(data: &[u8], zlib: bool, cap: usize) -> Result<Vec<u8>, TooLong> {
    let mut inflate = Inflate::new(zlib, 15);
    let mut plain = Vec::new();
    let mut piece = vec![0; 32 << 10];
    loop {
        let made = inflate.total_out();
        let taken = inflate.total_in();
        let status = inflate.decompress(&data[taken as usize..], &mut piece, InflateFlush::NoFlush);
        let count = (inflate.total_out() - made) as usize;
        if plain.len() + count > cap {
            return Err(TooLong);
        }
        plain.extend_from_slice(&piece[..count]);
        let stuck = count == 0 && inflate.total_in() == taken;
        if stuck || !matches!(status, Ok(Status::Ok | Status::BufError)) {
            return Ok(plain);
        }
    }
}

/// With no window that is larger than what servers may use, and than the cap.
fn zstd_decoder(body: &[u8], cap: usize) -> io::Result<impl Read> {
    let mut decoder = zstd::stream::read::Decoder::new(body)?;
    let of_cap = usize::BITS - cap.leading_zeros();
    decoder.window_log_max(of_cap.clamp(ZSTD_WINDOW_LOG, WINDOW_LOG_MAX))?;
    Ok(decoder)
}

fn read(decoder: impl Read, cap: usize) -> Result<Vec<u8>, TooLong> {
    let mut plain = Vec::new();
    // An error midway ends the body; what was read stays in `plain`.
    let _ = decoder.take(cap as u64 + 1).read_to_end(&mut plain);
    if plain.len() > cap { Err(TooLong) } else { Ok(plain) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::{TooLong, decode};

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn check(body: &[u8], chunked: bool, codings: &[&str], expected: &[u8]) {
        let codings: Vec<_> = codings.iter().map(|coding| coding.as_bytes().to_vec()).collect();
        assert_eq!(decode(body.to_vec(), chunked, &codings, 1000).as_deref(), Ok(expected), "{codings:?}");
    }

    fn brotli(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        brotli::CompressorWriter::new(&mut out, 4096, 5, 22).write_all(bytes).unwrap();
        out
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn raw(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 3).unwrap()
    }

    #[test]
    fn codings_are_undone_or_left_as_they_are() {
        check(b"4;a=b\r\npage\r\n3\r\n, 2\r\n0\r\n\r\n", true, &[], b"page, 2");
        check(b"4\npage\n0\n\n", true, &[], b"page");
        check(b"4\r\npage\r\n3\r\n, 2\r\n0\r\nTrailer: x\r\n\r\n", true, &[], b"page, 2");
        check(b"ff\r\ncut short", true, &[], b"cut short");
        check(b"4\r\npage\r\nbroken\r\n", true, &[], b"page");
        check(b"ffffffffffffffffff\r\npage", true, &[], b"ffffffffffffffffff\r\npage");
        check(b"<html>plain", true, &[], b"<html>plain");
        check(&gzip(b"page"), false, &["X-GZIP"], b"page");
        check(&gzip(&gzip(b"page")), false, &["gzip", "gzip"], b"page");
        check(&zlib(b"page"), false, &["deflate"], b"page");
        check(&raw(b"page"), false, &["Deflate"], b"page");
        check(&brotli(b"page"), false, &["br"], b"page");
        check(&zstd(b"page"), false, &["zstd"], b"page");
        check(&zstd(&brotli(b"page")), false, &["br", "zstd"], b"page");
        let chunked =
            [format!("{:x}\r\n", gzip(b"page").len()).as_bytes(), &gzip(b"page"), b"\r\n0\r\n\r\n"].concat();
        check(&chunked, true, &["gzip"], b"page");
        for coding in ["gzip", "deflate", "zstd", "utf-8", "identity", ""] {
            check(b"<p>page", false, &[coding], b"<p>page");
        }
    }

    #[test]
    fn windows_that_http_does_not_know_are_not_opened() {
        let page = [b' '; 500];
        // A brotli stream for windows of 1 GiB, not compressed: the format, the window, the length.
        let bits = 0x11 | 30 << 8 | (page.len() as u64 - 1) << 17 | 1 << 33;
        let large = [&bits.to_le_bytes()[..5], &page, &[3]].concat();
        check(&large, false, &["br"], &large);
        for (window_log, opened) in [(23, true), (24, false), (31, false)] {
            let length = (page.len() as u32) << 3 | 1;
            let window = [0, (window_log - 10) << 3];
            let frame = [&[0x28, 0xb5, 0x2f, 0xfd][..], &window, &length.to_le_bytes()[..3], &page].concat();
            check(&frame, false, &["zstd"], if opened { &page } else { &frame });
        }
    }

    #[test]
    fn bombs_stop_at_the_cap() {
        let spaces = vec![b' '; 20 << 20];
        for (coding, bomb) in [
            ("gzip", gzip(&spaces)),
            ("deflate", zlib(&spaces)),
            ("br", brotli(&spaces)),
            ("zstd", zstd(&spaces)),
        ] {
            assert!(bomb.len() < 100_000, "{coding}");
            assert_eq!(decode(bomb, false, &[coding.as_bytes().to_vec()], 1000), Err(TooLong), "{coding}");
        }
        assert_eq!(
            decode(gzip(&[b' '; 1000]), false, &[b"gzip".to_vec()], 1000).map(|body| body.len()),
            Ok(1000)
        );
        assert_eq!(decode(gzip(&[b' '; 1001]), false, &[b"gzip".to_vec()], 1000), Err(TooLong));
    }
}
