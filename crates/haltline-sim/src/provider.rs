//! The simulated provider: answers like OpenAI's API in virtual time, fails as it is told, and keeps
//! the true bill: the input when inference begins, each token of output when it is produced, and
//! what its rules allow when nobody fetches an answer. Knows nothing of budgets or holds.

mod answer;
mod production;
mod request;
mod tariff;
mod temper;

pub use tariff::{Tariff, Used};
pub use temper::{Honesty, Script, Temper};

use crate::chance::Chance;
use answer::Plan;
use haltline_ports::{Answer, BoxFuture, Call, Permit, Upstream};
use haltline_types::{AttemptId, Fault, FaultKind, ModelName, Name, Origin, Timestamp};
use haltline_wire::fault::{BillingRules, classify};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use parking_lot::Mutex;
use production::Production;
use request::Request;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Whoever looks over the provider's shoulder.
pub trait Observer: Send + Sync {
    /// An attempt arrived. Unless it is dishonest, the provider can bill at most this for it.
    fn arrived(&self, attempt: AttemptId, endpoint: &ModelName, most: Bill);
    /// The bill of an attempt is this from here on.
    fn billed(&self, attempt: AttemptId, bill: Bill);
    /// Nothing more will be billed for an attempt.
    fn ended(&self, attempt: AttemptId, ending: Ending);
}

/// What one attempt is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Bill {
    /// Nanodollars, a part of one counted as a whole.
    pub nano: i64,
    /// Input and output.
    pub tokens: u64,
}

/// How an attempt ended, as the provider sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The other side has all of the answer and a true report of what it used.
    Complete,
    /// The other side cannot know what it was billed.
    Abandoned,
    /// Refused before inference: nothing is billed. With a 429's stated wait.
    Rejected(Option<Duration>),
}

/// A model of a provider.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// What it costs.
    pub tariff: Tariff,
    /// Bytes of text that make a token; 1 is the worst that a vocabulary can do.
    pub bytes_per_token: u64,
}

/// What a provider has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Totals {
    /// Attempts that arrived.
    pub calls: u64,
    /// Attempts whose answer was fetched whole.
    pub answered: u64,
    /// Everything billed, in nanodollars, each attempt rounded up.
    pub nano: i64,
}

/// A provider.
pub struct SimProvider {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    name: Name,
    seed: u64,
    rules: BillingRules,
    models: BTreeMap<String, Model>,
    temper: Mutex<Arc<Temper>>,
    observer: Arc<dyn Observer>,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    totals: Totals,
    statuses: BTreeMap<u16, u64>,
    open: BTreeMap<AttemptId, i64>,
}

impl SimProvider {
    /// A provider of that name with these models.
    #[must_use]
    pub fn new(
        name: &str,
        seed: u64,
        rules: BillingRules,
        models: BTreeMap<String, Model>,
        temper: Temper,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let seed = Chance::of(seed, name).bits();
        let temper = Mutex::new(Arc::new(temper));
        let inner = Inner { name: Name::new(name), seed, rules, models, temper, observer, books: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.inner.name
    }

    /// Behaves like this from here on; attempts under way are not changed.
    pub fn set_temper(&self, temper: Temper) {
        *self.inner.temper.lock() = Arc::new(temper);
    }

    /// What it has done so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.inner.books.lock().totals
    }

    /// How often it answered with each status; 0 is no answer.
    #[must_use]
    pub fn statuses(&self) -> BTreeMap<u16, u64> {
        self.inner.books.lock().statuses.clone()
    }

    /// Answers one attempt. What the `Upstream` door does once it has taken the permit; clients
    /// without a gateway come in here.
    ///
    /// # Errors
    /// The provider's failure, as the gateway's wire code reads it.
    pub async fn serve(&self, attempt: AttemptId, call: Call) -> Result<Answer, Fault> {
        Inner::serve(&self.inner, attempt, call).await
    }
}

impl Upstream for SimProvider {
    fn call(&self, permit: Permit, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(self.serve(permit.id(), call))
    }
}

