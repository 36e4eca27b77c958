//! The rest of an answer that broke off: what is there of it, and the request for what is missing.
//! Not a stage: it makes the next round of the stages out of the last.

use crate::deliver::Outlet;
use crate::gateway::{Gateway, Live};
use crate::line::accept::Request;
use crate::line::call;
use crate::line::trip::Trip;
use crate::settings::OnCut;
use crate::streams::assembled;
use haltline_ports::{Basis, What};
use haltline_types::{Tokens, Usage};
use haltline_wire::PassFields;
use haltline_wire::assemble::Resumption;
use haltline_wire::continuation::{Continue, Terms};

/// About as many bytes are a token, where nobody has counted: rather too many tokens than too few
/// are taken from the cap.
const BYTES_PER_TOKEN: u64 = 3;

/// The request for the rest, and what its answer goes on from.
pub(crate) struct Rest {
    pub(crate) request: Request,
    pub(crate) from: Resumption,
    pub(crate) how: Continue,
}

/// Makes the request for the rest of what the client has, or says why there can be none.
pub(crate) async fn rest_of(
    gateway: &Gateway,
    live: &Live,
    request: &Request,
    trip: &Trip,
    outlet: &Outlet,
    may_prefix: bool,
) -> Result<Rest, String> {
    let with_tools = match live.settings.streams.on_cut {
        OnCut::End => return Err("the configuration says so".to_owned()),
        OnCut::Continue => false,
        OnCut::ContinueWithTools => true,
    };
    if !outlet.is_kept() {
        return Err("not all of it is kept".to_owned());
    }
    let assembler = assembled(gateway.streams.as_ref(), request.asked.dialect(), outlet.live().surface, trip.id)
        .await
        .map_err(|error| error.0)?;
    let partial = assembler.answer();
    let how = match request.routing.models() {
        [model] if may_prefix && model.targets.len() == 1 => model.targets.first().map_or(Continue::Turn, |target| {
            let dialect = call::dialect(live, &request.asked, &target.endpoint.provider);
            let provider = live.settings.providers.get(&target.endpoint.provider);
            let base_url = provider.map_or("", |provider| provider.base_url.as_str());
            request.asked.best_continuation(&partial, dialect, base_url, &target.endpoint.model)
        }),
        // Endpoints differ in what they take; all of them, and any model, take a turn.
        _ => Continue::Turn,
    };
    let bytes = u64::try_from(partial.text().len()).unwrap_or(u64::MAX);
    // The operator's word for each field was asked for when the request was accepted.
    let pass = PassFields::new(["*"]);
    let given = Tokens::new(bytes.div_ceil(BYTES_PER_TOKEN));
    let terms = Terms { how, given, with_tools, pass: &pass };
    let continuation = request.asked.continuation(&partial, &terms).map_err(|error| error.message)?;
    let how_word = match how {
        Continue::Prefix => "prefix",
        Continue::Turn => "turn",
    };
    trip.step(What::Continued { after: outlet.live().last(), how: how_word.into() });
    let used =
        trip.attempts.iter().filter(|attempt| attempt.basis == Basis::Reported).filter_map(|attempt| attempt.usage);
    let from = match used.reduce(sum) {
        used @ Some(_) => assembler.resumption().with_usage(used),
        None => assembler.resumption(),
    };
    Ok(Rest { request: request.asking(continuation.request, given), from, how })
}

/// What two attempts have used together, as far as a client is shown it.
fn sum(first: Usage, second: Usage) -> Usage {
    let add = |one: Tokens, other: Tokens| one.checked_add(other).unwrap_or(Tokens::new(u64::MAX));
    Usage {
        input: add(first.input, second.input),
        output: add(first.output, second.output),
        cached_input: add(first.cached_input, second.cached_input),
        reasoning: add(first.reasoning, second.reasoning),
        ..first
    }
}
