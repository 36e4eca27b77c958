//! What a provider is asked in, what a client's request becomes for it, and the way back.

use crate::canon::{Decode, Encode, Frame, Target, Written};
use crate::chunk::{Delta, Malformed, Whole};
use crate::client::ClientRequest;
use crate::openai::{ProviderKind, chat, embeddings, responses};
use crate::passage::{Crossing, End, Passage, WholePassage};
use crate::{Finish, RequestError, anthropic, gemini, ui_stream};
use bytes::Bytes;
use haltline_types::Timestamp;

/// The dialect in which a provider is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProviderDialect {
    /// OpenAI Chat Completions, at a server of this kind.
    Chat(ProviderKind),
    /// OpenAI Responses, at a server of this kind.
    Responses(ProviderKind),
    /// OpenAI embeddings.
    Embeddings,
    /// Anthropic Messages.
    Messages,
    /// Google's generateContent.
    Gemini,
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

/// What an answer shows of our own, where the provider says nothing or is not to be repeated.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Shown {
    /// Names the answer, without a dialect's prefix: letters and digits.
    pub id: String,
    /// The trace, for a page's metadata.
    pub trace_id: String,
    /// When the request came.
    pub created: Timestamp,
}

impl ProviderDialect {
    /// Does its server choose among sellers, and take the most that one may charge?
    #[must_use]
    pub const fn takes_max_price(self) -> bool {
        matches!(self, Self::Chat(kind) if kind.quirks().max_price)
    }
}

impl ClientRequest {
    /// Does the provider speak the client's dialect? Then bytes pass.
    #[must_use]
    pub const fn passes_to(&self, provider: ProviderDialect) -> bool {
        matches!(
            (self, provider),
            (Self::Chat(_), ProviderDialect::Chat(_))
                | (Self::Responses(_), ProviderDialect::Responses(_))
                | (Self::Embeddings(_), ProviderDialect::Embeddings)
                | (Self::Messages(_), ProviderDialect::Messages)
                | (Self::Gemini(_), ProviderDialect::Gemini)
        )
    }

    /// Does the provider get the client's own bytes, but for the few members that are ours?
    #[must_use]
    pub const fn keeps_text(&self, provider: ProviderDialect) -> bool {
        // Thoughts without a signature come from elsewhere; Anthropic refuses them, so the request
        // is written anew.
        let anew = matches!(self, Self::Messages(request) if request.has_unsigned_thinking());
        self.passes_to(provider) && !anew
    }

    /// The request for a provider.
    ///
    /// # Errors
    /// What cannot be said in the provider's dialect.
    pub fn outgoing(&self, provider: ProviderDialect, target: &Target<'_>) -> Result<Outgoing, RequestError> {
        self.outgoing_within(provider, target, None)
    }

    /// As `outgoing`; a server that chooses among sellers is told the most that it may charge.
    ///
    /// # Errors
    /// What cannot be said in the provider's dialect.
    pub fn outgoing_within(
        &self,
        provider: ProviderDialect,
        target: &Target<'_>,
        max_price: Option<chat::MaxPrice<'_>>,
    ) -> Result<Outgoing, RequestError> {
        let mut written = self.written(provider, target, max_price)?;
        if let ProviderDialect::Chat(kind) = provider
            && self.open_ended()
        {
            written.body = chat::open_ended(&written.body, kind.quirks().prefix);
        }
        let path = match provider {
            ProviderDialect::Chat(_) => "/chat/completions".to_owned(),
            ProviderDialect::Responses(_) => "/responses".to_owned(),
            ProviderDialect::Embeddings => "/embeddings".to_owned(),
            ProviderDialect::Messages => "/messages".to_owned(),
            ProviderDialect::Gemini => {
                let method = if self.stream() { gemini::Method::Stream } else { gemini::Method::Generate };
                format!("/{}", gemini::path(target.model, method))
            }
        };
        Ok(Outgoing { path, body: written.body, dropped: written.dropped })
    }

