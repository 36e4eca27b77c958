//! Inspect: would this request be accepted, and what may one attempt of it cost at most? Not a stage:
//! for work that is done later; holds nothing and sends nothing.

use crate::gateway::{Gateway, Live};
use crate::incoming::Incoming;
use crate::line::accept::Request;
use crate::line::quote::{self, Measured};
use crate::line::route::Routed;
use crate::line::{accept, identify, throttle};
use crate::problem::Problem;
use crate::settings::ProviderKind;
use bytes::Bytes;
use haltline_types::{Code, Name, NanoUsd, Subjects};
use haltline_wire::client::ClientRequest;
use std::sync::Arc;

/// A request that would be accepted.
pub(crate) struct Inspected {
    pub(crate) asked: Arc<ClientRequest>,
    pub(crate) model: Name,
    /// The body with the turns before it, where it names a kept response.
    pub(crate) body: Bytes,
    /// The most that one attempt at the first endpoint can be billed; none where that one cannot
    /// be asked and another one can.
    pub(crate) ceiling: Option<NanoUsd>,
}

/// Looks.
pub(crate) async fn inspect(gateway: &Gateway, incoming: Incoming) -> Result<Inspected, Problem> {
    look(gateway, incoming).await.map(|(inspected, _)| inspected)
}

/// Looks at a request that is made now and sent later: rate limits count it, so that nobody can
/// have more written down than could be sent; it is sent by another request, which they count, too.
pub(crate) async fn submitted(gateway: &Gateway, incoming: Incoming) -> Result<Inspected, Problem> {
    let (inspected, subjects) = look(gateway, incoming).await?;
    throttle::note(gateway, &subjects)?;
    Ok(inspected)
}

async fn look(gateway: &Gateway, mut incoming: Incoming) -> Result<(Inspected, Subjects), Problem> {
    let live = gateway.live.load_full();
    let caller = identify::caller(gateway, &incoming)?;
    gateway.fetch_turns_before(&caller.owner(), incoming.surface, &incoming.body).await?;
    // What failed a moment ago may be asked for later.
    incoming.on_behalf = Some(caller.identity());
    let request = accept::accept(gateway, &live, caller, incoming).await?;
    let measured = Measured::of(&request)?;
    let is_only = matches!(request.routing.models(), [only] if only.targets.len() == 1);
    let ceiling = match request.routing.first() {
        None => None,
        Some(endpoint) => match quote::quote(gateway, &live, &Routed::only_looked_at(endpoint.clone()), &measured) {
            Ok(quoted) => Some(quoted.quote.ceiling.usd),
            Err(problem) if is_only => return Err(problem),
            Err(_) => None,
        },
    };
    if let Some(most) = request.max_cost
        && !fits(gateway, &live, &request, &measured, most)
    {
        let up_to = ceiling.map_or_else(|| "more".to_owned(), |ceiling| format!("up to {ceiling}, more"));
        let message = format!(
            "This request may cost {up_to} than its x-haltline-max-cost of {most}. Lower its max_tokens, or shorten it."
        );
        return Err(Problem::new(Code::ReservationTooLarge, message));
    }
    let inspected = Inspected {
        asked: Arc::clone(&request.asked),
        model: request.model.clone(),
        body: request.body().clone(),
        ceiling,
    };
    Ok((inspected, request.subjects.clone()))
}

/// Could any endpoint answer for so much, at the smallest cap, and with a count of its input where
/// one may be made?
fn fits(gateway: &Gateway, live: &Live, request: &Request, measured: &Measured, most: NanoUsd) -> bool {
    let minimum = live.settings.headroom.min_output_tokens;
    let targets = request.routing.models().iter().flat_map(|model| &model.targets);
    targets.map(|target| Routed::only_looked_at(target.endpoint.clone())).any(|routed| {
        let Ok(quoted) = quote::quote(gateway, live, &routed, measured) else { return false };
        let is_counted = live
            .settings
            .providers
            .get(&routed.endpoint.provider)
            .is_some_and(|provider| provider.kind == ProviderKind::OpenAi || provider.count_input);
        quoted.quote.ceiling.usd <= most
            || quoted.lowered(gateway, &routed, Some(most), None, minimum).is_some()
            || is_counted && quoted.could_fit(Some(most), None, minimum)
    })
}
