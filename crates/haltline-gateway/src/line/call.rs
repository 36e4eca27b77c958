//! Call: writes the request to the provider, spending the permit, and waits for the head of the
//! answer.

use crate::gateway::{Gateway, Live};
use crate::line::accept::Request;
use crate::line::reserve::Reserved;
use crate::line::route::Routed;
use crate::line::trip::Trip;
use crate::settings::ProviderKind;
use haltline_ports::{Answer, Call};
use haltline_types::{Fault, FaultKind, Origin};
use haltline_wire::openai;
use haltline_wire::openai::chat::{Edit, cap_field_for};
use tokio::time::Instant;

/// The longest that the attempt may take.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// The first content must be there by then.
    pub(crate) first_by: Instant,
    /// Everything must be there by then.
    pub(crate) total_by: Instant,
}

/// Sends.
pub(crate) async fn call(
    gateway: &Gateway,
    live: &Live,
    request: &Request,
    trip: &mut Trip,
    routed: &Routed,
    reserved: Reserved,
    times: Times,
) -> Result<Answer, Fault> {
    let endpoint = &routed.endpoint;
    let gone = || Fault {
        billing: haltline_types::Billing::NotSent,
        ..Fault::new(FaultKind::NotFound, Origin::Gateway, "the provider is not configured any more")
    };
    let upstream = live.upstreams.get(&endpoint.provider).ok_or_else(gone)?;
    let provider = live.settings.providers.get(&endpoint.provider).ok_or_else(gone)?;
    let kind = match provider.kind {
        ProviderKind::OpenAi => openai::ProviderKind::OpenAi,
        ProviderKind::OpenAiCompatible | ProviderKind::Simulated => openai::ProviderKind::Compatible,
    };
    let body = request.chat.rewrite(&Edit {
        model: &endpoint.model,
        cap: (cap_field_for(&endpoint.model, kind), reserved.cap),
        service_tier: (kind == openai::ProviderKind::OpenAi).then_some("default"),
        include_usage: true,
        drop: &[],
    });
    let call = Call {
        endpoint: endpoint.clone(),
        target: "/chat/completions".to_owned(),
        headers: request.pass_headers.clone(),
        body,
        stream: trip.streamed,
        affinity: None,
    };
    let began = Instant::now();
    let answer = tokio::select! {
        biased;
        () = gateway.cut.cancelled() => Ok(Err(cut())),
        answer = tokio::time::timeout_at(times.first_by, upstream.call(reserved.permit, call)) => answer,
    };
    trip.waited += began.elapsed();
    answer.unwrap_or_else(|_| {
        Err(Fault::new(FaultKind::FirstTokenTimeout, Origin::Provider, "no head of an answer in time"))
    })
}

/// The drain's time is over.
pub(crate) fn cut() -> Fault {
    Fault::new(FaultKind::Cancelled, Origin::Gateway, "the gateway is shutting down")
}
