//! The fault table: what a provider's error means, row by row. The first row that fits judges; the
//! same rows are the reference for people. The rows themselves stand in `rows`.

use super::FaultSeed;
use super::rows::ROWS;
use haltline_types::{FaultClass, FaultKind};
use std::fmt;

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Who is known to send it. Only for people: a row fits whoever sends it.
    pub providers: &'static str,
    /// When it fits.
    pub when: When,
    /// What went wrong.
    pub kind: FaultKind,
    /// May it have cost money?
    pub charged: Charged,
    /// An answer that it judges: the HTTP status (200 when it came inside a stream), and a body of
    /// our own making in the provider's shape.
    pub example: (u16, &'static str),
}

/// May an error have cost money?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charged {
    /// Refused before inference. Still not taken for free where the provider's `BillingRules` know
    /// better, or where no well-formed error with an HTTP status says it.
    No,
    /// Inference may have run.
    Perhaps,
}

/// The conditions of a row: all that are given must hold, and of each list one entry. Words are
/// compared without regard to case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    /// The HTTP status; inside a 200, the one that the error names.
    pub status: Status,
    /// Parts of `type`, `code` or a further code (`details.error_code`, `details[].reason`).
    pub words: &'static [&'static str],
    /// Whole `code`s.
    pub codes: &'static [&'static str],
    /// Parts of the message.
    pub says: &'static [&'static str],
    /// What no word says.
    pub sign: Sign,
}

/// Which statuses a row takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Any, or none.
    Any,
    /// One of these.
    OneOf(&'static [u16]),
    /// This one or a higher one.
    From(u16),
}

/// Signs of an error beside its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// None is wanted.
    None,
    /// `metadata.reason` says that requests in flight hold the money.
    InFlight,
    /// `metadata.limit_source` names a limit of the operator's.
    LimitReached,
    /// The message says "request too large", or names a limit that is below what was requested.
    AboveLimit,
}

/// All rows, in the order in which they are tried.
pub fn table() -> impl Iterator<Item = Row> {
    ROWS.iter().copied()
}

impl Row {
    /// What is done about it, in words for people.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self.kind {
            FaultKind::RateLimited => "wait as stated, else back off; another endpoint",
            FaultKind::ModelOutputInvalid => "once more",
            FaultKind::QuotaExhausted | FaultKind::Auth | FaultKind::Permission | FaultKind::NotFound => {
                "operator; another endpoint"
            }
            FaultKind::RequestTooLargeForQuota => "never here; another endpoint",
            FaultKind::ContextLength | FaultKind::ContentPolicy => "user; another endpoint",
            FaultKind::RequestTooLarge => "user",
            FaultKind::InvalidRequest => "never",
            _ => "back off; another endpoint",
        }
    }

    /// Who can act.
    #[must_use]
    pub fn class(&self) -> FaultClass {
        haltline_types::Fault::new(self.kind, haltline_types::Origin::Provider, "").class
    }
}

/// The row that judges an error. `status` is that of HTTP, `None` when the error came inside a 200.
pub(super) fn row_of(status: Option<u16>, seed: &FaultSeed) -> &'static Row {
    let judged = Judged::new(status, seed);
    ROWS.iter().find(|row| judged.fits(&row.when)).unwrap_or(&super::rows::UNKNOWN)
}

/// An error, its words made comparable.
struct Judged {
    status: u16,
    words: [String; 3],
    code: String,
    message: String,
    in_flight: bool,
    limit_reached: bool,
}

impl Judged {
    fn new(status: Option<u16>, seed: &FaultSeed) -> Self {
        let lower = |word: &Option<String>| word.as_deref().unwrap_or_default().to_ascii_lowercase();
        Self {
            status: status.or(seed.status).unwrap_or(0),
            words: [lower(&seed.kind), lower(&seed.code), lower(&seed.reason)],
            code: lower(&seed.code),
            message: seed.message.to_ascii_lowercase(),
            in_flight: seed.in_flight,
            limit_reached: seed.limit_reached,
        }
    }

    fn fits(&self, when: &When) -> bool {
        let status = match when.status {
            Status::Any => true,
            Status::OneOf(statuses) => statuses.contains(&self.status),
            Status::From(lowest) => self.status >= lowest,
        };
        let sign = match when.sign {
            Sign::None => true,
            Sign::InFlight => self.in_flight,
            Sign::LimitReached => self.limit_reached,
            Sign::AboveLimit => self.message.contains("request too large") || asks_above_limit(&self.message),
        };
        let word = |needle: &&str| self.words.iter().any(|word| word.contains(needle));
        status
            && sign
            && (when.words.is_empty() || when.words.iter().any(word))
            && (when.codes.is_empty() || when.codes.contains(&self.code.as_str()))
            && (when.says.is_empty() || when.says.iter().any(|needle| self.message.contains(needle)))
    }
}

/// "Limit 30000, Used 100, Requested 40000": does this request alone ask for more than the limit?
fn asks_above_limit(message: &str) -> bool {
    let number_after = |words: &str| -> Option<u64> {
        message.match_indices(words).find_map(|(at, _)| {
            let rest = message.get(at + words.len()..)?.trim_start_matches([':', ' ', '~']);
            let number = rest.chars().take_while(|c| c.is_ascii_digit() || *c == ',');
            number.filter(|c| *c != ',').collect::<String>().parse().ok()
        })
    };
    match (number_after("limit "), number_after("requested ")) {
        (Some(limit), Some(requested)) => requested > limit,
        _ => false,
    }
}

impl fmt::Display for When {
    /// The conditions for people: `429 and type or code has "slow_down"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let mut parts = Vec::new();
        match self.status {
            Status::Any => {}
            Status::OneOf(statuses) => {
                parts.push(statuses.iter().map(u16::to_string).collect::<Vec<_>>().join(", "));
            }
            Status::From(lowest) => parts.push(format!("{lowest} and above")),
        }
        if !self.words.is_empty() {
            parts.push(format!("type or code has {}", quoted(self.words)));
        }
        if !self.codes.is_empty() {
            parts.push(format!("code is {}", quoted(self.codes)));
        }
        if !self.says.is_empty() {
            parts.push(format!("message has {}", quoted(self.says)));
        }
        match self.sign {
            Sign::None => {}
            Sign::InFlight => parts.push("`metadata.reason` is `in_flight_budget_exhausted`".to_owned()),
            Sign::LimitReached => parts.push("`metadata.limit_source` is there".to_owned()),
            Sign::AboveLimit => {
                parts.push("message has `request too large`, or its `Requested` is above its `Limit`".to_owned());
            }
        }
        if parts.is_empty() { f.write_str("anything else") } else { f.write_str(&parts.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_judges_its_own_example() {
        for row in ROWS {
            let (status, body) = row.example;
            let seed = FaultSeed::read(body.as_bytes()).unwrap_or_else(|| FaultSeed::of_text(body.as_bytes()));
            let found = row_of((status != 200).then_some(status), &seed);
            assert_eq!(found, row, "{status} {body}");
        }
    }

    #[test]
    fn the_last_row_takes_what_no_other_does() {
        assert_eq!(row_of(None, &FaultSeed::default()).kind, FaultKind::Unknown);
        assert_eq!(ROWS.last(), Some(&super::super::rows::UNKNOWN));
    }
}
