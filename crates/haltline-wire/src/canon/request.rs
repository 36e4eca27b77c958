//! A request: system prompt, turns, tools, and how to answer.

use haltline_types::Tokens;
use serde_json::Value;

/// A request that any dialect can be asked.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Request {
    /// The model as the client asked for it.
    pub model: String,
    /// What stands before all turns.
    pub system: Vec<Text>,
    /// The turns, oldest first.
    pub messages: Vec<Message>,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// Which tools it may or must call; `None` leaves it to the provider's default.
    pub tool_choice: Option<ToolChoice>,
    /// May it call several tools in one turn?
    pub parallel_tool_calls: Option<bool>,
    /// The form of the answer.
    pub format: Format,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// How much it thinks.
    pub reasoning: Option<Reasoning>,
    /// The client's output cap.
    pub cap: Option<Tokens>,
    /// Shall the answer stream?
    pub stream: bool,
    /// Whom the client names as its end user.
    pub user: Option<String>,
    /// Fields of the client that only its own dialect knows and that change nothing which the
    /// client can rely on: they are dropped, and the client is told.
    pub lost: Vec<&'static str>,
}

/// A text, perhaps the last one of a prefix worth caching.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Text {
    /// What it says.
    pub text: String,
    /// The client marks a cache breakpoint after it (Anthropic's `cache_control`): the marker as
    /// JSON.
    pub cache: Option<Value>,
}

/// One turn. Neighbours may have the same role; writers merge them where a dialect wants
/// alternation.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// The participant's own name (OpenAI's `name`).
    pub name: Option<String>,
    /// What is said.
    pub parts: Vec<Part>,
}

/// Who speaks in a turn. Results of tools are said by the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The operator or developer, in the middle of a conversation.
    System,
    /// The user, and the tools that ran for the model.
    User,
    /// The model.
    Assistant,
}

/// A piece of a turn.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Text.
    Text(Text),
    /// A picture.
    Image(Media),
    /// A document, such as a PDF.
    Document(Media),
    /// A recording.
    Audio(Media),
    /// The model calls a tool.
    Call(Call),
    /// What a tool gave.
    Result(ToolResult),
    /// What the model thought before. Carries a proof of origin that only its own provider can
    /// read: without one, or at another provider, it is left out or said as plain text never.
    Reasoning {
        /// The visible text; empty when it is hidden.
        text: String,
        /// The provider's proof: Anthropic's `signature`, OpenAI's `encrypted_content`.
        signature: Option<String>,
        /// Anthropic's `redacted_thinking` data.
        redacted: Option<String>,
        /// OpenAI's id of the reasoning item.
        id: Option<String>,
    },
    /// The model declined, in OpenAI's words.
    Refusal(String),
}

/// A picture, document or recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Where it is.
    pub source: MediaSource,
    /// OpenAI's `detail` of an image: `low`, `high` or `auto`.
    pub detail: Option<String>,
    /// A file name or title.
    pub name: Option<String>,
    /// A cache breakpoint after it, as JSON.
    pub cache: Option<Value>,
}

/// Where a medium's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaSource {
    /// In the request.
    Base64 {
        /// `image/png`, `application/pdf`, `audio/wav`.
        media_type: String,
        /// Standard base64.
        data: String,
    },
    /// At an address that the provider fetches.
    Url(String),
    /// Plain text in the clothes of a document.
    Text(String),
}

/// The model's call of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Pairs it with its result. Dialects without ids get one that is made from the position.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments as the model wrote them: JSON, mostly.
    pub arguments: String,
    /// Google's `thoughtSignature`, base64.
    pub signature: Option<String>,
    /// A cache breakpoint after it, as JSON.
    pub cache: Option<Value>,
}

/// What a tool gave.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult {
    /// The call's id.
    pub id: String,
    /// The tool's name, where the dialect says it or the call is known.
    pub name: Option<String>,
    /// Text, images and documents.
    pub parts: Vec<Part>,
    /// The tool failed.
    pub is_error: bool,
    /// A cache breakpoint after it, as JSON.
    pub cache: Option<Value>,
}

/// Something that the model may call.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// The JSON Schema of its arguments; `None` for none.
    pub schema: Option<Value>,
    /// OpenAI's and Anthropic's strict mode.
    pub strict: Option<bool>,
    /// A cache breakpoint after it, as JSON.
    pub cache: Option<Value>,
}

/// Which tools may or must be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// None may be called.
    None,
    /// At least one must be called.
    Required,
    /// This one must be called.
    Named(String),
    /// At least one of these must (`true`), or may (`false`), be called.
    AnyOf {
        /// Their names.
        names: Vec<String>,
        /// Must one be called?
        required: bool,
    },
}

/// The form of an answer.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Format {
    /// Free text.
    #[default]
    Text,
    /// Some JSON object.
    JsonObject,
    /// JSON that a schema describes.
    JsonSchema {
        /// The schema's name; some dialects want one.
        name: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// The schema.
        schema: Value,
        /// Must the model obey it exactly?
        strict: Option<bool>,
    },
}

/// How tokens are chosen. Numbers stay as the client wrote them.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Sampling {
    /// Randomness.
    pub temperature: Option<serde_json::Number>,
    /// Nucleus.
    pub top_p: Option<serde_json::Number>,
    /// The most likely so many.
    pub top_k: Option<serde_json::Number>,
    /// Penalty on what was said often.
    pub frequency_penalty: Option<serde_json::Number>,
    /// Penalty on what was said at all.
    pub presence_penalty: Option<serde_json::Number>,
    /// For repeatability.
    pub seed: Option<serde_json::Number>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
}

/// How much the model thinks before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Reasoning {
    /// In OpenAI's steps.
    pub effort: Option<Effort>,
    /// In tokens, within the output cap (Anthropic's and Google's budgets).
    pub budget: Option<Tokens>,
    /// Off, on, or left to the model.
    pub enabled: Option<bool>,
    /// Does the client want to see the thoughts, or a summary of them?
    pub show: bool,
}

/// Steps of effort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effort {
    /// No thinking.
    None,
    /// As little as there is.
    Minimal,
    /// Little.
    Low,
    /// The middle.
    Medium,
    /// Much.
    High,
    /// More than `High`.
    XHigh,
    /// All there is.
    Max,
}

impl Effort {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// From the word on the wire.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::XHigh, Self::Max]
            .into_iter()
            .find(|effort| effort.word() == word)
    }
}

impl Part {
    /// A plain text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Text { text: text.into(), cache: None })
    }
}
