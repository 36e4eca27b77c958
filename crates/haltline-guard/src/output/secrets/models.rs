//! Keys of model providers and what stands around them, and Haltline's own.

use super::super::class::Class;
use super::super::rule::Severity::{Critical, High};
use super::super::rule::Step::Lit;
use super::super::rule::{SecretRule, run, runs};
use super::*;

const LOWER_SLUG: Class = Class::of("a-z0-9");

pub(super) const RULES: &[SecretRule] = &[
    rule(
        "haltline",
        "Haltline keys",
        Critical,
        "docs/how-to/clients.md",
        &[token(&["hl-live-", "hl-test-", "hl-demo-"], &[run(ALNUM, 32)])],
    ),
    rule(
        "openai_project",
        "OpenAI keys of projects, service accounts and administrators",
        High,
        OPENAI,
        &[after(BASE64URL, token(&["sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-"], &[run(BASE64URL, 40)]))],
    ),
    rule(
        "openai_legacy",
        "OpenAI keys of users",
        High,
        OPENAI,
        &[token(&["sk-"], &[run(ALNUM, 20), Lit("T3BlbkFJ"), run(ALNUM, 20)])],
    ),
    rule("openai_48", "OpenAI keys of users, first form", High, OPENAI, &[token(&["sk-"], &[run(ALNUM, 48)])]),
    rule(
        "anthropic",
        "Anthropic keys, of the API, of administrators and of sign-ins",
        High,
        ANTHROPIC,
        &[after(
            BASE64URL,
            token(
                &["sk-ant-api", "sk-ant-admin", "sk-ant-oat", "sk-ant-ort", "sk-ant-sid"],
                &[run(DIGIT, 2), Lit("-"), run(BASE64URL, 80)],
            ),
        )],
    ),
    rule(
        "openrouter",
        "OpenRouter keys",
        High,
        "https://openrouter.ai/docs/api-reference/authentication",
        &[token(&["sk-or-v1-"], &[run(HEX, 64)])],
    ),
    rule(
        "deepseek_like",
        "Keys of DeepSeek and others: sk- and 32 hexadecimal digits",
        High,
        DEEPSEEK,
        &[token(&["sk-"], &[run(HEX, 32)])],
    ),
    rule("groq", "Groq keys", High, "https://console.groq.com/docs/quickstart", &[token(&["gsk_"], &[run(ALNUM, 52)])]),
    rule("xai", "xAI keys", High, "https://docs.x.ai/docs/overview", &[token(&["xai-"], &[run(ALNUM, 80)])]),
    rule(
        "perplexity",
        "Perplexity keys",
        High,
        "https://docs.perplexity.ai/guides/getting-started",
        &[token(&["pplx-"], &[run(ALNUM, 48)])],
    ),
    rule(
        "replicate",
        "Replicate tokens",
        High,
        "https://replicate.com/docs/topics/security/api-tokens",
        &[token(&["r8_"], &[run(ALNUM, 37)])],
    ),
    rule(
        "huggingface",
        "Hugging Face tokens",
        High,
        "https://huggingface.co/docs/hub/security-tokens",
        &[token(&["hf_", "api_org_"], &[run(ALNUM, 34)])],
    ),
    rule(
        "langsmith",
        "LangSmith keys",
        High,
        "https://docs.smith.langchain.com/administration/how_to_guides",
        &[token(&["lsv2_pt_", "lsv2_sk_"], &[run(HEX, 32), Lit("_"), run(HEX, 10)])],
    ),
    rule(
        "bedrock",
        "Amazon Bedrock API keys",
        High,
        BEDROCK,
        &[after(BASE64_PADDED, token(&["ABSK"], &[run(BASE64, 100)]))],
    ),
    rule(
        "doppler",
        "Doppler tokens",
        High,
        "https://docs.doppler.com/reference/auth-token-formats",
        &[
            token(&["dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit."], &[run(ALNUM, 40)]),
            token(&["dp.st."], &[runs(LOWER_SLUG.or(Class::of("_-")), 2, 35), Lit("."), run(ALNUM, 40)]),
        ],
    ),
];

const OPENAI: &str = "https://platform.openai.com/docs/api-reference/authentication";
const ANTHROPIC: &str = "https://docs.anthropic.com/en/api/overview";
const DEEPSEEK: &str = "https://api-docs.deepseek.com/";
const BEDROCK: &str = "https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html";
