//! HTTP to providers: the pool that knows what was written, and the simulated model.
