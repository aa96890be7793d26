//! libFuzzer on `fuzz::targets::metadata_commands`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::metadata_commands(data));
