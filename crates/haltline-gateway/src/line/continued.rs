//! The rest of an answer that broke off: what is there of it, and the request for what is missing.
//! Not a stage: it makes the next round of the stages out of the last.

use crate::deliver::Outlet;
use crate::gateway::{Gateway, Live};
use crate::incoming::Surface;
use crate::line::accept::Request;
use crate::line::call;
use crate::line::trip::Trip;
use crate::settings::OnCut;
use crate::voice::Voice;
use haltline_ports::{Batch, What};
use haltline_types::{RequestId, Tokens};
use haltline_wire::PassFields;
use haltline_wire::assemble::{Assemble, Resumption, answer_assembler};
use haltline_wire::continuation::{Continue, Terms};
use haltline_wire::sse::Splitter;

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
) -> Result<Rest, String> {
    let with_tools = match live.settings.streams.on_cut {
        OnCut::End => return Err("the configuration says so".to_owned()),
        OnCut::Continue => false,
        OnCut::ContinueWithTools => true,
    };
    if !outlet.is_kept() {
        return Err("not all of it is kept".to_owned());
    }
    let assembler = assemble(gateway, request, outlet.live().surface, trip.id).await?;
    let partial = assembler.answer();
    let how = match request.routing.models() {
        [model] if model.targets.len() == 1 => model.targets.first().map_or(Continue::Turn, |target| {
            let dialect = call::dialect(live, &request.asked, &target.endpoint.provider);
            let provider = live.settings.providers.get(&target.endpoint.provider);
            let base_url = provider.map_or("", |provider| provider.base_url.as_str());
            request.asked.best_continuation(&partial, dialect, base_url, &target.endpoint.model)
        }),
        // Endpoints differ in what they take; all of them take a turn.
        _ => Continue::Turn,
    };
    let bytes = u64::try_from(partial.text().len()).unwrap_or(u64::MAX);
    // The operator's word for each field was asked for when the request was accepted.
    let pass = PassFields::new(["*"]);
    let terms = Terms { how, given: Tokens::new(bytes.div_ceil(BYTES_PER_TOKEN)), with_tools, pass: &pass };
    let continuation = request.asked.continuation(&partial, &terms).map_err(|error| error.message)?;
    let how_word = match how {
        Continue::Prefix => "prefix",
        Continue::Turn => "turn",
    };
    trip.step(What::Continued { after: outlet.live().last(), how: how_word.into() });
    Ok(Rest { request: request.asking(continuation.request), from: assembler.resumption(), how })
}

/// What the client has of the answer, put together from what is kept of it.
async fn assemble(
    gateway: &Gateway,
    request: &Request,
    surface: Surface,
    id: RequestId,
) -> Result<Box<dyn Assemble>, String> {
    let mut assembler = answer_assembler(request.asked.dialect());
    let mut splitter = Splitter::new();
    let mut after = 0;
    loop {
        let batches = gateway.streams.read(id, after, 1 << 20).await.map_err(|error| error.0)?;
        let Some(last) = batches.last() else { return Ok(assembler) };
        after = last.last();
        for batch in &batches {
            take(batch, surface.voice(), &mut splitter, assembler.as_mut())?;
        }
    }
}

fn take(batch: &Batch, voice: Voice, splitter: &mut Splitter, assembler: &mut dyn Assemble) -> Result<(), String> {
    if voice == Voice::Array {
        for data in elements(batch) {
            assembler.take(None, data);
        }
        return Ok(());
    }
    splitter.push(&batch.bytes);
    while let Some(event) = splitter.next_event() {
        let event = event.map_err(|error| error.to_string())?;
        if !event.comment {
            let name = event.event.as_deref().and_then(|name| std::str::from_utf8(name).ok());
            assembler.take(name, &event.data);
        }
    }
    Ok(())
}

/// The elements of an array's piece, without what stands between them.
fn elements(batch: &Batch) -> impl Iterator<Item = &[u8]> {
    let mut from = 0;
    batch.ends.iter().map(move |end| {
        let end = usize::try_from(*end).unwrap_or(usize::MAX);
        let element = batch.bytes.get(from..end).unwrap_or_default();
        from = end;
        element.strip_prefix(b"[").or_else(|| element.strip_prefix(b",\n")).unwrap_or(element)
    })
}
