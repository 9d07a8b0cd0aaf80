use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, RgbaImage};
use warcdl_actors::{Exclusion, Input, Prepared};

use super::{ImagePreparer, ImageSettings};
use crate::filter::FilterSettings;
use crate::filter::tests::open;
use crate::prepare::PrepareError;
use crate::source::Response;

const SETTINGS: ImageSettings = ImageSettings { size: [0, 0], max_side: 1_000, max_pixels: 500_000 };

fn prepare(body: &[u8], filter: &FilterSettings, size: (u32, u32)) -> Result<Prepared, Exclusion> {
    let preparer = ImagePreparer::new(&SETTINGS, filter, Some(size)).expect("valid");
    preparer.prepare(Response { body: body.to_vec(), ..Response::default() })
}

fn pixels(prepared: &Prepared) -> &[u8] {
    match &prepared.input {
        Input::Pixels { data, .. } => data,
        other => panic!("not a picture: {other:?}"),
    }
}

/// Smooth colours, so that lossy formats come close.
fn gradient(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, 90]))
}

/// Every pixel of its own colour, to show every error of a filter.
fn noise(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let mixed =
            (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(2_246_822_519)).wrapping_mul(3_266_489_917);
        Rgb([(mixed >> 24) as u8, (mixed >> 16) as u8, (mixed >> 8) as u8])
    })
}

fn encode(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, format).expect("encodes");
    file.into_inner()
}

const FORMATS: [ImageFormat; 5] =
    [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::WebP];

#[test]
fn every_format_gives_its_pixels() {
    let picture = gradient(64, 48);
    for format in FORMATS {
        let file = encode(&picture.clone().into(), format);
        let prepared = prepare(&file, &open(), (48, 64)).expect("decodes");
        assert_eq!(prepared.meta.image_size, (64, 48), "{format:?}");
        assert_eq!(&prepared.keep[..], &file[..], "{format:?}");
        let tolerance = match format {
            ImageFormat::Jpeg => 24,
            ImageFormat::Gif => 32,
            _ => 0,
        };
        let worst = pixels(&prepared).iter().zip(picture.as_raw()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst.is_some_and(|worst| worst <= tolerance), "{format:?}: {worst:?}");
    }
}

#[test]
fn channels_and_depths_become_rgb() {
    let transparent = RgbaImage::from_pixel(4, 4, image::Rgba([10, 20, 30, 0]));
    let grey = image::GrayImage::from_pixel(4, 4, image::Luma([77]));
    let deep = image::ImageBuffer::from_pixel(4, 4, Rgb([0x1234_u16, 0x8080, 0xffff]));
    let mut grey_jpeg = Vec::new();
    JpegEncoder::new(&mut grey_jpeg).encode_image(&grey).expect("encodes");
    for (name, file, rgb) in [
        ("alpha is dropped", encode(&transparent.into(), ImageFormat::Png), [10, 20, 30]),
        ("grey", encode(&grey.clone().into(), ImageFormat::Png), [77; 3]),
        ("grey JPEG", grey_jpeg, [77; 3]),
        ("16 bits", encode(&DynamicImage::ImageRgb16(deep), ImageFormat::Png), [0x12, 0x80, 0xff]),
    ] {
        let prepared = prepare(&file, &open(), (2, 2)).expect(name);
        assert_eq!(pixels(&prepared), rgb.repeat(4), "{name}");
    }
}

#[test]
fn cmyk_jpegs_become_rgb() {
    // As printers' programs write them: Adobe's marker, inverted levels; the encoder inverts those given to it.
    for (cmyk, rgb) in
        [([0, 0, 0, 0], [255, 255, 255]), ([0, 255, 255, 0], [255, 0, 0]), ([0, 0, 0, 255], [0, 0, 0])]
    {
        for colours in [jpeg_encoder::ColorType::Cmyk, jpeg_encoder::ColorType::CmykAsYcck] {
            let mut file = Vec::new();
            jpeg_encoder::Encoder::new(&mut file, 100)
                .encode(&cmyk.repeat(16 * 16), 16, 16, colours)
                .expect("encodes");
            let prepared = prepare(&file, &open(), (2, 2)).expect("decodes");
            let worst = pixels(&prepared).iter().zip(rgb.repeat(4)).map(|(a, b)| a.abs_diff(b)).max();
            assert!(worst <= Some(4), "{colours:?} {cmyk:?}: {:?}", &pixels(&prepared)[..3]);
        }
    }
}

#[test]
fn the_first_frame_of_an_animation_is_taken() {
    let frame =
        |level| image::Frame::new(RgbaImage::from_pixel(6, 4, image::Rgba([level, level, level, 255])));
    let mut file = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut file);
    encoder.encode_frames([frame(200), frame(20)]).expect("encodes");
    drop(encoder);
    let prepared = prepare(&file, &open(), (2, 2)).expect("decodes");
    assert_eq!(prepared.meta.image_size, (6, 4));
    assert_eq!(pixels(&prepared), [200; 12]);
}

