//! The OpenAI dialect: what OpenAI's servers and the many that imitate them speak.

pub mod chat;
pub mod embeddings;
pub mod responses;
mod stated_cost;
mod usage;

/// Whose server it is. It decides which fields are safe to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProviderKind {
    /// OpenAI's own service.
    OpenAi,
    /// A server that imitates it: vLLM, llama.cpp, Ollama, OpenRouter, Groq, Mistral, …
    Compatible,
}
