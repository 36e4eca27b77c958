//! Timelines for a terminal: pure, from shapes to text. A bar stands where time went: from a step
//! to the next one, or for what was waited.

use crate::config::Paint;
use haltline_http::timeline::{StepLine, Timeline};
use haltline_ports::span;
use haltline_types::NanoUsd;
use std::fmt::Write;
use std::time::Duration;

/// The width of the longest bar, in characters.
const BAR: u64 = 12;
/// The width of the steps' words.
const WORD: usize = 17;

/// What a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Glyphs {
    /// UTF-8.
    Unicode,
    /// Nothing but ASCII.
    Ascii,
}

impl Glyphs {
    /// What the environment says of the terminal.
    pub(in crate::cli) fn of(env: &dyn Fn(&str) -> Option<String>) -> Self {
        let locale =
            ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| env(name).filter(|set| !set.is_empty()));
        let is_utf8 = locale.is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        if is_utf8 { Self::Unicode } else { Self::Ascii }
    }
}

/// How it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Style {
    pub(in crate::cli) paint: Paint,
    pub(in crate::cli) glyphs: Glyphs,
}

impl Style {
    fn painted(self, sequence: &str, text: &str) -> String {
        match self.paint {
            Paint::Ansi if !sequence.is_empty() => format!("\u{1b}[{sequence}m{text}\u{1b}[0m"),
            Paint::Ansi | Paint::None => text.to_owned(),
        }
    }

    fn span(self, micros: u64) -> String {
        let text = span(Duration::from_micros(micros));
        match self.glyphs {
            Glyphs::Unicode => text,
            Glyphs::Ascii => text.replace('µ', "u"),
        }
    }

    /// A bar for its part of a whole; at least a mark when it is worth one at all.
    fn bar(self, part: u64, whole: u64) -> String {
        if part.saturating_mul(100) < whole || part == 0 || whole == 0 {
            return String::new();
        }
        let scaled = |steps: u64| {
            let scaled = u128::from(part.min(whole)) * u128::from(BAR * steps) / u128::from(whole);
            usize::try_from(scaled).unwrap_or(0).max(1)
        };
        match self.glyphs {
            Glyphs::Ascii => "#".repeat(scaled(1)),
            Glyphs::Unicode => {
                const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
                let eighths = scaled(8);
                format!("{}{}", "█".repeat(eighths / 8), EIGHTHS.get(eighths % 8).unwrap_or(&""))
            }
        }
    }
}

/// Text of others, without what a terminal would obey.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// All of them, and a sum where there are several.
pub(super) fn draw(timelines: &[Timeline], style: Style) -> String {
    let mut out = String::new();
    for (index, timeline) in timelines.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        one(&mut out, timeline, style);
    }
    if timelines.len() > 1 {
        let _ = writeln!(out, "\n{}", style.painted("1", &sum(timelines)));
    }
    match style.glyphs {
        Glyphs::Unicode => out,
        Glyphs::Ascii => out.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect(),
    }
}

fn one(out: &mut String, timeline: &Timeline, style: Style) {
    let Timeline { id, trace_id, surface, model, outcome, status, started_at, .. } = timeline;
    let code = timeline.code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default();
    let _ = writeln!(
        out,
        "{}  {} for {}: {outcome}{code}, HTTP {status}",
        style.painted("1", id),
        clean(surface),
        clean(model)
    );
    let named = [("key", &timeline.key), ("user", &timeline.user), ("session", &timeline.session)];
    let named: String = named
        .iter()
        .filter_map(|(word, name)| name.as_deref().map(|name| format!(", {word} {}", clean(name))))
        .collect();
    let _ = writeln!(out, "{}", style.painted("2", &format!("{started_at}, trace {}{named}", clean(trace_id))));
    if timeline.steps.is_empty() {
        let _ = writeln!(out, "  no steps were kept of this request");
    }
    for (index, step) in timeline.steps.iter().enumerate() {
        let next = timeline.steps.get(index + 1);
        let _ = writeln!(out, "{}", line(step, next, timeline.took_us, style));
    }
    let _ = writeln!(out, "{:>10}  {}", "total", style.painted("1", &total(timeline, style)));
}

fn line(step: &StepLine, next: Option<&StepLine>, whole: u64, style: Style) -> String {
    let bar = style.bar(lasts(step, next), whole);
    let indent = if step.attempt.is_some() { "  " } else { "" };
    let word = format!("{indent}{}", clean(&step.step));
    let padded = format!("{word:<WORD$}");
    let width = usize::try_from(BAR).unwrap_or(0);
    let at = style.span(step.at_us);
    let drawn = format!(
        "{at:>10}  {} {}  {}",
        style.painted(colour(step), &padded),
        style.painted("36", &format!("{bar:<width$}")),
        style.painted(colour(step), &clean(&step.text)),
    );
    drawn.trim_end().to_owned()
}

/// How long it takes from here; of a wait that is over, how long it took.
fn lasts(step: &StepLine, next: Option<&StepLine>) -> u64 {
    match (step.step.as_str(), next) {
        ("waited" | "tool_returned", _) => step.took_us.unwrap_or(0),
        // The wait's own line has the bar.
        (_, Some(next)) if next.step == "waited" => 0,
        (_, Some(next)) => next.at_us.saturating_sub(step.at_us),
        (_, None) => 0,
    }
}

fn colour(step: &StepLine) -> &'static str {
    match step.step.as_str() {
        "fault" | "not_held" | "throttled" | "gave_up" | "cut" | "breaker_opened" | "breaker_refused" => "31",
        "retry" | "fallback" | "degraded" | "waited" | "cap_lowered" | "watcher_left" | "stopped" | "left_out" => "33",
        "settled" | "first_token" => "32",
        "tool_returned" if step.tool.as_ref().is_some_and(|tool| tool.empty || tool.error) => "31",
        "ended" if step.why.as_deref() == Some("answered") => "32",
        "ended" => "31",
        _ => "",
    }
}

