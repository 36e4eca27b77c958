//! What counting costs: no input is slow beyond measure. Times are for people; the limits here are
//! so wide that only a loss of linearity breaks them.

use haltline_tokens::{TEXT_MAX, Vocabulary, count};
use std::time::{Duration, Instant};

/// Texts of `TEXT_MAX` bytes that are made to be slow.
fn hostile() -> Vec<(&'static str, String)> {
    let fill = |unit: &str| unit.repeat(TEXT_MAX / unit.len());
    vec![
        ("prose", fill("The quick brown fox jumps over the lazy dog. ")),
        ("one letter", fill("a")),
        ("spaces", fill(" ")),
        ("spaces and lines", fill(" \n")),
        ("long words", fill(&format!("{} ", "ab".repeat(8_000)))),
        ("long gaps", fill(&format!("{}x", " ".repeat(16_000)))),
        ("gaps before lines", fill(&format!("{}\n", " \t".repeat(8_000)))),
        ("cases", fill("aAAaAaaA")),
        ("astral letters", fill("𐍈𒀭")),
        ("marks", fill("a\u{301}\u{302}")),
        ("private use", fill("\u{E000}\u{F0000}")),
        ("digits", fill("1")),
        ("signs", fill("=-")),
        ("apostrophes", fill("'s't're")),
        ("Chinese", fill("人人生而自由在尊严和权利上一律平等")),
    ]
}

#[test]
fn no_text_within_the_guard_is_slow_beyond_measure() {
    Vocabulary::O200k.load();
    for (name, text) in hostile() {
        let began = Instant::now();
        let tokens = count(Vocabulary::O200k, [text.as_str()]);
        let took = began.elapsed();
        println!("{name}: {took:?} for {} bytes", text.len());
        assert!(tokens.is_some(), "{name}");
        assert!(took < Duration::from_secs(30), "{name} took {took:?}");
    }
}

/// Loading, memory and speed, for the report of a change. Run with `--ignored --nocapture`.
#[test]
#[ignore = "prints measurements and proves nothing"]
fn what_a_vocabulary_costs() {
    for vocabulary in [Vocabulary::Cl100k, Vocabulary::O200k] {
        let (before, began) = (resident(), Instant::now());
        vocabulary.load();
        println!("{}: loaded in {:?}, {} KiB more resident", vocabulary.name(), began.elapsed(), resident() - before);
    }
    for (name, text) in hostile() {
        let began = Instant::now();
        let tokens = count(Vocabulary::O200k, [text.as_str()]);
        println!("{name}: {:?} for {} bytes, {tokens:?}; {} KiB resident", began.elapsed(), text.len(), resident());
    }
}

/// Resident memory in KiB, where the system tells it.
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
