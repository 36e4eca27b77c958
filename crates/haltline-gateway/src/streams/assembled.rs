//! An answer, put together again from what the store has of its stream.

use crate::incoming::Surface;
use crate::voice::Voice;
use haltline_ports::{Batch, Streams, StreamsError};
use haltline_types::RequestId;
use haltline_wire::assemble::{Assemble, answer_assembler};
use haltline_wire::client::ClientDialect;
use haltline_wire::sse::Splitter;

/// Read at once.
const PAGE_BYTES: usize = 1 << 20;

/// What the client has of the answer, put together from what is kept of it.
pub(crate) async fn assembled(
    streams: &dyn Streams,
    dialect: ClientDialect,
    surface: Surface,
    id: RequestId,
) -> Result<Box<dyn Assemble>, StreamsError> {
    let mut assembler = answer_assembler(dialect);
    let mut splitter = Splitter::new();
    let mut after = 0;
    loop {
        let batches = streams.read(id, after, PAGE_BYTES).await?;
        let Some(last) = batches.last() else { return Ok(assembler) };
        after = last.last();
        for batch in &batches {
            take(batch, surface.voice(), &mut splitter, assembler.as_mut())?;
        }
    }
}

fn take(
    batch: &Batch,
    voice: Voice,
    splitter: &mut Splitter,
    assembler: &mut dyn Assemble,
) -> Result<(), StreamsError> {
    if voice == Voice::Array {
        for data in elements(batch) {
            assembler.take(None, data);
        }
        return Ok(());
    }
    splitter.push(&batch.bytes);
    while let Some(event) = splitter.next_event() {
        let event = event.map_err(|error| StreamsError(error.to_string()))?;
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
