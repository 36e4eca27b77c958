//! Fuzzes `harness::stream_chunk`.
#![no_main]

#[path = "../harness.rs"]
#[expect(dead_code, unused_imports, reason = "each target uses one of the functions")]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::stream_chunk(data));
