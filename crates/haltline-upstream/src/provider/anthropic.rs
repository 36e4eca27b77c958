//! Anthropic: the key in `x-api-key`, and `anthropic-*` headers, which are open lists: what a
//! client says there (version, betas) goes on unchanged, as its own gateway protocol demands.

use super::{Credential, Particulars};
use haltline_wire::fault::BillingRules;

pub(super) const PARTICULARS: Particulars = Particulars {
    credential: Credential::Header("x-api-key"),
    billing: BillingRules::Anthropic,
    passes: is_anthropics,
    // The version must be named. This one takes sampling parameters, which later ones refuse.
    counts: is_count,
    usual: &[("anthropic-version", "2023-06-01")],
};

fn is_anthropics(name: &str) -> bool {
    name.starts_with("anthropic-")
}

/// "Token counting is free to use"
/// (platform.claude.com/docs/en/build-with-claude/token-counting).
fn is_count(target: &str) -> bool {
    target == "/messages/count_tokens"
}
