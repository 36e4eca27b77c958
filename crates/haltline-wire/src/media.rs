//! Media in a request: where they stand, and how large images are, read from their own headers.
//!
//! Nothing is fetched and nothing is decoded but the first bytes of an image's base64. What a
//! size costs in tokens is `haltline-policy`'s affair; whether a dialect takes a medium at all is
//! decided where the dialect is read.

mod base64;
mod find;
mod gif;
mod header;
mod jpeg;

pub use find::{DetailWord, Medium, MediumKind, find};
pub use header::{Dimensions, HEADER_MAX, ImageError, size_of_base64, size_of_bytes};
