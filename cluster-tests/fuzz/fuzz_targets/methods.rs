//! libFuzzer on `fuzz::targets::methods`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::methods(data));
