//! Benchmarks: limit, mock, load.
fn main() {}
