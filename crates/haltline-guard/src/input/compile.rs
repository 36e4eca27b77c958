//! From a pattern to something that can be searched for: it must be bounded, and it must contain
//! something literal by which it is found, its *anchors*. One pass over a text finds the anchors of
//! all patterns; a pattern is tried only around its own.

use super::rules_file::RulesError;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Bytes of a match, at most.
const MATCH_MAX: usize = 2_048;
/// Bytes of an anchor, at least.
const ANCHOR_MIN: usize = 3;
/// Anchors of a pattern, at most.
const ANCHORS_MAX: usize = 512;

/// A pattern, ready.
#[derive(Debug)]
pub(super) struct Pattern {
    /// Searches.
    pub(super) regex: Regex,
    /// What every match contains one of.
    pub(super) anchors: Vec<Vec<u8>>,
    /// Bytes of the longest match.
    pub(super) longest: usize,
}

/// Compiles a pattern. It works on bytes: `\w`, `\b` and `\s` are of ASCII, which is what views are
/// made of wherever letters are Latin.
pub(super) fn compile(rule: &str, pattern: &str, case: bool) -> Result<Pattern, RulesError> {
    let parsed = regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .multi_line(true)
        .nest_limit(64)
        .build()
        .parse(pattern)
        .map_err(|error| {
            let message = format!("the pattern does not compile: {error}");
            RulesError::of(rule, message, "look-around and back-references do not exist here; see docs.rs/regex-syntax")
        })?;
    let longest = match parsed.properties().maximum_len() {
        Some(longest) if longest <= MATCH_MAX => longest,
        Some(longest) => {
            let message = format!("the pattern can match {longest} bytes, at most {MATCH_MAX} are possible");
            return Err(RulesError::of(rule, message, "make its gaps shorter"));
        }
        None => {
            return Err(RulesError::of(
                rule,
                "the pattern can match without bound",
                "write {0,40} instead of * and {1,40} instead of +",
            ));
        }
    };
    if !case && has_upper_case(&parsed) {
        let help = "write it in lower case (texts are lowered before), or say case = true";
        return Err(RulesError::of(rule, "the pattern asks for upper case and can never match", help));
    }
    let Some(anchors) = anchors(&parsed).map(|best| best.literals) else {
        let message = format!("the pattern contains nothing literal of {ANCHOR_MIN} bytes that each match must have");
        return Err(RulesError::of(rule, message, "name a word that cannot be missing"));
    };
    let config = Regex::config()
        .utf8_empty(false)
        .nfa_size_limit(Some(2 * 1024 * 1024))
        .hybrid_cache_capacity(1024 * 1024)
        .onepass(false);
    let regex = Regex::builder()
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .configure(config)
        .build_from_hir(&parsed)
        .map_err(|_| RulesError::of(rule, "the pattern is too large", "make its gaps or its lists shorter"))?;
    let lowered = |anchor: Vec<u8>| if case { lower(&anchor) } else { anchor };
    let anchors = anchors.into_iter().map(lowered).collect();
    Ok(Pattern { regex, anchors, longest })
}

/// Anchors are looked for in the lowered text, also for patterns that are not.
fn lower(anchor: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(anchor) {
        Ok(text) => text.chars().map(super::normalise::lower).collect::<String>().into_bytes(),
        Err(_) => anchor.to_ascii_lowercase(),
    }
}

fn has_upper_case(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Literal(literal) => {
            std::str::from_utf8(&literal.0).is_ok_and(|text| text.chars().any(|c| super::normalise::lower(c) != c))
        }
        // A class of upper case only; one that also has other letters is a complement or a mix.
        HirKind::Class(Class::Bytes(class)) => {
            !class.ranges().is_empty()
                && class.ranges().iter().all(|range| (b'A'..=b'Z').contains(&range.start()) && range.end() <= b'Z')
        }
        HirKind::Class(Class::Unicode(class)) => {
            let upper = |range: &regex_syntax::hir::ClassUnicodeRange| {
                range.len() <= 64 && (range.start()..=range.end()).all(|c| super::normalise::lower(c) != c)
            };
            !class.ranges().is_empty() && class.ranges().iter().all(upper)
        }
        HirKind::Repetition(repetition) => has_upper_case(&repetition.sub),
        HirKind::Capture(capture) => has_upper_case(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(has_upper_case),
        HirKind::Empty | HirKind::Look(_) => false,
    }
}