impl Inner {
    async fn serve(inner: &Arc<Self>, attempt: AttemptId, call: Call) -> Result<Answer, Fault> {
        let mut chance = Chance::of_number(inner.seed ^ u64::from(attempt.number), attempt.request.as_u128());
        let temper = Arc::clone(&inner.temper.lock());
        let script = temper.script(&mut chance);
        if script == Script::RefusesConnection {
            inner.count(0);
            return Err(Fault::new(FaultKind::ConnectFailed, Origin::Network, "no simulated connection"));
        }
        let known =
            Request::read(&call.body).ok().and_then(|request| Some((inner.models.get(&request.model)?, request)));
        let Some((model, request)) = known else {
            inner.arrive(attempt, &call.endpoint, Bill::default());
            inner.ended(attempt, Ending::Rejected(None));
            return Err(inner.error(400, "invalid_request_error", None));
        };
        let input = input_of(&request, model, &temper, &mut chance);
        let output_max = (request.cap + temper.extra).saturating_mul(request.choices);
        let most = Used { cached: 0, output: output_max, ..input };
        inner.arrive(attempt, &call.endpoint, bill(model, &most));
        let greedy = chance.per_mille(temper.greedy_per_mille);
        let plan = Plan {
            script,
            honesty: temper.honesty,
            length: length_of(&request, &temper, &mut chance),
            extra: chance.within(0..temper.extra) * request.choices,
            interval: match script {
                Script::Crawls => chance.millis(2_000..9_000),
                _ => chance.millis(temper.token_ms.clone()),
            },
            running_reports: chance.per_mille(temper.running_reports_per_mille),
            request,
        };
        let mut production = Production::arrived(inner, attempt, &plan.request.model, output_max, greedy);
        if script == Script::DropsConnection {
            // The work is done, whether the answer can be sent or not.
            production.begin(input);
            production.abandon();
            inner.count(0);
            return Err(Fault::new(FaultKind::ConnectionLost, Origin::Network, "the simulated connection broke"));
        }
        tokio::time::sleep(chance.millis(temper.latency_ms.clone())).await;
        if let Some((status, code, wait)) = refusal(script) {
            production.end(Ending::Rejected(wait));
            return Err(inner.error(status, code, wait));
        }
        if script == Script::FailsBefore {
            production.end(Ending::Abandoned);
            return Err(inner.error(500, "server_error", None));
        }
        production.begin(input);
        match script {
            Script::FailsAfterInput => {
                production.end(Ending::Abandoned);
                return Err(inner.error(500, "server_error", None));
            }
            Script::FailsAfterOutput => {
                production.produce(plan.length * plan.request.choices + plan.extra);
                production.end(Ending::Abandoned);
                return Err(inner.error(500, "server_error", None));
            }
            Script::StallsBefore => {
                inner.count(0);
                std::future::pending::<()>().await;
            }
            _ => {}
        }
        inner.count(200);
        Ok(respond(plan, production))
    }

    fn arrive(&self, attempt: AttemptId, endpoint: &ModelName, most: Bill) {
        {
            let mut books = self.books.lock();
            books.totals.calls += 1;
            books.open.insert(attempt, 0);
        }
        self.observer.arrived(attempt, endpoint, most);
    }

    fn count(&self, status: u16) {
        *self.books.lock().statuses.entry(status).or_default() += 1;
    }

    pub(crate) fn bill(&self, attempt: AttemptId, model: &str, used: Used) {
        let Some(model) = self.models.get(model) else { return };
        let bill = bill(model, &used);
        {
            let mut books = self.books.lock();
            let before = books.open.insert(attempt, bill.nano).unwrap_or(0);
            books.totals.nano += bill.nano - before;
        }
        self.observer.billed(attempt, bill);
    }

    pub(crate) fn ended(&self, attempt: AttemptId, ending: Ending) {
        {
            let mut books = self.books.lock();
            books.open.remove(&attempt);
            books.totals.answered += u64::from(ending == Ending::Complete);
        }
        self.observer.ended(attempt, ending);
    }

    /// The fault of a status, read by the gateway's own wire code from the bytes that OpenAI would send.
    fn error(&self, status: u16, code: &str, wait: Option<Duration>) -> Fault {
        self.count(status);
        let body =
            serde_json::json!({ "error": { "message": "simulated", "type": code, "param": null, "code": code } });
        let seconds = wait.map(|wait| wait.as_secs().to_string());
        let header = |name: &str| if name == "retry-after" { seconds.as_deref() } else { None };
        classify(status, &header, body.to_string().as_bytes(), self.rules, Timestamp::default())
    }
}

/// What is refused before inference, and never billed.
fn refusal(script: Script) -> Option<(u16, &'static str, Option<Duration>)> {
    match script {
        Script::LimitsRate(wait) => Some((429, "rate_limit_exceeded", wait)),
        Script::IsOverloaded => Some((503, "overloaded_error", None)),
        Script::Rejects => Some((400, "invalid_request_error", None)),
        _ => None,
    }
}

fn bill(model: &Model, used: &Used) -> Bill {
    Bill { nano: model.tariff.nano(used), tokens: used.tokens() }
}

/// Framing of each message and of the answer, as OpenAI documents it.
fn input_of(request: &Request, model: &Model, temper: &Temper, chance: &mut Chance) -> Used {
    let input = request.text.div_ceil(model.bytes_per_token.max(1)) + 4 * request.messages + 3;
    let share = chance.within(0..temper.cached_per_mille);
    Used { input, cached: input * share / 1_000, output: 0 }
}

fn length_of(request: &Request, temper: &Temper, chance: &mut Chance) -> u64 {
    let wanted = chance.within(temper.output.clone());
    match temper.honesty {
        Honesty::Honest | Honesty::UnderReports(_) => wanted.min(request.cap),
        Honesty::OverReports(factor) => wanted.min(request.cap).saturating_mul(factor),
        Honesty::IgnoresCap(factor) => request.cap.saturating_mul(factor),
    }
}

fn respond(plan: Plan, mut production: Production) -> Answer {
    let mut headers = HeaderMap::new();
    let kind = if plan.request.stream { "text/event-stream" } else { "application/json" };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    let body = if plan.request.stream {
        answer::stream_body(plan, production)
    } else {
        production.produce(plan.length * plan.request.choices + plan.extra);
        answer::whole_body(&plan, production)
    };
    Answer { status: StatusCode::OK, headers, body, exhausted_until: None }
}
