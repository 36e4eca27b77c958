//! Servers of one's own (vLLM, llama.cpp, Ollama, LM Studio): nobody asks who asks, so no
//! credentials are sent.

use super::{Credential, Particulars, nothing};
use haltline_wire::fault::BillingRules;

pub(super) const PARTICULARS: Particulars = Particulars {
    credential: Credential::None,
    billing: BillingRules::Compatible,
    passes: nothing,
    counts: nothing,
    usual: &[],
};
