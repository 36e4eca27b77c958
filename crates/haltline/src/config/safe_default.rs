//! The configuration when none is given: ten dollars a day, and the providers whose keys are in
//! the environment. It is a text like any other, so that `haltline init` can write it down.

/// A provider whose key is in the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// The name it gets.
    pub provider: &'static str,
    /// The variable.
    pub variable: &'static str,
    /// The last characters of the key, to recognise it by.
    pub hint: String,
}

/// Looks for providers' keys.
#[must_use]
pub fn detect(env: &dyn Fn(&str) -> Option<String>) -> Vec<Detected> {
    let known = [("openai", "OPENAI_API_KEY")];
    let found = known.into_iter().filter_map(|(provider, variable)| {
        let key = env(variable).filter(|key| !key.trim().is_empty())?;
        let count = key.chars().count();
        let hint = if count >= 20 { key.chars().skip(count - 4).collect() } else { String::new() };
        Some(Detected { provider, variable, hint: format!("…{hint}") })
    });
    found.collect()
}

/// The text.
#[must_use]
pub fn safe_default(detected: &[Detected]) -> String {
    let mut out = String::from(HEAD);
    if detected.is_empty() {
        out.push_str(NO_PROVIDER);
    }
    for Detected { provider, variable, .. } in detected {
        out.push_str(&format!("[providers.{provider}]\nkind = \"{provider}\"\napi_key = \"${{{variable}}}\"\n\n"));
    }
    out.push_str(BUDGET);
    out
}

const HEAD: &str = "\
# Haltline. Check with `haltline check`, start with `haltline serve`.
[server]
listen = \"127.0.0.1:4100\"

[store]
url = \"file:haltline-data\"

";
const NO_PROVIDER: &str = "\
# [providers.openai]
# kind = \"openai\"
# api_key = \"${OPENAI_API_KEY}\"

";
const BUDGET: &str = "\
# What everything together may cost in a day. It refuses before it is crossed.
[[budgets]]
name = \"day\"
scope = \"global\"
limit = \"$10\"
window = \"day\"
";
