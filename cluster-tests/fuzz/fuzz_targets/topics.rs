//! libFuzzer on `fuzz::targets::topics`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::topics(data));
