//! The embedded store: a journal that survives, and the views read from it.
