//! Services that imitate OpenAI's (Groq, xAI, DeepSeek, Together and many more): the same way in,
//! but nothing is known of what they bill beyond what is refused before inference.

use super::{Credential, Particulars, openai};
use haltline_wire::fault::BillingRules;

pub(super) const PARTICULARS: Particulars = Particulars {
    credential: Credential::Bearer,
    billing: BillingRules::Compatible,
    passes: openai::is_beta,
    counts: super::nothing,
    usual: &[],
};
