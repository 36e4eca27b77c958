//! Rules on views: which patterns are tried where, what a match counts, where it stands in the text.

use super::normalise::{self, View, ViewKind};
use super::{Allow, Finding, Findings, Ruleset, Severity};
use regex_automata::Input;
use std::collections::BTreeMap;
use std::ops::Range;

/// Most points of a match that stands in quotation marks: one less than a block needs.
const QUOTED_MAX: u32 = 3;
/// Bytes between a quotation mark and what is quoted, at most.
const QUOTE_NEAR: usize = 24;
/// Bytes between what is quoted and the mark that ends the quotation, at most.
const QUOTE_FAR: usize = 160;

impl Ruleset {
    /// Tries all rules but the allowed ones on a text; of a long one, on its beginning and its end.
    #[must_use]
    pub fn scan(&self, text: &str, allow: &Allow) -> Findings {
        self.scan_windows(text, allow, normalise::windows(text))
    }

    /// The same on all of a text, however long it is: where somebody may have put an attack in the
    /// middle of it.
    #[must_use]
    pub fn scan_all(&self, text: &str, allow: &Allow) -> Findings {
        self.scan_windows(text, allow, (normalise::all_windows(text), 0))
    }

    fn scan_windows(&self, text: &str, allow: &Allow, windows: (Vec<Range<usize>>, usize)) -> Findings {
        let mut found: BTreeMap<usize, Finding> = BTreeMap::new();
        let mut findings = Findings::default();
        let off: Vec<bool> = self.rules().iter().map(|rule| allow.has(&rule.id)).collect();
        let (windows, unread) = windows;
        findings.unread = unread;
        for window in windows {
            let Some(part) = text.get(window.clone()) else { continue };
            for view in normalise::views(part) {
                findings.viewed += view.lower.len();
                self.scan_view(&view, &off, text, window.start, &mut found, &mut findings.searched);
            }
        }
        findings.points = self.points(&found);
        findings.findings = found.into_values().collect();
        findings.findings.sort_by_key(|finding| std::cmp::Reverse(finding.points));
        findings
    }

    fn scan_view(
        &self,
        view: &View,
        off: &[bool],
        text: &str,
        base: usize,
        found: &mut BTreeMap<usize, Finding>,
        searched: &mut usize,
    ) {
        for (pattern, spans) in self.places(&view.lower) {
            let Some((place, pattern)) = self.patterns.get(pattern) else { continue };
            let Some(rule) = self.rules().get(*place) else { continue };
            // A quoted match may still be outdone by one that is not.
            let is_settled = found.get(place).is_some_and(|finding| !finding.quoted);
            if is_settled || off.get(*place).copied().unwrap_or(true) {
                continue;
            }
            let haystack = if rule.case { &view.cased } else { &view.lower };
            for span in spans {
                *searched += span.len();
                let mut input = Input::new(haystack.as_bytes()).span(span.clone());
                let mut quoted = None;
                // In one span a quotation may come before what is not quoted.
                for _ in 0..4 {
                    let Some(hit) = pattern.regex.search(&input) else { break };
                    let is_quoted = is_quoted(haystack.as_bytes(), hit.range());
                    if !is_quoted || quoted.is_none() {
                        quoted = Some((is_quoted, hit.range()));
                    }
                    if !is_quoted || hit.end() >= span.end || hit.is_empty() {
                        break;
                    }
                    input = Input::new(haystack.as_bytes()).span(hit.end()..span.end);
                }
                let Some((quoted, range)) = quoted else { continue };
                let span = view.origin(range).map(|span| base + span.start..base + span.end);
                let span = span.filter(|span| text.get(span.clone()).is_some());
                // A view without markup lost marks that another has: what was quoted there is quoted.
                let before = found.get(place);
                let is_same = before.is_some_and(|before| before.quoted && overlap(&before.span, &span));
                let hidden = u32::from(view.kind.is_hidden());
                let points = if quoted { rule.points.min(QUOTED_MAX) } else { rule.points + hidden };
                if !is_same && before.is_none_or(|before| points > before.points) {
                    let finding = Finding {
                        rule: rule.id.clone(),
                        category: rule.category,
                        severity: rule.severity,
                        points,
                        span,
                        view: view.kind,
                        quoted,
                    };
                    found.insert(*place, finding);
                }
                if !quoted {
                    break;
                }
            }
        }
    }

