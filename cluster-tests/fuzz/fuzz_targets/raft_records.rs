//! libFuzzer on `fuzz::targets::raft_records`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::targets::raft_records(data));
