//! libFuzzer on `fuzz::targets::connection`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::connection(data));
