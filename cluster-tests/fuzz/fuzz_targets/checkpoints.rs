//! libFuzzer on `fuzz::targets::checkpoints`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::checkpoints(data));