#[test]
fn broken_files_are_refused() {
    let picture = DynamicImage::from(noise(80, 60));
    for format in FORMATS {
        let file = encode(&picture, format);
        let outcome = prepare(&file[..file.len() / 2], &open(), (8, 8));
        assert_eq!(outcome.err(), Some(Exclusion::ImageDecode), "half a {format:?}");
        let outcome = prepare(&file[..12], &open(), (8, 8)).expect_err("a header cut");
        assert_eq!(outcome, Exclusion::ImageHeader, "the start of a {format:?}");
    }
    for body in [&b""[..], b"<html>", b"II*\0", b"%PDF-1.4"] {
        assert_eq!(prepare(body, &open(), (8, 8)).err(), Some(Exclusion::ImageHeader));
    }
}

/// A PNG whose header claims a size that its data do not have.
fn png_claiming(width: u32, height: u32) -> Vec<u8> {
    let mut file = encode(&gradient(8, 8).into(), ImageFormat::Png);
    file[16..20].copy_from_slice(&width.to_be_bytes());
    file[20..24].copy_from_slice(&height.to_be_bytes());
    let checksum = file[12..29].iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    });
    file[29..33].copy_from_slice(&(!checksum).to_be_bytes());
    file
}

#[test]
fn limits_hold_before_anything_is_decoded() {
    for (width, height, expected) in [
        (100_000, 100_000, Exclusion::ImageLimits),
        (1_001, 1, Exclusion::ImageLimits),
        (1, 1_001, Exclusion::ImageLimits),
        (708, 708, Exclusion::ImageLimits),
        // Within the limits, but the data end early.
        (700, 700, Exclusion::ImageDecode),
    ] {
        let outcome = prepare(&png_claiming(width, height), &open(), (8, 8));
        assert_eq!(outcome.err(), Some(expected), "{width} × {height}");
    }
    for format in [ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::WebP] {
        let file = encode(&gradient(1_001, 2).into(), format);
        assert_eq!(prepare(&file, &open(), (8, 8)).err(), Some(Exclusion::ImageLimits), "{format:?}");
    }
}

#[test]
fn the_filter_sees_the_original_size_before_decoding() {
    let check = |filter: FilterSettings, expected: Option<Exclusion>| {
        let broken = png_claiming(300, 200);
        assert_eq!(prepare(&broken, &filter, (8, 8)).err(), expected, "{filter:?}");
    };
    check(open(), Some(Exclusion::ImageDecode));
    check(FilterSettings { min_width: 301, ..open() }, Some(Exclusion::FilterWidth));
    check(FilterSettings { max_height: 199, ..open() }, Some(Exclusion::FilterHeight));
    check(FilterSettings { url_regex: "x".into(), ..open() }, Some(Exclusion::FilterUrl));
}

/// The antialiased triangle filter, straight from its definition: the mean of the source pixels, weighted by their
/// distance from the target pixel's centre in units of the larger of the two pixel sizes.
fn reference(source: &RgbImage, height: u32, width: u32) -> Vec<u8> {
    let weights = |target: u32, targets: u32, sources: u32| -> Vec<(u32, f64)> {
        let scale = f64::from(sources) / f64::from(targets);
        let radius = scale.max(1.0);
        let centre = (f64::from(target) + 0.5) * scale;
        let all = (0..sources).map(|at| (at, 1.0 - ((f64::from(at) + 0.5 - centre) / radius).abs()));
        let near: Vec<_> = all.filter(|(_, weight)| *weight > 0.0).collect();
        let total: f64 = near.iter().map(|(_, weight)| weight).sum();
        near.into_iter().map(|(at, weight)| (at, weight / total)).collect()
    };
    let mut out = Vec::new();
    for y in 0..height {
        let rows = weights(y, height, source.height());
        for x in 0..width {
            let columns = weights(x, width, source.width());
            for channel in 0..3 {
                let level: f64 = rows
                    .iter()
                    .flat_map(|row| columns.iter().map(move |column| (row, column)))
                    .map(|(row, column)| {
                        row.1 * column.1 * f64::from(source.get_pixel(column.0, row.0)[channel])
                    })
                    .sum();
                out.push(level.round() as u8);
            }
        }
    }
    out
}

#[test]
fn resizing_is_the_antialiased_triangle_filter() {
    for (width, height, to_height, to_width) in [
        (97, 71, 24, 24),
        (200, 130, 32, 48),
        (20, 30, 40, 50),
        (64, 100, 64, 64),
        (1, 1, 3, 5),
        (33, 1, 7, 7),
    ] {
        let picture = noise(width, height);
        let prepared =
            prepare(&encode(&picture.clone().into(), ImageFormat::Png), &open(), (to_height, to_width))
                .expect("ok");
        let expected = reference(&picture, to_height, to_width);
        assert_eq!(pixels(&prepared).len(), expected.len());
        let worst = pixels(&prepared).iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(1), "{width}×{height}: off by {worst:?}");
    }
}

#[test]
fn settings_are_checked() {
    let refused = |settings: &ImageSettings, size| {
        ImagePreparer::new(settings, &open(), Some(size)).err().expect("refused")
    };
    let zero = ImageSettings { max_pixels: 0, ..SETTINGS };
    assert!(matches!(refused(&zero, (8, 8)), PrepareError::Zero { key: "image.max_pixels" }));
    let error = refused(&SETTINGS, (0, 8)).to_string();
    assert!(error.contains("image.size = [0, 8]"), "{error}");
}
