//! Call: writes the request to the provider, spending the permit, and waits for the head of the
//! answer.

use crate::gateway::Live;
use crate::line::accept::Request;
use crate::line::quote::{MaxPrice, MaxPriceWords};
use crate::line::reserve::Reserved;
use crate::line::route::Routed;
use crate::line::trip::Trip;
use crate::settings::ProviderKind;
use haltline_ports::{Answer, Call, What};
use haltline_types::{Fault, FaultKind, ModelName, Name, Origin, Tokens};
use haltline_wire::anthropic::is_long_context_beta;
use haltline_wire::canon::Target;
use haltline_wire::client::{ClientDialect, ClientRequest};
use haltline_wire::openai::ProviderKind as Server;
use haltline_wire::provider::ProviderDialect;
use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;

/// The longest that the attempt may take.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// The first content must be there by then.
    pub(crate) first_by: Instant,
    /// Everything must be there by then.
    pub(crate) total_by: Instant,
}

/// The dialect in which the endpoint is asked: the client's own where its provider speaks it.
pub(crate) fn dialect(live: &Live, asked: &ClientRequest, provider: &Name) -> ProviderDialect {
    let known = live.settings.providers.get(provider);
    let server = known.map_or(Server::Compatible, |provider| provider.server);
    let asked = asked.dialect();
    match known.map(|provider| provider.kind) {
        Some(ProviderKind::Anthropic) => ProviderDialect::Messages,
        Some(ProviderKind::Google) => ProviderDialect::Gemini,
        Some(ProviderKind::OpenAi | ProviderKind::Azure) if asked == ClientDialect::Responses => {
            ProviderDialect::Responses(server)
        }
        _ if asked == ClientDialect::Embeddings => ProviderDialect::Embeddings,
        _ => ProviderDialect::Chat(server),
    }
}

/// Azure's addresses name the deployment, unless they are those below `/openai/v1`.
fn address(live: &Live, routed: &Routed, path: String) -> String {
    let provider = live.settings.providers.get(&routed.endpoint.provider);
    match provider.and_then(|provider| provider.api_version.as_ref()) {
        Some(_) if path != "/responses" => format!("/deployments/{}{path}", routed.endpoint.model),
        _ => path,
    }
}

/// The context that a beta of Anthropic's opens.
const LONG_CONTEXT: Tokens = Tokens::new(1_000_000);

/// The client's headers for the endpoint, and whether the beta for a long context was taken out of
/// them: where the model's price knows a shorter one, neither the bound on its input nor its rates
/// would hold.
pub(crate) fn headers(
    live: &Live,
    request: &Request,
    endpoint: &ModelName,
    dialect: ProviderDialect,
) -> (HeaderMap, bool) {
    if !request.asked.passes_to(dialect) {
        return (HeaderMap::new(), false);
    }
    let context = live.settings.prices.get(endpoint).and_then(|price| price.max_input);
    if context.is_some_and(|context| context >= LONG_CONTEXT) {
        return (request.pass_headers.clone(), false);
    }
    without_long_context(&request.pass_headers)
}

fn without_long_context(all: &HeaderMap) -> (HeaderMap, bool) {
    let (mut kept, mut is_shortened) = (HeaderMap::with_capacity(all.len()), false);
    for (name, value) in all {
        let betas = value.to_str().unwrap_or_default();
        if name != "anthropic-beta" || !betas.split(',').any(|beta| is_long_context_beta(beta.trim())) {
            kept.append(name.clone(), value.clone());
            continue;
        }
        is_shortened = true;
        let rest: Vec<&str> = betas.split(',').map(str::trim).filter(|beta| !is_long_context_beta(beta)).collect();
        if let (false, Ok(value)) = (rest.is_empty(), HeaderValue::from_str(&rest.join(","))) {
            kept.append(name.clone(), value);
        }
    }
    (kept, is_shortened)
}

/// Sends.
pub(crate) async fn call(
    live: &Live,
    request: &Request,
    trip: &mut Trip,
    routed: &Routed,
    dialect: ProviderDialect,
    reserved: Reserved,
    times: Times,
) -> Result<Answer, Fault> {
    let endpoint = &routed.endpoint;
    let gone = || Fault {
        billing: haltline_types::Billing::NotSent,
        ..Fault::new(FaultKind::NotFound, Origin::Gateway, "the provider is not configured any more")
    };
    let upstream = live.upstreams.get(&endpoint.provider).ok_or_else(gone)?;
    let target = Target { model: &endpoint.model, cap: reserved.cap };
    let max_price = reserved.max_price.filter(|_| dialect.takes_max_price()).map(MaxPrice::in_words);
    let max_price = max_price.as_ref().map(MaxPriceWords::written);
    let outgoing = request.asked.outgoing_within(dialect, &target, max_price).map_err(|error| Fault {
        billing: haltline_types::Billing::NotSent,
        ..Fault::new(FaultKind::InvalidRequest, Origin::Gateway, error.message)
    })?;
    trip.dropped = outgoing.dropped;
    let (headers, is_shortened) = headers(live, request, endpoint, dialect);
    if is_shortened {
        trip.dropped.push("anthropic-beta context-1m");
    }
    let call = Call {
        endpoint: endpoint.clone(),
        target: address(live, routed, outgoing.path),
        headers,
        body: outgoing.body,
        stream: trip.streamed,
        affinity: request.subjects.session.as_deref().map(haltline_policy::plan::affinity),
    };
    let began = Instant::now();
    let cut_short = trip.cut.clone();
    // Stopped while it waited for headroom: nothing was sent, so nothing can be billed.
    if cut_short.is_cancelled() {
        return Err(Fault { billing: haltline_types::Billing::NotSent, ..cut() });
    }
    trip.step(What::Sent { attempt: trip.attempts_made(), endpoint: endpoint.clone() });
    let answer = tokio::select! {
        biased;
        () = cut_short.cancelled() => Ok(Err(cut())),
        answer = tokio::time::timeout_at(times.first_by, upstream.call(reserved.permit, call)) => answer,
    };
    trip.waited += began.elapsed();
    if let Ok(Ok(answer)) = &answer {
        trip.step(What::Head { attempt: trip.attempts_made(), status: answer.status.as_u16() });
    }
    answer.unwrap_or_else(|_| {
        Err(Fault::new(FaultKind::FirstTokenTimeout, Origin::Provider, "no head of an answer in time"))
    })
}

/// The drain's time is over.
pub(crate) fn cut() -> Fault {
    Fault::new(FaultKind::Cancelled, Origin::Gateway, "the gateway is shutting down")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_context_is_asked_for_only_where_the_price_knows_it() {
        let mut headers = HeaderMap::new();
        headers.append("anthropic-version", HeaderValue::from_static("2023-06-01"));
        headers.append("anthropic-beta", HeaderValue::from_static("effort-2025-11-24, context-1m-2025-08-07"));
        headers.append("anthropic-beta", HeaderValue::from_static("context-1m-2025-08-07"));
        let (kept, is_shortened) = without_long_context(&headers);
        assert!(is_shortened);
        assert_eq!(kept.get_all("anthropic-beta").iter().collect::<Vec<_>>(), ["effort-2025-11-24"]);
        assert_eq!(kept.get("anthropic-version").expect("version"), "2023-06-01");
        assert_eq!(without_long_context(&kept), (kept.clone(), false));
    }
}
