//! The most that a server which chooses among sellers may charge: OpenRouter's
//! `provider: {max_price: {prompt, completion}}`, USD per million tokens; it calls no seller that is
//! dearer (its documentation, "Provider routing"). Which rates those are is the caller's matter.

use haltline_types::PicoUsdPerToken;
use serde_json::{Map, Value};

/// The member of a request in which it stands.
pub(super) const PROVIDER: &str = "provider";
const MAX_PRICE: &str = "max_price";

/// The dearest rates that a seller may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPrice<'a> {
    /// Of input: USD per million tokens, as a plain decimal.
    pub prompt: &'a str,
    /// Of output: USD per million tokens, as a plain decimal.
    pub completion: &'a str,
}

impl MaxPrice<'_> {
    /// The client's own `provider` object with the rates in it. Where the client wants less, its
    /// word stands; where it allows more, or says what nobody understands, ours does.
    pub(super) fn merged(self, own: Option<&[u8]>) -> Value {
        let read = own.and_then(|own| serde_json::from_slice::<Map<String, Value>>(own).ok());
        let mut provider = read.unwrap_or_default();
        let mut most = match provider.remove(MAX_PRICE) {
            Some(Value::Object(most)) => most,
            _ => Map::new(),
        };
        for (name, ours) in [("prompt", self.prompt), ("completion", self.completion)] {
            if !most.get(name).is_some_and(|theirs| is_at_most(theirs, ours)) {
                most.insert(name.to_owned(), number(ours));
            }
        }
        provider.insert(MAX_PRICE.to_owned(), Value::Object(most));
        Value::Object(provider)
    }
}

/// As a number; a text that is none stays a text, which the server takes as well.
fn number(decimal: &str) -> Value {
    match serde_json::from_str(decimal) {
        Ok(Value::Number(number)) => Value::Number(number),
        _ => Value::String(decimal.to_owned()),
    }
}

/// Compared in whole picodollars; a negative one, one with an exponent or no number at all is not
/// understood.
fn is_at_most(theirs: &Value, ours: &str) -> bool {
    let theirs = match theirs {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return false,
    };
    let rate = |text: &str| PicoUsdPerToken::from_usd_per_million(text).ok();
    // What is said in text is sent as it is: only a plain decimal is sure to be read as one.
    let plain = theirs.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain && rate(&theirs).zip(rate(ours)).is_some_and(|(theirs, ours)| theirs <= ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: MaxPrice<'_> = MaxPrice { prompt: "0.25", completion: "2" };

    #[test]
    fn a_client_can_only_lower_the_most() {
        for (own, merged) in [
            ("null", r#"{"max_price":{"prompt":0.25,"completion":2}}"#),
            ("[]", r#"{"max_price":{"prompt":0.25,"completion":2}}"#),
            (
                r#"{"order":["a"],"max_price":{"prompt":9}}"#,
                r#"{"order":["a"],"max_price":{"prompt":0.25,"completion":2}}"#,
            ),
            (
                r#"{"max_price":{"prompt":"0.1","completion":1,"image":3},"sort":"price"}"#,
                r#"{"sort":"price","max_price":{"prompt":"0.1","completion":1,"image":3}}"#,
            ),
            (r#"{"max_price":{"prompt":"-1","completion":"0x1"}}"#, r#"{"max_price":{"prompt":0.25,"completion":2}}"#),
            (r#"{"max_price":null}"#, r#"{"max_price":{"prompt":0.25,"completion":2}}"#),
        ] {
            let merged: Value = serde_json::from_str(merged).expect("JSON");
            assert_eq!(MOST.merged(Some(own.as_bytes())), merged, "{own}");
        }
        assert_eq!(MOST.merged(None).to_string(), r#"{"max_price":{"prompt":0.25,"completion":2}}"#);
    }
}
