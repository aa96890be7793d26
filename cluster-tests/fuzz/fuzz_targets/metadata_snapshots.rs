//! libFuzzer on `fuzz::targets::metadata_snapshots`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::metadata_snapshots(data));
