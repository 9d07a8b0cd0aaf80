//! Any bytes as a page, by both extractors.
#![no_main]

use std::cell::RefCell;

use warcdl::prepare::{Extractor, Preparer, TextPreparer, TextSettings};
use warcdl::source::Response;
use warcdl_actors::Exclusion;
use warcdl_fuzz::{shipped, within};

thread_local! {
    static PREPARERS: RefCell<[Preparer; 2]> = RefCell::new([Extractor::Plain, Extractor::Main].map(|extractor| {
        let settings = TextSettings { extractor, ..shipped("text") };
        let preparer = TextPreparer::new(&settings, &shipped("filter"), None, 512).expect("valid");
        Preparer::Text(Box::new(preparer))
    }));
}

libfuzzer_sys::fuzz_target!(|page: &[u8]| {
    for index in 0..2 {
        let response =
            Response { http_charset: "utf-8".to_owned(), body: page.to_vec(), ..Response::default() };
        // A node of the tree and what is measured of it take some 90 bytes while the list grows, and a page makes a node of
        // two of its bytes at most; but formatting that is opened again in each paragraph makes up to one for 128 bytes of
        // its square: 12 MB for the 4 KiB that libFuzzer goes up to by itself.
        let most = 1_500 * page.len() + (16 << 20);
        let outcome =
            within(most, || PREPARERS.with_borrow_mut(|preparers| preparers[index].prepare(response)));
        match outcome {
            Ok(prepared) => {
                let text = str::from_utf8(&prepared.keep).expect("UTF-8");
                // What is no UTF-8 becomes three bytes.
                assert!(text.len() <= 4 * page.len(), "{} bytes of {}", text.len(), page.len());
                assert_eq!(text.trim(), text, "white space around the text");
                assert!(!text.contains('\r') && !text.contains("\n\n\n"), "line breaks: {text:?}");
                assert!(!prepared.meta.title.contains(['\r', '\n']), "title {:?}", prepared.meta.title);
                assert!(prepared.meta.title.len() <= 4 * page.len());
            }
            Err(reason) => {
                let expected = [Exclusion::HtmlLimits, Exclusion::HtmlParse, Exclusion::Charset];
                assert!(expected.contains(&reason), "{reason}");
            }
        }
    }
});
