//! libFuzzer on `fuzz::targets::chunks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::chunks(data));
