//! Keys of clouds, their storage and their databases.

use super::super::class::Class;
use super::super::rule::Severity::{Critical, High, Medium};
use super::super::rule::Step::{Lit, Mark};
use super::super::rule::{SecretRule, run, runs};
use super::*;

const BASE32: Class = Class::of("A-Z2-7");

pub(super) const RULES: &[SecretRule] = &[
    rule(
        "google_api",
        "Google API keys",
        High,
        "https://cloud.google.com/docs/authentication/api-keys",
        &[after(BASE64URL, token(&["AIza"], &[run(BASE64URL, 35)]))],
    ),
    rule(
        "google_oauth",
        "Google access tokens",
        High,
        GOOGLE_TOKENS,
        &[Pattern {
            after: After::Dotted(BASE64URL, 2),
            ..token(&["ya29.", "ya29.a.", "ya29.c.", "ya29.d."], &[run(BASE64URL, 30)])
        }],
    ),
    rule(
        "google_client_secret",
        "Google OAuth client secrets",
        High,
        GOOGLE_TOKENS,
        &[after(BASE64URL, token(&["GOCSPX-"], &[run(BASE64URL, 28)]))],
    ),
    rule(
        "aws_access_key",
        "AWS access key ids",
        High,
        AWS,
        &[
            token(&["AKIA", "ASIA", "ABIA", "ACCA"], &[run(BASE32, 16)]),
            token(&["A3T"], &[run(UPPER_DIGIT, 1), run(BASE32, 16)]),
        ],
    ),
    with_entropy(
        3.5,
        rule(
            "aws_secret_ctx",
            "AWS secret access keys, by their name",
            Critical,
            AWS,
            &[after(
                BASE64,
                context(
                    &[
                        "secretaccesskey",
                        "secret_access_key",
                        "secret-access-key",
                        "secret_accesskey",
                        "secretaccess_key",
                    ],
                    &[runs(BETWEEN, 1, 8), Mark, run(BASE64, 40)],
                ),
            )],
        ),
    ),
    with_entropy(
        3.5,
        rule(
            "azure_storage",
            "Azure storage account keys",
            Critical,
            AZURE_STORAGE,
            &[Pattern {
                after: After::Nothing,
                ..exact_context(&["AccountKey="], &[Mark, run(BASE64, 86), Lit("==")])
            }],
        ),
    ),
    rule(
        "azure_apikey_ctx",
        "Azure keys of 32 hexadecimal digits, by their header",
        High,
        AZURE,
        &[context(&["api-key", "ocp-apim-subscription-key"], &[runs(BETWEEN, 1, 6), Mark, run(HEX, 32)])],
    ),
    rule(
        "digitalocean",
        "DigitalOcean tokens",
        High,
        "https://docs.digitalocean.com/reference/api/",
        &[token(&["dop_v1_", "doo_v1_", "dor_v1_"], &[run(HEX, 64)])],
    ),
    rule(
        "databricks",
        "Databricks tokens",
        High,
        "https://docs.databricks.com/en/dev-tools/auth/pat.html",
        &[token(&["dapi"], &[run(HEX, 32)])],
    ),
    rule(
        "vault",
        "HashiCorp Vault tokens",
        High,
        "https://developer.hashicorp.com/vault/docs/concepts/tokens",
        &[after(BASE64URL, token(&["hvs.", "hvb.", "hvr."], &[run(BASE64URL, 24)]))],
    ),
    rule(
        "supabase",
        "Supabase tokens and secret keys",
        High,
        "https://supabase.com/docs/guides/api/api-keys",
        &[token(&["sbp_"], &[run(HEX, 40)]), after(BASE64URL, token(&["sb_secret_"], &[run(BASE64URL, 31)]))],
    ),
    rule(
        "grafana",
        "Grafana service account tokens",
        Medium,
        GRAFANA,
        &[token(&["glsa_"], &[run(ALNUM, 32), Lit("_"), run(HEX_ANY, 8)])],
    ),
];

const GOOGLE_TOKENS: &str = "https://cloud.google.com/docs/authentication/token-types";
const AWS: &str = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html";
const AZURE: &str = "https://learn.microsoft.com/azure/ai-services/authentication";
const AZURE_STORAGE: &str = "https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string";
const GRAFANA: &str = "https://grafana.com/docs/grafana/latest/administration/service-accounts/";
