//! libFuzzer on `fuzz::targets::headers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::headers(data));
