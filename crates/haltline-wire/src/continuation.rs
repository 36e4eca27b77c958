//! Going on with an answer that broke off: the request that asks for the rest, and the stream that
//! gives it to the client as a part of the same answer.
//!
//! Two ways to ask. `Prefix`: the model writes on behind its own text, which stands last in the
//! request; few servers can. `Turn`: its text is a turn, and a short turn of the user asks to go on
//! with it; any model can, and some repeat words at the seam, which are left out (`seam`).
//!
//! Decides nothing about money: the rest is a new attempt, held and settled like any other.

mod resumed;
mod seam;

pub(crate) use resumed::Resumed;
pub use seam::{Seam, overlap};

use crate::assemble::{PartialAnswer, Resumption};
use crate::canon::{Format, Message, Part, Request, Role, ToolChoice};
use crate::client::ClientRequest;
use crate::edit::At;
use crate::openai::PrefixForm;
use crate::passage::{Crossing, Passage};
use crate::provider::{ProviderDialect, Shown};
use crate::{PassFields, RequestError, anthropic};
use haltline_types::Tokens;

/// How a model is asked for the rest of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Continue {
    /// Its text is the last message, and it writes on behind it.
    Prefix,
    /// Its text is a turn, and the user asks it to go on.
    Turn,
}

/// What the user says in `Continue::Turn`.
pub const PLEASE: &str = "Your last message was cut off by a lost connection. Continue it from exactly the \
character where it stops: repeat nothing, begin with the space or line break if one is due there, and do not \
mention the interruption.";

/// What a continuation may do, and how large it may be.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// How the model is asked.
    pub how: Continue,
    /// Output that the client has been given already, by count or by estimate: the client's cap is
    /// lowered by it, to 1 at least.
    pub given: Tokens,
    /// May it go on although tools are offered? The model could then call what it would not have
    /// called.
    pub with_tools: bool,
    /// Fields of the client that the operator vouches for.
    pub pass: &'a PassFields,
}

/// The request for the rest of an answer.
#[derive(Clone, Debug)]
pub struct Continuation {
    /// To be sent as any other. Its answer goes back through `continued_passage`.
    pub request: ClientRequest,
    /// Bytes of the text so far that the model sees. With `Continue::Prefix` white space at its end
    /// is not among them, as Anthropic refuses a last message that ends so; where the model writes
    /// it again, the client gets it once.
    pub boundary: usize,
}

impl Continue {
    /// The best way at a server: `base_url` is where it is configured to be, and `thinking` says
    /// whether the model thinks before it answers, which goes with no prefix.
    ///
    /// At Anthropic, models before Claude 4.6 take a prefix, and not while they think
    /// (platform.claude.com, "Prefill Claude's response" and "What's new in Claude 4.6": later ones
    /// answer 400). A model whose name tells no version is asked in a turn. For other servers see
    /// `PrefixForm`.
    #[must_use]
    pub fn best(provider: ProviderDialect, base_url: &str, model: &str, thinking: bool) -> Self {
        if thinking {
            return Self::Turn;
        }
        let takes_prefix = match provider {
            ProviderDialect::Messages => anthropic::takes_prefill(model),
            ProviderDialect::Chat(kind) => match kind.quirks().prefix {
                PrefixForm::None => false,
                PrefixForm::Flag | PrefixForm::OpenEnd => true,
                PrefixForm::FlagAtBeta => base_url.trim_end_matches('/').ends_with("/beta"),
            },
            ProviderDialect::Responses(_) | ProviderDialect::Gemini | ProviderDialect::Embeddings => false,
        };
        if takes_prefix { Self::Prefix } else { Self::Turn }
    }
}

impl ClientRequest {
    /// The best way to ask this server for the rest of `partial`; see `Continue::best`. A model
    /// thinks when it was asked to, or did.
    #[must_use]
    pub fn best_continuation(
        &self,
        partial: &PartialAnswer,
        provider: ProviderDialect,
        base_url: &str,
        model: &str,
    ) -> Continue {
        let asked = self.canonical().ok().and_then(|request| request.reasoning);
        let asked = asked.is_some_and(|reasoning| {
            let off = reasoning.enabled == Some(false) || reasoning.effort == Some(crate::canon::Effort::None);
            !off && reasoning.budget != Some(Tokens::ZERO)
        });
        let thought = partial.message.parts.iter().any(|part| matches!(part, Part::Reasoning { .. }));
        Continue::best(provider, base_url, model, asked || thought)
    }

