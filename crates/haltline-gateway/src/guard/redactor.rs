//! Texts that people look at, without credentials and personal data; and credentials in what users
//! say. All built-in rules are on here, also those that are too often wrong for an answer: what is
//! shown to people may lack a word too many.

use haltline_guard::output::{
    Action, Channel, Hit, InArguments, OutputOptions, OutputRules, PiiKind, PiiOptions, RuleSet, SecretOptions,
};
use haltline_types::Fault;
use std::borrow::Cow;
use std::sync::LazyLock;

static RULES: LazyLock<OutputRules> = LazyLock::new(|| {
    let secrets =
        SecretOptions { rules: RuleSet::All, in_arguments: InArguments::AsInText, ..SecretOptions::default() };
    let pii = PiiOptions { kinds: PiiKind::ALL.to_vec(), action: Some(Action::Redact), ..PiiOptions::default() };
    let options = OutputOptions { secrets, pii, ..OutputOptions::default() };
    OutputRules::new(&options).unwrap_or_else(|error| unreachable!("built-in rules: {error}"))
});

static SAID: LazyLock<OutputRules> = LazyLock::new(|| {
    let options = OutputOptions {
        secrets: SecretOptions { rules: RuleSet::All, ..SecretOptions::default() },
        ..OutputOptions::default()
    };
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

/// Takes credentials out of what a provider says went wrong: it may quote what the model wrote, or
/// what it was sent.
pub(crate) fn hide_secrets(fault: &mut Fault) {
    let clean = |said: &str| SAID.whole(Channel::Text, said).text;
    if let Some(clean) = clean(&fault.detail) {
        fault.detail = clean;
    }
    fault.provider_code = fault.provider_code.take().filter(|code| clean(code).is_none());
}

/// Credentials in a text, by the usual rules.
pub(crate) fn secrets(text: &str) -> Vec<Hit> {
    SECRETS.whole(Channel::Text, text).hits
}

#[cfg(test)]
mod tests {
    use super::*;
    use haltline_types::{FaultKind, Origin};

    #[test]
    fn people_see_neither_credentials_nor_personal_data() {
        let key = ["gh", "p_", "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY2zA4"].concat();
        let text = format!("my key {key} and ada@example.org");
        let shown = redacted(&text);
        assert!(!shown.contains(&key[4..20]) && !shown.contains("ada@"), "{shown}");
        let said = format!("cannot parse {{\"key\": \"{key}\"}} of ada@example.org");
        let mut fault = Fault::new(FaultKind::ModelOutputInvalid, Origin::Provider, said);
        fault.provider_code = Some(key.clone());
        hide_secrets(&mut fault);
        assert!(!fault.detail.contains(&key[4..20]) && fault.detail.contains("ada@"), "{}", fault.detail);
        assert_eq!(fault.provider_code, None);
        assert_eq!(secrets(&text).len(), 1);
        assert_eq!(secrets("nothing here"), []);
        assert!(matches!(redacted("nothing here"), Cow::Borrowed(_)));
    }
}
