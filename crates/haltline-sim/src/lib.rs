//! The deterministic simulator and its auditor.
