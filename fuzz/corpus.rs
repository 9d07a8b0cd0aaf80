//! Makes the corpus anew: `make fuzz-corpus`. Small files, each for one thing that a reader of archives meets.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use image::{DynamicImage, GrayImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

type Seed = (&'static str, Vec<u8>);

fn main() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut bytes = 0;
    for (target, seeds) in [
        ("members", members()),
        ("warc_header", warc_headers()),
        ("http", blocks()),
        ("charset", texts()),
        ("html", pages()),
        ("picture", pictures()),
    ] {
        let folder = corpus.join(target);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for (name, seed) in seeds {
            bytes += seed.len();
            fs::write(folder.join(name), seed).unwrap();
        }
    }
    println!("{bytes} bytes in {}", corpus.display());
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    brotli::CompressorWriter::new(&mut out, 4096, 5, 18).write_all(bytes).unwrap();
    out
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd_with(bytes, &[])
}

fn zstd_with(bytes: &[u8], dictionary: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::with_dictionary(Vec::new(), 3, dictionary).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn skippable(magic: u8, content: &[u8]) -> Vec<u8> {
    [&[magic, 0x2a, 0x4d, 0x18][..], &(content.len() as u32).to_le_bytes(), content].concat()
}

fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in body.chunks(size) {
        write!(out, "{:x}\r\n", chunk.len()).unwrap();
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    [&out[..], b"0\r\n\r\n"].concat()
}

fn block(headers: &str, body: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n", headers.as_bytes(), b"\r\n", body].concat()
}

fn record(body: &str) -> Vec<u8> {
    record_with(body, 0)
}

fn record_with(body: &str, off_by: i64) -> Vec<u8> {
    let block = block("", body.as_bytes());
    let head = format!(
        "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: <http://a/>\r\nWARC-Date: 2024-01-01T00:00:00Z\r\nContent-Length: {}\r\n\r\n",
        block.len() as i64 + off_by
    );
    [head.as_bytes(), &block, b"\r\n\r\n"].concat()
}

fn arc(body: &str) -> Vec<u8> {
    let block = block("", body.as_bytes());
    [format!("http://a/ 1.2.3.4 20010203040506 text/html {}\n", block.len()).as_bytes(), &block, b"\n"]
        .concat()
}

fn members() -> Vec<Seed> {
    let (a, b, c) = (record("<p>a"), record("<p>b"), record("<p>c"));
    let mut corrupt = [gzip(&a), gzip(&b), gzip(&c)];
    let middle = corrupt[1].len() / 2;
    corrupt[1][middle..middle + 4].fill(0xff);
    let mut bad_crc = [gzip(&a), gzip(&b), gzip(&c)];
    let crc = bad_crc[1].len() - 8;
    bad_crc[1][crc] ^= 1;
    let mut named = gzip(&a);
    named[3] = 8 | 16;
    named.splice(10..10, *b"name\0comment\0");
    let dictionary = record("<p>what many pages hold");
    vec![
        ("plain", [&a[..], &b, &c].concat()),
        ("plain-length-too-long", [&a[..], &record_with("<p>b", 60), &c].concat()),
        ("plain-length-too-short", [&a[..], &record_with("<p>b", -2), &c].concat()),
        ("plain-cut", a[..a.len() - 9].to_vec()),
        ("gzip", [gzip(&a), gzip(&b), gzip(&c)].concat()),
        ("gzip-two-in-one", [gzip(&[&a[..], &b].concat()), gzip(&c)].concat()),
        ("gzip-length-too-long", [gzip(&[&record_with("<p>a", 100)[..], &b].concat()), gzip(&c)].concat()),
        ("gzip-corrupt", corrupt.concat()),
        ("gzip-bad-crc", bad_crc.concat()),
        ("gzip-cut", gzip(&a)[..40].to_vec()),
        ("gzip-named", [named, gzip(&b)].concat()),
        ("gzip-empty", [gzip(&a), gzip(b""), gzip(&b)].concat()),
        ("gzip-garbage", [&gzip(&a)[..], b"no member", &gzip(&b)].concat()),
        ("gzip-zeros", [gzip(&a), vec![0; 64]].concat()),
        // Found by fuzzing: taken for another format by a reader that goes on behind the first member.
        ("gzip-zeros-garbage", [&gzip(&a)[..], &[0; 30], b"WARC/1.0 or so"].concat()),
        ("zstd-garbage", [&zstd(&a)[..], b"WARC/1.0 or so"].concat()),
        ("gzip-nested", [gzip(&record("<p>")), gzip(&gzip(&gzip(&a))), gzip(&b)].concat()),
        ("zstd", [zstd(&a), zstd(&b), zstd(&c)].concat()),
        ("zstd-cut", zstd(&a)[..40].to_vec()),
        ("zstd-skippable", [zstd(&a), skippable(0x50, b"left out"), zstd(&b)].concat()),
        ("zstd-dictionary", [skippable(0x5d, &dictionary), zstd_with(&a, &dictionary)].concat()),
        (
            "zstd-dictionary-compressed",
            [skippable(0x5d, &zstd(&dictionary)), zstd_with(&a, &dictionary)].concat(),
        ),
        // A window of 2 GiB.
        ("zstd-window", [zstd(&a), vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0xa8, 1, 0, 0], zstd(&b)].concat()),
        ("arc", [arc("<p>a"), arc("<p>b")].concat()),
        ("arc-gzip", [gzip(&arc("<p>a")), gzip(&arc("<p>b"))].concat()),
        ("bomb", gzip(&record(&" ".repeat(200_000)))),
    ]
}

