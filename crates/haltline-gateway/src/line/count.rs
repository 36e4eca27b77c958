//! Count: how many tokens a client's request has, for clients that ask nothing else
//! (`POST /v1/messages/count_tokens`). No journey: nothing is held and nothing is spent; key, model
//! and rate limits count all the same.

use crate::gateway::Gateway;
use crate::incoming::Incoming;
use crate::line::accept::{self, Request};
use crate::line::quote::{self, Measured};
use crate::line::{ask, call, identify, throttle, tighten};
use crate::metrics::RequestLabels;
use crate::problem::Problem;
use crate::settings::ProviderKind;
use bytes::Bytes;
use haltline_policy::limits::KeyedRunning;
use haltline_policy::media::image_rule;
use haltline_tokens::vocabulary_of;
use haltline_types::{Code, Fault, FaultKind, ModelName, Tokens};
use haltline_wire::anthropic::encode_count;
use haltline_wire::canon::Target;
use std::time::Duration;

/// Text has at least so many bytes for a token, by and large: English has 4 to 5. For estimates
/// only, never for a bound.
const BYTES_PER_TOKEN: u64 = 4;

/// A count, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenCount {
    /// In Anthropic's dialect: `{"input_tokens": 42}`.
    pub body: Bytes,
    /// Was it estimated here? Else the provider has counted.
    pub estimated: bool,
}

impl Gateway {
    /// Counts the input tokens of a request in Anthropic's dialect: asks the provider where it is
    /// Anthropic, or counts by itself where `count_input` is set; else estimates. Spends nothing.
    ///
    /// # Errors
    /// What the client must change, or when to come again.
    pub async fn count_tokens(&self, incoming: Incoming) -> Result<TokenCount, Problem> {
        let surface = incoming.surface.word();
        let counted = count(self, incoming).await;
        let (outcome, code) = match &counted {
            Ok(_) => ("answered", ""),
            Err(problem) => ("refused", problem.code.word()),
        };
        self.metrics.requests.get_or_create(&RequestLabels { surface, outcome, code }).inc();
        counted
    }
}

async fn count(gateway: &Gateway, incoming: Incoming) -> Result<TokenCount, Problem> {
    let live = gateway.live.load_full();
    let caller = identify::identify(gateway, &incoming.presented, &incoming.claims)?;
    let _place = gateway.counting.client().ok_or_else(|| {
        Problem::new(Code::Overloaded, "Too many requests for counts of tokens are under way; ask again in a second.")
            .retry_after(Duration::from_secs(1))
    })?;
    let request = accept::accept(gateway, &live, caller, incoming).await?;
    let (_, running) = throttle::admit(gateway, &request.subjects, Tokens::ZERO)?;
    let _leaving = Leaving(gateway, Some(running));
    let Some(endpoint) = request.routing.first() else {
        return Err(Problem::new(Code::Internal, "The model leads nowhere."));
    };
    let provider = live.settings.providers.get(&endpoint.provider);
    let (kind, count_input) =
        provider.map_or((ProviderKind::OpenAiCompatible, false), |provider| (provider.kind, provider.count_input));
    if kind == ProviderKind::Anthropic || kind == ProviderKind::Google && count_input {
        match ask::ask(&live, &request, endpoint).await {
            Ok(tokens) => return Ok(TokenCount { body: encode_count(tokens), estimated: false }),
            Err(fault) if is_the_requests(&fault) => return Err(Problem::from_fault(&fault, 1, false)),
            Err(fault) => tracing::warn!(%endpoint, %fault, "no count from the provider; it is estimated"),
        }
    }
    let tokens = estimate(gateway, &live, &request, endpoint, kind).await?;
    Ok(TokenCount { body: encode_count(tokens), estimated: true })
}

/// Would the provider refuse the request itself for the same reason?
fn is_the_requests(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::InvalidRequest | FaultKind::RequestTooLarge | FaultKind::ContextLength)
}

/// Counted exactly where the vocabulary is public and there is time, else by its bytes.
async fn estimate(
    gateway: &Gateway,
    live: &crate::gateway::Live,
    request: &Request,
    endpoint: &ModelName,
    kind: ProviderKind,
) -> Result<Tokens, Problem> {
    let too_large = || Problem::new(Code::InvalidRequest, "The request is too large to be counted.");
    let (vendor, _) = quote::vendor(kind, None);
    let images = Measured::of(request)?.media_tokens(image_rule(vendor, &endpoint.model)).ok_or_else(too_large)?;
    let text = match exact(gateway, live, request, endpoint, kind).await {
        Some(tokens) => tokens,
        None => {
            let measure = request.asked.measure();
            let bytes = measure.ascii_bytes.checked_add(measure.other_bytes).ok_or_else(too_large)?;
            Tokens::new(bytes.div_ceil(BYTES_PER_TOKEN))
        }
    };
    text.checked_add(images).ok_or_else(too_large)
}

/// The tokens of the body as the endpoint would get it. Its keys are among them: about as many
/// tokens as the provider's frames around messages.
async fn exact(
    gateway: &Gateway,
    live: &crate::gateway::Live,
    request: &Request,
    endpoint: &ModelName,
    kind: ProviderKind,
) -> Option<Tokens> {
    if kind != ProviderKind::OpenAi {
        return None;
    }
    let vocabulary = vocabulary_of(quote::vendor(kind, None).0, &endpoint.model)?;
    let dialect = call::dialect(live, &request.asked, &endpoint.provider);
    let target = Target { model: &endpoint.model, cap: request.asked.client_cap().unwrap_or(request.default_cap) };
    let body = request.asked.outgoing(dialect, &target).ok()?.body;
    let images = request.asked.measure().images;
    let counted = gateway.counting.run(move || tighten::count_body(vocabulary, &body, images)).await.ok().flatten()?;
    counted.plain.checked_add(counted.rendered)?.checked_add(Tokens::new(counted.opaque_bytes))
}

/// Gives back the places in concurrency limits, also when the client leaves before the answer.
struct Leaving<'a>(&'a Gateway, Option<KeyedRunning>);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if let Some(running) = self.1.take() {
            self.0.limiter.lock().leave(running);
        }
    }
}
