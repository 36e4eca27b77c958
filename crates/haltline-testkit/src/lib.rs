//! For tests: a fake provider that keeps the true bill, and what starts a gateway.