fn warc_headers() -> Vec<Seed> {
    let page = String::from_utf8(block("", b"<p>a")).unwrap();
    let with = |headers: &str, block: &str| format!("{headers}\r\n{block}\r\n\r\n").into_bytes();
    let length = page.len();
    vec![
        ("response", with(&format!("WARC-Type: response\r\nContent-Length: {length}\r\n"), &page)),
        ("lower", format!("warc-type:response\ncontent-length:{length}\n\n{page}\n\n").into_bytes()),
        (
            "folded",
            with(
                &format!(
                    "WARC-Type: response\r\nWARC-Target-URI: <http://a/\r\n b>\r\nContent-Length: {length}\r\n"
                ),
                &page,
            ),
        ),
        ("resource", with("WARC-Type: resource\r\nContent-Type: text/html\r\nContent-Length: 4\r\n", "<p>a")),
        (
            "conversion",
            with("WARC-Type: conversion\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n", "text"),
        ),
        ("no-length", with("WARC-Type: response\r\n", &page)),
        ("huge-length", with("WARC-Type: response\r\nContent-Length: 18446744073709551615\r\n", &page)),
        ("negative-length", with("WARC-Type: response\r\nContent-Length: -1\r\n", &page)),
        ("short-length", with("WARC-Type: response\r\nContent-Length: 30\r\n", &page)),
        ("two-lengths", with("WARC-Type: response\r\nContent-Length: 1\r\nContent-Length: 48\r\n", &page)),
        ("no-end", b"WARC-Type: response\r\nContent-Length: 3\r\n".to_vec()),
        (
            "record-in-block",
            with("WARC-Type: request\r\nContent-Length: 400\r\n", "x\r\n\r\nWARC/1.0\r\nWARC-Type: x\r\n"),
        ),
    ]
}

