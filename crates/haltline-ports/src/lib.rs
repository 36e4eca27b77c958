//! Doors to the world: traits by door, not by technology, and their in-memory twins.
