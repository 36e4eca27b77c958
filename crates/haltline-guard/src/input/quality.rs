//! How good the rules are: findings of labelled texts, counted by source, rule and disguise. Reads no
//! files; `haltline guard eval` and the tests feed it.

use super::{Findings, Reach, Ruleset, Threshold};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What is known of a text.
#[derive(Clone, Copy, Debug)]
pub struct Label<'t> {
    /// Is it an attack?
    pub is_attack: bool,
    /// Where it is from.
    pub source: &'t str,
    /// What it is. `obfuscated/none` is an attack in plain; rows `obfuscated/…` that follow are the same
    /// attack disguised.
    pub kind: &'t str,
}

/// Texts, and how many of them reach a threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All.
    pub rows: u32,
    /// Those that are flagged or blocked.
    pub flagged: u32,
    /// Those that are blocked.
    pub blocked: u32,
}

impl Tally {
    fn add(&mut self, reach: Reach) {
        self.rows += 1;
        self.flagged += u32::from(reach >= Reach::Flag);
        self.blocked += u32::from(reach == Reach::Block);
    }

    fn sum(tallies: impl Iterator<Item = Self>) -> Self {
        tallies.fold(Self::default(), |sum, tally| Self {
            rows: sum.rows + tally.rows,
            flagged: sum.flagged + tally.flagged,
            blocked: sum.blocked + tally.blocked,
        })
    }

    /// The part that is flagged or blocked, in hundredths.
    #[must_use]
    pub fn flagged_percent(self) -> f64 {
        percent(self.flagged, self.rows)
    }

    /// The part that is blocked, in hundredths.
    #[must_use]
    pub fn blocked_percent(self) -> f64 {
        percent(self.blocked, self.rows)
    }
}

fn percent(part: u32, all: u32) -> f64 {
    if all == 0 { 0.0 } else { f64::from(part) * 100.0 / f64::from(all) }
}

/// Texts in which a rule fired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// Attacks.
    pub attacks: u32,
    /// Honest texts.
    pub honest: u32,
    /// Honest texts that are blocked.
    pub blocked_honest: u32,
}

/// Everything that was counted.
#[derive(Clone, Debug, Default)]
pub struct Quality {
    threshold: Threshold,
    sources: BTreeMap<(bool, String), Tally>,
    rules: BTreeMap<String, Hits>,
    disguises: BTreeMap<String, Tally>,
    is_caught_in_plain: bool,
}

impl Quality {
    /// Nothing yet.
    #[must_use]
    pub fn new(threshold: Threshold) -> Self {
        Self { threshold, ..Self::default() }
    }

    /// Counts a text. Disguised attacks count among the disguises only, and only if the same attack in
    /// plain was blocked.
    pub fn add(&mut self, label: Label<'_>, found: &Findings) {
        let reach = found.reach(self.threshold);
        if let Some(disguise) = label.kind.strip_prefix("obfuscated/") {
            if disguise == "none" {
                self.is_caught_in_plain = reach == Reach::Block;
            } else if self.is_caught_in_plain {
                self.disguises.entry(disguise.to_owned()).or_default().add(reach);
            }
            return;
        }
        self.sources.entry((label.is_attack, label.source.to_owned())).or_default().add(reach);
        for rule in found.rules() {
            let hits = self.rules.entry(rule.to_owned()).or_default();
            hits.attacks += u32::from(label.is_attack);
            hits.honest += u32::from(!label.is_attack);
            hits.blocked_honest += u32::from(!label.is_attack && reach == Reach::Block);
        }
    }

    /// By source; attacks are apart from honest texts of the same source.
    pub fn sources(&self) -> impl Iterator<Item = (bool, &str, Tally)> {
        self.sources.iter().map(|((is_attack, source), tally)| (*is_attack, source.as_str(), *tally))
    }

    /// By rule, those that fired.
    pub fn rules(&self) -> impl Iterator<Item = (&str, Hits)> {
        self.rules.iter().map(|(rule, hits)| (rule.as_str(), *hits))
    }

    /// Of attacks that are blocked in plain, by disguise.
    pub fn disguises(&self) -> impl Iterator<Item = (&str, Tally)> {
        self.disguises.iter().map(|(disguise, tally)| (disguise.as_str(), *tally))
    }

    /// All attacks.
    #[must_use]
    pub fn attacks(&self) -> Tally {
        Tally::sum(self.sources().filter(|(is_attack, _, _)| *is_attack).map(|(_, _, tally)| tally))
    }

    /// All honest texts.
    #[must_use]
    pub fn honest(&self) -> Tally {
        Tally::sum(self.sources().filter(|(is_attack, _, _)| !is_attack).map(|(_, _, tally)| tally))
    }

    /// All disguised attacks that are blocked in plain.
    #[must_use]
    pub fn disguised(&self) -> Tally {
        Tally::sum(self.disguises().map(|(_, tally)| tally))
    }

    /// As Markdown, for documents.
    #[must_use]
    pub fn markdown(&self, rules: &Ruleset) -> String {
        let mut text =
            String::from("| source | texts | n | flagged or blocked | blocked |\n|---|---|---:|---:|---:|\n");
        let mut line = |name: &str, what: &str, tally: Tally| {
            let (flagged, blocked) = (tally.flagged_percent(), tally.blocked_percent());
            let written = writeln!(text, "| {name} | {what} | {} | {flagged:.2} % | {blocked:.2} % |", tally.rows);
            debug_assert!(written.is_ok(), "a String takes everything");
        };
        for (is_attack, source, tally) in self.sources() {
            line(source, if is_attack { "attacks" } else { "honest" }, tally);
        }
        line("**all**", "attacks: recall", self.attacks());
        line("**all**", "honest: false positives", self.honest());
        text.push_str("\n| disguise of an attack that is blocked in plain | n | blocked |\n|---|---:|---:|\n");
        for (disguise, tally) in self.disguises().chain(std::iter::once(("**all**", self.disguised()))) {
            let written = writeln!(text, "| {disguise} | {} | {:.1} % |", tally.rows, tally.blocked_percent());
            debug_assert!(written.is_ok(), "a String takes everything");
        }
        text.push_str("\n| rule | category | points | fires in attacks | in honest texts | of which blocked |\n|---|---|---:|---:|---:|---:|\n");
        for rule in rules.rules() {
            let hits = self.rules.get(&*rule.id).copied().unwrap_or_default();
            let written = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} |",
                rule.id, rule.category, rule.points, hits.attacks, hits.honest, hits.blocked_honest
            );
            debug_assert!(written.is_ok(), "a String takes everything");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_counted_by_source_rule_and_disguise() {
        let mut quality = Quality::new(Threshold::default());
        let points = |points| Findings { points, ..Findings::default() };
        let label = |is_attack, kind| Label { is_attack, source: "s", kind };
        quality.add(label(true, "x"), &points(4));
        quality.add(label(true, "x"), &points(2));
        quality.add(label(false, "x"), &points(0));
        quality.add(label(true, "obfuscated/none"), &points(4));
        quality.add(label(true, "obfuscated/leet"), &points(4));
        quality.add(label(true, "obfuscated/none"), &points(3));
        quality.add(label(true, "obfuscated/leet"), &points(4));
        assert_eq!(quality.attacks(), Tally { rows: 2, flagged: 2, blocked: 1 });
        assert_eq!(quality.honest(), Tally { rows: 1, flagged: 0, blocked: 0 });
        assert_eq!(quality.disguised(), Tally { rows: 1, flagged: 1, blocked: 1 });
        assert!((quality.attacks().blocked_percent() - 50.0).abs() < 1e-9);
    }
}
