//! Codes of what can be wrong with a configuration, and what `haltline explain` says of each.

use std::fmt;

/// What is wrong, or questionable, in a configuration. From 1 on errors, from 101 on warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each code has its text in `row`")]
pub enum ConfigCode {
    Unreadable,
    Syntax,
    UnknownKey,
    MissingKey,
    WrongType,
    NotUnderstood,
    OutOfRange,
    MissingVariable,
    SecretFile,
    NameTaken,
    UnknownReference,
    NotInThisVersion,
    Contradiction,
    Price,
    Empty,
    Circle,
    PriceList,
    Tls,
    Unpriced,
    OpenBind,
    SmallBudget,
    LongChain,
    MintedSubjects,
    PassesAll,
    UnknownPriceAccepted,
    UnboundedMoney,
    OnlyWarns,
    PlainSecret,
    PlainHttp,
    NoEffect,
    LongPromptRate,
    NoProvider,
    NotCheaper,
    StalePrices,
    Retires,
    NotFetched,
    PrivateWebhook,
    Certificate,
    GuardUnbounded,
}

impl ConfigCode {
    /// All codes, errors first.
    pub const ALL: [Self; 39] = [
        Self::Unreadable,
        Self::Syntax,
        Self::UnknownKey,
        Self::MissingKey,
        Self::WrongType,
        Self::NotUnderstood,
        Self::OutOfRange,
        Self::MissingVariable,
        Self::SecretFile,
        Self::NameTaken,
        Self::UnknownReference,
        Self::NotInThisVersion,
        Self::Contradiction,
        Self::Price,
        Self::Empty,
        Self::Circle,
        Self::PriceList,
        Self::Tls,
        Self::Unpriced,
        Self::OpenBind,
        Self::SmallBudget,
        Self::LongChain,
        Self::MintedSubjects,
        Self::PassesAll,
        Self::UnknownPriceAccepted,
        Self::UnboundedMoney,
        Self::OnlyWarns,
        Self::PlainSecret,
        Self::PlainHttp,
        Self::NoEffect,
        Self::LongPromptRate,
        Self::NoProvider,
        Self::NotCheaper,
        Self::StalePrices,
        Self::Retires,
        Self::NotFetched,
        Self::PrivateWebhook,
        Self::Certificate,
        Self::GuardUnbounded,
    ];

