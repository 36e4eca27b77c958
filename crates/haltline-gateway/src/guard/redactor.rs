//! Texts that people look at, without credentials and personal data; and credentials in what users
//! say. All built-in rules are on here, also those that are too often wrong for an answer: what is
//! shown to people may lack a word too many.

use haltline_guard::output::{
    Action, Channel, Hit, InArguments, OutputOptions, OutputRules, PiiKind, PiiOptions, RuleSet, SecretOptions,
};
use std::borrow::Cow;
use std::sync::LazyLock;

static RULES: LazyLock<OutputRules> = LazyLock::new(|| {
    let secrets =
        SecretOptions { rules: RuleSet::All, in_arguments: InArguments::AsInText, ..SecretOptions::default() };
    let pii = PiiOptions { kinds: PiiKind::ALL.to_vec(), action: Some(Action::Redact), ..PiiOptions::default() };
    let options = OutputOptions { secrets, pii, ..OutputOptions::default() };
    OutputRules::new(&options).unwrap_or_else(|error| unreachable!("built-in rules: {error}"))
});

static SECRETS: LazyLock<OutputRules> = LazyLock::new(|| {
    let secrets =
        SecretOptions { action: Action::Flag, in_arguments: InArguments::Flagged, ..SecretOptions::default() };
    let options = OutputOptions { secrets, ..OutputOptions::default() };
    OutputRules::new(&options).unwrap_or_else(|error| unreachable!("built-in rules: {error}"))
});

/// The text without what nobody has to see.
pub(crate) fn redacted(text: &str) -> Cow<'_, str> {
    match RULES.whole(Channel::Text, text).text {
        Some(clean) => Cow::Owned(clean),
        None => Cow::Borrowed(text),
    }
}

/// Credentials in a text, by the usual rules.
pub(crate) fn secrets(text: &str) -> Vec<Hit> {
    SECRETS.whole(Channel::Text, text).hits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_neither_credentials_nor_personal_data() {
        let key = ["gh", "p_", "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY2zA4"].concat();
        let text = format!("my key {key} and ada@example.org");
        let shown = redacted(&text);
        assert!(!shown.contains(&key[4..20]) && !shown.contains("ada@"), "{shown}");
        assert_eq!(secrets(&text).len(), 1);
        assert_eq!(secrets("nothing here"), []);
        assert!(matches!(redacted("nothing here"), Cow::Borrowed(_)));
    }
}
