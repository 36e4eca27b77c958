//! What a run says: one line for each number, with its bound and whether it is kept.

use crate::stats::median;
use serde_json::{Value, json};

/// Which number is compared with the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    /// Gateway over limit, round by round.
    Ratio,
    /// Gateway minus limit, round by round.
    Difference,
    /// The gateway's number alone.
    Gateway,
}

/// A bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    /// Kept up to this value.
    AtMost(f64),
    /// Kept only under this value.
    Below(f64),
    /// None: the number is for the reader.
    None,
}

/// One number over all rounds.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) compare: Compare,
    pub(crate) bound: Bound,
    limit: Vec<f64>,
    gateway: Vec<f64>,
}

/// Whose number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The bare pass-through.
    Limit,
    /// The gateway.
    Gateway,
}

impl Series {
    pub(crate) fn new(name: &'static str, unit: &'static str, compare: Compare, bound: Bound) -> Self {
        Self { name, unit, compare, bound, limit: Vec::new(), gateway: Vec::new() }
    }

    pub(crate) fn add(&mut self, side: Side, value: f64) {
        match side {
            Side::Limit => self.limit.push(value),
            Side::Gateway => self.gateway.push(value),
        }
    }

    /// The compared number of every round. A limit of nothing gives no round: it was not measured
    /// long enough.
    fn rounds(&self) -> Vec<f64> {
        let pairs = self.limit.iter().zip(&self.gateway);
        match self.compare {
            Compare::Ratio => pairs.filter(|(limit, _)| **limit > 0.0).map(|(limit, own)| own / limit).collect(),
            Compare::Difference => pairs.map(|(limit, own)| own - limit).collect(),
            Compare::Gateway => self.gateway.clone(),
        }
    }

    /// The median over the rounds, `None` when nothing was measured.
    pub(crate) fn measured(&self) -> Option<f64> {
        let rounds = self.rounds();
        (!rounds.is_empty()).then(|| median(&rounds))
    }

    /// Is the bound kept? `None` without a bound. What was not measured is not kept.
    pub(crate) fn kept(&self) -> Option<bool> {
        match self.bound {
            Bound::None => None,
            Bound::AtMost(bound) => Some(self.measured().is_some_and(|measured| measured <= bound)),
            Bound::Below(bound) => Some(self.measured().is_some_and(|measured| measured < bound)),
        }
    }

    fn range(&self) -> (f64, f64) {
        let rounds = self.rounds();
        let low = rounds.iter().copied().fold(f64::INFINITY, f64::min);
        let high = rounds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if rounds.is_empty() { (0.0, 0.0) } else { (low, high) }
    }
}

/// The table for people.
pub(crate) fn table(series: &[Series]) -> String {
    let mut out = String::new();
    let head = ["what", "unit", "limit", "gateway", "measured", "rounds", "bound", ""];
    let mut rows: Vec<[String; 8]> = vec![head.map(str::to_owned)];
    for one in series {
        let mark = if one.compare == Compare::Ratio { "x" } else { "" };
        let (low, high) = one.range();
        let bound = match one.bound {
            Bound::AtMost(bound) => format!("<= {bound}{mark}"),
            Bound::Below(bound) => format!("< {bound}{mark}"),
            Bound::None => "-".to_owned(),
        };
        rows.push([
            one.name.to_owned(),
            one.unit.to_owned(),
            number(median(&one.limit)),
            number(median(&one.gateway)),
            one.measured().map_or_else(|| "none".to_owned(), |measured| format!("{}{mark}", number(measured))),
            format!("{}..{}", number(low), number(high)),
            bound,
            one.kept().map_or("", |kept| if kept { "kept" } else { "MISSED" }).to_owned(),
        ]);
    }
    let widths: Vec<usize> = (0..8).map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0)).collect();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(
                |(column, (cell, width))| {
                    if column < 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                },
            )
            .collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// The same for programs.
pub(crate) fn document(series: &[Series], about: &Value) -> Value {
    let rows: Vec<Value> = series
        .iter()
        .map(|one| {
            let (low, high) = one.range();
            json!({
                "name": one.name,
                "unit": one.unit,
                "compare": format!("{:?}", one.compare).to_lowercase(),
                "limit": one.limit,
                "gateway": one.gateway,
                "measured": one.measured(),
                "low": low,
                "high": high,
                "bound": match one.bound {
                    Bound::AtMost(bound) => json!({"at_most": bound}),
                    Bound::Below(bound) => json!({"below": bound}),
                    Bound::None => Value::Null,
                },
                "kept": one.kept(),
            })
        })
        .collect();
    json!({"about": about, "rows": rows})
}

fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 1000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(compare: Compare, bound: Bound) -> Series {
        let mut series = Series::new("cpu", "s", compare, bound);
        for (limit, gateway) in [(1.0, 1.5), (2.0, 3.2), (1.0, 9.0)] {
            series.add(Side::Limit, limit);
            series.add(Side::Gateway, gateway);
        }
        series
    }

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_ratios() {
        let series = filled(Compare::Ratio, Bound::AtMost(1.6));
        assert!((series.measured().expect("measured") - 1.6).abs() < 1e-9);
        assert_eq!(series.kept(), Some(true));
        assert_eq!(filled(Compare::Ratio, Bound::Below(1.6)).kept(), Some(false));
        assert_eq!(filled(Compare::Difference, Bound::AtMost(1.0)).kept(), Some(false));
        assert_eq!(filled(Compare::Gateway, Bound::AtMost(3.2)).kept(), Some(true));
        assert_eq!(filled(Compare::Gateway, Bound::None).kept(), None);
    }

    #[test]
    fn what_was_not_measured_is_not_kept() {
        let mut series = Series::new("cpu", "s", Compare::Ratio, Bound::AtMost(2.0));
        assert_eq!(series.kept(), Some(false));
        series.add(Side::Limit, 0.0);
        series.add(Side::Gateway, 1.0);
        assert_eq!(series.kept(), Some(false));
    }

    #[test]
    fn the_table_shows_the_bound_and_the_verdict() {
        let shown = table(&[filled(Compare::Ratio, Bound::AtMost(1.5)), filled(Compare::Ratio, Bound::None)]);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].ends_with("1.60x  1.50..9.00  <= 1.5x  MISSED"), "{shown}");
        assert!(lines[2].ends_with('-'), "{shown}");
    }
}
