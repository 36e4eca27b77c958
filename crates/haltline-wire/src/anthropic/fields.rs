//! Which top-level fields of a request are known, and what is done with each.
//!
//! The allow-list is that of Anthropic's own Messages API (SDK 2.12.0, beta included) and of the
//! clouds that take the same body. A field that is not on it may change what a request costs, so
//! it is refused by name unless the operator vouches for it.

/// A top-level field that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Model,
    Messages,
    System,
    MaxTokens,
    Stream,
    Tools,
    ToolChoice,
    Metadata,
    Thinking,
    OutputConfig,
    OutputFormat,
    CacheControl,
    ServiceTier,
    InferenceGeo,
    Speed,
    ContextManagement,
    Betas,
    /// Cannot change the price beyond what the cap bounds: passes as it is.
    Pass,
    /// Hides cost: refused whatever it says, unless it is null.
    Refused,
    /// Not on the list, but vouched for by the operator.
    Vouched,
}

const KNOWN: [(&str, Field); 31] = [
    ("anthropic_beta", Field::Betas),
    ("anthropic_version", Field::Pass),
    ("betas", Field::Betas),
    ("billing_policy", Field::Refused),
    ("cache_control", Field::CacheControl),
    ("compaction", Field::Refused),
    ("container", Field::Refused),
    ("context_management", Field::ContextManagement),
    ("diagnostics", Field::Pass),
    // Makes the retry after a refusal cheaper; never dearer.
    ("fallback_credit_token", Field::Pass),
    ("fallbacks", Field::Refused),
    ("inference_geo", Field::InferenceGeo),
    ("max_tokens", Field::MaxTokens),
    ("mcp_servers", Field::Refused),
    ("messages", Field::Messages),
    ("metadata", Field::Metadata),
    ("model", Field::Model),
    ("output_config", Field::OutputConfig),
    ("output_format", Field::OutputFormat),
    ("service_tier", Field::ServiceTier),
    ("speed", Field::Speed),
    ("stop_sequences", Field::Pass),
    ("stream", Field::Stream),
    ("system", Field::System),
    ("temperature", Field::Pass),
    ("thinking", Field::Thinking),
    ("thread", Field::Refused),
    ("tool_choice", Field::ToolChoice),
    ("tools", Field::Tools),
    ("top_k", Field::Pass),
    ("top_p", Field::Pass),
];

/// Fields of Anthropic's list that are refused, with what is said about each.
const REFUSED: [(&str, &str); 6] = [
    ("billing_policy", "who is billed is decided by the gateway's operator"),
    ("compaction", "a compaction pass reads and writes beyond what `max_tokens` bounds"),
    ("container", "code execution has fees of its own, and a container holds input that is not in the body"),
    ("fallbacks", "the provider would ask further models, each at its own price; fallbacks are the gateway's routes"),
    ("mcp_servers", "tools that the provider runs read the whole context again in every round"),
    ("thread", "a conversation that the provider holds is input that is not in the body"),
];

/// Betas of Anthropic that change form, not price: they pass, whatever date is appended. Sources:
/// the beta headers that Claude Code and the official SDKs send, and Anthropic's documentation of
/// each. A beta that is not here might raise a bill beyond its bound.
const BETAS: [&str; 14] = [
    "claude-code-",
    "context-1m-",
    "context-management-",
    "effort-",
    "extended-cache-ttl-",
    "fine-grained-tool-streaming-",
    "interleaved-thinking-",
    "max-tokens-3-5-sonnet-",
    "oauth-",
    "output-128k-",
    "pdfs-",
    "prompt-caching-",
    "structured-outputs-",
    "token-efficient-tools-",
];

/// Is `beta`, a value of the header `anthropic-beta` or of its twins in a body, known to change
/// form and not price?
#[must_use]
pub fn is_known_beta(beta: &str) -> bool {
    BETAS.iter().any(|prefix| beta.starts_with(prefix))
}

/// Is `beta` the one that lengthens the context of models whose context is shorter without it? Such
/// a model then takes more than its price says, at other rates: it passes only where the price knows.
#[must_use]
pub fn is_long_context_beta(beta: &str) -> bool {
    beta.starts_with("context-1m-")
}

/// All fields that are known, and why some are refused.
pub fn known_fields() -> impl Iterator<Item = crate::client::KnownField> {
    KNOWN.into_iter().map(|(name, what)| crate::client::KnownField {
        name,
        refused: (what == Field::Refused).then(|| why_refused(name)),
    })
}

/// What `name` is. `None` when it is not known.
pub(super) fn field(name: &str) -> Option<Field> {
    KNOWN.binary_search_by(|(known, _)| (*known).cmp(name)).ok().and_then(|at| KNOWN.get(at)).map(|(_, field)| *field)
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

    #[test]
    fn every_refused_field_has_its_reason() {
        for (name, what) in KNOWN {
            let reasons = REFUSED.iter().filter(|(known, _)| *known == name).count();
            assert_eq!(reasons, usize::from(what == Field::Refused), "{name}");
        }
    }
}
