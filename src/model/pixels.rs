//! Feeds pictures to a graph: bytes become normalised numbers in the graph's own layout.

use std::borrow::Cow;

use ort::{
    session::SessionInputValue,
    value::{Outlet, TensorElementType, TensorRef, ValueType},
};
use warcdl_actors::{Input, ModelError};

use super::{Normalize, files::Preprocessor, tokens::fixed};

/// The one picture input of a graph and its buffer, which is kept from batch to batch.
#[derive(Debug)]
pub(super) struct PixelFeed {
    name: String,
    layout: Layout,
    /// Height and width in pixels.
    pub(super) size: (u32, u32),
    buffer: Buffer,
    /// The only number of records that the graph takes, if it is fixed.
    pub(super) fixed_batch: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// `[batch, height, width, 3]`
    Nhwc,
    /// `[batch, 3, height, width]`
    Nchw,
}

#[derive(Debug)]
enum Buffer {
    Bytes(Vec<u8>),
    Floats(Vec<f32>, Box<Table>),
}

/// What each of the 256 values of a byte becomes, for red, green and blue.
type Table = [[f32; 256]; 3];

/// Mean and standard deviation of ImageNet's training pictures, red, green and blue, in 0..1: the constants that
/// torchvision's models are trained with.
const IMAGENET: ([f64; 3], [f64; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

impl PixelFeed {
    /// Matches the graph's only input. `size` is `image.size` where it is set. The error says what does not fit.
    pub(super) fn new(
        inputs: &[Outlet],
        size: Option<(u32, u32)>,
        normalize: Normalize,
        preprocessor: Option<&Preprocessor>,
    ) -> Result<PixelFeed, String> {
        let [input] = inputs else {
            return Err(format!("it has {} inputs, and a picture is only one", inputs.len()));
        };
        let name = input.name();
        let shape: [i64; 4] = match input.dtype() {
            ValueType::Tensor { shape, .. } => shape.as_ref().try_into().ok(),
            _ => None,
        }
        .ok_or_else(|| {
            format!(
                "its input \"{name}\" is not of shape [batch, height, width, 3] or [batch, 3, height, width]"
            )
        })?;
        // Exporters of NCHW models may leave even the channels open; those of NHWC models do not.
        let (layout, height, width) = match shape {
            [_, 3 | ..=0, height, width] if width != 3 || shape[1] == 3 => (Layout::Nchw, height, width),
            [_, height, width, 3] => (Layout::Nhwc, height, width),
            _ => return Err(format!("its input \"{name}\" has no dimension of 3 for red, green and blue")),
        };
        let size = resolve_size((height, width), size, preprocessor)?;
        let buffer = match input.dtype().tensor_type() {
            Some(TensorElementType::Float32) => {
                Buffer::Floats(Vec::new(), Box::new(table(normalize, preprocessor)))
            }
            Some(TensorElementType::Uint8) if matches!(normalize, Normalize::Auto | Normalize::None) => {
                Buffer::Bytes(Vec::new())
            }
            Some(TensorElementType::Uint8) => {
                return Err(format!(
                    "its input \"{name}\" takes bytes, so model.normalize must be \"auto\" or \"none\""
                ));
            }
            _ => return Err(format!("its input \"{name}\" is neither of type float32 nor uint8")),
        };
        Ok(PixelFeed { name: name.to_owned(), layout, size, buffer, fixed_batch: fixed(shape[0]) })
    }

    /// Fills the buffer and lends it to a run. With a fixed batch, rows beyond `inputs` are black.
    pub(super) fn fill(
        &mut self,
        inputs: &[&Input],
    ) -> Result<Vec<(Cow<'_, str>, SessionInputValue<'_>)>, ModelError> {
        let (height, width) = (self.size.0 as usize, self.size.1 as usize);
        let pixels = height * width;
        let rows = self.fixed_batch.unwrap_or(inputs.len());
        let mut pictures = Vec::with_capacity(inputs.len());
        for input in inputs {
            match input {
                Input::Pixels { height: h, width: w, data }
                    if (*h, *w) == self.size && data.len() == pixels * 3 =>
                {
                    pictures.push(data.as_ref());
                }
                Input::Pixels { height: h, width: w, data } => {
                    let got = data.len();
                    let message = format!(
                        "a picture of {h} × {w} pixels in {got} bytes, but the model takes {height} × {width}"
                    );
                    return Err(ModelError { message });
                }
                Input::None | Input::Tokens(_) => {
                    let message = "the model takes pictures, and got something else".to_owned();
                    return Err(ModelError { message });
                }
            }
        }
        let shape = match self.layout {
            Layout::Nhwc => [rows, height, width, 3],
            Layout::Nchw => [rows, 3, height, width],
        };
        let value = match &mut self.buffer {
            Buffer::Bytes(buffer) => {
                arrange(buffer, &pictures, self.layout, |_, byte| byte);
                buffer.resize(rows * pixels * 3, 0);
                TensorRef::from_array_view((shape, buffer.as_slice())).map(SessionInputValue::from)
            }
            Buffer::Floats(buffer, table) => {
                arrange(buffer, &pictures, self.layout, |channel, byte| table[channel][usize::from(byte)]);
                buffer.resize(rows * pixels * 3, 0.0);
                TensorRef::from_array_view((shape, buffer.as_slice())).map(SessionInputValue::from)
            }
        };
        let value = value.map_err(|error| ModelError { message: error.to_string() })?;
        Ok(vec![(Cow::from(self.name.as_str()), value)])
    }
}

/// Writes the pictures one after another, each byte through `convert(channel, byte)`.
fn arrange<T>(
    buffer: &mut Vec<T>,
    pictures: &[&[u8]],
    layout: Layout,
    convert: impl Fn(usize, u8) -> T + Copy,
) {
    buffer.clear();
    for picture in pictures {
        let pixels = picture.chunks_exact(3);
        match layout {
            Layout::Nhwc => buffer
                .extend(pixels.flat_map(|rgb| [convert(0, rgb[0]), convert(1, rgb[1]), convert(2, rgb[2])])),
            Layout::Nchw => {
                for channel in 0..3 {
                    buffer.extend(pixels.clone().map(|rgb| convert(channel, rgb[channel])));
                }
            }
        }
    }
}

/// Height and width: the graph's where it fixes them, else the configuration's, else the preprocessor's.
fn resolve_size(
    graph: (i64, i64),
    configured: Option<(u32, u32)>,
    preprocessor: Option<&Preprocessor>,
) -> Result<(u32, u32), String> {
    let wanted = configured
        .or_else(|| preprocessor.and_then(Preprocessor::exact_size))
        .filter(|&(height, width)| height > 0 && width > 0);
    let side =
        |graph: i64, wanted: Option<u32>| u32::try_from(graph).ok().filter(|&side| side > 0).or(wanted);
    let size = side(graph.0, wanted.map(|size| size.0)).zip(side(graph.1, wanted.map(|size| size.1)));
    match (size, configured) {
        (None, _) => Err("it takes pictures of any size: set image.size = [height, width]".to_owned()),
        (Some((height, width)), Some(configured)) if configured != (height, width) => Err(format!(
            "image.size = [{}, {}], but it takes [{height}, {width}]: leave image.size out",
            configured.0, configured.1
        )),
        (Some(size), _) => Ok(size),
    }
}

/// Every value of a byte, normalised: `(byte × factor - mean) / deviation`.
fn table(normalize: Normalize, preprocessor: Option<&Preprocessor>) -> Table {
    const PLAIN: ([f64; 3], [f64; 3]) = ([0.0; 3], [1.0; 3]);
    let unit = 1.0 / 255.0;
    let (factor, (mean, deviation)) = match (normalize, preprocessor) {
        (Normalize::Auto, Some(preprocessor)) => {
            let rescale = preprocessor.do_rescale.unwrap_or(true);
            let factor = if rescale { preprocessor.rescale_factor.unwrap_or(unit) } else { 1.0 };
            let statistics = preprocessor
                .image_mean
                .zip(preprocessor.image_std)
                .filter(|_| preprocessor.do_normalize.unwrap_or(true));
            (factor, statistics.unwrap_or(PLAIN))
        }
        (Normalize::Auto | Normalize::Unit, _) => (unit, PLAIN),
        (Normalize::Imagenet, _) => (unit, IMAGENET),
        (Normalize::Symmetric, _) => (unit, ([0.5; 3], [0.5; 3])),
        (Normalize::None, _) => (1.0, PLAIN),
    };
    std::array::from_fn(|channel| {
        std::array::from_fn(|byte| ((byte as f64 * factor - mean[channel]) / deviation[channel]) as f32)
    })
}

#[cfg(test)]
mod tests {
    use super::{Normalize, Preprocessor, resolve_size, table};

    #[test]
    fn bytes_become_numbers() {
        let check = |normalize: Normalize, json: Option<&str>, black: [f32; 3], white: [f32; 3]| {
            let preprocessor = json.map(|json| serde_json::from_str::<Preprocessor>(json).unwrap());
            let table = table(normalize, preprocessor.as_ref());
            for channel in 0..3 {
                for (byte, expected) in [(0, black[channel]), (255, white[channel])] {
                    let found = table[channel][byte];
                    assert!(
                        (found - expected).abs() < 1e-5,
                        "{normalize:?} {channel}: {found} is not {expected}"
                    );
                }
            }
        };
        check(Normalize::Unit, None, [0.0; 3], [1.0; 3]);
        check(Normalize::Auto, None, [0.0; 3], [1.0; 3]);
        check(Normalize::Symmetric, None, [-1.0; 3], [1.0; 3]);
        check(Normalize::None, None, [0.0; 3], [255.0; 3]);
        let imagenet = ([-2.117_904, -2.035_714, -1.804_444], [2.248_908, 2.428_571, 2.64]);
        check(Normalize::Imagenet, None, imagenet.0, imagenet.1);
        let statistics = r#""image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.25, 1.0]"#;
        let json = format!("{{{statistics}}}");
        check(Normalize::Auto, Some(&json), [-1.0, -2.0, -0.5], [1.0, 2.0, 0.5]);
        // What the configuration says wins over the model's files.
        check(Normalize::Unit, Some(&json), [0.0; 3], [1.0; 3]);
        let json = format!(r#"{{"do_normalize": false, {statistics}}}"#);
        check(Normalize::Auto, Some(&json), [0.0; 3], [1.0; 3]);
        let json = format!(r#"{{"do_normalize": false, "do_rescale": false, {statistics}}}"#);
        check(Normalize::Auto, Some(&json), [0.0; 3], [255.0; 3]);
    }

    #[test]
    fn sizes_of_pictures() {
        let check = |graph, configured, json: &str, expected: Result<(u32, u32), &str>| {
            let preprocessor: Preprocessor = serde_json::from_str(json).unwrap();
            match (resolve_size(graph, configured, Some(&preprocessor)), expected) {
                (Ok(size), Ok(expected)) => assert_eq!(size, expected),
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
                (found, _) => panic!("{graph:?} {configured:?} {json}: {found:?}"),
            }
        };
        let exact = r#"{"size": {"height": 30, "width": 40}}"#;
        check((224, 200), None, exact, Ok((224, 200)));
        check((-1, -1), Some((10, 20)), exact, Ok((10, 20)));
        check((-1, -1), None, exact, Ok((30, 40)));
        check((-1, -1), None, r#"{"size": 50}"#, Ok((50, 50)));
        check((-1, -1), None, r#"{"size": {"shortest_edge": 256}, "crop_size": 224}"#, Ok((224, 224)));
        check((-1, -1), None, r#"{"size": {"shortest_edge": 256}}"#, Err("set image.size"));
        check((224, 224), Some((10, 20)), "{}", Err("[10, 20], but it takes [224, 224]"));
    }
}
