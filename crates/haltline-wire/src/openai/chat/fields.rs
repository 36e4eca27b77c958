//! Which top-level fields of a request are known, and what is done with each.
//!
//! The allow-list is that of OpenAI's own chat completion request. A field that is not on it may
//! change what a request costs, so it is refused by name unless the operator vouches for it.

/// A top-level field that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Model,
    Messages,
    Stream,
    StreamOptions,
    MaxTokens,
    MaxCompletionTokens,
    N,
    User,
    SafetyIdentifier,
    Metadata,
    Tools,
    Functions,
    ToolChoice,
    ResponseFormat,
    ServiceTier,
    Store,
    Modalities,
    CacheOptions,
    CacheRetention,
    /// Cannot change the price beyond what the cap bounds: passes as it is.
    Pass,
    /// Hides cost: refused whatever it says, unless it is null.
    Refused,
    /// Not on the list, but vouched for by the operator.
    Vouched,
}

const KNOWN: [(&str, Field); 37] = [
    ("audio", Field::Refused),
    ("best_of", Field::Refused),
    ("frequency_penalty", Field::Pass),
    ("function_call", Field::Pass),
    ("functions", Field::Functions),
    ("logit_bias", Field::Pass),
    ("logprobs", Field::Pass),
    ("max_completion_tokens", Field::MaxCompletionTokens),
    ("max_tokens", Field::MaxTokens),
    ("messages", Field::Messages),
    ("metadata", Field::Metadata),
    ("modalities", Field::Modalities),
    ("model", Field::Model),
    ("n", Field::N),
    ("parallel_tool_calls", Field::Pass),
    ("prediction", Field::Refused),
    ("presence_penalty", Field::Pass),
    ("prompt_cache_key", Field::Pass),
    ("prompt_cache_options", Field::CacheOptions),
    ("prompt_cache_retention", Field::CacheRetention),
    ("reasoning_effort", Field::Pass),
    ("response_format", Field::ResponseFormat),
    ("safety_identifier", Field::SafetyIdentifier),
    ("seed", Field::Pass),
    ("service_tier", Field::ServiceTier),
    ("stop", Field::Pass),
    ("store", Field::Store),
    ("stream", Field::Stream),
    ("stream_options", Field::StreamOptions),
    ("temperature", Field::Pass),
    ("tool_choice", Field::ToolChoice),
    ("tools", Field::Tools),
    ("top_logprobs", Field::Pass),
    ("top_p", Field::Pass),
    ("user", Field::User),
    ("verbosity", Field::Pass),
    ("web_search_options", Field::Refused),
];

/// Fields of OpenAI's list that are refused, with what is said about each.
const REFUSED: [(&str, &str); 5] = [
    ("audio", "audio output is priced apart from tokens and is not offered here"),
    ("best_of", "it multiplies the output without a bound that a budget could hold"),
    ("prediction", "rejected predictions are billed as output and are not bounded by the token limit"),
    ("store", "stored completions are not offered here; leave it out or send false"),
    ("web_search_options", "web searches have fees of their own that a budget cannot hold"),
];

/// All fields that are known, and why some are refused.
pub fn known_fields() -> impl Iterator<Item = crate::client::KnownField> {
    KNOWN.into_iter().map(|(name, what)| crate::client::KnownField {
        name,
        refused: (what == Field::Refused).then(|| why_refused(name)),
    })
}

/// What `name` is. `None` when it is not known.
pub(super) fn field(name: &str) -> Option<Field> {
    KNOWN.binary_search_by(|(known, _)| (*known).cmp(name)).ok().map(|at| KNOWN[at].1)
}

/// Why a `Refused` field is refused.
pub(super) fn why_refused(name: &str) -> &'static str {
    REFUSED.iter().find(|(known, _)| *known == name).map_or("it can raise the price without a bound", |(_, why)| why)
}

/// A known name that `name` may have been meant to be.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    crate::suggest::nearest(name, KNOWN.iter().map(|(known, _)| *known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_every_name_is_found() {
        for (name, what) in KNOWN {
            assert_eq!(field(name), Some(what), "{name}");
        }
    }
}
