//! Fuzzes `harness::jwt_key_set`.
#![no_main]

#[path = "../harness/jwt.rs"]
#[expect(dead_code, reason = "each target uses one of the functions")]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::jwt_key_set(data));
