//! Surfaces: HTTP to the line, and nothing that decides.
