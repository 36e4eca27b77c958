//! OpenAI: a bearer token; `openai-beta` opts in to what is not for all. Organisation and project
//! are the operator's and follow from the key.

use super::{Credential, Particulars};
use haltline_wire::fault::BillingRules;

pub(super) const PARTICULARS: Particulars = Particulars {
    credential: Credential::Bearer,
    billing: BillingRules::OpenAi,
    passes: is_beta,
    counts: super::nothing,
    usual: &[],
};

/// `openai-beta`.
pub(super) fn is_beta(name: &str) -> bool {
    name == "openai-beta"
}
