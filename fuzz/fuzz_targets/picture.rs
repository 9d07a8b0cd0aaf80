//! Any bytes as a picture.
#![no_main]

use std::cell::RefCell;
use std::io::Cursor;

use image::ImageReader;
use warcdl::prepare::{ImagePreparer, ImageSettings, Preparer};
use warcdl::source::Response;
use warcdl_actors::{Exclusion, Input};
use warcdl_fuzz::{shipped, within};

/// Small, so that the fuzzer's time goes into headers and not into pixels.
const MAX_PIXELS: u64 = 1 << 18;
/// Bytes a pixel that decoding may hold: four channels of 16 bits and the decoder's own buffers, as `image` limits them.
const PIXEL: usize = 32;
/// What decoders allocate whatever the size: that of WebP trusts lengths of 24 bits.
const DECODER: usize = 24 << 20;
/// Height and width of the input.
const INPUT: (u32, u32) = (3, 5);

thread_local! {
    static PREPARER: RefCell<Preparer> = RefCell::new({
        let settings = ImageSettings { max_side: 1 << 12, max_pixels: MAX_PIXELS, ..shipped("image") };
        let preparer = ImagePreparer::new(&settings, &shipped("filter"), Some(INPUT)).expect("valid");
        Preparer::Image(Box::new(preparer))
    });
}

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    let response = Response { body: file.to_vec(), ..Response::default() };
    let most = PIXEL * MAX_PIXELS as usize + 16 * file.len() + DECODER;
    let outcome = within(most, || PREPARER.with_borrow_mut(|preparer| preparer.prepare(response)));
    match outcome {
        Ok(prepared) => {
            let reader = ImageReader::new(Cursor::new(file)).with_guessed_format().expect("in memory");
            let size = reader.into_dimensions().expect("it was decoded");
            assert_eq!(prepared.meta.image_size, size, "the header's size is that of the picture");
            let Input::Pixels { height, width, data } = prepared.input else { panic!("no pixels") };
            assert_eq!(((height, width), data.len()), (INPUT, 3 * 3 * 5));
            assert_eq!(&prepared.keep[..], file);
        }
        Err(reason) => {
            let expected = [Exclusion::ImageHeader, Exclusion::ImageLimits, Exclusion::ImageDecode];
            assert!(expected.contains(&reason), "{reason}");
        }
    }
});