    /// Around which places each pattern is to be tried, overlapping ones joined.
    fn places(&self, lower: &str) -> BTreeMap<usize, Vec<Range<usize>>> {
        let mut places: BTreeMap<usize, Vec<Range<usize>>> = BTreeMap::new();
        for hit in self.anchors.find_overlapping_iter(lower) {
            for pattern in self.anchored.get(hit.pattern().as_usize()).into_iter().flatten() {
                let reach = self.patterns.get(*pattern).map_or(0, |(_, pattern)| pattern.longest);
                // One byte more on either side, for what a pattern asks of its neighbours.
                let span = hit.end().saturating_sub(reach + 1)..(hit.start() + reach + 1).min(lower.len());
                let spans = places.entry(*pattern).or_default();
                match spans.last_mut() {
                    Some(last) if span.start <= last.end => {
                        last.start = last.start.min(span.start);
                        last.end = last.end.max(span.end);
                    }
                    _ => spans.push(span),
                }
            }
        }
        places
    }

    /// The sum, each group counted once, and all that is quoted together as one.
    fn points(&self, found: &BTreeMap<usize, Finding>) -> u32 {
        let mut groups: BTreeMap<&str, u32> = BTreeMap::new();
        let (mut sum, mut quoted): (u32, u32) = (0, 0);
        for (place, finding) in found {
            if finding.quoted {
                quoted = quoted.saturating_add(finding.points).min(QUOTED_MAX);
                continue;
            }
            match self.rules().get(*place).and_then(|rule| rule.group.as_deref()) {
                Some(group) => {
                    let best = groups.entry(group).or_default();
                    *best = finding.points.max(*best);
                }
                None => sum = sum.saturating_add(finding.points),
            }
        }
        // Talk about an attack does not become one by what else is said, unless that suffices by itself.
        groups.values().fold(sum, |sum, points| sum.saturating_add(*points)).max(quoted)
    }
}

/// What announces an example.
const ANNOUNCED: [&[u8]; 9] = [
    b"such as ",
    b"e.g. ",
    b"phrases like ",
    b"attacks like ",
    b"prompts like ",
    b"injections like ",
    b"the phrase ",
    b"for example ",
    b"messages like ",
];

/// Does it stand in quotation marks that do not hold the whole text, or is it announced as an example?
/// The mark before must be near, on the same line, with something before it; the same mark must follow.
fn is_quoted(text: &[u8], hit: Range<usize>) -> bool {
    let before = text.get(hit.start.saturating_sub(QUOTE_NEAR)..hit.start).unwrap_or_default();
    if ANNOUNCED.iter().any(|words| before.ends_with(words)) {
        return true;
    }
    let after = text.get(hit.end..(hit.end + QUOTE_FAR).min(text.len())).unwrap_or_default();
    let line =
        before.iter().rposition(|byte| *byte == b'\n').map_or(before, |at| before.get(at + 1..).unwrap_or_default());
    let Some(mark) = line.iter().rposition(|byte| matches!(byte, b'"' | b'`')) else {
        // An apostrophe is a quotation mark only when nothing but what is quoted follows it.
        let is_mark =
            line.last() == Some(&b'\'') && line.iter().rev().nth(1).is_some_and(|byte| !byte.is_ascii_alphanumeric());
        return is_mark && closes(after, b'\'');
    };
    let Some(quote) = line.get(mark) else { return false };
    let opens = hit.start - (line.len() - mark);
    let is_first = text.get(..opens).unwrap_or_default().iter().all(u8::is_ascii_whitespace);
    // An even number of marks before on this line: the nearest one opens.
    let so_far = text.get(..opens).unwrap_or_default();
    let so_far = so_far.get(so_far.len().saturating_sub(400)..).unwrap_or_default();
    let marks = so_far.iter().rev().take_while(|byte| **byte != b'\n').filter(|byte| *byte == quote).count();
    !is_first && marks % 2 == 0 && closes(after, *quote)
}

fn overlap(one: &Option<Range<usize>>, other: &Option<Range<usize>>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one.start < other.end && other.start < one.end)
}

fn closes(after: &[u8], quote: u8) -> bool {
    after.iter().take_while(|byte| **byte != b'\n').any(|byte| *byte == quote)
}

impl ViewKind {
    /// Must somebody have hidden what is seen here?
    #[must_use]
    pub const fn is_hidden(self) -> bool {
        matches!(self, Self::Decoded | Self::Shifted | Self::Reversed | Self::Invisible)
    }
}

// Keeps the default of a severity and what is said of quotations in step.
const _: () = assert!(QUOTED_MAX + 1 == Severity::High.points());
