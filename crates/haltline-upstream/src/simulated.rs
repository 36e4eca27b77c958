//! The built-in model: answers like OpenAI's API, without a network, at the pace and with the
//! failures that it is told. It keeps a bill of its own, apart from any ledger, so that a demo or
//! a test can compare what was billed with what was allowed.
//!
//! It knows no clock but tokio's timer, so it works in paused time; what it does depends on its
//! seed and on the attempt's id only.

mod answer;
mod bill;
mod outage;
mod request;

pub use bill::{SimulatedBill, SimulatedPrices};
pub use outage::{FailureBilling, Outage, OutageAnswer, OutageShare};

use answer::{Generation, StreamedAnswer};
use bill::Till;
use bytes::Bytes;
use futures_util::stream;
use haltline_ports::{Answer, BoxFuture, Call, Permit, Upstream};
use haltline_types::{AttemptId, Billing, Fault, FaultKind, Origin, Timestamp, Tokens};
use haltline_wire::fault::{BillingRules, classify};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use outage::{Verdict, draw};
use parking_lot::RwLock;
use request::ChatRequest;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// How the simulated model behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedConfig {
    /// From request to head.
    pub latency: Duration,
    /// Between tokens of a stream.
    pub token_interval: Duration,
    /// Tokens of an answer, if the cap allows.
    pub output_tokens: Tokens,
    /// Per mille of calls that fail with a 500.
    pub fail_per_mille: u16,
    /// Per mille of calls that are answered 429.
    pub rate_limit_per_mille: u16,
    /// Chooses which calls fail.
    pub seed: u64,
    /// What it bills.
    pub prices: SimulatedPrices,
}

impl Default for SimulatedConfig {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(150),
            token_interval: Duration::from_millis(20),
            output_tokens: Tokens::new(48),
            fail_per_mille: 0,
            rate_limit_per_mille: 0,
            seed: 0,
            prices: SimulatedPrices::default(),
        }
    }
}

/// The built-in model.
#[derive(Debug)]
pub struct SimulatedUpstream {
    config: SimulatedConfig,
    outage: RwLock<Option<Outage>>,
    till: Arc<Till>,
}

impl SimulatedUpstream {
    /// A healthy model.
    #[must_use]
    pub fn new(config: SimulatedConfig) -> Self {
        let till = Arc::new(Till::new(config.prices));
        Self { config, outage: RwLock::new(None), till }
    }

    /// Begins an outage, replaces it, or ends it with `None`. Calls under way are not changed.
    pub fn set_outage(&self, outage: Option<Outage>) {
        *self.outage.write() = outage;
    }

    /// What it has billed so far, calls under way included as far as they got.
    #[must_use]
    pub fn bill(&self) -> SimulatedBill {
        self.till.bill()
    }

    async fn answer(&self, attempt: AttemptId, call: Call) -> Result<Answer, Fault> {
        self.till.count_call();
        sleep(self.config.latency).await;
        let request = match ChatRequest::read(&call.body) {
            Ok(request) => request,
            Err(message) => return Err(rejection(StatusCode::BAD_REQUEST, "invalid_request_error", &message)),
        };
        match self.verdict(attempt) {
            (Verdict::Answer, _) => Ok(self.generate(attempt, &request)),
            (Verdict::Fail(status), billing) => {
                let fault = failure(status);
                self.bill_failure(fault.billing, billing, &request);
                Err(fault)
            }
            (Verdict::Hang, billing) => {
                self.bill_failure(Billing::Unknown, billing, &request);
                std::future::pending().await
            }
            (Verdict::Reset, billing) => {
                self.bill_failure(Billing::Unknown, billing, &request);
                let detail = "the simulated provider closed the connection after the request was sent";
                Err(Fault::new(FaultKind::ConnectionLost, Origin::Network, detail))
            }
        }
    }

    fn verdict(&self, attempt: AttemptId) -> (Verdict, FailureBilling) {
        let seed = self.config.seed;
        if let Some(outage) = &*self.outage.read() {
            return (outage.verdict(seed, attempt), outage.billing);
        }
        let dice = draw(seed, attempt, 1000);
        let failing = u64::from(self.config.fail_per_mille);
        let limited = failing + u64::from(self.config.rate_limit_per_mille);
        let verdict = if dice < failing {
            Verdict::Fail(StatusCode::INTERNAL_SERVER_ERROR)
        } else if dice < limited {
            Verdict::Fail(StatusCode::TOO_MANY_REQUESTS)
        } else {
            Verdict::Answer
        };
        (verdict, FailureBilling::Nothing)
    }

    /// What its fault says is never billed is not billed, whatever the outage is told.
    fn bill_failure(&self, fault: Billing, wanted: FailureBilling, request: &ChatRequest) {
        if fault != Billing::Unknown {
            return;
        }
        match wanted {
            FailureBilling::Nothing => {}
            FailureBilling::Input => self.till.charge(request.input, Tokens::ZERO),
            FailureBilling::Everything => {
                let generation = Generation::plan(request, self.config.output_tokens);
                self.till.charge(request.input, generation.output());
            }
        }
    }

    fn generate(&self, attempt: AttemptId, request: &ChatRequest) -> Answer {
        let generation = Generation::plan(request, self.config.output_tokens);
        self.till.charge(request.input, Tokens::ZERO);
        self.till.count_answer();
        let mut headers = HeaderMap::new();
        if let Ok(id) = HeaderValue::try_from(attempt.to_string()) {
            headers.insert("x-request-id", id);
        }
        if request.stream {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
            let stream =
                StreamedAnswer::new(attempt, request, generation, self.config.token_interval, Arc::clone(&self.till));
            return Answer { status: StatusCode::OK, headers, body: Box::pin(stream), exhausted_until: None };
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.till.charge(Tokens::ZERO, generation.output());
        let body = generation.whole(attempt, request);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        let body = Box::pin(stream::iter([Ok(Bytes::from(body))]));
        Answer { status: StatusCode::OK, headers, body, exhausted_until: None }
    }
}

impl Upstream for SimulatedUpstream {
    fn call(&self, permit: Permit, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(self.answer(permit.id(), call))
    }
}

/// The fault of a status, made from the bytes that OpenAI would have answered.
fn failure(status: StatusCode) -> Fault {
    match status {
        StatusCode::TOO_MANY_REQUESTS => {
            rejection(status, "rate_limit_exceeded", "Rate limit reached for the simulated model.")
        }
        StatusCode::SERVICE_UNAVAILABLE => rejection(status, "server_error", "The simulated model is overloaded."),
        _ => rejection(status, "server_error", "The simulated model had an error while processing your request."),
    }
}

fn rejection(status: StatusCode, code: &str, message: &str) -> Fault {
    let error = serde_json::json!({ "error": { "message": message, "type": code, "param": null, "code": code } });
    let limited = status == StatusCode::TOO_MANY_REQUESTS;
    let header = |name: &str| (limited && name == "retry-after").then_some("1");
    classify(status.as_u16(), &header, error.to_string().as_bytes(), BillingRules::OpenAi, Timestamp::default())
}