    /// The number, a title, and what to do.
    const fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Unreadable => (
                1,
                "The configuration cannot be read",
                "The file is absent, not readable for this user, or no UTF-8. Name it with `-c FILE` or HALTLINE_CONFIG; `haltline init` writes one.",
            ),
            Self::Syntax => (
                2,
                "The file is not TOML",
                "The caret stands where the text stops making sense; the mistake may be a little before it: a missing quote, bracket or equals sign. While the syntax is broken, missing keys and unknown names are not looked for.",
            ),
            Self::UnknownKey => (
                3,
                "A key is not known here",
                "A key that does nothing would be a trap (a budget that is misspelled protects nobody), so it is an error. The message lists what is allowed in this place.",
            ),
            Self::MissingKey => {
                (4, "A key is missing", "The section needs this key; the message shows how to write it.")
            }
            Self::WrongType => (
                5,
                "A value has the wrong type",
                "Amounts, prices and durations are strings: \"$50\", \"0.25\", \"10s\". Floating point numbers are not accepted for money, because they cannot hold most amounts exactly.",
            ),
            Self::NotUnderstood => (
                6,
                "A value cannot be understood",
                "The value has the right type, but is none of what can stand here. The message says what can.",
            ),
            Self::OutOfRange => {
                (7, "A number is out of range", "The message names the smallest and the largest value.")
            }
            Self::MissingVariable => (
                8,
                "An environment variable is not set",
                "`${NAME}` is replaced by the variable of that name. Set it, or write `${NAME:-default}`. A provider without its key would only fail later, so nothing is started.",
            ),
            Self::SecretFile => (
                9,
                "A file named in the configuration cannot be read",
                "`file:/path` is replaced by the content of that file, without the line break at its end. Check the path and that the user of the gateway may read it.",
            ),
            Self::NameTaken => (
                10,
                "A name is used twice",
                "Budgets and rate limits are told apart by name, in the journal too. `retries` is the name of the budget that `[retry] per_user_per_hour` makes.",
            ),
            Self::UnknownReference => (
                11,
                "Something is named that is not configured",
                "A target or a price names a provider that has no `[providers.NAME]`, or `degrade_to` a model that does not exist.",
            ),
            Self::NotInThisVersion => (
                12,
                "Not in this version",
                "The configuration language knows it, this version of Haltline does not do it yet. It is refused rather than ignored: a gateway that silently does less than its configuration says is worse than one that does not start.",
            ),
            Self::Contradiction => (13, "Two settings exclude each other", "The message names both. Remove one."),
            Self::Price => (
                14,
                "A price cannot be used",
                "Prices are decimal strings in USD per million tokens. Zero is refused (write `free = true` for your own machine), and so is what is outside 0.001 to 1,000, or an output price below a tenth of the input price: it is far more often a slip than a bargain.",
            ),
            Self::Empty => {
                (15, "A list is empty", "A model needs a target, a key's users need a name, `api_keys` needs a key.")
            }
            Self::Circle => (
                16,
                "Models degrade in a circle",
                "`degrade_to` leads from a model to a cheaper one, and step by step must come to an end. Remove one of the steps that the message names.",
            ),
            Self::PriceList => (
                17,
                "A price list cannot be used",
                "`[prices] source` names files in the form of `prices/*.toml` of this repository, each for one provider; `haltline prices check FILE` says everything that is wrong with one. A list is taken whole or not at all: half a list would leave models at prices that nobody meant.",
            ),
            Self::Tls => (
                30,
                "TLS cannot be set up",
                "`[server.tls]` names files in PEM: `cert` with the server's certificate first and those that vouch for it after it, `key` with its private key without a password, `client_ca` with whoever vouches for clients. The key must be that of the first certificate. docs/how-to/tls.md shows how to make and renew them.",
            ),
            Self::Unpriced => (
                101,
                "A model has no price",
                "Its cost cannot be bounded, so requests for it are refused with unpriced_model until `[prices.\"provider/model\"]` gives one. `haltline prices list` shows the models that have a shipped price; for your own machine write `free = true`.",
            ),
            Self::OpenBind => (
                102,
                "The gateway listens beyond this machine without TLS",
                "Whoever reaches the port may try keys, and without TLS keys and prompts travel in the clear. Give it `[server.tls]` (docs/how-to/tls.md), or bind to 127.0.0.1 behind a proxy that terminates TLS.",
            ),
            Self::SmallBudget => (
                103,
                "A budget is smaller than one request",
                "At the model's cap one answer alone can cost more than the budget holds. Haltline lowers the cap to what fits, or refuses with reservation_too_large. Raise the limit or lower `max_output_tokens`.",
            ),
            Self::LongChain => (
                104,
                "A fallback chain is longer than the attempts",
                "A request has at most `retry.max_retries` + 1 attempts, whatever the chain, so the last targets may never be asked.",
            ),
            Self::MintedSubjects => (
                105,
                "Clients can open accounts of their own",
                "The scope counts something that the client names itself. A client that names a new one has an untouched account, so this budget bounds each name, and not the client. Have a budget of scope key, team or global beside it.",
            ),
            Self::PassesAll => (
                106,
                "Unknown fields pass",
                "`pass_fields = [\"*\"]` lets through fields that may change what a request costs. For this provider the promise no longer holds. List the fields that you need by name.",
            ),
            Self::UnknownPriceAccepted => (
                107,
                "An unknown price is accepted",
                "`price = \"unknown-ok\"` counts the model's requests as costing nothing. It is possible only where no money budget counts them; what it really costs is outside the promise.",
            ),
            Self::UnboundedMoney => (
                108,
                "Nothing bounds the bill",
                "No budget that refuses bounds what the whole gateway can spend: none counts money (or tokens), or every one counts per subject and the number of subjects is open. Add `[[budgets]]` with `scope = \"global\"`, `limit = \"$10\"`, `window = \"day\"`.",
            ),
            Self::OnlyWarns => (
                109,
                "A budget only warns",
                "`on_full = \"warn\"` counts and refuses nothing: it is outside the promise.",
            ),
            Self::PlainSecret => (
                110,
                "A secret stands in the file",
                "Whoever can read the configuration, its backups and its repository has the key. Write `${NAME}` or `file:/path`.",
            ),
            Self::PlainHttp => (
                111,
                "A key travels in the clear",
                "The provider is another machine and its address begins with http://, so the key and all prompts can be read on the way. Use https://.",
            ),
            Self::NoEffect => (
                112,
                "A setting has no effect in this version",
                "It is accepted, so that a configuration can be shared with later versions, but does nothing yet.",
            ),
            Self::LongPromptRate => (
                113,
                "A price hides the rate of long prompts",
                "The provider charges more when the prompt is long, and the configured price says nothing of it: the ceiling would be too low. Add `long_prompts = [{ over = 272000, input = \"…\", output = \"…\" }]`, or remove the price.",
            ),
            Self::NoProvider => (
                114,
                "There is no provider",
                "Every request will be refused. Set OPENAI_API_KEY and leave the configuration out, or add `[providers.NAME]`.",
            ),
            Self::NotCheaper => (
                115,
                "The cheaper model is not cheaper",
                "`degrade_to` is what is asked when a budget is short. For a prompt and an answer of 1,000 tokens each it costs at least as much as the model itself, so nothing is saved.",
            ),
            Self::StalePrices => (
                116,
                "A price list is old",
                "Prices change, and a price list is a claim with a date: what providers charge now may be more than the ceiling. Upgrade, or compare the prices of your models with their provider's page and state them under `[prices]`, or name a newer list with `[prices] source`.",
            ),
            Self::Retires => (
                117,
                "A model is about to be shut down",
                "The price list says that its provider shuts it down soon or has done so. Requests for it then fail; what was fallen back to may cost more. Choose its successor.",
            ),
            Self::NotFetched => (
                118,
                "A price list from the network was not fetched",
                "`[prices] source` names an address. A start and a reload fetch it and keep a copy in the data directory; where that fails the last copy is used, which may be old. `haltline check` fetches only with `--fetch`; without a copy it reckons with the shipped list.",
            ),
            Self::PrivateWebhook => (
                119,
                "A webhook is out of reach",
                "Its address is on this machine, in a private network or a range that is set apart, and messages go to public addresses only unless `allow_private = true` stands beside it: an address that somebody was talked into writing must not lead into your network. Names are judged again, by all their addresses, each time a message is sent.",
            ),
            Self::Certificate => (
                130,
                "A certificate is not good for long",
                "Clients refuse a certificate that has expired or is not valid yet. Have a new one issued and put it and its key in place of the old files: the gateway takes them up without a restart, and open connections stay open. See docs/runbooks/certificates.md.",
            ),
            Self::GuardUnbounded => (
                126,
                "The bill of a guard service is not bounded",
                "Calls of this kind of service cost money. With `max_cost_per_call` that much is held before each call, from the same budgets as the request, and settled after it; without it the calls are made all the same and no budget knows of them. A judge is always held for by its model's price; there `max_cost_per_call` is a lower bound of your own on one question.",
            ),
        }
    }

    /// As it is shown: `C003`.
    #[must_use]
    pub fn word(self) -> String {
        format!("C{:03}", self.row().0)
    }

    /// A short title.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().1
    }

    /// Why, and what to do.
    #[must_use]
    pub const fn text(self) -> &'static str {
        self.row().2
    }

    /// Is it only a warning?
    #[must_use]
    pub const fn is_warning(self) -> bool {
        self.row().0 > 100
    }

    /// The code of a word, in either case.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.word().eq_ignore_ascii_case(word))
    }
}

impl fmt::Display for ConfigCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_found_again() {
        for code in ConfigCode::ALL {
            assert_eq!(ConfigCode::from_word(&code.word().to_lowercase()), Some(code));
        }
    }
}
