//! Money, tokens, time, ids, names and the one vocabulary of faults.
//!
//! Everything here is plain data with checked arithmetic. This crate knows only `std`: no
//! serialisation, no clock, no randomness. Whoever needs a wire form writes it at the edge.

mod amount;
mod code;
mod fault;
mod ids;
mod money;
mod names;
mod subjects;
mod time;
mod tokens;
mod usage;

pub use amount::{Amount, Demand, Unit};
pub use code::{Code, CodeClass};
pub use fault::{Billing, Fault, FaultClass, FaultKind, Origin, RetryAdvice};
pub use ids::{AttemptId, IdError, RequestId};
pub use money::{MoneyError, NanoUsd, PicoUsd, PicoUsdPerToken};
pub use names::{ModelName, Name};
pub use subjects::{Dimension, Scope, Subjects};
pub use time::{Timestamp, format_duration, parse_duration};
pub use tokens::Tokens;
pub use usage::Usage;
