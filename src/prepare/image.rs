//! From a picture's file to the pixels of the model's input.

use std::io::Cursor;

use bytes::Bytes;
use image::codecs::{bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, webp::WebPDecoder};
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageResult};
use serde::{Deserialize, Serialize};
use warcdl_actors::{Exclusion, Input, Prepared};
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::filter::{Filter, FilterSettings};
use crate::prepare::PrepareError;
use crate::source::Response;

mod resize;

/// Greatest side of a model's input, in pixels.
const MAX_INPUT_SIDE: u32 = 4_096;

/// Longest colour profile that is inflated, in bytes. Those of printers have some MiB; none is used.
const MAX_PROFILE: u64 = 8 << 20;

/// `[image]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSettings {
    /// Height and width of the model's input in pixels; zeros take them from the model.
    pub size: [u32; 2],
    /// Longest side of an original picture, in pixels.
    pub max_side: u32,
    /// Most pixels of an original picture.
    pub max_pixels: u64,
}

/// Prepares pictures.
#[derive(Clone)]
pub struct ImagePreparer {
    max_side: u32,
    max_pixels: u64,
    filter: Filter,
    /// Height and width of the model's input, if it takes any.
    input: Option<(u32, u32)>,
}

impl ImagePreparer {
    /// Checks the settings. `size` is the height and width of the model's input; without one the prepared records carry
    /// [`Input::None`], and pictures are decoded all the same, so that broken ones are told.
    pub fn new(
        image: &ImageSettings,
        filter: &FilterSettings,
        size: Option<(u32, u32)>,
    ) -> Result<Self, PrepareError> {
        if image.max_side == 0 {
            return Err(PrepareError::Zero { key: "image.max_side" });
        }
        if image.max_pixels == 0 {
            return Err(PrepareError::Zero { key: "image.max_pixels" });
        }
        if let Some((height, width)) = size
            && ![height, width].iter().all(|side| (1..=MAX_INPUT_SIDE).contains(side))
        {
            return Err(PrepareError::Size { height, width, max: MAX_INPUT_SIDE });
        }
        Ok(Self {
            max_side: image.max_side,
            max_pixels: image.max_pixels,
            filter: Filter::new(filter)?,
            input: size,
        })
    }

    /// Prepares one picture, or says why it is left out.
    ///
    /// The format is told by the file's first bytes. Of an animation the first frame is taken, transparency is dropped
    /// (not blended), and the picture is stretched to the model's size with antialiasing: all as TensorFlow's
    /// `decode_image(channels=3, expand_animations=False)` and `image.resize(antialias=True)` do it.
    pub fn prepare(&self, response: Response) -> Result<Prepared, Exclusion> {
        let Response { mut meta, body, .. } = response;
        self.filter.url(&meta.url)?;
        let (size, pixels) = self.decode(&body)?;
        let input = match self.input {
            None => Input::None,
            Some((height, width)) => {
                let data = resize::resize(&pixels, size, (width, height)).ok_or(Exclusion::ImageDecode)?;
                Input::Pixels { height, width, data: data.into() }
            }
        };
        meta.image_size = size;
        Ok(Prepared { meta, input, keep: Bytes::from(body) })
    }

    /// Width and height, and rows of RGB bytes.
    fn decode(&self, body: &[u8]) -> Result<((u32, u32), Vec<u8>), Exclusion> {
        let format = image::guess_format(body).map_err(|_| Exclusion::ImageHeader)?;
        let file = Cursor::new(body);
        match format {
            ImageFormat::Jpeg => self.decode_jpeg(body),
            ImageFormat::Png => self.decode_with(PngDecoder::with_limits(file, self.before_pixels(body))),
            ImageFormat::Gif => self.decode_with(GifDecoder::new(file)),
            ImageFormat::Bmp => self.decode_with(BmpDecoder::new(file)),
            ImageFormat::WebP => self.decode_with(WebPDecoder::new(file)),
            _ => Err(Exclusion::ImageHeader),
        }
    }

    fn decode_with(
        &self,
        decoder: ImageResult<impl ImageDecoder>,
    ) -> Result<((u32, u32), Vec<u8>), Exclusion> {
        let mut decoder = decoder.map_err(|error| match error {
            ImageError::Limits(_) => Exclusion::ImageLimits,
            _ => Exclusion::ImageHeader,
        })?;
        let size = decoder.dimensions();
        self.check(size)?;
        let mut limits = image::Limits::no_limits();
        limits.max_image_width = Some(self.max_side);
        limits.max_image_height = Some(self.max_side);
        // Four channels of 16 bits, and as much again for the decoder's own buffers.
        limits.max_alloc = Some(self.max_pixels.saturating_mul(16).saturating_add(1 << 20));
        decoder.set_limits(limits).map_err(|_| Exclusion::ImageLimits)?;
        let picture = DynamicImage::from_decoder(decoder).map_err(|_| Exclusion::ImageDecode)?;
        Ok((size, picture.into_rgb8().into_raw()))
    }

    /// What a PNG may hold beside its pixels: chunks of the file's length, kept in buffers that double, a row, and a colour profile,
    /// which inflates to a thousand times its length and is left out where it does not fit.
    fn before_pixels(&self, body: &[u8]) -> image::Limits {
        let mut limits = image::Limits::no_limits();
        limits.max_alloc = Some(4 * body.len() as u64 + 8 * u64::from(self.max_side) + MAX_PROFILE);
        limits
    }

    /// Strictly: a truncated JPEG is refused, not completed with grey.
    fn decode_jpeg(&self, body: &[u8]) -> Result<((u32, u32), Vec<u8>), Exclusion> {
        let options = DecoderOptions::default()
            .set_strict_mode(true)
            .set_max_width(usize::MAX)
            .set_max_height(usize::MAX);
        let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(body), options);
        decoder.decode_headers().map_err(|_| Exclusion::ImageHeader)?;
        let (width, height) = decoder.dimensions().ok_or(Exclusion::ImageHeader)?;
        let side = |pixels: usize| u32::try_from(pixels).map_err(|_| Exclusion::ImageLimits);
        let size = (side(width)?, side(height)?);
        self.check(size)?;
        let grey = matches!(decoder.input_colorspace(), Some(ColorSpace::Luma));
        let wanted = if grey { ColorSpace::Luma } else { ColorSpace::RGB };
        decoder.set_options(options.jpeg_set_out_colorspace(wanted));
        let pixels = decoder.decode().map_err(|_| Exclusion::ImageDecode)?;
        let pixels = if grey { pixels.iter().flat_map(|&level| [level; 3]).collect() } else { pixels };
        Ok((size, pixels))
    }

    /// The limits, then the filter, before anything is decoded.
    fn check(&self, (width, height): (u32, u32)) -> Result<(), Exclusion> {
        if width == 0 || height == 0 {
            return Err(Exclusion::ImageHeader);
        }
        if width.max(height) > self.max_side || u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(Exclusion::ImageLimits);
        }
        self.filter.picture(width, height)
    }
}

#[cfg(test)]
mod tests;
