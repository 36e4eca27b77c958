//! For tests: a fake provider that keeps the true bill, and what starts a gateway.
//!
//! The fake provider is the second opinion on money: it shares no code with the ledger, and counts
//! what a provider could bill for every attempt that reached it. This crate never decides what a
//! gateway should do; it only plays the world around it and reports what happened.

mod answer;
mod behaviour;
mod bill;
mod body;
mod control;
mod gateway;
pub mod http_client;
pub mod load;
mod provider;
mod raw;
mod request;
mod script;
mod serve;
mod socket;
mod units;
mod words;

pub use behaviour::{
    Answer, Behaviour, Ending, Garbage, Pace, Report, RetryAfter, Shape, StatusAnswer, StatusBilling, Writing,
};
pub use bill::{AttemptBill, Bill, Calls, CutBilling, Outcome, Prices};
pub use gateway::{BINARY_VARIABLE, Gateway as TestGateway, GatewayOptions};
pub use provider::{FakeConfig, FakeProvider, Seen};
pub use raw::{RawAnswer, RawEnd, RawProvider, RawSeen, Step};
pub use script::{Script, Weighted};

/// The header by which an attempt may name itself to the fake provider, so that its line of the
/// bill can be compared with its line in the ledger.
pub const ATTEMPT_HEADER: &str = "x-haltline-attempt";

/// The header by which OpenAI lets a caller name a request; read where the other is absent.
pub const CLIENT_REQUEST_ID: &str = "x-client-request-id";
