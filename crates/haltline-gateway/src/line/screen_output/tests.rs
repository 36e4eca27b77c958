//! Secrets that two attempts, or two processes, say together.

mod streams;

use super::*;
use crate::guard::output::OutputGuard;

const TEXT: Channel = Channel::new(Kind::Text, 0, 0);

/// A credential of nobody, built from parts.
fn secret() -> String {
    format!("{}{}", "AKIA", "QYLPMN5HFIQR7XYA")
}

fn scanner() -> Scanner {
    let rules = OutputGuard::default().rules(false).clone();
    Scanner { rules, print: None, filters: Vec::new(), context: String::new(), hits: Vec::new() }
}

/// What passes of these pieces, and of the end.
fn passes(scanner: &mut Scanner, pieces: &[&str], ends: bool) -> String {
    let mut all = String::new();
    for piece in pieces {
        let mut out = String::new();
        match scanner.push(TEXT, piece, &mut out) {
            Flow::Same => all.push_str(piece),
            Flow::Changed => all.push_str(&out),
            Flow::Cut => panic!("nothing cuts"),
        }
    }
    if ends {
        scanner.finish(TEXT, &mut all);
    }
    all
}

#[test]
fn what_two_attempts_say_together_is_found() {
    let secret = secret();
    for cut in 1..secret.len() {
        let mut scanner = scanner();
        let shown = passes(&mut scanner, &["Your key: ", &secret[..cut]], false);
        assert!(shown.len() < "Your key: ".len() + 8, "{shown}");
        scanner.go_on(&shown);
        let rest = passes(&mut scanner, &[&secret[cut..], " is it."], true);
        let all = format!("{shown}{rest}");
        assert!(all.starts_with("Your key: [REDACTED") && all.ends_with(" is it."), "{cut}: {all}");
        assert_eq!(scanner.hits.len(), 1);
    }
}

#[test]
fn what_was_held_of_an_attempt_before_is_not_said_twice() {
    let mut scanner = scanner();
    let shown = passes(&mut scanner, &["The answer: A", "K"], false);
    assert_eq!(shown, "The answer: ");
    scanner.go_on(&shown);
    assert_eq!(passes(&mut scanner, &["A", "KA 47, they say."], true), "AKA 47, they say.");
    assert!(scanner.hits.is_empty());
}

#[test]
fn after_a_restart_what_was_shown_is_the_context() {
    let secret = secret();
    let mut scanner = scanner();
    // What a process before has shown at the end of a part.
    scanner.go_on(&format!("Your key: {}", &secret[..6]));
    let rest = passes(&mut scanner, &[&secret[6..], "!"], true);
    assert!(!rest.contains(&secret[6..14]) && rest.ends_with('!'), "{rest}");
    let mut scanner = super::tests::scanner();
    scanner.go_on("The answer: AK");
    assert_eq!(passes(&mut scanner, &[" and nothing else"], true), " and nothing else");
}
