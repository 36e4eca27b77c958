//! What must hold for any text that the input guard reads.

use haltline_guard::input::{Allow, Ruleset, WINDOW, WINDOWS};

/// Bounded views, spans on borders of characters, the same result twice, and allowed rules silent.
pub(super) fn guard_input(data: &[u8]) {
    let rules = Ruleset::shipped();
    let text = String::from_utf8_lossy(data);
    let found = rules.scan(&text, &Allow::none());
    let read = (text.len() - found.unread).min(WINDOW * WINDOWS);
    // Windows overlap, so that up to a thirtieth is read twice.
    assert!(found.viewed <= 4 * (read + read / 16) + 512 * WINDOWS, "{} bytes of views of {read}", found.viewed);
    for finding in &found.findings {
        if let Some(span) = &finding.span {
            assert!(text.get(span.clone()).is_some_and(|part| !part.is_empty()), "{finding:?}");
        }
        assert!(rules.has(&finding.rule) && finding.points > 0);
    }
    assert_eq!(found, rules.scan(&text, &Allow::none()));
    let off = Allow::rules(found.rules().map(str::to_owned));
    let silent = rules.scan(&text, &off);
    assert_eq!((silent.points, silent.findings.len()), (0, 0));
}
