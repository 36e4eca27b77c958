//! What an incident cost without Haltline and with it. Only numbers that were measured.

use haltline_types::{Name, NanoUsd};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// The measurements of both runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentReport {
    /// The scenario's name.
    pub scenario: String,
    /// Clients.
    pub users: u64,
    /// How long the provider was unwell.
    pub outage: Duration,
    /// Requests of the clients, in the run with Haltline.
    pub asked: u64,
    /// Of these, sent to the provider at least once.
    pub admitted: u64,
    /// Answered in full.
    pub answered: u64,
    /// Refused before anything was sent.
    pub refused: u64,
    /// Sent, and failed.
    pub failed: u64,
    /// Attempts by which the gateway repeated one of its own.
    pub retries: u64,
    /// Calls that reached the provider, with Haltline.
    pub upstream_calls: u64,
    /// Calls that reached the provider, without.
    pub upstream_calls_without: u64,
    /// What the clients got, by HTTP status, with Haltline.
    pub client_statuses: BTreeMap<u16, u64>,
    /// What the clients got, without.
    pub client_statuses_without: BTreeMap<u16, u64>,
    /// What the provider answered, with Haltline.
    pub upstream_statuses: BTreeMap<u16, u64>,
    /// What the provider answered, without.
    pub upstream_statuses_without: BTreeMap<u16, u64>,
    /// What Haltline's ledger was charged.
    pub charged: NanoUsd,
    /// What the provider billed, with Haltline.
    pub billed_with: NanoUsd,
    /// What the provider billed the same clients without it.
    pub without_haltline: NanoUsd,
    /// The budget that bounds everybody together, where there is one.
    pub limit: Option<(Name, NanoUsd)>,
    /// What was billed beyond it.
    pub over: Option<NanoUsd>,
    /// Virtual time from the first call to the last answer, with Haltline.
    pub duration: Duration,
    /// The same without.
    pub duration_without: Duration,
}

impl IncidentReport {
    /// For a terminal. The last line is one sentence.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        let rows = [
            ("", "without Haltline".to_owned(), "with Haltline".to_owned()),
            ("requests of clients", count(self.client_statuses_without.values().sum()), count(self.asked)),
            ("calls at the provider", count(self.upstream_calls_without), count(self.upstream_calls)),
            (
                "answers 200 from it",
                answers(&self.upstream_statuses_without, 200),
                answers(&self.upstream_statuses, 200),
            ),
            (
                "answers 429 from it",
                answers(&self.upstream_statuses_without, 429),
                answers(&self.upstream_statuses, 429),
            ),
            ("answers 5xx from it", failures(&self.upstream_statuses_without), failures(&self.upstream_statuses)),
            ("refused by Haltline", "-".to_owned(), count(self.refused)),
            ("repeated by Haltline", "-".to_owned(), count(self.retries)),
            ("simulated time", time(self.duration_without), time(self.duration)),
            ("billed by the provider", dollars(self.without_haltline), dollars(self.billed_with)),
        ];
        let users = count(self.users);
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{}: {users} users, an outage of {}\n", self.scenario, time(self.outage));
        for (label, without, with) in rows {
            let _ = writeln!(out, "  {label:<24}{without:>18}{with:>18}");
        }
        let _ = write!(out, "\n{}", self.sentence());
        out
    }

    fn sentence(&self) -> String {
        let (without, with) = (dollars(self.without_haltline), dollars(self.billed_with));
        let calls = format!("{} calls instead of {}", count(self.upstream_calls), count(self.upstream_calls_without));
        match (&self.limit, self.over) {
            (Some((name, limit)), Some(over)) if over == NanoUsd::ZERO => format!(
                "Without Haltline this night cost {without}; with it {with}, of the {} that \"{name}\" allows, in {calls}: $0.00 over the line.",
                dollars(*limit)
            ),
            (Some((name, limit)), Some(over)) => format!(
                "Without Haltline this night cost {without}; with it {with}, which is {} over the {} of \"{name}\", in {calls}.",
                dollars(over),
                dollars(*limit)
            ),
            _ => format!(
                "Without Haltline this night cost {without}; with it {with}, in {calls}; no budget bounds everybody together."
            ),
        }
    }
}

fn answers(statuses: &BTreeMap<u16, u64>, status: u16) -> String {
    count(statuses.get(&status).copied().unwrap_or(0))
}

fn failures(statuses: &BTreeMap<u16, u64>) -> String {
    count(statuses.range(500..).map(|(_, count)| count).sum())
}

/// `240,000`.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `$2,400.13`, a part of a cent counted as a whole.
fn dollars(money: NanoUsd) -> String {
    let cents = money.get().unsigned_abs().div_ceil(10_000_000);
    let sign = if money < NanoUsd::ZERO { "-" } else { "" };
    format!("{sign}${}.{:02}", count(cents / 100), cents % 100)
}

/// `3 h 58 min`.
fn time(time: Duration) -> String {
    let minutes = time.as_secs().div_ceil(60);
    if minutes < 60 { format!("{minutes} min") } else { format!("{} h {} min", minutes / 60, minutes % 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(count(240_000), "240,000");
        assert_eq!(count(7), "7");
        assert_eq!(dollars(NanoUsd::new(2_400_125_000_001)), "$2,400.13");
        assert_eq!(dollars(NanoUsd::ZERO), "$0.00");
        assert_eq!(time(Duration::from_secs(14_300)), "3 h 59 min");
        assert_eq!(time(Duration::from_secs(900)), "15 min");
    }
}
