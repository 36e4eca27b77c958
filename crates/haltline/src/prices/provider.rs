//! Which shipped list belongs to a configured provider: by its kind where that names a company,
//! else by the host that it is at. A host that nobody knows has no shipped price: what it charges
//! is its operator's matter.

use super::{Catalogue, CatalogueError, Listed, read, times};
use haltline_gateway::settings::{ProviderKind, ProviderSettings};
use haltline_policy::price::{Multiplier, Price};
use std::sync::OnceLock;

/// A shipped list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "companies")]
pub enum Shipped {
    OpenAi,
    Anthropic,
    Google,
    Mistral,
    Azure,
    Groq,
    DeepSeek,
    XAi,
    Together,
    OpenRouter,
    Bedrock,
    Vertex,
}

type Row = (Shipped, &'static str, &'static str, &'static [&'static str]);

/// The list, its name, its text, and the hosts whose prices it has; a leading dot stands for every
/// host below.
const ROWS: [Row; 12] = [
    (Shipped::OpenAi, "openai", include_str!("../../../../prices/openai.toml"), &["api.openai.com", ".api.openai.com"]),
    (Shipped::Anthropic, "anthropic", include_str!("../../../../prices/anthropic.toml"), &["api.anthropic.com"]),
    (Shipped::Google, "google", include_str!("../../../../prices/google.toml"), &["generativelanguage.googleapis.com"]),
    (Shipped::Mistral, "mistral", include_str!("../../../../prices/mistral.toml"), &["api.mistral.ai"]),
    (
        Shipped::Azure,
        "azure",
        include_str!("../../../../prices/azure.toml"),
        &[".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com", ".models.ai.azure.com"],
    ),
    (Shipped::Groq, "groq", include_str!("../../../../prices/groq.toml"), &["api.groq.com"]),
    (Shipped::DeepSeek, "deepseek", include_str!("../../../../prices/deepseek.toml"), &["api.deepseek.com"]),
    (Shipped::XAi, "xai", include_str!("../../../../prices/xai.toml"), &["api.x.ai", ".api.x.ai"]),
    (
        Shipped::Together,
        "together",
        include_str!("../../../../prices/together.toml"),
        &["api.together.xyz", "api.together.ai"],
    ),
    (Shipped::OpenRouter, "openrouter", include_str!("../../../../prices/openrouter.toml"), &["openrouter.ai"]),
    (Shipped::Bedrock, "bedrock", include_str!("../../../../prices/bedrock.toml"), &[]),
    (Shipped::Vertex, "vertex", include_str!("../../../../prices/vertex.toml"), &[]),
];

static READ: [OnceLock<Result<Catalogue, CatalogueError>>; 12] = [const { OnceLock::new() }; 12];

impl Shipped {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::OpenAi,
        Self::Anthropic,
        Self::Google,
        Self::Mistral,
        Self::Azure,
        Self::Groq,
        Self::DeepSeek,
        Self::XAi,
        Self::Together,
        Self::OpenRouter,
        Self::Bedrock,
        Self::Vertex,
    ];

    /// The name of the list, and of its file without the ending.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.row().map_or("", |(_, row)| row.1)
    }

    /// The list of that name.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        ROWS.iter().find(|row| row.1 == word).map(|row| row.0)
    }

    /// The list of whoever serves from there.
    #[must_use]
    pub fn from_base_url(base_url: &str) -> Option<Self> {
        let host = host_of(base_url);
        let serves = |known: &&str| if known.starts_with('.') { host.ends_with(*known) } else { host == *known };
        ROWS.iter().find(|row| row.3.iter().any(&serves)).map(|row| row.0)
    }

    /// The list, read once.
    ///
    /// # Errors
    /// When the file that the program was built with is damaged.
    pub fn catalogue(self) -> Result<&'static Catalogue, &'static CatalogueError> {
        static ABSENT: CatalogueError = CatalogueError::Absent;
        let Some((index, row)) = self.row() else { return Err(&ABSENT) };
        let Some(kept) = READ.get(index) else { return Err(&ABSENT) };
        kept.get_or_init(|| read(row.2)).as_ref()
    }

    fn row(self) -> Option<(usize, &'static Row)> {
        ROWS.iter().enumerate().find(|(_, row)| row.0 == self)
    }

    /// The factor on a model's price at an address: where a region is named in it, or where nobody
    /// can see from it that none is meant (Azure's data zones, a workspace of Anthropic's with a
    /// region of its own). An operator who knows better writes `multiplier = "1"`.
    #[must_use]
    pub fn factor(self, listed: &Listed, base_url: &str) -> Multiplier {
        let is_regional = match self {
            Self::OpenAi => host_of(base_url).ends_with(".api.openai.com"),
            Self::Anthropic | Self::Azure | Self::Bedrock | Self::Vertex => true,
            _ => false,
        };
        listed.regional.filter(|_| is_regional).unwrap_or(Multiplier::ONE)
    }

    /// A model's price at an address; `None` when the factor does not fit: then it is refused, and
    /// not too cheap.
    #[must_use]
    pub fn price(self, listed: &Listed, base_url: &str) -> Option<Price> {
        match self.factor(listed, base_url) {
            Multiplier::ONE => Some(listed.price.clone()),
            factor => times(&listed.price, factor),
        }
    }
}

/// The list of a configured provider.
#[must_use]
pub fn shipped_for(provider: &ProviderSettings) -> Option<Shipped> {
    match provider.kind {
        ProviderKind::Simulated => None,
        // Also behind a proxy of the operator's own.
        ProviderKind::OpenAi => Some(Shipped::OpenAi),
        ProviderKind::Anthropic => Some(Shipped::Anthropic),
        ProviderKind::Google => Some(Shipped::Google),
        ProviderKind::Mistral => Some(Shipped::Mistral),
        ProviderKind::Azure => Some(Shipped::Azure),
        ProviderKind::OpenAiCompatible => Shipped::from_base_url(&provider.base_url),
    }
}

fn host_of(base_url: &str) -> &str {
    base_url.split("//").nth(1).and_then(|rest| rest.split(['/', ':', '?']).next()).unwrap_or_default()
}