    fn written(
        &self,
        provider: ProviderDialect,
        target: &Target<'_>,
        max_price: Option<chat::MaxPrice<'_>>,
    ) -> Result<Written, RequestError> {
        let same = |body: Bytes| Ok(Written { body, dropped: Vec::new() });
        match (self, provider) {
            (Self::Chat(request), ProviderDialect::Chat(kind)) => {
                let target = chat::ChatTarget { target: *target, kind, max_price };
                return same(request.rewrite(&chat::Edit::from(&target)));
            }
            (Self::Responses(request), ProviderDialect::Responses(kind)) => {
                let (model, cap) = (target.model, target.cap);
                let edit = responses::Edit { model, cap, service_tier: kind.quirks().service_tier, drop: &[] };
                return Ok(Written { body: request.rewrite_with(&edit), dropped: request.dropped() });
            }
            (Self::Embeddings(request), ProviderDialect::Embeddings) => return same(request.rewrite(target)),
            (Self::Messages(request), ProviderDialect::Messages) if self.keeps_text(provider) => {
                let dropped = if request.drops_thinking(target.cap) { vec!["reasoning"] } else { Vec::new() };
                return Ok(Written { body: request.rewrite(target), dropped });
            }
            (Self::Gemini(request), ProviderDialect::Gemini) => return same(request.rewrite(target)),
            _ => {}
        }
        let canonical = self.canonical()?;
        let mut written = match provider {
            ProviderDialect::Chat(kind) => {
                chat::write(&canonical, &chat::ChatTarget { target: *target, kind, max_price })
            }
            ProviderDialect::Responses(kind) => responses::write_for(&canonical, target, kind),
            ProviderDialect::Messages => anthropic::write(&canonical, target),
            ProviderDialect::Gemini => gemini::write(&canonical, target),
            ProviderDialect::Embeddings => {
                Err(RequestError::invalid("model", "The model makes embeddings; ask for it at /v1/embeddings."))
            }
        }?;
        for lost in canonical.lost {
            if !written.dropped.contains(&lost) {
                written.dropped.push(lost);
            }
        }
        Ok(written)
    }

