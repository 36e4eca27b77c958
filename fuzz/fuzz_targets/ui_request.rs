//! Fuzzes `harness::ui_request`.
#![no_main]

#[path = "../harness.rs"]
#[expect(dead_code, reason = "each target uses one of the functions")]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::ui_request(data));
