//! Not a stage of the line: a closer look at a ceiling that does not fit, the second stage of a
//! quote. An exact
//! count where the vocabulary is public, or the provider's own count where the operator asks for
//! it. Not here: the arithmetic (`policy::quote`), the thread (`counting.rs`), the question to the
//! provider (`ask.rs`).

use crate::counting::NoCount;
use crate::gateway::{Gateway, Live};
use crate::line::accept::Request;
use crate::line::ask;
use crate::line::call;
use crate::line::quote::{Measured, Quoted};
use crate::line::route::Routed;
use crate::line::trip::Trip;
use crate::settings::ProviderKind;
use bytes::Bytes;
use haltline_policy::quote::{ExactInput, counted_bound};
use haltline_policy::vendor::Vendor;
use haltline_ports::{WaitedFor, What};
use haltline_tokens::{Vocabulary, vocabulary_of};
use haltline_types::{ModelName, NanoUsd, Tokens};
use haltline_wire::media::{self, MediumKind};
use haltline_wire::provider::ProviderDialect;
use haltline_wire::texts::texts;
use parking_lot::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// What was counted of a request, whatever came of it: it is kept for all attempts.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    exact: Mutex<Vec<(Vocabulary, Option<ExactInput>)>>,
    stated: Mutex<Vec<(ModelName, Option<Tokens>)>>,
}

/// Money and tokens that are left for an attempt; `None` = no such limit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Room {
    pub(crate) usd: Option<NanoUsd>,
    pub(crate) tokens: Option<Tokens>,
}

/// Lowers the ceiling as far as more can be known than bytes, and says whether it did. `room` is
/// what the lower one must fit to be of use. Time spent on the provider's answer is noted as
/// waited for.
#[expect(clippy::too_many_arguments, reason = "a stage takes what the stages before it have proved")]
pub(crate) async fn tighten(
    gateway: &Gateway,
    live: &Live,
    request: &Request,
    routed: &Routed,
    measured: &Measured,
    quoted: &mut Quoted<'_>,
    room: Room,
    trip: &mut Trip,
) -> bool {
    let endpoint = &routed.endpoint;
    let Some(provider) = live.settings.providers.get(&endpoint.provider) else { return false };
    let minimum = live.settings.headroom.min_output_tokens;
    // An endpoint that has billed more than its ceiling keeps the raised one, also when that was
    // seen while we counted.
    let is_trusted = || !gateway.quarantine.holds(endpoint);
    if quoted.is_tightened() || !is_trusted() || !quoted.could_fit(room.usd, room.tokens, minimum) {
        return false;
    }
    let tightened = match provider.kind {
        // Only OpenAI itself says what stands behind a model's name: a deployment of Azure's has
        // the name that somebody gave it.
        ProviderKind::OpenAi => {
            let exact = exact(gateway, live, request, endpoint, measured).await;
            exact.is_some_and(|exact| is_trusted() && quoted.with_exact(exact))
        }
        ProviderKind::Anthropic | ProviderKind::Google if provider.count_input => {
            let began = Instant::now();
            let stated = stated(live, request, endpoint, measured).await;
            let took = began.elapsed();
            trip.waited += took;
            // A count that was known already is not waited for.
            if took > Duration::from_millis(1) {
                trip.step(What::Waited { on: WaitedFor::Count, took });
            }
            // An imitator's place holder is no count.
            let stated = stated.filter(|stated| *stated >= quoted.input_at_least());
            stated.and_then(counted_bound).is_some_and(|bound| is_trusted() && quoted.with_count(bound))
        }
        _ => false,
    };
    if tightened {
        trip.step(What::Tightened { ceiling: quoted.quote.ceiling.usd });
    }
    tracing::debug!(%endpoint, tightened, ceiling = %quoted.quote.ceiling.usd, "a closer look at a ceiling");
    tightened
}

/// The exact count, where the body goes out as it came in and its vocabulary is public.
async fn exact(
    gateway: &Gateway,
    live: &Live,
    request: &Request,
    endpoint: &ModelName,
    measured: &Measured,
) -> Option<ExactInput> {
    let vocabulary = vocabulary_of(Vendor::OpenAi, &endpoint.model)?;
    let dialect = call::dialect(live, &request.asked, &endpoint.provider);
    if !matches!(dialect, ProviderDialect::Chat(_) | ProviderDialect::Responses(_)) || !request.asked.passes_to(dialect)
    {
        return None;
    }
    let known = measured.counted.exact.lock().iter().find(|(known, _)| *known == vocabulary).map(|(_, exact)| *exact);
    if let Some(exact) = known {
        return exact;
    }
    let (body, images) = (request.body().clone(), request.asked.measure().images);
    let exact = match gateway.counting.run(move || count_body(vocabulary, &body, images)).await {
        Ok(exact) => exact,
        Err(NoCount::Late) => None,
        Err(NoCount::Busy) => return None,
    };
    measured.counted.exact.lock().push((vocabulary, exact));
    exact
}

/// The provider's own count.
async fn stated(live: &Live, request: &Request, endpoint: &ModelName, measured: &Measured) -> Option<Tokens> {
    let known = measured.counted.stated.lock().iter().find(|(known, _)| known == endpoint).map(|(_, stated)| *stated);
    if let Some(stated) = known {
        return stated;
    }
    let stated = ask::ask(live, request, endpoint)
        .await
        .inspect_err(|fault| tracing::debug!(%endpoint, %fault, "no count from the provider; bytes bound the input"))
        .ok();
    measured.counted.stated.lock().push((endpoint.clone(), stated));
    stated
}

/// Counts a body in OpenAI's dialects. Slow: for the counting thread. What is left out are the
/// data of images, which are counted by their size, and only where the dialect found any.
pub(crate) fn count_body(vocabulary: Vocabulary, body: &Bytes, images: u32) -> Option<ExactInput> {
    let mut without = Vec::new();
    if images > 0 {
        let found = media::find(body).into_iter().filter(|medium| matches!(medium.kind, MediumKind::Image { .. }));
        without.extend(found.map(|medium| medium.span));
    }
    let texts = texts(body, &without)?;
    let plain = texts.plain.iter().map(|text| &**text);
    haltline_tokens::exact(vocabulary, plain, texts.rendered.iter().copied(), texts.rendered_lines, texts.opaque_bytes)
}
