//! libFuzzer on `fuzz::targets::definitions`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::definitions(data));
