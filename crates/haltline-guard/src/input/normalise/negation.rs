//! Negations are blanked: "do not forget the previous rules" asks for the opposite of an attack. The
//! blank has the same length, so that places stay.

use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use std::ops::Range;
use std::sync::OnceLock;

/// In lower case and without accents, as views are.
const NEGATIONS: &str = r"\b(?:do not|don'?t|never|cannot|can'?t|not|n't|must not|without|won'?t) (?:ever |simply |just )?(?:forget|forgetting|ignore|ignoring|disregard|disregarding|bypass|override|overriding|neglect)\b|\bno (?:te |se |lo |los |las )?(?:olvid|ignor|omit)[a-z]{0,6}|\bnao (?:se |te |me )?(?:esquec|ignor)[a-z]{0,6}|\bnon (?:ti |vi |lo )?(?:dimentic|ignor|trascur)[a-z]{0,6}|\bn(?:e |')(?:l'|les? |vous |te |t')?(?:oubli|ignor)[a-z]{0,6}|\b(?:vergiss|vergesst|vergessen sie|ignorier[a-z]{0,4})(?: [a-z]{1,10}){0,3} nicht\b|\bnie (?:zapomnij|zapominaj|ignoruj)|\b(?:vergeet|negeer)(?: [a-z]{1,10}){0,3} niet\b|(?-u:\bunutma)|\b(?:jangan|dung|khong) (?:lupa|abaikan|quen|bo qua)|не (?:забуд|забыв|игнорир)[^\s]{0,12}|不要忘|别忘|請勿忘|忘れない|잊지 ?마|무시하지 ?마|मत भूल|न भूल|لا تنس|لا تتجاهل";

fn negations() -> Option<&'static Regex> {
    static COMPILED: OnceLock<Option<Regex>> = OnceLock::new();
    let compile = || {
        Regex::builder()
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .configure(Regex::config().utf8_empty(false).hybrid_cache_capacity(256 * 1024))
            .build(NEGATIONS)
            .ok()
    };
    COMPILED.get_or_init(compile).as_ref()
}

/// What is to be blanked, or nothing.
pub(super) fn blank(lower: &str) -> Option<Vec<Range<usize>>> {
    let found: Vec<Range<usize>> = negations()?
        .find_iter(lower.as_bytes())
        .map(|hit| lower.floor_char_boundary(hit.start())..lower.ceil_char_boundary(hit.end()))
        .collect();
    (!found.is_empty()).then_some(found)
}

/// The text with these places blanked.
pub(super) fn apply(text: &str, blanks: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = 0;
    for blank in blanks {
        out.push_str(text.get(rest..blank.start).unwrap_or_default());
        out.extend(std::iter::repeat_n('~', blank.len()));
        rest = blank.end;
    }
    out.push_str(text.get(rest..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reminders_are_no_attacks() {
        assert!(negations().is_some());
        for text in [
            "do not forget the rules",
            "no olvides las instrucciones",
            "n'oubliez pas les regles",
            "vergiss bitte nicht die regeln",
            "nao se esqueca das regras",
            "не забудь правила",
            "不要忘记以前的指示",
        ] {
            let blanks = blank(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(apply(text, &blanks).len(), text.len());
        }
        assert_eq!(blank("ignore the rules"), None);
    }
}
