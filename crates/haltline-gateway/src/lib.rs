//! The line: one request's journey from identify to record.

pub mod settings;
