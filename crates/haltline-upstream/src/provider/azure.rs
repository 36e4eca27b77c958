//! Azure OpenAI: the key in `api-key`, and a dated version in the query. The model is a deployment
//! in the path: `/openai/deployments/NAME/chat/completions`.

use super::{Credential, Particulars, nothing};
use haltline_wire::fault::BillingRules;
use std::borrow::Cow;

pub(super) const PARTICULARS: Particulars = Particulars {
    credential: Credential::Header("api-key"),
    billing: BillingRules::Azure,
    passes: nothing,
    counts: nothing,
    usual: &[],
};

/// The target with `api-version`, unless it names one.
pub(super) fn with_version<'a>(target: &'a str, version: &str) -> Cow<'a, str> {
    match target.split_once('?') {
        None => Cow::Owned(format!("{target}?api-version={version}")),
        Some((_, query)) if query.split('&').any(|pair| pair.starts_with("api-version=")) => Cow::Borrowed(target),
        Some(_) => Cow::Owned(format!("{target}&api-version={version}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_added_once() {
        for (target, expected) in [
            ("/openai/deployments/d/chat/completions", "/openai/deployments/d/chat/completions?api-version=V"),
            ("/x?a=b", "/x?a=b&api-version=V"),
            ("/x?api-version=W", "/x?api-version=W"),
            ("/x?a=b&api-version=W", "/x?a=b&api-version=W"),
        ] {
            assert_eq!(with_version(target, "V"), expected);
        }
    }
}
