//! Clients may send only what is new: their session supplies the turns before it.

use super::Rules;
use super::history::History;
use super::name::SessionName;
use super::outline::Sent;
use crate::gateway::{Gateway, Live};
use crate::problem::Problem;
use haltline_types::Code;
use haltline_wire::PassFields;
use haltline_wire::client::ClientRequest;
use std::sync::Arc;

/// The longest name that a body may give a conversation, as of one in a header.
const NAME_BYTES_MAX: usize = 256;

/// A request with the turns before it.
pub(crate) struct Supplied {
    pub(crate) asked: ClientRequest,
    /// What the client itself has sent.
    pub(crate) own: Arc<ClientRequest>,
    pub(crate) sent: Sent,
    /// Not all of the conversation is there: it is too long, or was cut when it was kept.
    pub(crate) partial: bool,
}

/// What the body says of the conversation that it goes on with.
pub(crate) fn conversation(asked: &ClientRequest) -> Option<String> {
    match asked {
        ClientRequest::Responses(request) => {
            let named = request.conversation().filter(|name| !name.is_empty() && name.len() <= NAME_BYTES_MAX);
            named.map(str::to_owned)
        }
        _ => None,
    }
}

/// Does the client send only what is new?
pub(crate) fn is_wanted(asked: &ClientRequest, by_header: bool) -> bool {
    let by_body = match asked {
        ClientRequest::Ui(request) => request.needs_history(),
        ClientRequest::Responses(request) => request.conversation().is_some(),
        _ => false,
    };
    by_header || by_body
}

/// Puts what the session has before what the client has sent.
///
/// # Errors
/// When there is no session to be had, or the whole is not acceptable.
pub(crate) async fn supply(
    gateway: &Gateway,
    live: &Live,
    name: Option<&SessionName>,
    asked: ClientRequest,
    body_len: usize,
    pass: &PassFields,
) -> Result<Supplied, Problem> {
    let refused = |message: &str| Err(Problem::new(Code::InvalidRequest, message));
    let Rules { keep_for, content } = Rules::of(&live.settings.sessions);
    if keep_for.is_zero() {
        return refused("This gateway keeps no sessions ([sessions] keep_for is 0): send the whole conversation.");
    }
    if !content {
        return refused(
            "This gateway keeps no content of sessions ([sessions] content is false): send the whole conversation.",
        );
    }
    let Some(name) = name else {
        return refused(
            "Only what is new was sent, and no session is named: name it in the header x-haltline-session, with at most 256 bytes.",
        );
    };
    if let ClientRequest::Responses(request) = &asked
        && request.previous_response_id().is_some()
    {
        return refused(
            "`previous_response_id` and a session both say what comes before; send one of them, or the whole conversation.",
        );
    }
    let regenerates = matches!(&asked, ClientRequest::Ui(request) if request.regenerates());
    let sent = if regenerates { Sent::Again } else { Sent::New };
    let most = gateway.body_bytes_max().saturating_sub(body_len);
    let own = Arc::new(asked);
    let History { messages, partial } = gateway.history_before(name, &own, sent, most).await?;
    let asked = own.with_history(&messages, pass).map_err(|error| {
        let mut problem = Problem::new(error.code, error.message);
        problem.param = error.param;
        problem
    })?;
    Ok(Supplied { asked, own, sent, partial })
}