fn blocks() -> Vec<Seed> {
    let page = b"<html><p>A page of some words, some words, some words.</html>";
    let coded = |name: &str, body: &[u8]| block(&format!("Content-Encoding: {name}\r\n"), body);
    let chunks = "Transfer-Encoding: chunked\r\n";
    let gzips = (0..5).fold(page.to_vec(), |body, _| gzip(&body));
    vec![
        ("plain", block("", page)),
        ("charset", block("Content-Type: text/html; charset=\"utf-8\"\r\n", page)),
        ("folded", block("Content-Encoding: br,\r\n gzip\r\n", &gzip(&brotli(page)))),
        ("lf", b"HTTP/1.0 404\nContent-Type: text/html\n\n<p>".to_vec()),
        ("no-headers", b"<html>".to_vec()),
        ("headers-alone", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n".to_vec()),
        ("chunked", block(chunks, &chunked(page, 7))),
        ("chunked-huge", block(chunks, b"ffffffffffffffff\r\n<p>\r\n7fffffffffffffff\r\n<p>")),
        ("chunked-extension", block(chunks, b"3;a=\"b\"\r\n<p>\r\n0\r\nTrailer: x\r\n\r\n")),
        ("chunked-gzip", block(&format!("{chunks}Content-Encoding: gzip\r\n"), &chunked(&gzip(page), 10))),
        ("gzip", coded("x-gzip", &gzip(page))),
        ("gzip-cut", coded("gzip", &gzip(page)[..30])),
        ("gzip-nested", coded("gzip, gzip, gzip, gzip, gzip", &gzips)),
        ("deflate", coded("deflate", &deflate(page))),
        ("deflate-zlib", coded("deflate", &zlib(page))),
        ("brotli", coded("br", &brotli(page))),
        ("brotli-large-window", coded("br", &[&[0x11, 30][..], &brotli(page)].concat())),
        ("zstd", coded("zstd", &zstd(page))),
        ("bomb-gzip", coded("gzip", &gzip(&[b' '; 100_000]))),
        ("bomb-brotli", coded("br", &brotli(&[b' '; 100_000]))),
        ("bomb-zstd", coded("zstd", &zstd(&[b' '; 100_000]))),
    ]
}

fn texts() -> Vec<Seed> {
    let in_charset = |label: &str, text: &str| {
        let encoding = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap();
        encoding.encode(text).0.into_owned()
    };
    let labelled = |label: &str, body: &[u8]| [label.as_bytes(), b"\n", body].concat();
    let (japanese, chinese, korean) = ("いろはにほへと", "天地玄黃宇宙洪荒", "가나다라마바사");
    let (russian, german) = ("Съешь ещё этих булок", "Zwölf Boxkämpfer, große Bühne");
    let utf16: Vec<u8> = german.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut seeds = vec![
        ("utf-16le", labelled("utf-16le", &utf16)),
        ("utf-16le-mark", labelled("", &[b"\xff\xfe", &utf16[..]].concat())),
        ("utf-16-odd", labelled("utf-16be", &utf16[1..])),
        ("utf-8-mark", labelled("koi8-r", &[b"\xef\xbb\xbf", german.as_bytes()].concat())),
        ("utf-8-broken", labelled("", &[german.as_bytes(), b"\xe9\xff"].concat())),
        ("replacement", labelled("iso-2022-kr", b"text")),
        ("meta", labelled("", &[b"<meta charset=koi8-r>", &in_charset("koi8-r", russian)[..]].concat())),
        ("iso-2022-jp-guess", labelled("", &in_charset("iso-2022-jp", japanese))),
    ];
    for (label, text) in [
        ("shift_jis", japanese),
        ("euc-jp", japanese),
        ("iso-2022-jp", japanese),
        ("gb18030", chinese),
        ("big5", chinese),
        ("euc-kr", korean),
        ("koi8-r", russian),
        ("windows-1251", russian),
        ("windows-1252", german),
        ("x-user-defined", german),
    ] {
        seeds.push((label, labelled(label, &in_charset(label, text))));
    }
    seeds
}

fn pages() -> Vec<Seed> {
    let words = "A sentence of the page, and of no other one, with a comma. ".repeat(4);
    let article = format!(
        "<!doctype html><html><head><title>A page &amp; more</title><style>p{{}}</style></head><body><nav><a href=/>Home</a></nav>\
         <article><h1>A page</h1><p>{words}</p><p>{words}</p><ul><li>one<li>two</ul></article><footer>end</footer></body></html>"
    );
    let page = |html: &str| html.as_bytes().to_vec();
    vec![
        ("article", article.into_bytes()),
        ("table", page("<table><tr><td>a<td>b<tr><th>c</table><table><table><caption>x")),
        ("misnested", page("<b><i><a href=1><p>x</b>y</i><p>z<a href=2>w<div></a></p>")),
        ("formatting", page(&"<p><b a=1><i b=2><font c=3>x".repeat(8))),
        ("deep", page(&"<div>".repeat(200))),
        (
            "foreign",
            page("<svg><title>a</title><script>x</script><foreignObject><p>b</p></svg><math><mi>c<p>d"),
        ),
        (
            "raw",
            page(
                "<script><!--<script>a</script>--></script><style>b</style><textarea>c</textarea><plaintext>d<p>",
            ),
        ),
        ("comments", page("<!-->a<!--->b<!-- c --!>d<!--e<![CDATA[f]]><?g?></h>")),
        ("select", page("<select><option>a<optgroup><option>b<script>x</script><table></select>c")),
        ("template", page("<template><tr><td>a</template><frameset><frame></frameset><noframes>b")),
        ("entities", page("&lt;&amp;&#0;&#x110000;&#xd800;&notit;&nGt;&hellip;&")),
        ("attributes", page("<a a b=c d='e' f=\"g\" h = i a/>x<a =b><a/ /><a\u{0}>y")),
        (
            "hidden",
            page("<div hidden>a</div><div style='display:none'>b</div><div aria-hidden=true>c</div>d"),
        ),
        ("controls", page("<p>a\u{0}b\u{b}c\u{c}d\re\u{85}f\u{2028}g\u{feff}h")),
        ("pre", page("<pre>a\n\n\n  b\tc</pre><br><br><br>d&nbsp;&nbsp;e")),
    ]
}

fn pictures() -> Vec<Seed> {
    let colours = RgbImage::from_fn(13, 9, |x, y| Rgb([(x * 19) as u8, (y * 28) as u8, (x * y) as u8]));
    let clear = RgbaImage::from_fn(9, 13, |x, y| Rgba([(x * 28) as u8, (y * 19) as u8, 90, (x * y) as u8]));
    let grey = GrayImage::from_fn(8, 8, |x, y| image::Luma([(x * 8 + y) as u8]));
    let deep = image::ImageBuffer::from_fn(5, 5, |x, y| Rgb([(x * 9_999) as u16, (y * 9_999) as u16, 7]));
    let encode = |picture: DynamicImage, format| {
        let mut file = Cursor::new(Vec::new());
        picture.write_to(&mut file, format).unwrap();
        file.into_inner()
    };
    let mut animation = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut animation);
    encoder.encode_frames((0..3).map(|_| image::Frame::new(clear.clone()))).unwrap();
    drop(encoder);
    let png = encode(colours.clone().into(), ImageFormat::Png);
    let jpeg = encode(colours.clone().into(), ImageFormat::Jpeg);
    vec![
        ("png-cut", png[..png.len() / 2].to_vec()),
        ("jpeg-cut", jpeg[..jpeg.len() - 20].to_vec()),
        ("png", png),
        ("png-alpha", encode(clear.clone().into(), ImageFormat::Png)),
        ("png-grey", encode(grey.clone().into(), ImageFormat::Png)),
        ("png-16", encode(DynamicImage::ImageRgb16(deep), ImageFormat::Png)),
        ("jpeg", jpeg),
        ("jpeg-grey", encode(grey.into(), ImageFormat::Jpeg)),
        ("gif", encode(colours.clone().into(), ImageFormat::Gif)),
        ("gif-animation", animation),
        ("bmp", encode(colours.clone().into(), ImageFormat::Bmp)),
        ("bmp-alpha", encode(clear.clone().into(), ImageFormat::Bmp)),
        ("webp", encode(colours.into(), ImageFormat::WebP)),
        ("webp-alpha", encode(clear.into(), ImageFormat::WebP)),
        // A lossy file of 16 × 16: the header of a key frame, and no data.
        ("webp-lossy", webp_lossy(&[0; 64])),
        // Found by fuzzing: a length of 16 MiB, for which the decoder makes room.
        (
            "webp-length",
            webp_lossy(
                &[
                    &[0, 0, 0x4a, 0x92, 0x24, 0x49, 0x92, 0x24, 0x49, 2, 0, 0, 0, 0xfc, 0xff, 0xff, 0xff][..],
                    &[0; 47],
                ]
                .concat(),
            ),
        ),
        ("tiff", b"II*\0\x08\0\0\0\x01\0\0\x01\x03\0".to_vec()),
    ]
}

fn webp_lossy(data: &[u8]) -> Vec<u8> {
    let frame = [&[0x30, 1, 0, 0x9d, 1, 0x2a, 16, 0, 16, 0][..], data].concat();
    let chunk = [b"WEBPVP8 ", &(frame.len() as u32).to_le_bytes()[..], &frame].concat();
    [b"RIFF", &(chunk.len() as u32).to_le_bytes()[..], &chunk].concat()
}
