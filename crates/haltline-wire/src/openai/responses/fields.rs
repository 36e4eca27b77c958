//! Which top-level fields of a request are known, and what is done with each.
//!
//! The allow-list is that of OpenAI's Responses request, with the penalties that the open form of
//! the protocol has beside it. A field that is not on it may change what a request costs, so it is
//! refused by name unless the operator vouches for it.

/// A top-level field that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Background,
    CacheOptions,
    CacheRetention,
    Conversation,
    Input,
    Instructions,
    MaxOutputTokens,
    Metadata,
    Model,
    PreviousResponse,
    Reasoning,
    SafetyIdentifier,
    ServiceTier,
    Store,
    Stream,
    StreamOptions,
    Text,
    ToolChoice,
    Tools,
    User,
    /// Cannot change the price beyond what the cap bounds: passes as it is.
    Pass,
    /// Hides cost: refused whatever it says, unless it is null.
    Refused,
    /// Not on the list, but vouched for by the operator.
    Vouched,
}

const KNOWN: [(&str, Field); 38] = [
    ("access_programs", Field::Refused),
    ("background", Field::Background),
    ("background_options", Field::Refused),
    ("client_metadata", Field::Pass),
    ("context_management", Field::Refused),
    ("conversation", Field::Conversation),
    ("frequency_penalty", Field::Pass),
    ("include", Field::Pass),
    ("input", Field::Input),
    ("instructions", Field::Instructions),
    ("max_output_tokens", Field::MaxOutputTokens),
    ("max_tool_calls", Field::Pass),
    ("metadata", Field::Metadata),
    ("model", Field::Model),
    ("moderation", Field::Refused),
    ("parallel_tool_calls", Field::Pass),
    ("presence_penalty", Field::Pass),
    ("previous_response_id", Field::PreviousResponse),
    ("prompt", Field::Refused),
    ("prompt_cache_key", Field::Pass),
    ("prompt_cache_options", Field::CacheOptions),
    ("prompt_cache_retention", Field::CacheRetention),
    ("reasoning", Field::Reasoning),
    ("safety_identifier", Field::SafetyIdentifier),
    ("seed", Field::Pass),
    ("service_tier", Field::ServiceTier),
    ("store", Field::Store),
    ("stream", Field::Stream),
    ("stream_options", Field::StreamOptions),
    ("temperature", Field::Pass),
    ("text", Field::Text),
    ("tool_choice", Field::ToolChoice),
    ("tools", Field::Tools),
    ("top_logprobs", Field::Pass),
    ("top_p", Field::Pass),
    ("truncation", Field::Pass),
    ("user", Field::User),
    ("web_search_options", Field::Refused),
];

/// Fields that are refused, with what is said about each.
const REFUSED: [(&str, &str); 6] = [
    ("access_programs", "what they change in the price is not known"),
    ("background_options", "completion windows have prices of their own"),
    ("context_management", "compaction passes are billed outside the output cap"),
    ("moderation", "a second model reads the request, outside the output cap"),
    ("prompt", "a stored prompt is input that is not in the body"),
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
    KNOWN.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
}

/// Why a `Refused` field is refused.
pub(super) fn why_refused(name: &str) -> &'static str {
    REFUSED.iter().find(|(known, _)| *known == name).map_or("it can raise the price without a bound", |(_, why)| why)
}

/// A known name that `name` may have been meant to be. Names of the Chat API are told apart by
/// more than a slip of the pen.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    match name {
        "messages" => Some("input"),
        "max_tokens" | "max_completion_tokens" => Some("max_output_tokens"),
        "response_format" => Some("text.format"),
        "reasoning_effort" => Some("reasoning.effort"),
        _ => crate::suggest::nearest(name, KNOWN.iter().map(|(known, _)| *known)),
    }
}