    /// The request that asks for the rest of `partial`, in this request's dialect, read again with
    /// all checks. Thoughts of the partial answer are not sent.
    ///
    /// # Errors
    /// Why the answer cannot be gone on with: it is complete or says nothing yet, a tool was called
    /// or may be, several answers or another form than text were asked for, or the request cannot
    /// be said in another dialect, through which the rest must come.
    pub fn continuation(&self, partial: &PartialAnswer, terms: &Terms<'_>) -> Result<Continuation, RequestError> {
        let own = self.canonical().map_err(|error| refused(&format!("its request cannot cross: {error}")))?;
        check(self, &own, partial, terms)?;
        let mut text = partial.text();
        if terms.how == Continue::Prefix {
            text.truncate(text.trim_end().len());
        }
        let boundary = text.len();
        let mut turns = vec![turn(Role::Assistant, text)];
        if terms.how == Continue::Turn {
            turns.push(turn(Role::User, PLEASE.to_owned()));
        }
        let cap = self.client_cap().map(|cap| cap.saturating_sub(terms.given).max(Tokens::new(1)));
        let mut request = self.with_turns(&turns, At::End, cap, terms.pass)?;
        request.set_open_ended(terms.how == Continue::Prefix);
        Ok(Continuation { request, boundary })
    }

    /// The way back of the rest of an answer: the client gets it as a part of the stream that `from`
    /// is of, under the same ids, in the block that is open. It always goes through the canonical
    /// form, also where both sides speak the same dialect.
    ///
    /// Usage is the sum of both attempts, as far as `from` knows that of the first. Thoughts are left
    /// out once there is text. Words repeated at the seam are left out.
    #[must_use]
    pub fn continued_passage(
        &self,
        provider: ProviderDialect,
        shown: &Shown,
        from: &Resumption,
        how: Continue,
    ) -> Passage {
        let mut encoder = self.encoder(shown);
        encoder.primed(from);
        let encoder = Resumed::new(encoder, from, how);
        Passage::Crossing(Crossing::new(crate::provider::decoder(provider), Box::new(encoder)))
    }
}

fn turn(role: Role, text: String) -> Message {
    Message { role, name: None, parts: vec![Part::text(text)] }
}

fn refused(why: &str) -> RequestError {
    RequestError::invalid("", format!("The answer cannot be gone on with: {why}."))
}

fn check(
    request: &ClientRequest,
    own: &Request,
    partial: &PartialAnswer,
    terms: &Terms<'_>,
) -> Result<(), RequestError> {
    let refuse = |why: &str| Err(refused(why));
    let offered = !own.tools.is_empty() && own.tool_choice != Some(ToolChoice::None);
    let ends_open = own.messages.last().is_some_and(|message| message.role == Role::Assistant);
    if partial.complete {
        return refuse("it is complete");
    }
    if partial.cut {
        return refuse("it is larger than what is kept");
    }
    if partial.open_call || partial.calls().next().is_some() {
        return refuse("a tool was called");
    }
    if offered && !terms.with_tools {
        return refuse("tools are offered, and a call could be repeated");
    }
    if request.n() > 1 || partial.choices > 1 {
        return refuse("there is more than one choice");
    }
    if own.format != Format::Text {
        return refuse("it has a form other than text");
    }
    if partial.message.parts.iter().any(|part| matches!(part, Part::Refusal(_))) {
        return refuse("the model declined");
    }
    if partial.text().trim().is_empty() {
        return refuse("there is no text yet, so the request can be repeated as it is");
    }
    if ends_open && terms.how == Continue::Prefix {
        return refuse("the request ends with the begin of an answer already; ask in a turn");
    }
    Ok(())
}
