//! Dialects: bytes to requests, events, usage and faults, and back.
