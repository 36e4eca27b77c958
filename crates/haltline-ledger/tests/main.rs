//! The ledger from outside: scenarios, a second opinion, exhaustive and random runs.

mod scenarios;
