//! Inspect: would this request be accepted, and what may one attempt of it cost at most? Not a stage:
//! for work that is done later; holds nothing and sends nothing.

use crate::gateway::Gateway;
use crate::incoming::Incoming;
use crate::line::quote::{self, Measured};
use crate::line::route::Routed;
use crate::line::{accept, identify};
use crate::problem::Problem;
use bytes::Bytes;
use haltline_types::{Name, NanoUsd};
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
pub(crate) async fn inspect(gateway: &Gateway, mut incoming: Incoming) -> Result<Inspected, Problem> {
    let live = gateway.live.load_full();
    let caller = identify::caller(gateway, &incoming)?;
    gateway.fetch_turns_before(&caller.owner(), incoming.surface, &incoming.body).await?;
    // What failed a moment ago may be asked for later.
    incoming.on_behalf = Some(Arc::clone(&caller.key));
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
    Ok(Inspected {
        asked: Arc::clone(&request.asked),
        model: request.model.clone(),
        body: request.body().clone(),
        ceiling,
    })
}
