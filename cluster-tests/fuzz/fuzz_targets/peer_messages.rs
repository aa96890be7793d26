//! libFuzzer on `fuzz::targets::peer_messages`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::peer_messages(data));
