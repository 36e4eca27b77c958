//! Tokens of the tools that programmers, shops and teams use.

use super::super::class::Class;
use super::super::rule::Severity::{Critical, High, Medium};
use super::super::rule::Step::{Lit, Mark};
use super::super::rule::{SecretRule, run, runs};
use super::*;

const BASE64_PATH: Class = Class::of("A-Za-z0-9+/_-");

pub(super) const RULES: &[SecretRule] = &[
    rule(
        "github",
        "GitHub tokens",
        High,
        GITHUB,
        &[token(&["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], &[run(ALNUM, 36)])],
    ),
    rule(
        "github_pat",
        "GitHub fine-grained tokens",
        High,
        GITHUB,
        &[after(ALNUM_UNDERSCORE, token(&["github_pat_"], &[run(ALNUM_UNDERSCORE, 82)]))],
    ),
    rule(
        "gitlab",
        "GitLab tokens",
        High,
        "https://docs.gitlab.com/security/tokens/",
        &[Pattern {
            after: After::Dotted(BASE64URL, 2),
            ..token(
                &["glpat-", "glptt-", "glrt-", "gldt-", "glsoat-", "glft-", "gloas-", "glcbt-", "glimt-", "glagent-"],
                &[run(BASE64URL, 20)],
            )
        }],
    ),
    with_entropy(
        2.5,
        rule(
            "slack_token",
            "Slack tokens",
            High,
            SLACK,
            &[after(
                ALNUM_DASH,
                token(
                    &["xoxa-", "xoxb-", "xoxc-", "xoxd-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-"],
                    &[runs(ALNUM_DASH, 20, 40)],
                ),
            )],
        ),
    ),
    rule(
        "slack_app",
        "Slack app tokens",
        High,
        SLACK,
        &[token(
            &["xapp-"],
            &[run(DIGIT, 1), Lit("-"), runs(UPPER_DIGIT, 6, 20), Lit("-"), runs(DIGIT, 8, 20), Lit("-"), run(HEX, 32)],
        )],
    ),
    rule(
        "slack_webhook",
        "Slack webhook addresses",
        Medium,
        "https://docs.slack.dev/messaging/",
        &[after(
            BASE64_PATH,
            exact_context(
                &["hooks.slack.com/services/", "hooks.slack.com/workflows/", "hooks.slack.com/triggers/"],
                &[Mark, run(BASE64_PATH, 36)],
            ),
        )],
    ),
    rule(
        "stripe",
        "Stripe secret and restricted keys",
        Critical,
        "https://docs.stripe.com/keys",
        &[token(&["sk_live_", "sk_test_", "sk_prod_", "rk_live_", "rk_test_", "rk_prod_"], &[runs(ALNUM, 16, 24)])],
    ),
    rule(
        "stripe_whsec",
        "Secrets of webhooks: Stripe, Standard Webhooks",
        High,
        "https://docs.stripe.com/webhooks",
        &[after(BASE64_PADDED, token(&["whsec_"], &[run(BASE64, 32)]))],
    ),
    rule(
        "twilio",
        "Twilio API keys",
        High,
        "https://www.twilio.com/docs/iam/api-keys",
        &[token(&["SK"], &[run(HEX, 32)])],
    ),
    rule(
        "sendgrid",
        "SendGrid keys",
        High,
        "https://www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys",
        &[after(BASE64URL, token(&["SG."], &[run(BASE64URL, 22), Lit("."), run(BASE64URL, 43)]))],
    ),
    rule(
        "mailgun",
        "Mailgun keys",
        High,
        "https://documentation.mailgun.com/docs/mailgun/api-reference/",
        &[token(&["key-"], &[run(HEX, 32)])],
    ),
    rule(
        "npm",
        "npm tokens",
        High,
        "https://docs.npmjs.com/about-access-tokens",
        &[token(&["npm_"], &[run(ALNUM, 36)])],
    ),
    rule(
        "pypi",
        "PyPI tokens",
        High,
        "https://docs.pypi.org/api/",
        &[after(BASE64URL, token(&["pypi-AgEIcHlwaS5vcmc", "pypi-AgENdGVzdC5weXBpLm9yZw"], &[run(BASE64URL, 50)]))],
    ),
    with_entropy(
        3.8,
        rule(
            "crates_io",
            "crates.io tokens",
            High,
            "https://crates.io/docs/trusted-publishing",
            &[token(&["cio"], &[run(ALNUM, 32)])],
        ),
    ),
    rule(
        "rubygems",
        "RubyGems keys",
        High,
        "https://guides.rubygems.org/api-key-scopes/",
        &[token(&["rubygems_"], &[run(HEX, 48)])],
    ),
    rule(
        "shopify",
        "Shopify tokens",
        High,
        "https://shopify.dev/docs/apps/build/authentication-authorization",
        &[token(&["shpat_", "shpca_", "shppa_", "shpss_"], &[run(HEX_ANY, 32)])],
    ),
    rule(
        "linear",
        "Linear keys",
        High,
        "https://linear.app/developers/graphql",
        &[token(&["lin_api_"], &[run(ALNUM, 40)])],
    ),
    rule(
        "notion",
        "Notion tokens",
        High,
        "https://developers.notion.com/docs/authorization",
        &[token(&["ntn_"], &[run(DIGIT, 11), run(ALNUM, 35)])],
    ),
    rule(
        "atlassian",
        "Atlassian API tokens",
        High,
        ATLASSIAN,
        &[after(ATLASSIAN_CLASS, token(&["ATATT3"], &[run(ATLASSIAN_CLASS, 60)]))],
    ),
    rule(
        "postman",
        "Postman keys",
        High,
        "https://learning.postman.com/docs/developer/postman-api/authentication/",
        &[token(&["PMAK-"], &[run(HEX, 24), Lit("-"), run(HEX, 34)])],
    ),
    rule(
        "docker_pat",
        "Docker Hub tokens",
        High,
        "https://docs.docker.com/security/access-tokens/",
        &[after(BASE64URL, token(&["dckr_pat_", "dckr_oat_"], &[run(BASE64URL, 27)]))],
    ),
    rule(
        "telegram_bot",
        "Telegram bot tokens, after the number of the bot",
        High,
        "https://core.telegram.org/bots/api",
        &[Pattern {
            before: Before::BotNumber,
            begin: Begin::ExactContext,
            ..after(BASE64URL, token(&[":AA"], &[Mark, run(BASE64URL, 33)]))
        }],
    ),
    with_entropy(
        3.5,
        rule(
            "discord_bot",
            "Discord bot tokens",
            High,
            DISCORD,
            &[Pattern {
                before: Before::DiscordUser,
                begin: Begin::ExactContext,
                ..after(BASE64URL, token(&["."], &[run(BASE64URL, 6), Lit("."), run(BASE64URL, 27)]))
            }],
        ),
    ),
    with_entropy(
        3.0,
        rule(
            "discord_webhook",
            "Discord webhook addresses",
            Medium,
            DISCORD,
            &[after(
                BASE64URL,
                exact_context(
                    &["discord.com/api/webhooks/", "discordapp.com/api/webhooks/"],
                    &[runs(DIGIT, 17, 20), Lit("/"), Mark, run(BASE64URL, 60)],
                ),
            )],
        ),
    ),
];

const ATLASSIAN_CLASS: Class = Class::of("A-Za-z0-9_=-");
const GITHUB: &str =
    "https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github";
const SLACK: &str = "https://docs.slack.dev/authentication/tokens";
const DISCORD: &str = "https://discord.com/developers/docs/reference";
const ATLASSIAN: &str =
    "https://support.atlassian.com/atlassian-account/docs/manage-api-tokens-for-your-atlassian-account/";
