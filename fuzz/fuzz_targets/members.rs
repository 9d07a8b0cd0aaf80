//! Any bytes as a stored archive: members of gzip, frames of zstd, plain WARC and ARC.
#![no_main]

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    warcdl_fuzz::check_archive(file);
});
