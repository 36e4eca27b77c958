//! Which fields of a request are known, on each level, and what is done with each.
//!
//! A field that is not on a list may change what a request costs, so it is refused by name unless
//! the operator vouches for it. Google reads each name in two spellings, `maxOutputTokens` and
//! `max_output_tokens`; a request that holds both could be read in two ways, and is refused.

use crate::PassFields;
use crate::json::walk::{self, Member};
use crate::refusal::{RequestError, shorten};
use std::borrow::Cow;
use std::ops::Range;

/// A field that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    // Of the body.
    Model,
    Contents,
    System,
    Tools,
    ToolConfig,
    Config,
    Labels,
    ServiceTier,
    // Of `generationConfig`.
    Cap,
    Candidates,
    Schema,
    Modalities,
    Thinking,
    /// Cannot change the price beyond what the cap bounds: passes as it is.
    Pass,
    /// Not offered: may say `false`.
    MustBeFalse,
    /// Hides cost: refused whatever it says, unless it is null. Says why.
    Refused(&'static str),
    /// Not on the list, but null or vouched for by the operator.
    Other,
}

/// A level of the request: what is known there.
pub(super) struct Level {
    known: &'static [(&'static str, Field)],
}

/// The body.
pub(super) const BODY: Level = Level {
    known: &[
        ("cachedContent", Field::Refused("it is input that is not in the body, and has fees for storage")),
        ("contents", Field::Contents),
        ("generationConfig", Field::Config),
        ("labels", Field::Labels),
        ("model", Field::Model),
        ("modelArmorConfig", Field::Refused("Model Armor has fees of its own that a budget cannot hold")),
        ("continuationToken", Field::Refused("it is input that is not in the body")),
        ("automaticContinuation", Field::Refused("every continuation bills the whole input once more")),
        ("safetySettings", Field::Pass),
        ("serviceTier", Field::ServiceTier),
        ("store", Field::MustBeFalse),
        ("systemInstruction", Field::System),
        ("toolConfig", Field::ToolConfig),
        ("tools", Field::Tools),
    ],
};

/// All fields of the body that are known, and why some are refused.
pub fn known_fields() -> impl Iterator<Item = crate::client::KnownField> {
    BODY.known.iter().map(|(name, what)| crate::client::KnownField {
        name,
        refused: if let Field::Refused(why) = what { Some(*why) } else { None },
    })
}

/// `generationConfig`.
pub(super) const CONFIG: Level = Level {
    known: &[
        ("_responseJsonSchema", Field::Schema),
        ("audioTimestamp", Field::Pass),
        ("audioTranscriptionConfig", Field::Refused("audio is priced apart from tokens and is not offered here")),
        ("candidateCount", Field::Candidates),
        ("enableAffectiveDialog", Field::Refused("audio is priced apart from tokens and is not offered here")),
        ("enableEnhancedCivicAnswers", Field::Pass),
        ("frequencyPenalty", Field::Pass),
        ("imageConfig", Field::Refused("images that a model makes are priced apart from tokens")),
        ("logprobs", Field::Pass),
        ("maxOutputTokens", Field::Cap),
        ("mediaResolution", Field::Pass),
        ("modelSelectionConfig", Field::Refused("it lets the provider choose another model, with another price")),
        ("presencePenalty", Field::Pass),
        ("responseFormat", Field::Refused("use `responseMimeType` and `responseJsonSchema`")),
        ("responseJsonSchema", Field::Schema),
        ("responseLogprobs", Field::Pass),
        ("responseMimeType", Field::Pass),
        ("responseModalities", Field::Modalities),
        ("responseSchema", Field::Schema),
        ("routingConfig", Field::Refused("it lets the provider choose another model, with another price")),
        ("seed", Field::Pass),
        ("speechConfig", Field::Refused("audio output is priced apart from tokens and is not offered here")),
        ("stopSequences", Field::Pass),
        ("temperature", Field::Pass),
        ("thinkingConfig", Field::Thinking),
        ("topK", Field::Pass),
        ("topP", Field::Pass),
        ("translationConfig", Field::Refused("audio is priced apart from tokens and is not offered here")),
    ],
};

/// `generationConfig.thinkingConfig`. Thoughts are bounded by the cap.
pub(super) const THINKING: Level = Level {
    known: &[("includeThoughts", Field::Pass), ("thinkingBudget", Field::Pass), ("thinkingLevel", Field::Pass)],
};

/// `toolConfig`.
pub(super) const TOOL_CONFIG: Level = Level {
    known: &[
        ("functionCallingConfig", Field::Config),
        // Say something to tools that the provider runs, which are refused.
        ("includeServerSideToolInvocations", Field::Pass),
        ("retrievalConfig", Field::Pass),
    ],
};

/// `toolConfig.functionCallingConfig`.
pub(super) const CALLING: Level = Level {
    known: &[
        ("allowedFunctionNames", Field::Pass),
        ("mode", Field::Pass),
        ("streamFunctionCallArguments", Field::MustBeFalse),
    ],
};

/// A tool.
pub(super) const TOOL: Level = Level {
    known: &[
        ("codeExecution", SERVER_TOOL),
        ("computerUse", SERVER_TOOL),
        ("enterpriseWebSearch", SERVER_TOOL),
        ("exaAiSearch", SERVER_TOOL),
        ("fileSearch", SERVER_TOOL),
        ("functionDeclarations", Field::Tools),
        ("googleMaps", SERVER_TOOL),
        ("googleSearch", SERVER_TOOL),
        ("googleSearchRetrieval", SERVER_TOOL),
        ("mcpServers", SERVER_TOOL),
        ("parallelAiSearch", SERVER_TOOL),
        ("retrieval", SERVER_TOOL),
        ("urlContext", SERVER_TOOL),
    ],
};

