//! libFuzzer on `fuzz::targets::tables`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::tables(data));
