//! What is particular about each provider: how it is told who asks, which headers of a client
//! mean something to it, and what it never bills. One small file each.
//!
//! Not here: bodies (`haltline-wire`), connections (`pool.rs`), which key is taken (`keys.rs`).

mod anthropic;
mod azure;
mod compatible;
mod google;
mod local;
mod mistral;
mod openai;
mod openrouter;

use haltline_wire::fault::BillingRules;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::borrow::Cow;

/// Whom an upstream speaks to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// OpenAI's own service.
    OpenAi,
    /// A service that imitates OpenAI's, with a bearer token if a key is given.
    Compatible,
    /// A server of one's own, as vLLM, llama.cpp or Ollama: no credentials are sent.
    Local,
    /// OpenRouter.
    OpenRouter,
    /// Anthropic's own service.
    Anthropic,
    /// Google's Gemini API with a key; not Vertex.
    Google,
    /// Azure OpenAI with a key. `api_version` is added to a target that names none; `None` for the
    /// addresses below `/openai/v1`, which need none.
    Azure {
        /// `2024-10-21`.
        api_version: Option<String>,
    },
    /// Mistral's own service.
    Mistral,
}

impl Provider {
    /// Which rejections of it never cost money.
    #[must_use]
    pub fn billing(&self) -> BillingRules {
        self.particulars().billing
    }

    pub(crate) fn particulars(&self) -> &'static Particulars {
        match self {
            Self::OpenAi => &openai::PARTICULARS,
            Self::Compatible => &compatible::PARTICULARS,
            Self::Local => &local::PARTICULARS,
            Self::OpenRouter => &openrouter::PARTICULARS,
            Self::Anthropic => &anthropic::PARTICULARS,
            Self::Google => &google::PARTICULARS,
            Self::Azure { .. } => &azure::PARTICULARS,
            Self::Mistral => &mistral::PARTICULARS,
        }
    }

    /// The target as this provider takes it.
    pub(crate) fn target<'a>(&self, target: &'a str) -> Cow<'a, str> {
        match self {
            Self::Google => google::without_key(target),
            Self::Azure { api_version: Some(version) } => azure::with_version(target, version),
            _ => Cow::Borrowed(target),
        }
    }
}

/// What differs between providers, as data.
pub(crate) struct Particulars {
    pub(crate) credential: Credential,
    pub(crate) billing: BillingRules,
    /// Does a header of a client, by its lower-case name, mean something to it? All others stay
    /// here: credentials, cookies, and what tells about a client's machine.
    pub(crate) passes: fn(&str) -> bool,
    /// Is the target a count of tokens, which is never billed? Those need no permit, so this names
    /// whole addresses, without a query.
    pub(crate) counts: fn(&str) -> bool,
    /// Sent unless the client's own passed.
    pub(crate) usual: &'static [(&'static str, &'static str)],
}

/// How a provider is told who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    /// Not at all.
    None,
    /// `authorization: Bearer KEY`.
    Bearer,
    /// The key alone in a header of this name.
    Header(&'static str),
}

impl Credential {
    /// The header that carries `key`; `None` where no credentials are sent, or for a key that
    /// cannot stand in a header.
    pub(crate) fn header(self, key: &str) -> Option<(HeaderName, HeaderValue)> {
        let (name, value) = match self {
            Self::None => return None,
            Self::Bearer => (header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {key}"))),
            Self::Header(name) => (HeaderName::from_static(name), HeaderValue::from_str(key)),
        };
        let mut value = value.ok()?;
        value.set_sensitive(true);
        Some((name, value))
    }
}

/// The headers of a client that go on to this provider, and its usual ones.
pub(crate) fn pass_on(particulars: &Particulars, client: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(16);
    for (name, value) in client {
        if (particulars.passes)(name.as_str()) {
            headers.append(name.clone(), value.clone());
        }
    }
    for (name, value) in particulars.usual {
        let name = HeaderName::from_static(name);
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    headers
}

/// No header of a client means anything.
fn nothing(_: &str) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Provider; 8] = [
        Provider::OpenAi,
        Provider::Compatible,
        Provider::Local,
        Provider::OpenRouter,
        Provider::Anthropic,
        Provider::Google,
        Provider::Azure { api_version: None },
        Provider::Mistral,
    ];

    #[test]
    fn no_provider_lets_a_clients_credentials_or_traces_pass() {
        let names = [
            "authorization",
            "x-api-key",
            "api-key",
            "x-goog-api-key",
            "x-goog-user-project",
            "openai-organization",
            "openai-project",
            "cookie",
            "proxy-authorization",
            "host",
            "content-length",
            "content-encoding",
            "transfer-encoding",
            "connection",
            "x-stainless-os",
            "x-codex-turn-metadata",
            "idempotency-key",
            "http-referer",
            "x-title",
            "user-agent",
            "x-haltline-user",
        ];
        for provider in ALL {
            for name in names {
                assert!(!(provider.particulars().passes)(name), "{provider:?} {name}");
            }
        }
    }

    #[test]
    fn only_counts_that_are_free_may_be_asked_without_a_permit() {
        let free: Vec<_> =
            ALL.iter().filter(|provider| (provider.particulars().counts)("/messages/count_tokens")).collect();
        assert_eq!(free, [&Provider::Anthropic]);
        let free: Vec<_> =
            ALL.iter().filter(|provider| (provider.particulars().counts)("/models/g-2.5:countTokens")).collect();
        assert_eq!(free, [&Provider::Google]);
        for target in [
            "/messages",
            "/messages/",
            "/messages/count_tokens/../",
            "/messages/count_tokens?x=/messages",
            "/messages/count_tokens#",
            "/messages/batches",
            "/models/g:generateContent",
            "/models/g:generateContent?x=:countTokens",
            "/models/g:generateContent#:countTokens",
            "/models/g/../x:countTokens",
            "/models/g%2f:countTokens",
            "/models/:countTokens",
            "/chat/completions",
            "/responses/input_tokens",
            "",
        ] {
            for provider in ALL {
                assert!(!(provider.particulars().counts)(target), "{provider:?} {target}");
            }
        }
    }

    #[test]
    fn each_is_told_who_asks_in_its_own_way() {
        let shown = |provider: &Provider| {
            let header = provider.particulars().credential.header("k1");
            header.map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
        };
        let bearer = Some("authorization: Bearer k1".to_owned());
        let expected = [
            bearer.clone(),
            bearer.clone(),
            None,
            bearer.clone(),
            Some("x-api-key: k1".to_owned()),
            Some("x-goog-api-key: k1".to_owned()),
            Some("api-key: k1".to_owned()),
            bearer,
        ];
        for (provider, expected) in ALL.iter().zip(expected) {
            assert_eq!(shown(provider), expected, "{provider:?}");
        }
        assert!(Credential::Bearer.header("a\nb").is_none());
    }
}
