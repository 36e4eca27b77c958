//! `/errors/{code}`, and what is answered where there is no route.

use super::notes_without_a_journey;
use crate::problem::{chat_problem, page_response};
use crate::router::App;
use axum::extract::{Path, State};
use axum::response::Response;
use haltline_gateway::Problem;
use haltline_types::Code;
use http::{HeaderMap, Method, Uri};

pub(crate) async fn page(State(app): State<App>, Path(code): Path<String>, head: HeaderMap) -> Response {
    match Code::from_word(&code) {
        Some(code) => page_response(code),
        None => {
            let known: Vec<&str> = Code::ALL.iter().map(|code| code.word()).collect();
            let problem = Problem::new(
                Code::NotFound,
                format!("There is no error code `{code}`. There are: {}.", known.join(", ")),
            );
            chat_problem(&problem, &notes_without_a_journey(&app.gateway, &head))
        }
    }
}

/// There is no such route.
pub(crate) fn nothing_there(app: &App, uri: &Uri, head: &HeaderMap) -> Response {
    let problem = Problem::new(
        Code::NotFound,
        format!(
            "There is nothing at {}. This version serves POST /v1/chat/completions, /v1/responses, /v1/embeddings, /v1/messages, /v1beta/models/{{model}}:generateContent, /api/chat, and GET /v1/models and /v1/generation?id=; /docs lists everything.",
            shown(uri)
        ),
    );
    chat_problem(&problem, &notes_without_a_journey(&app.gateway, head))
}

/// This listener has the operator's routes only.
pub(crate) async fn nothing_for_operators(State(app): State<App>, uri: Uri, head: HeaderMap) -> Response {
    let message = format!("There is nothing at {}: this address is for the command line of the operator.", shown(&uri));
    chat_problem(&Problem::new(Code::NotFound, message), &notes_without_a_journey(&app.gateway, &head))
}

pub(crate) async fn method_not_allowed(State(app): State<App>, method: Method, uri: Uri, head: HeaderMap) -> Response {
    let problem = Problem::new(Code::MethodNotAllowed, format!("{} does not take {method}.", shown(&uri)));
    chat_problem(&problem, &notes_without_a_journey(&app.gateway, &head))
}

/// The path as far as it helps: what is as long as a secret may be one, put in the wrong place.
fn shown(uri: &Uri) -> String {
    const LONGEST: usize = 32;
    let part = |part: &str| match part.char_indices().nth(LONGEST) {
        None => part.to_owned(),
        Some(_) => part.chars().take(8).chain(['…']).collect(),
    };
    uri.path().split('/').map(part).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_path_is_not_repeated() {
        let uri: Uri = format!("/v1/nothing/hl-live-{}?key=secret", "a".repeat(43)).parse().expect("an address");
        assert_eq!(shown(&uri), "/v1/nothing/hl-live-…");
        assert_eq!(shown(&Uri::from_static("/v1/chat/completion")), "/v1/chat/completion");
    }
}
