//! Fuzzes `harness::jwt_token`.
#![no_main]

#[path = "../harness/jwt.rs"]
#[expect(dead_code, reason = "each target uses one of the functions")]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::jwt_token(data));