    /// The way back of a stream.
    #[must_use]
    pub fn passage(&self, provider: ProviderDialect, shown: &Shown) -> Passage {
        if !self.passes_to(provider) {
            return Passage::Crossing(Crossing::new(decoder(provider), self.encoder(shown)));
        }
        let final_event = |event, data: &'static [u8]| Some(Frame { event, data: Bytes::from_static(data) });
        match provider {
            ProviderDialect::Chat(_) => Passage::Same {
                inspector: Box::new(chat::Inspector::default()),
                end: End::Event,
                final_event: final_event(None, b"[DONE]"),
            },
            ProviderDialect::Messages => Passage::Same {
                inspector: Box::new(anthropic::Inspector::new()),
                end: End::Event,
                final_event: final_event(Some("message_stop"), br#"{"type":"message_stop"}"#),
            },
            ProviderDialect::Responses(_) => {
                Passage::Same { inspector: Box::new(responses::Inspector::new()), end: End::Finish, final_event: None }
            }
            ProviderDialect::Gemini | ProviderDialect::Embeddings => {
                Passage::Same { inspector: Box::new(gemini::Inspector::new()), end: End::Finish, final_event: None }
            }
        }
    }

    /// The way back of a whole answer.
    #[must_use]
    pub fn whole_passage(&self, provider: ProviderDialect, shown: &Shown) -> WholePassage {
        if self.passes_to(provider) {
            return WholePassage::Same(match provider {
                ProviderDialect::Chat(_) => chat::inspect_answer,
                ProviderDialect::Responses(_) => responses::inspect_answer,
                ProviderDialect::Embeddings => inspect_embeddings,
                ProviderDialect::Messages => anthropic::inspect_answer,
                ProviderDialect::Gemini => gemini::inspect_answer,
            });
        }
        let decode = match provider {
            ProviderDialect::Chat(_) | ProviderDialect::Embeddings => chat::decode_answer,
            ProviderDialect::Responses(_) => responses::decode_answer,
            ProviderDialect::Messages => anthropic::decode_answer,
            ProviderDialect::Gemini => gemini::decode_answer,
        };
        let encode: Box<dyn Fn(&crate::canon::Answer) -> Bytes + Send + Sync> = match self {
            Self::Chat(_) | Self::Embeddings(_) | Self::Ui(_) => {
                let shown = chat_shown(shown, false);
                Box::new(move |answer| chat::encode_answer(answer, &shown))
            }
            Self::Responses(request) => {
                let shown = responses_shown(request, shown);
                Box::new(move |answer| responses::encode_answer(answer, shown.clone()))
            }
            Self::Messages(_) => {
                let id = format!("msg_{}", shown.id);
                Box::new(move |answer| anthropic::encode_answer(&named(answer, &id)))
            }
            Self::Gemini(_) => {
                let id = shown.id.clone();
                Box::new(move |answer| gemini::encode_answer(&named(answer, &id)))
            }
        };
        WholePassage::Crossing { decode, encode }
    }

    pub(crate) fn encoder(&self, shown: &Shown) -> Box<dyn Encode> {
        match self {
            Self::Chat(request) => Box::new(chat::Encoder::new(chat_shown(shown, request.include_usage()))),
            Self::Embeddings(_) => Box::new(chat::Encoder::new(chat_shown(shown, false))),
            Self::Responses(request) => Box::new(responses::Encoder::new(responses_shown(request, shown))),
            Self::Messages(_) => Box::new(anthropic::Encoder::new(format!("msg_{}", shown.id), "")),
            Self::Gemini(_) => Box::new(gemini::Encoder::new(shown.id.clone(), "")),
            Self::Ui(_) => Box::new(ui_encoder(shown)),
        }
    }
}

/// The frames that begin a page's stream before any provider has answered; none in other dialects.
#[must_use]
pub fn early_frames(request: &ClientRequest, shown: impl FnOnce() -> Shown) -> Vec<Frame> {
    let mut frames = Vec::new();
    if matches!(request, ClientRequest::Ui(_)) {
        ui_encoder(&shown()).begin(&mut frames);
    }
    frames
}

/// News of the journey for a page to show once; `None` in other dialects, which have headers.
#[must_use]
pub fn news_frame(request: &ClientRequest, news: &serde_json::Value) -> Option<Frame> {
    matches!(request, ClientRequest::Ui(_)).then(|| ui_stream::transient_frame("status", news))
}

fn ui_encoder(shown: &Shown) -> ui_stream::Encoder {
    ui_stream::Encoder::new(ui_stream::Shown {
        message_id: format!("msg_{}", shown.id),
        trace_id: shown.trace_id.clone(),
    })
}

pub(crate) fn decoder(provider: ProviderDialect) -> Box<dyn Decode> {
    match provider {
        ProviderDialect::Chat(_) | ProviderDialect::Embeddings => Box::new(chat::Decoder::new()),
        ProviderDialect::Responses(_) => Box::new(responses::Decoder::new()),
        ProviderDialect::Messages => Box::new(anthropic::Decoder::new()),
        ProviderDialect::Gemini => Box::new(gemini::Decoder::new()),
    }
}

fn chat_shown(shown: &Shown, include_usage: bool) -> chat::Shown {
    chat::Shown { id: format!("chatcmpl-{}", shown.id), model: String::new(), created: shown.created, include_usage }
}

fn responses_shown(request: &responses::ResponsesRequest, shown: &Shown) -> responses::Shown {
    responses::Shown {
        id: format!("resp_{}", shown.id),
        model: String::new(),
        created: shown.created,
        echo: request.echo(),
    }
}

/// The answer under `id`, where it has none of its own.
fn named(answer: &crate::canon::Answer, id: &str) -> crate::canon::Answer {
    let mut answer = answer.clone();
    if answer.id.is_empty() {
        id.clone_into(&mut answer.id);
    }
    answer
}

fn inspect_embeddings(body: &[u8]) -> Result<Whole, Malformed> {
    Ok(match embeddings::inspect_answer(body)? {
        embeddings::Embedded::Complete(complete) => Whole::Complete(Delta {
            nonempty: complete.vectors > 0,
            finish: Some(Finish::Stop),
            finished: 1,
            usage: complete.usage,
            usage_unreadable: complete.usage_unreadable,
            ..Delta::default()
        }),
        embeddings::Embedded::Error(seed) => Whole::Error(seed),
    })
}
