//! Vectors of others against what no caller sees: single keys, and signed messages that hold no
//! claims.

mod wycheproof_jose;
mod wycheproof_signatures;
