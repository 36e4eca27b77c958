//! Fuzzes `harness::guard_input`.
#![no_main]

#[path = "../harness/guard.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::guard_input(data));
