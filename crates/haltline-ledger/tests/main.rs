//! The ledger from outside: scenarios, a second opinion, exhaustive and random runs, power loss.

mod exhaustive;
mod horizon;
mod model;
mod pair;
mod power_loss;
mod random;
mod scenarios;
