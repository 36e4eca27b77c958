//! A whole answer that is no stream.

use super::stream::identify;
use super::wire::Choices;
use crate::Finish;
use crate::chunk::{Identity, Malformed};
use crate::fault::FaultSeed;
use crate::openai::usage::{Report, read};
use crate::word::Word;
use haltline_types::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What a body with status 200 says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An answer.
    Complete(Complete),
    /// An error in spite of the status.
    Error(Box<FaultSeed>),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complete {
    /// Id, model and tier.
    pub identity: Identity,
    /// Choices.
    pub choices: u32,
    /// Why the first choice with a reason ended.
    pub finish: Option<Finish>,
    /// Choices that have a reason.
    pub finished: u32,
    /// Bytes of text after decoding, over all choices.
    pub text_bytes: usize,
    /// The provider's count. `None` also when it cannot be relied on.
    pub usage: Option<Usage>,
    /// A usage report came and cannot be relied on.
    pub usage_unreadable: bool,
    /// Some choice calls a tool.
    pub calls: bool,
    /// Some choice has a picture that the model made.
    pub pictures: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire<'a> {
    #[serde(borrow)]
    object: Word<'a>,
    choices: Choices,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// Reads a whole body. Blank lines before it are allowed (DeepSeek keeps connections alive so).
///
/// # Errors
/// When it is neither an answer nor an error.
pub fn inspect(body: &[u8]) -> Result<Answer, Malformed> {
    inspect_with(body, identify)
}

/// The same for whoever does not ask which answer it is.
pub(super) fn meter(body: &[u8]) -> Result<Answer, Malformed> {
    inspect_with(body, |_| Identity::default())
}

fn inspect_with(body: &[u8], identify: impl FnOnce(&[u8]) -> Identity) -> Result<Answer, Malformed> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Malformed { detail: "the answer is no JSON object".to_owned() });
    }
    let wire: Wire<'_> = serde_json::from_slice(body).map_err(|error| Malformed {
        detail: format!("the answer is not in the shape of a chat completion: {error}"),
    })?;
    let failed = wire.error.is_some() || wire.object.0.as_deref() == Some("error");
    if wire.choices.count == 0 || failed {
        if let Some(seed) = FaultSeed::read(body) {
            return Ok(Answer::Error(Box::new(seed)));
        }
        if wire.choices.count == 0 {
            return Err(Malformed { detail: "the answer has neither choices nor an error".to_owned() });
        }
    }
    if wire.choices.finish == Some(Finish::Error) {
        let seed =
            FaultSeed { message: "the answer ended with finish_reason `error`".to_owned(), ..FaultSeed::default() };
        return Ok(Answer::Error(Box::new(seed)));
    }
    let report = wire.usage.map_or(Report::Absent, |usage| read(usage.get()));
    Ok(Answer::Complete(Complete {
        identity: identify(body),
        choices: wire.choices.count,
        finish: wire.choices.finish,
        finished: wire.choices.finished,
        text_bytes: wire.choices.answer_bytes(),
        usage: if let Report::Read(usage) = report { Some(usage) } else { None },
        usage_unreadable: report == Report::Unreadable,
        calls: wire.choices.calls,
        pictures: wire.choices.pictures,
    }))
}
