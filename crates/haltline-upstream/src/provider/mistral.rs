//! Mistral: a bearer token, and no header of a client that means anything.

use super::{Credential, Particulars, nothing};
use haltline_wire::fault::BillingRules;

pub(super) const PARTICULARS: Particulars = Particulars {
    credential: Credential::Bearer,
    billing: BillingRules::Mistral,
    passes: nothing,
    counts: nothing,
    usual: &[],
};