struct Anchors {
    literals: Vec<Vec<u8>>,
    score: usize,
}

/// Words that every text has: poor anchors, taken only when there is nothing better.
const COMMON: [&str; 34] = [
    "the", "and", "you", "your", "what", "that", "this", "with", "for", "are", "all", "any", "not", "have", "from",
    "was", "will", "can", "act", "say", "tell", "give", "show", "write", "now", "new", "how", "who", "use", "one",
    "may", "has", "must", "should",
];

/// The best set of literals of which every match contains one.
fn anchors(hir: &Hir) -> Option<Anchors> {
    match hir.kind() {
        HirKind::Capture(capture) => anchors(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => anchors(&repetition.sub),
        HirKind::Alternation(branches) => {
            let whole = prefixes(hir);
            let mut literals = Vec::new();
            let mut score = usize::MAX;
            for branch in branches {
                let Some(best) = anchors(branch) else { return whole };
                literals.extend(best.literals);
                score = score.min(best.score);
            }
            let joined = (literals.len() <= ANCHORS_MAX).then_some(Anchors { literals, score });
            better(whole, joined)
        }
        HirKind::Concat(parts) => {
            let mut best = None;
            for (index, part) in parts.iter().enumerate() {
                let tail = parts.get(index..).unwrap_or_default();
                best = better(best, prefixes(&Hir::concat(tail.to_vec())));
                if !matches!(part.kind(), HirKind::Literal(_) | HirKind::Look(_)) {
                    best = better(best, anchors(part));
                }
            }
            best
        }
        HirKind::Literal(_) => prefixes(hir),
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) | HirKind::Repetition(_) => None,
    }
}

fn better(one: Option<Anchors>, other: Option<Anchors>) -> Option<Anchors> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.score > one.score { other } else { one }),
        (one, other) => one.or(other),
    }
}

/// What it can begin with, if that is a finite list of literals that are long enough.
fn prefixes(hir: &Hir) -> Option<Anchors> {
    let mut extractor = Extractor::new();
    extractor.limit_class(12).limit_repeat(4).limit_literal_len(16).limit_total(ANCHORS_MAX);
    let sequence = extractor.extract(hir);
    let literals = sequence.literals()?;
    let shortest = literals.iter().map(|literal| literal.len()).min()?;
    if shortest < ANCHOR_MIN {
        return None;
    }
    let common = literals
        .iter()
        .filter(|literal| std::str::from_utf8(literal.as_bytes()).is_ok_and(|text| COMMON.contains(&text.trim())));
    // A longer literal is rarer; many of them are found more often than few; a common word is everywhere.
    let rarity = shortest.min(8) * 64;
    let score = rarity.saturating_sub(literals.len()).saturating_sub(common.count() * 200);
    let mut literals: Vec<Vec<u8>> = literals.iter().map(|literal| literal.as_bytes().to_vec()).collect();
    literals.sort();
    literals.dedup();
    Some(Anchors { literals, score })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchors_of(pattern: &str) -> Vec<String> {
        let compiled = compile("x", pattern, false).expect("compiles");
        compiled.anchors.iter().map(|anchor| String::from_utf8_lossy(anchor).into_owned()).collect()
    }

    #[test]
    fn the_rarest_literal_is_the_anchor() {
        assert_eq!(anchors_of(r"\bwhat (?:is|are) your [^\n]{0,20}instructions\b"), ["instructions"]);
        assert_eq!(anchors_of(r"\b(?:ignore|disregard) [a-z]{1,9} rules\b"), ["disregard ", "ignore "]);
        assert_eq!(anchors_of(r"(?:abc|x(?:defg|hijk))y{0,3}"), ["abc", "xdefg", "xhijk"]);
    }

    #[test]
    fn what_cannot_be_searched_for_is_refused_with_a_cure() {
        let error = |pattern| compile("x", pattern, false).expect_err("refused").message;
        assert!(error("abc.*def").contains("without bound"));
        assert!(error("abc[^\n]{0,4000}def").contains("at most 2048"));
        assert!(error("(abc").contains("does not compile"));
        assert!(error(r"\w{3,20}").contains("nothing literal"));
        assert!(error("(?:abcd)?").contains("nothing literal"));
        assert!(error("IGNORE").contains("upper case"));
        assert!(compile("x", "IGNORE", true).is_ok());
    }
}
