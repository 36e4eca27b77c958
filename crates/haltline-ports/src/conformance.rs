//! Suites that every implementation of a door is held to: one for the store and for its twin in
//! memory. They panic where one does not keep to the door, and are compiled for tests only.

mod documents;

pub use documents::documents;
