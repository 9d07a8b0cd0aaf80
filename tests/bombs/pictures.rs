//! Pictures that claim much and hold little.

use std::io::Cursor;

use flate2::Crc;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, RgbaImage};

use crate::deflate::Stream;

/// A picture as it should be.
pub fn sound(format: ImageFormat) -> Vec<u8> {
    let colours = RgbImage::from_fn(32, 24, |x, y| Rgb([(x * 8) as u8, (y * 10) as u8, 90]));
    let mut file = Cursor::new(Vec::new());
    DynamicImage::from(colours).write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// A PNG of zeros: `depth` bits a channel; `colour` 0 for grey, 6 for RGBA; other chunks before its data.
pub fn png(
    (width, height): (u32, u32),
    (depth, colour): (u8, u8),
    interlaced: bool,
    chunks: &[(&[u8; 4], Vec<u8>)],
) -> Vec<u8> {
    let header =
        [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, colour, 0, 0, u8::from(interlaced)]]
            .concat();
    let channels = if colour == 6 { 4 } else { 1 };
    let row = 1 + (width as usize * channels * depth as usize).div_ceil(8);
    let mib = (row * height as usize).div_ceil(1 << 20) + usize::from(interlaced);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let data = Stream::new().fill(0, mib).zlib();
    let before = chunks.iter().map(|(name, content)| (*name, content));
    for (name, content) in
        [(b"IHDR", &header)].into_iter().chain(before).chain([(b"IDAT", &data), (b"IEND", &vec![])])
    {
        let mut crc = Crc::new();
        crc.update(name);
        crc.update(content);
        file.extend_from_slice(&(content.len() as u32).to_be_bytes());
        file.extend_from_slice(name);
        file.extend_from_slice(content);
        file.extend_from_slice(&crc.sum().to_be_bytes());
    }
    file
}

/// A chunk of 1 GiB once inflated, behind a name.
pub fn inflating(before: &[u8]) -> Vec<u8> {
    [before, &Stream::new().fill(b' ', 1024).zlib()].concat()
}

/// A GIF with this logical screen and so many frames, each of this size.
pub fn gif(screen: u16, frame: u16, frames: usize) -> Vec<u8> {
    let side = screen.to_le_bytes();
    let mut file = [&b"GIF89a"[..], &side, &side, &[0x80, 0, 0, 0, 0, 0, 255, 255, 255]].concat();
    let side = frame.to_le_bytes();
    for _ in 0..frames {
        // Codes of 3 bits: clear, one pixel, end.
        file.extend_from_slice(&[&b"\x2c\0\0\0\0"[..], &side, &side, &[0, 2, 2, 0x44, 1, 0]].concat());
    }
    file.push(0x3b);
    file
}

/// A JPEG whose header claims 65,535 pixels a side.
pub fn giant_jpeg() -> Vec<u8> {
    let mut file = sound(ImageFormat::Jpeg);
    let frame = file.windows(2).position(|marker| matches!(marker, [0xff, 0xc0 | 0xc2])).unwrap();
    file[frame + 5..frame + 9].fill(0xff);
    file
}

/// A progressive JPEG whose last scan comes so many times.
pub fn many_scans(side: u16, times: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, 50);
    encoder.set_progressive(true);
    let grey = vec![90; usize::from(side) * usize::from(side)];
    encoder.encode(&grey, side, side, jpeg_encoder::ColorType::Luma).unwrap();
    let last = file.windows(2).rposition(|marker| marker == [0xff, 0xda]).unwrap();
    let end = file.len() - 2;
    let scan = file[last..end].repeat(times);
    file.splice(end..end, scan);
    file
}

/// A WebP with one chunk.
fn webp(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let chunk = [b"WEBP", &name[..], &(content.len() as u32).to_le_bytes(), content].concat();
    [b"RIFF", &(chunk.len() as u32).to_le_bytes()[..], &chunk].concat()
}

/// A lossless WebP of 16,384 pixels a side.
pub fn giant_webp() -> Vec<u8> {
    webp(b"VP8L", &[&[0x2f, 0xff, 0xff, 0xff, 0x0f][..], &[0; 32]].concat())
}

/// A WebP with a canvas of 2^24 pixels a side.
pub fn giant_canvas() -> Vec<u8> {
    webp(b"VP8X", &[&[0; 4][..], &[0xff; 6]].concat())
}

/// A BMP with this size.
pub fn bmp(width: i32, height: i32, bits: u16) -> Vec<u8> {
    let mut file = sound(ImageFormat::Bmp);
    file[18..22].copy_from_slice(&width.to_le_bytes());
    file[22..26].copy_from_slice(&height.to_le_bytes());
    file[28..30].copy_from_slice(&bits.to_le_bytes());
    file
}

/// The most that fits the limits, of four channels.
pub fn at_the_limit(format: ImageFormat, pixels: u32) -> Vec<u8> {
    let side = pixels.isqrt();
    let mut file = Cursor::new(Vec::new());
    DynamicImage::from(RgbaImage::new(side, side)).write_to(&mut file, format).unwrap();
    file.into_inner()
}
