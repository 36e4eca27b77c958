//! OpenRouter: a bearer token. `HTTP-Referer` and `X-Title` put an application on its public
//! ranking: a client's are not passed on; an operator who wants them sets them as fixed headers.

use super::{Credential, Particulars, nothing};
use haltline_wire::fault::BillingRules;

pub(super) const PARTICULARS: Particulars = Particulars {
    credential: Credential::Bearer,
    billing: BillingRules::Compatible,
    passes: nothing,
    counts: nothing,
    usual: &[],
};
