//! What bounds the tokens of a text, and what a provider adds to the texts of a request. Constants
//! and sums; prices and caps are `quote`'s.

use crate::measure::TextMeasure;
use crate::quote::QuoteInput;
use haltline_types::Tokens;

/// How the measure of a text bounds its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenBound {
    /// The vocabulary is public: a token covers a byte at least.
    Bytes,
    /// It is not (Claude, Grok, gpt-6): 1.25 for each ASCII byte and 1.5 for each other one. This
    /// is an assumption, not a theorem: the most that was seen is 1.053 tokens for a byte, in 120
    /// counts by Claude Haiku 4.5 itself. A bill above the ceiling raises the model's ceiling.
    Unpublished,
}

impl TokenBound {
    /// The bound, rounded up; `None` when it does not fit.
    #[must_use]
    pub fn of(self, text: TextMeasure) -> Option<Tokens> {
        match self {
            Self::Bytes => text.bytes().map(Tokens::new),
            Self::Unpublished => {
                let quarters = text.ascii.checked_mul(5)?.checked_add(text.other.checked_mul(6)?)?;
                Some(Tokens::new(quarters.div_ceil(4)))
            }
        }
    }
}

/// What a provider adds to the texts of a request, at most. Media are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// Once.
    pub per_request: Tokens,
    /// For each message.
    pub per_message: Tokens,
    /// For each named message.
    pub per_name: Tokens,
    /// Once, when there are tools: their system prompt.
    pub with_tools: Tokens,
    /// For each tool, beyond the bytes of its JSON.
    pub per_tool: Tokens,
}

impl Framing {
    /// OpenAI: 3 for a message, 1 for a name and 3 for the reply by its cookbook; doubled.
    pub const OPENAI: Self = Self {
        per_request: Tokens::new(16),
        per_message: Tokens::new(8),
        per_name: Tokens::new(1),
        with_tools: Tokens::ZERO,
        per_tool: Tokens::new(16),
    };
    /// Servers that speak OpenAI's dialect: any chat template (the longest known adds 222 tokens)
    /// and a tool prompt on top.
    pub const OPENAI_COMPATIBLE: Self = Self {
        per_request: Tokens::new(256),
        per_message: Tokens::new(16),
        per_name: Tokens::new(1),
        with_tools: Tokens::new(1_024),
        per_tool: Tokens::new(16),
    };
    /// Anthropic: 7 or 8 were measured for one message. The tool prompt is 804 tokens at most by
    /// its tool-use page, and has grown by more than half before.
    pub const ANTHROPIC: Self = Self {
        per_request: Tokens::new(16),
        per_message: Tokens::new(16),
        per_name: Tokens::new(1),
        with_tools: Tokens::new(1_024),
        per_tool: Tokens::new(16),
    };
    /// Gemini.
    pub const GOOGLE: Self = Self {
        per_request: Tokens::new(16),
        per_message: Tokens::new(16),
        per_name: Tokens::new(1),
        with_tools: Tokens::new(1_024),
        per_tool: Tokens::new(16),
    };
    /// Mistral: `[INST]`, `[AVAILABLE_TOOLS]` and their ends are single tokens, but the older
    /// vocabularies put a space before every text.
    pub const MISTRAL: Self = Self {
        per_request: Tokens::new(64),
        per_message: Tokens::new(16),
        per_name: Tokens::new(1),
        with_tools: Tokens::new(64),
        per_tool: Tokens::new(16),
    };
    /// xAI publishes neither vocabulary nor template; grok adds a system prompt of its own.
    pub const XAI: Self = Self { per_request: Tokens::new(1_024), ..Self::OPENAI_COMPATIBLE };
    /// DeepSeek: the template of V4 adds up to 222 tokens, and its tool prompt stands in words.
    pub const DEEPSEEK: Self = Self { per_request: Tokens::new(256), ..Self::OPENAI_COMPATIBLE };

    pub(crate) fn of(&self, input: &QuoteInput<'_>) -> Option<Tokens> {
        let times = |each: Tokens, count: u32| each.checked_mul(u64::from(count));
        let with_tools = if input.tools > 0 { self.with_tools } else { Tokens::ZERO };
        self.per_request
            .checked_add(times(self.per_message, input.messages)?)?
            .checked_add(times(self.per_name, input.names)?)?
            .checked_add(with_tools)?
            .checked_add(times(self.per_tool, input.tools)?)?
            .checked_add(input.media_tokens)?
            .checked_add(Tokens::new(u64::from(input.segments)))
    }
}

/// What an exact tokenizer of the model's own vocabulary found in a request.
///
/// The texts are known exactly; how the provider joins them is not. So stage two adds to the
/// framing of stage one: a token for each text (a neighbour may split it in another place), a
/// thirty-second of the plain text (texts that are joined before they are cut into words), the
/// rendered part a second time (tools and schemas are written in a form that the provider does not
/// publish), three for each of its lines (each becomes a comment, indented), and `WITH_TOOLS` for
/// the headings around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExactInput {
    /// Tokens of every text that the model reads as it stands; keys and literals of the JSON may
    /// be counted among them, data of media may not.
    pub plain: Tokens,
    /// How many texts those were.
    pub texts: u64,
    /// Tokens of the JSON of tools and of response schemas, as it was sent.
    pub rendered: Tokens,
    /// Line breaks in the texts of that JSON.
    pub rendered_lines: u64,
    /// Bytes of what only the provider can read (encrypted reasoning that is sent back): a token
    /// each, for nobody knows what they hold.
    pub opaque_bytes: u64,
}

impl ExactInput {
    /// Headings around tools and schemas.
    pub const WITH_TOOLS: Tokens = Tokens::new(64);

    /// The bound on the input, framing included; `None` when it does not fit.
    pub(crate) fn bound(self, framing: Tokens, with_tools: bool) -> Option<Tokens> {
        let headings = if with_tools || self.rendered > Tokens::ZERO { Self::WITH_TOOLS } else { Tokens::ZERO };
        self.plain
            .checked_add(Tokens::new(self.plain.get().div_ceil(32)))?
            .checked_add(Tokens::new(self.texts))?
            .checked_add(Tokens::new(self.opaque_bytes))?
            .checked_add(self.rendered.checked_mul(2)?)?
            .checked_add(Tokens::new(self.rendered_lines).checked_mul(3)?)?
            .checked_add(headings)?
            .checked_add(framing)
    }
}

/// The most that a request can be billed for whose input its provider's own count endpoint puts at
/// `count`: a twentieth and 64 more. Anthropic calls its count "an estimate" that "may differ by a
/// small amount" (platform.claude.com/docs/en/build-with-claude/token-counting) and gives no
/// number; the margin is ours. `None` when it does not fit.
#[must_use]
pub fn counted_bound(count: Tokens) -> Option<Tokens> {
    count.checked_add(Tokens::new(count.get().div_ceil(20)))?.checked_add(Tokens::new(64))
}
