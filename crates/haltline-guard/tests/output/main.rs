//! The output guard against vectors: fake secrets, what looks like them, personal data, and ordinary
//! text, cut in every way.

mod arguments;
mod corpus;
mod secrets;
