//! cargo xtask: checks and continuous integration.
fn main() {}