const SERVER_TOOL: Field =
    Field::Refused("tools that the provider runs have fees of their own, or bill the input once more");

/// A part of a turn.
pub(super) const PART: Level = Level {
    known: &[
        ("text", Field::Pass),
        ("thought", Field::Pass),
        ("thoughtSignature", Field::Pass),
        ("functionCall", Field::Pass),
        ("functionResponse", Field::Pass),
        ("inlineData", Field::Pass),
        ("codeExecutionResult", Field::Pass),
        ("executableCode", Field::Pass),
        (
            "fileData",
            Field::Refused(
                "a file at an address is input whose size in tokens is not in the body; send it as `inlineData`",
            ),
        ),
        ("mediaResolution", Field::Pass),
        ("partMetadata", Field::Pass),
        ("toolCall", Field::Pass),
        ("toolResponse", Field::Pass),
        ("videoMetadata", Field::Refused("video is input whose size in tokens is not in the body")),
    ],
};

/// `functionResponse`.
pub(super) const RESPONSE: Level = Level {
    known: &[
        ("id", Field::Pass),
        ("name", Field::Pass),
        ("parts", Field::Contents),
        ("response", Field::Pass),
        ("scheduling", Field::Pass),
        ("willContinue", Field::Pass),
    ],
};

/// `inlineData`.
pub(super) const BLOB: Level =
    Level { known: &[("data", Field::Pass), ("displayName", Field::Pass), ("mimeType", Field::Pass)] };

/// A turn, and the system instruction.
pub(super) const CONTENT: Level = Level { known: &[("parts", Field::Contents), ("role", Field::Pass)] };

/// One member of an object, and what it is.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) field: Field,
    /// The name as Google's reference writes it, or as the client did where it is not known.
    pub(super) name: Cow<'static, str>,
    pub(super) member: Member,
    pub(super) is_null: bool,
}

/// The members of the object at `value`, each looked up in `level`. What is vouched for is added
/// to `vouched`.
///
/// # Errors
/// When the value is no object, a member is refused or not known, or stands there twice.
pub(super) fn members(
    body: &[u8],
    value: &Range<usize>,
    level: &Level,
    path: &str,
    pass: &PassFields,
    vouched: &mut Vec<String>,
) -> Result<Vec<Known>, RequestError> {
    if body.get(value.start) != Some(&b'{') {
        return Err(not(path, "an object"));
    }
    let mut members: Vec<Known> = Vec::with_capacity(4);
    for member in walk::members(body, value.start) {
        let written = member.name(body);
        let written = String::from_utf8_lossy(&written);
        let known = find(&written, level);
        let name = known.map_or_else(|| Cow::Owned(written.clone().into_owned()), |(name, _)| Cow::Borrowed(*name));
        let is_null = walk::is_null(body, &member.value);
        if known.is_some() && members.iter().any(|other| other.name == name) {
            return Err(twice(below(path, &name)));
        }
        let field = match known {
            Some((_, Field::Refused(why))) if !is_null => {
                let param = below(path, &name);
                return Err(RequestError::invalid(param.clone(), format!("`{param}` is not accepted: {why}.")));
            }
            Some((_, field)) => *field,
            None if is_null => Field::Other,
            None if pass.contains(&written) => {
                vouched.push(written.into_owned());
                Field::Other
            }
            None => return Err(RequestError::unknown(below(path, &shorten(&written)), meant(&written, level))),
        };
        members.push(Known { field, name, member, is_null });
    }
    Ok(members)
}

fn find(written: &str, level: &Level) -> Option<&'static (&'static str, Field)> {
    level.known.iter().find(|(name, _)| is_spelling_of(written, name))
}

fn meant(written: &str, level: &Level) -> Option<&'static str> {
    crate::suggest::nearest(written, level.known.iter().map(|(name, _)| *name))
}

/// Is `written` the name `camel`, or its spelling with underscores?
pub(super) fn is_spelling_of(written: &str, camel: &str) -> bool {
    let mut rest = written.bytes();
    let mut next_is = |byte: u8| rest.next() == Some(byte);
    let snake = camel
        .bytes()
        .all(|c| if c.is_ascii_uppercase() { next_is(b'_') && next_is(c.to_ascii_lowercase()) } else { next_is(c) });
    written == camel || (snake && rest.next().is_none())
}

pub(super) fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

pub(super) fn twice(param: String) -> RequestError {
    let message = format!("`{param}` stands there in two spellings; send one of them.");
    RequestError::invalid(param, message)
}

/// For fields that are not offered.
pub(super) fn must_be_false(body: &[u8], value: &Range<usize>, param: &str) -> Result<(), RequestError> {
    if body.get(value.clone()) == Some(b"false") {
        return Ok(());
    }
    Err(RequestError::invalid(param, format!("`{param}` is not offered here: leave it out or send false.")))
}

pub(super) fn not(param: &str, what: &str) -> RequestError {
    RequestError::invalid(param, format!("`{param}` must be {what}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_the_same_name() {
        assert!(is_spelling_of("max_output_tokens", "maxOutputTokens"));
        assert!(is_spelling_of("topK", "topK") && is_spelling_of("top_k", "topK"));
        assert!(!is_spelling_of("maxoutputtokens", "maxOutputTokens"));
        assert!(is_spelling_of("_response_json_schema", "_responseJsonSchema"));
    }
}
