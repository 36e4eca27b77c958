//! A client's request with the turns before it, which somebody else kept, and its own turns to be
//! kept. Keeps nothing itself.

use crate::canon::{Message, Part};
use crate::client::ClientRequest;
use crate::edit::At;
use crate::{PassFields, RequestError};
use haltline_types::Tokens;
use std::collections::HashSet;

impl ClientRequest {
    /// The request with `history` before its own turns, in the body of its dialect, behind what the
    /// operator or developer says first. It is read again with all checks, and measured with what
    /// it now holds. Calls and their results keep their ids; marks for caches are left out, and so
    /// are calls of the history that nobody answered, and results of no call: providers refuse them.
    ///
    /// Reasoning goes back as far as the dialect has a place for it: signed thoughts in Messages,
    /// sealed ones in Responses, visible ones in Chat Completions when the turn called tools, all
    /// of it on a page. In Responses, what refers to earlier turns (`previous_response_id`,
    /// `conversation`) is left out, as they stand in the body now.
    ///
    /// # Errors
    /// When the dialect cannot say the history, or the whole is not acceptable.
    pub fn with_history(&self, history: &[Message], pass: &PassFields) -> Result<Self, RequestError> {
        // What cannot be read alone is refused when the whole is.
        let own = self.new_messages().unwrap_or_default();
        let history = paired(history, &own);
        self.with_turns(&history, At::Begin, None, pass)
    }

    /// The request's own turns, to be kept: without the system prompt, and without turns that it
    /// only refers to.
    ///
    /// # Errors
    /// When they hold what no other dialect can say.
    pub fn new_messages(&self) -> Result<Vec<Message>, RequestError> {
        match self {
            Self::Chat(request) => request.new_messages(),
            Self::Responses(request) => request.new_messages(),
            Self::Messages(request) => request.new_messages(),
            Self::Gemini(request) => request.new_messages(),
            Self::Ui(_) | Self::Embeddings(_) => self.canonical().map(|request| request.messages),
        }
    }

    /// With `turns` among its own, and with `cap` where the client set one.
    pub(crate) fn with_turns(
        &self,
        turns: &[Message],
        at: At,
        cap: Option<Tokens>,
        pass: &PassFields,
    ) -> Result<Self, RequestError> {
        Ok(match self {
            Self::Chat(request) => Self::Chat(Box::new(request.with_turns(turns, at, cap, pass)?)),
            Self::Responses(request) => {
                let request = request.with_turns(turns, at, cap, pass)?;
                refuse_documents(&request)?;
                Self::Responses(Box::new(request))
            }
            Self::Messages(request) => Self::Messages(Box::new(request.with_turns(turns, at, cap, pass)?)),
            Self::Gemini(request) => Self::Gemini(Box::new(request.with_turns(turns, at, cap, pass)?)),
            Self::Ui(request) => Self::Ui(Box::new(request.with_turns(turns, at, cap, pass)?)),
            Self::Embeddings(_) => {
                return Err(RequestError::invalid("input", "Embeddings belong to no conversation."));
            }
        })
    }
}

/// The history without marks, unanswered calls and results of no call. A client that does not know
/// ids answers by the tool's name.
fn paired(history: &[Message], own: &[Message]) -> Vec<Message> {
    let parts = || history.iter().flat_map(|message| &message.parts);
    let called: HashSet<&str> =
        parts().filter_map(|part| if let Part::Call(call) = part { Some(call.id.as_str()) } else { None }).collect();
    let (mut answered, mut by_name) = (HashSet::new(), HashSet::new());
    for part in parts().chain(own.iter().flat_map(|message| &message.parts)) {
        if let Part::Result(result) = part {
            answered.insert(result.id.as_str());
            if !called.contains(result.id.as_str()) {
                by_name.extend(result.name.as_deref());
            }
        }
    }
    let stays = |part: &Part| match part {
        Part::Call(call) => answered.contains(call.id.as_str()) || by_name.contains(call.name.as_str()),
        Part::Result(result) => called.contains(result.id.as_str()),
        _ => true,
    };
    let kept = history.iter().map(|message| {
        let mut message = message.without_marks();
        message.parts.retain(stays);
        message
    });
    kept.filter(|message| !message.parts.is_empty()).collect()
}

/// Files are input whose price cannot be known beforehand.
pub(crate) fn refuse_documents(request: &crate::openai::responses::ResponsesRequest) -> Result<(), RequestError> {
    if request.documents() > 0 {
        let why = "Files as input are not offered: their pages, and so their price, cannot be known beforehand. Send their text.";
        return Err(RequestError::invalid("input", why));
    }
    Ok(())
}
