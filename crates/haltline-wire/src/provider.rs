//! What a provider is asked in, and what a client's request becomes for it.

use crate::canon::{Frame, Inspect, Target, Written};
use crate::chunk::{Chunk, Malformed, Whole};
use crate::client::ClientRequest;
use crate::fault::FaultSeed;
use crate::openai::chat::{Edit, cap_field_for, response, stream};
use crate::passage::{End, Passage, WholePassage};
use crate::{RequestError, openai, sse};
use bytes::Bytes;

/// The dialect in which a provider is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProviderDialect {
    /// OpenAI Chat Completions, at a server of this kind.
    Chat(openai::ProviderKind),
}

/// A request as a provider gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Path and query below the provider's base address.
    pub path: String,
    /// The body.
    pub body: Bytes,
    /// What the client asked for and the provider's dialect cannot say.
    pub dropped: Vec<&'static str>,
}

impl ClientRequest {
    /// Does the provider speak the client's dialect?
    #[must_use]
    pub const fn passes_to(&self, provider: ProviderDialect) -> bool {
        match (self, provider) {
            (Self::Chat(_), ProviderDialect::Chat(_)) => true,
        }
    }

    /// The request for a provider.
    ///
    /// # Errors
    /// What cannot be said in the provider's dialect.
    pub fn outgoing(&self, provider: ProviderDialect, target: &Target<'_>) -> Result<Outgoing, RequestError> {
        let written = match (self, provider) {
            (Self::Chat(chat), ProviderDialect::Chat(kind)) => Written {
                body: chat.rewrite(&Edit {
                    model: target.model,
                    cap: (cap_field_for(target.model, kind), target.cap),
                    service_tier: (kind == openai::ProviderKind::OpenAi).then_some("default"),
                    include_usage: true,
                    drop: &[],
                }),
                dropped: Vec::new(),
            },
        };
        let path = match provider {
            ProviderDialect::Chat(_) => "/chat/completions".to_owned(),
        };
        Ok(Outgoing { path, body: written.body, dropped: written.dropped })
    }

    /// The way back of a stream.
    #[must_use]
    pub fn passage(&self, provider: ProviderDialect) -> Passage {
        match (self, provider) {
            (Self::Chat(_), ProviderDialect::Chat(_)) => Passage::Same {
                inspector: Box::new(ChatInspector),
                end: End::Event,
                final_event: Some(Frame { event: None, data: Bytes::from_static(b"[DONE]") }),
            },
        }
    }

    /// The way back of a whole answer.
    #[must_use]
    pub fn whole_passage(&self, provider: ProviderDialect) -> WholePassage {
        match (self, provider) {
            (Self::Chat(_), ProviderDialect::Chat(_)) => WholePassage::Same(inspect_chat_answer),
        }
    }
}

struct ChatInspector;

impl Inspect for ChatInspector {
    fn inspect(&mut self, event: &sse::Event) -> Result<Chunk, Malformed> {
        if event.is_named("error") {
            let seed = FaultSeed::read(&event.data).unwrap_or_else(|| FaultSeed::of_text(&event.data));
            return Ok(Chunk::Error { seed: Box::new(seed), delta: crate::chunk::Delta::default() });
        }
        stream::inspect(&event.data)
    }
}

fn inspect_chat_answer(body: &[u8]) -> Result<Whole, Malformed> {
    Ok(match response::inspect(body)? {
        response::Answer::Complete(complete) => Whole::Complete(crate::chunk::Delta {
            text_bytes: complete.text_bytes,
            nonempty: complete.text_bytes > 0,
            finish: complete.finish,
            finished: complete.finished,
            usage: complete.usage,
            usage_unreadable: complete.usage_unreadable,
            only_usage: false,
        }),
        response::Answer::Error(seed) => Whole::Error(seed),
    })
}