fn total(timeline: &Timeline, style: Style) -> String {
    let attempts = if timeline.attempts == 1 { "attempt" } else { "attempts" };
    format!(
        "{}, {} {attempts}, {} tokens in, {} out, ${}",
        style.span(timeline.took_us),
        timeline.attempts,
        timeline.input_tokens,
        timeline.output_tokens,
        timeline.cost,
    )
}

fn sum(timelines: &[Timeline]) -> String {
    let add = |of: fn(&Timeline) -> u64| timelines.iter().map(of).fold(0_u64, u64::saturating_add);
    let costs = timelines.iter().map(|timeline| timeline.cost.parse::<NanoUsd>().ok());
    let cost = costs.into_iter().try_fold(NanoUsd::ZERO, |sum, cost| cost.and_then(|cost| sum.checked_add(cost)));
    format!(
        "{} requests, {} attempts, {} tokens in, {} out, {}",
        timelines.len(),
        add(|timeline| u64::try_from(timeline.attempts).unwrap_or(u64::MAX)),
        add(|timeline| timeline.input_tokens),
        add(|timeline| timeline.output_tokens),
        cost.map_or_else(|| "more money than can be summed".to_owned(), |cost| cost.to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(at_us: u64, step: &str, attempt: Option<u8>, text: &str) -> StepLine {
        StepLine { at_us, step: step.to_owned(), attempt, text: text.to_owned(), ..StepLine::default() }
    }

    fn night() -> Timeline {
        let ended = StepLine { why: Some("answered".to_owned()), ..step(2_000_000, "ended", None, "answered") };
        Timeline {
            id: "req_00000000000000000000000000000007".to_owned(),
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            key: Some("web".to_owned()),
            user: Some("al\u{1b}[2Jice".to_owned()),
            surface: "chat.completions".to_owned(),
            model: "chat".to_owned(),
            started_at: "2026-11-26T02:00:00Z".to_owned(),
            took_us: 2_000_000,
            outcome: "answered".to_owned(),
            status: 200,
            cost: "0.0015".to_owned(),
            attempts: 2,
            input_tokens: 10,
            output_tokens: 20,
            steps: vec![
                step(0, "arrived", None, "the request is there"),
                step(140, "held", Some(1), "attempt 1: $0.02 held for a/m"),
                step(200, "sent", Some(1), "attempt 1: sent to a/m"),
                step(500_200, "fault", Some(1), "attempt 1: server_error (HTTP 500), may have cost money"),
                step(500_300, "retry", None, "again in 1.00 s because of server_error"),
                step(1_500_300, "settled", Some(2), "attempt 2: cost $0.0015, 10 tokens in, 20 out"),
                ended,
            ],
            ..Timeline::default()
        }
    }

    #[test]
    fn a_night_is_drawn_with_bars_where_time_went() {
        let style = Style { paint: Paint::None, glyphs: Glyphs::Unicode };
        assert_eq!(
            draw(&[night()], style),
            "\
req_00000000000000000000000000000007  chat.completions for chat: answered, HTTP 200
2026-11-26T02:00:00Z, trace 0af7651916cd43dd8448eb211c80319c, key web, user al\u{fffd}[2Jice
      0 µs  arrived                         the request is there
    140 µs    held                          attempt 1: $0.02 held for a/m
    200 µs    sent            ███           attempt 1: sent to a/m
  500.2 ms    fault                         attempt 1: server_error (HTTP 500), may have cost money
  500.3 ms  retry             ██████        again in 1.00 s because of server_error
    1.50 s    settled         ██▉           attempt 2: cost $0.0015, 10 tokens in, 20 out
    2.00 s  ended                           answered
     total  2.00 s, 2 attempts, 10 tokens in, 20 out, $0.0015
"
        );
    }

    #[test]
    fn a_plain_terminal_gets_plain_characters_and_colours_only_when_asked() {
        let ascii = draw(&[night(), night()], Style { paint: Paint::None, glyphs: Glyphs::Ascii });
        assert!(ascii.is_ascii(), "{ascii}");
        assert!(ascii.contains("140 us    held") && ascii.contains("retry             ######"), "{ascii}");
        assert!(ascii.ends_with("\n2 requests, 4 attempts, 20 tokens in, 40 out, $0.003\n"), "{ascii}");
        let coloured = draw(&[night()], Style { paint: Paint::Ansi, glyphs: Glyphs::Unicode });
        assert!(coloured.contains("\u{1b}[31m  fault"), "{coloured}");
        assert!(!coloured.contains("\u{1b}[2J"), "names cannot command the terminal");
    }

    #[test]
    fn what_the_environment_says_of_the_terminal() {
        let of = |pairs: &'static [(&str, &str)]| {
            Glyphs::of(&|name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(of(&[("LANG", "de_DE.UTF-8")]), Glyphs::Unicode);
        assert_eq!(of(&[("LANG", "C.utf8"), ("LC_ALL", "C")]), Glyphs::Ascii);
        assert_eq!(of(&[]), Glyphs::Ascii);
    }

    #[test]
    fn a_wait_has_its_bar_on_its_own_line() {
        let style = Style { paint: Paint::None, glyphs: Glyphs::Ascii };
        let planned = step(0, "planned", None, "plan: a/m (chosen)");
        let waited = StepLine { took_us: Some(900), ..step(900, "waited", None, "waited 900 us for headroom") };
        assert!(!line(&planned, Some(&waited), 1_000, style).contains('#'));
        assert!(line(&waited, None, 1_000, style).contains("##########"));
    }
}
