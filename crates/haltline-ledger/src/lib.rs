//! The promise: the pure spend ledger. No clock, no network, no randomness.
