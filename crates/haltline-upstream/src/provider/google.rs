//! Google's Gemini API: the key in `x-goog-api-key`. A key can also stand in the query; one that a
//! client put there is taken out, for credentials are the operator's.

use super::{Credential, Particulars};
use haltline_wire::fault::BillingRules;
use std::borrow::Cow;

pub(super) const PARTICULARS: Particulars = Particulars {
    credential: Credential::Header("x-goog-api-key"),
    billing: BillingRules::Gemini,
    passes: is_client_name,
    counts: is_count,
    usual: &[],
};

fn is_client_name(name: &str) -> bool {
    name == "x-goog-api-client"
}

/// `countTokens` is not billed (ai.google.dev/gemini-api/docs/billing). The name of the model may
/// hold nothing that could make another address of it.
fn is_count(target: &str) -> bool {
    let model = target.strip_prefix("/models/").and_then(|rest| rest.strip_suffix(":countTokens"));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    model.is_some_and(|model| !model.is_empty() && model.bytes().all(is_plain))
}

/// The target without the parameters `key` and `access_token`.
pub(super) fn without_key(target: &str) -> Cow<'_, str> {
    let Some((path, query)) = target.split_once('?') else {
        return Cow::Borrowed(target);
    };
    let is_credential = |pair: &&str| matches!(pair.split('=').next(), Some("key" | "access_token"));
    if !query.split('&').any(|pair| is_credential(&pair)) {
        return Cow::Borrowed(target);
    }
    let rest: Vec<&str> = query.split('&').filter(|pair| !is_credential(pair)).collect();
    if rest.is_empty() { Cow::Borrowed(path) } else { Cow::Owned(format!("{path}?{}", rest.join("&"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_the_query_is_taken_out() {
        for (target, expected) in [
            ("/models/m:generateContent", "/models/m:generateContent"),
            ("/models/m:streamGenerateContent?alt=sse", "/models/m:streamGenerateContent?alt=sse"),
            ("/m:g?key=secret", "/m:g"),
            ("/m:g?alt=sse&key=secret", "/m:g?alt=sse"),
            ("/m:g?key=secret&alt=sse&monkey=1", "/m:g?alt=sse&monkey=1"),
            ("/m:g?access_token=x&alt=sse", "/m:g?alt=sse"),
        ] {
            assert_eq!(without_key(target), expected);
        }
    }
}
