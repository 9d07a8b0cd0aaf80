//! Any bytes as a text in the charset that the first line names.
#![no_main]

use std::cell::RefCell;

use warcdl::prepare::{Preparer, TextPreparer};
use warcdl::source::Response;
use warcdl_actors::{Exclusion, Meta};
use warcdl_fuzz::{shipped, within};

thread_local! {
    static PREPARER: RefCell<Preparer> = RefCell::new(Preparer::Text(Box::new(
        TextPreparer::new(&shipped("text"), &shipped("filter"), None, 512).expect("valid"),
    )));
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (label, body) = data.split_at(data.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1));
    let meta = Meta { content_mime_type: "text/plain".to_owned(), ..Meta::default() };
    let response =
        Response { meta, http_charset: String::from_utf8_lossy(label).into_owned(), body: body.to_vec() };
    let length = body.len();
    // A byte becomes three at most, and the text is copied once.
    let most = 12 * length + (1 << 20);
    let outcome = within(most, || PREPARER.with_borrow_mut(|preparer| preparer.prepare(response)));
    match outcome {
        Ok(prepared) => {
            let text = str::from_utf8(&prepared.keep).expect("UTF-8");
            assert!(text.len() <= 3 * length, "{} bytes of {length}", text.len());
            assert!(!prepared.meta.content_charset.is_empty());
            assert!(text.is_empty() || !text.starts_with('\u{feff}') || length > 3, "a byte order mark");
        }
        Err(reason) => assert!(matches!(reason, Exclusion::Charset | Exclusion::HtmlParse), "{reason}"),
    }
});
