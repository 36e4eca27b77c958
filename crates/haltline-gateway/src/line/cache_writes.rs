//! What a provider may write to its cache of a request, as far as the price depends on it.
//! Not a stage: a part of quoting.

use crate::gateway::Live;
use crate::settings::ProviderKind;
use haltline_policy::price::CacheWrites;
use haltline_types::ModelName;
use haltline_wire::PassFields;
use haltline_wire::openai::ProviderKind as Server;

/// The dearest way in which the endpoint can write a request that marks so much.
pub(crate) fn cache_writes(live: &Live, endpoint: &ModelName, marked: CacheWrites) -> CacheWrites {
    let providers = &live.settings.providers;
    let vouched = providers.values().any(|provider| provider.pass_fields != PassFields::none());
    providers.get(&endpoint.provider).map_or(CacheWrites::Long, |provider| {
        at(provider.kind, provider.server, &endpoint.model, marked, Unknown::of(vouched))
    })
}

/// May there be fields in the request that nobody knows? One of them may be a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unknown {
    None,
    Some,
}

impl Unknown {
    const fn of(vouched: bool) -> Self {
        if vouched { Self::Some } else { Self::None }
    }
}

/// By what the providers' documentation of prompt caching says:
///
/// - Anthropic writes what is marked, for as long as the mark says.
/// - OpenAI, Azure and Google write of their own accord, and at most for the time that is priced as a
///   short write: longer retention and stored content are refused with the request.
/// - OpenRouter passes marks on; without one it writes at those models that do it unasked, which
///   Anthropic's do not: they have to be told message by message. Chat Completions has no mark but
///   in fields that the operator vouches for.
/// - Of other servers nothing is known.
fn at(kind: ProviderKind, server: Server, model: &str, marked: CacheWrites, unknown: Unknown) -> CacheWrites {
    match (kind, server) {
        (ProviderKind::Anthropic, _) => marked,
        _ if unknown == Unknown::Some => CacheWrites::Long,
        (ProviderKind::OpenAi | ProviderKind::Azure | ProviderKind::Google, _) => CacheWrites::Short,
        (ProviderKind::OpenAiCompatible, Server::OpenRouter) => {
            // `~anthropic/…` names the newest of a family.
            if model.trim_start_matches('~').starts_with("anthropic/") { CacheWrites::None } else { CacheWrites::Short }
        }
        _ => CacheWrites::Long,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_written_is_reckoned_with() {
        use CacheWrites::{Long, None, Short};
        let at = |kind, server, model, unknown| super::at(kind, server, model, None, unknown);
        for (kind, server, model, known, with_unknown) in [
            (ProviderKind::Anthropic, Server::Compatible, "claude-haiku-4-5", None, None),
            (ProviderKind::OpenAi, Server::OpenAi, "gpt-5.6-sol", Short, Long),
            (ProviderKind::Azure, Server::Azure, "gpt-5.6-sol", Short, Long),
            (ProviderKind::Google, Server::Compatible, "gemini-3.5-flash", Short, Long),
            (ProviderKind::OpenAiCompatible, Server::OpenRouter, "anthropic/claude-haiku-5.5", None, Long),
            (ProviderKind::OpenAiCompatible, Server::OpenRouter, "~anthropic/claude-haiku-latest", None, Long),
            (ProviderKind::OpenAiCompatible, Server::OpenRouter, "openai/gpt-6-sol", Short, Long),
            (ProviderKind::OpenAiCompatible, Server::Compatible, "anthropic/claude-haiku-5.5", Long, Long),
            (ProviderKind::Mistral, Server::Mistral, "mistral-large", Long, Long),
        ] {
            assert_eq!(at(kind, server, model, Unknown::None), known, "{kind:?} {server:?} {model}");
            assert_eq!(at(kind, server, model, Unknown::Some), with_unknown, "{kind:?} {server:?} {model}");
        }
        let marked = super::at(ProviderKind::Anthropic, Server::Compatible, "claude", Long, Unknown::None);
        assert_eq!(marked, Long);
    }
}
