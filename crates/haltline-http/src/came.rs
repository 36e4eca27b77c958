//! Where a request came from and what it asks for, as far as who it is depends on it: the client's address,
//! seen through proxies that the operator trusts, and the group of its routes. It is carried beside the
//! handler, not in headers: nobody can claim it.

use crate::router::BASES;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use haltline_ports::{Network, RouteGroup};
use http::{HeaderMap, Method};
use std::net::IpAddr;

/// The address of a client, put on each request by the server.
#[derive(Clone, Copy, Debug)]
pub struct From(pub IpAddr);

/// What is known of a request besides its headers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Came {
    pub(crate) from: Option<IpAddr>,
    pub(crate) route: Option<RouteGroup>,
}

tokio::task_local! {
    static CAME: Came;
}

/// Runs the handler with what is known of its request.
pub(crate) async fn carry(request: Request, next: Next) -> Response {
    let from = request.extensions().get::<From>().map(|from| from.0);
    let route = route_of(request.method(), request.uri().path());
    CAME.scope(Came { from, route }, next.run(request)).await
}

/// Of the request that is handled now.
pub(crate) fn came() -> Came {
    CAME.try_with(|came| *came).unwrap_or_default()
}

/// The client behind a peer. `X-Forwarded-For` is read from its end, as long as what it tells of was told by
/// a proxy that is trusted; what a client may have put before that is not believed.
pub(crate) fn client_behind(peer: IpAddr, head: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    let lines: Vec<&str> = head.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok()).collect();
    if lines.len() != head.get_all("x-forwarded-for").iter().count() {
        return client;
    }
    for word in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        if !is_trusted(client) {
            break;
        }
        let Some(told) = address(word.trim()) else { break };
        client = told;
    }
    client
}

/// An address as proxies write it: bare, with a port, or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(address, _)| address);
    let parsed = bare
        .unwrap_or(text)
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<std::net::SocketAddr>().map(|address| address.ip()));
    parsed.ok().map(|address| address.to_canonical())
}

/// The group of a route; none for those that need no key.
pub(crate) fn route_of(method: &Method, path: &str) -> Option<RouteGroup> {
    let below = |base: &str| path.strip_prefix(base).filter(|rest| rest.starts_with('/'));
    if below("/api/chat").is_some() || below("/api/ai/chat").is_some() || matches!(path, "/api/chat" | "/api/ai/chat") {
        return Some(RouteGroup::Ui);
    }
    // The longest base first: `/openai/v1` begins with `/openai`.
    let rest = BASES.iter().filter_map(|base| below(base)).min_by_key(|rest| rest.len()).unwrap_or(path);
    let mut parts = rest.split('/').skip(1);
    let (first, last) = (parts.next().unwrap_or_default(), rest.rsplit('/').next().unwrap_or_default());
    Some(match first {
        "chat" => RouteGroup::Chat,
        "responses" => RouteGroup::Responses,
        "embeddings" => RouteGroup::Embeddings,
        "messages" => RouteGroup::Messages,
        "models" if *method == Method::POST => RouteGroup::Gemini,
        "models" => RouteGroup::Models,
        "cache" => RouteGroup::Cache,
        "streams" => RouteGroup::Streams,
        "jobs" => RouteGroup::Jobs,
        "requests" | "generation" => RouteGroup::Records,
        "sessions" if last == "timeline" => RouteGroup::Records,
        "sessions" => RouteGroup::Sessions,
        // A page that has a cookie or a code presents no key.
        "auth" if matches!(last, "tokens" | "revoke") => RouteGroup::Auth,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::Security;
    use crate::router::{dialects, plain};
    use http::HeaderValue;

    #[test]
    fn every_route_that_needs_a_key_is_of_a_group_below_each_base() {
        let mut seen = 0;
        for (bases, entries) in [(&BASES[..], dialects()), (&[""][..], dialects()), (&[""][..], plain())] {
            for entry in &entries {
                for operation in &entry.operations {
                    let method = Method::from_bytes(operation.method.to_uppercase().as_bytes()).expect("a method");
                    for base in bases {
                        let path = format!("{base}{}", entry.path.replace("{*id}", "x").replace("{id}", "x"));
                        let group = route_of(&method, &path);
                        assert_eq!(group.is_some(), operation.security == Security::Key, "{method} {path}");
                        seen += 1;
                    }
                }
            }
        }
        assert!(seen > 200);
    }

    #[test]
    fn groups_are_those_that_people_think_of() {
        let of = |method: Method, path: &str| route_of(&method, path).map(RouteGroup::word);
        for (method, path, group) in [
            (Method::POST, "/v1/chat/completions", "chat"),
            (Method::POST, "/openai/v1/chat/completions", "chat"),
            (Method::POST, "/anthropic/v1/messages/count_tokens", "messages"),
            (Method::POST, "/v1beta/models/gemini-2.5-flash:generateContent", "gemini"),
            (Method::GET, "/v1/models/gpt-5", "models"),
            (Method::GET, "/api/chat/x/stream", "ui"),
            (Method::GET, "/v1/sessions/x/timeline", "records"),
            (Method::GET, "/v1/sessions/timeline", "records"),
            (Method::DELETE, "/v1/sessions/x", "sessions"),
            (Method::GET, "/v1/jobs/x/result", "jobs"),
        ] {
            assert_eq!(of(method, path), Some(group), "{path}");
        }
        assert_eq!(of(Method::GET, "/livez"), None);
    }

    fn behind(peer: &str, lines: &[&str]) -> String {
        let mut head = HeaderMap::new();
        for line in lines {
            head.append("x-forwarded-for", HeaderValue::from_str(line).expect("a value"));
        }
        let trusted = ["10.0.0.0/8", "::1"].map(|network| network.parse().expect("a network"));
        client_behind(peer.parse().expect("an address"), &head, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed_from_the_end_on() {
        for (peer, lines, client) in [
            ("203.0.113.7", &["1.2.3.4"][..], "203.0.113.7"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            // What the client itself put first is not believed.
            ("10.0.0.1", &["1.2.3.4, 203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["1.2.3.4", "203.0.113.7, 10.9.9.9"], "203.0.113.7"),
            ("10.0.0.1", &["1.2.3.4, nonsense, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("::1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("::ffff:10.0.0.1", &["203.0.113.7:1234"], "203.0.113.7"),
        ] {
            assert_eq!(behind(peer, lines), client, "{peer} {lines:?}");
        }
    }
}
