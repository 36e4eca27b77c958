//! The configuration when none is given: ten dollars a day, and the providers whose keys are in
//! the environment. It is a text like any other, so that `haltline init` can write it down.

/// A provider that can be found by its key.
struct Known {
    /// The name it gets.
    provider: &'static str,
    kind: &'static str,
    /// The variables in which people have its key; the first that is set counts.
    variables: &'static [&'static str],
    place: Place,
}

/// Where a provider is.
enum Place {
    /// Where its kind usually is.
    Usual,
    /// At this address.
    At(&'static str),
    /// At an address of the operator's own, in this variable: Azure's `https://NAME.openai.azure.com`.
    In(&'static str),
}

/// Variables as the providers' own documentation and clients name them. Addresses as
/// `haltline_wire::openai::ProviderKind::at` and the shipped price lists know them.
const KNOWN: [Known; 10] = [
    Known { provider: "openai", kind: "openai", variables: &["OPENAI_API_KEY"], place: Place::Usual },
    Known { provider: "anthropic", kind: "anthropic", variables: &["ANTHROPIC_API_KEY"], place: Place::Usual },
    // The second may be the key of any service of Google's.
    Known { provider: "google", kind: "google", variables: &["GEMINI_API_KEY", "GOOGLE_API_KEY"], place: Place::Usual },
    Known { provider: "mistral", kind: "mistral", variables: &["MISTRAL_API_KEY"], place: Place::Usual },
    Known {
        provider: "azure",
        kind: "azure",
        variables: &["AZURE_OPENAI_API_KEY"],
        place: Place::In("AZURE_OPENAI_ENDPOINT"),
    },
    Known {
        provider: "groq",
        kind: COMPATIBLE,
        variables: &["GROQ_API_KEY"],
        place: Place::At("https://api.groq.com/openai/v1"),
    },
    Known {
        provider: "deepseek",
        kind: COMPATIBLE,
        variables: &["DEEPSEEK_API_KEY"],
        place: Place::At("https://api.deepseek.com/v1"),
    },
    Known { provider: "xai", kind: COMPATIBLE, variables: &["XAI_API_KEY"], place: Place::At("https://api.x.ai/v1") },
    Known {
        provider: "together",
        kind: COMPATIBLE,
        variables: &["TOGETHER_API_KEY"],
        place: Place::At("https://api.together.xyz/v1"),
    },
    Known {
        provider: "openrouter",
        kind: COMPATIBLE,
        variables: &["OPENROUTER_API_KEY"],
        place: Place::At("https://openrouter.ai/api/v1"),
    },
];
const COMPATIBLE: &str = "openai-compatible";

/// A provider whose key is in the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// The name it gets.
    pub provider: &'static str,
    /// The word of its kind.
    pub kind: &'static str,
    /// The variable.
    pub variable: &'static str,
    /// The last characters of the key, to recognise it by.
    pub hint: String,
    /// Where it is.
    pub address: Address,
}

/// Where a provider that was found is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Where its kind usually is: nothing has to be written.
    Usual,
    /// At this base URL.
    At(String),
    /// It has no usual place, and this variable, which would say it, is not set or no address: the
    /// provider cannot be used yet.
    Missing(&'static str),
}

/// Looks for providers' keys.
#[must_use]
pub fn detect(env: &dyn Fn(&str) -> Option<String>) -> Vec<Detected> {
    let set = |variable: &str| env(variable).filter(|value| !value.trim().is_empty());
    let found = KNOWN.iter().filter_map(|known| {
        let (variable, key) = known.variables.iter().find_map(|variable| Some((*variable, set(variable)?)))?;
        let address = match known.place {
            Place::Usual => Address::Usual,
            Place::At(url) => Address::At(url.to_owned()),
            Place::In(variable) => {
                set(variable).and_then(|endpoint| below(&endpoint)).map_or(Address::Missing(variable), Address::At)
            }
        };
        let count = key.chars().count();
        let hint: String = if count >= 20 { key.chars().skip(count - 4).collect() } else { String::new() };
        let hint = format!("…{hint}");
        Some(Detected { provider: known.provider, kind: known.kind, variable, hint, address })
    });
    found.collect()
}

/// The base URL below an Azure endpoint, which is written with or without its path. `None` for what
/// is no address, or holds what cannot stand in one.
fn below(endpoint: &str) -> Option<String> {
    let mut host = endpoint.trim().trim_end_matches('/');
    for path in ["/v1", "/openai"] {
        host = host.strip_suffix(path).unwrap_or(host).trim_end_matches('/');
    }
    let rest = host.strip_prefix("https://").or_else(|| host.strip_prefix("http://"))?;
    let is_of_an_address = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '/' | '[' | ']');
    (!rest.is_empty() && rest.chars().all(is_of_an_address)).then(|| format!("{host}/openai/v1"))
}

/// The text.
#[must_use]
pub fn safe_default(detected: &[Detected]) -> String {
    let mut out = String::from(HEAD);
    if detected.is_empty() {
        out.push_str(NO_PROVIDER);
    }
    for Detected { provider, kind, variable, address, .. } in detected {
        let mut section = format!("[providers.{provider}]\nkind = \"{kind}\"\napi_key = \"${{{variable}}}\"\n");
        match address {
            Address::Usual => {}
            Address::At(url) => section.push_str(&format!("base_url = \"{url}\"\n")),
            Address::Missing(variable) => {
                section.push_str("base_url = \"https://my-resource.openai.azure.com/openai/v1\"\n");
                section = section.lines().map(|line| format!("# {line}\n")).collect();
                section.insert_str(0, &format!("# {variable} says no address: fill it in.\n"));
            }
        }
        out.push_str(&section);
        out.push('\n');
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
