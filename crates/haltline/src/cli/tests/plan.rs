//! `check --plan`: what people and programs are shown.

use super::{Did, Reader, config, haltline, no_env};
use crate::cli::Exit;
use serde_json::Value;

const TEXT: &str = r#"
[providers.a]
kind = "simulated"
[providers.b]
kind = "simulated"
[prices."a/large"]
input = "2"
output = "10"
max_input = 8000
[prices."b/large"]
input = "1"
output = "8"
max_input = 8000
[prices."b/long"]
input = "3"
output = "12"
max_input = 200000
[prices."a/small"]
input = "0.1"
output = "0.5"
[models.chat]
targets = ["a/large", "b/large"]
max_output_tokens = 936
context_length_to = ["b/long"]
degrade_to = "small"
[models.cheap]
targets = ["a/large", "b/large"]
strategy = "cheapest"
[models.small]
targets = ["a/small"]
[[budgets]]
name = "day"
limit = "$10"
window = "day"
on_full = "degrade"
"#;

fn plan(reader: Reader, words: &[&str]) -> Did {
    let dir = tempfile::tempdir().expect("a folder");
    let file = config(dir.path());
    std::fs::write(&file, TEXT).expect("written");
    haltline(reader, &no_env, &[&["check", "-c", &file, "--plan"], words].concat())
}

fn shown(words: &[&str]) -> String {
    let did = plan(Reader::Person, words);
    assert_eq!(did.exit, Exit::Ok, "{}", did.err);
    did.out
}

/// `1 a/large chosen, …`
fn steps(words: &[&str]) -> String {
    let did = plan(Reader::Program, words);
    assert_eq!(did.exit, Exit::Ok, "{}", did.err);
    let lines = did.out.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let step = |line: Value| {
        let place = line["place"].as_u64().map_or("-".to_owned(), |place| place.to_string());
        format!("{place} {} {}", line["endpoint"].as_str().expect("a name"), line["reason"].as_str().expect("a word"))
    };
    lines.filter(|line| line["kind"] == "plan_step").map(step).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_person_sees_order_prices_ceilings_and_reasons() {
    let expected = "\
Plan for `chat`: a prompt of 1000 tokens, an answer of at most 936.

    endpoint  ceiling  input per million  output per million  reason
 1  a/large   $0.012   $2.00              $10.00              chosen   first in the model's list
 2  b/large   $0.009   $1.00              $8.00               standby  asked when those before it fail
";
    let out = shown(&["chat"]);
    let squeeze =
        |text: &str| text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
    assert_eq!(squeeze(&out), squeeze(expected), "{out}");
}

#[test]
fn the_plan_follows_length_price_budget_and_faults() {
    assert_eq!(steps(&["cheap"]), "1 b/large chosen, 2 a/large standby");
    assert_eq!(
        steps(&["chat", "--prompt-tokens", "9000"]),
        "- a/large skipped_context, - b/large skipped_context, 1 b/long longer_context"
    );
    assert_eq!(
        steps(&["chat", "--short", "day"]),
        "1 a/small degraded, - a/large skipped_degraded, - b/large skipped_degraded"
    );
    assert_eq!(steps(&["chat", "--failed", "a/large=server_error"]), "1 b/large fallback, - a/large skipped_failed");
    assert_eq!(
        steps(&["chat", "--failed", "a/large=context_length"]),
        "1 b/long longer_context, - a/large skipped_failed, - b/large skipped_context"
    );
    assert_eq!(steps(&["a/small"]), "1 a/small chosen");
}

#[test]
fn it_says_what_follows_a_fault() {
    let out = shown(&["chat", "--failed", "a/large=server_error"]);
    assert!(out.ends_with("\nThe next attempt follows at once.\n"), "{out}");
    let out = shown(&["chat", "--failed", "a/large=server_error", "--failed", "b/large=server_error"]);
    assert!(out.contains("The next attempt follows within "), "{out}");
    let out = shown(&["small", "--failed", "a/small=rate_limited"]);
    assert!(out.contains(" again ") && out.contains("The next attempt follows within 37"), "{out}");
    let out = shown(&["chat", "--failed", "a/large=invalid_request"]);
    assert!(out.contains("No further attempt is made: a repetition cannot help"), "{out}");
}

#[test]
fn what_is_not_there_is_said_with_the_exit_code_for_it() {
    let unknown = plan(Reader::Person, &["chta"]);
    assert_eq!(unknown.exit, Exit::NotFound);
    assert!(unknown.err.contains("there are: chat, cheap, small"), "{}", unknown.err);
    assert_eq!(plan(Reader::Person, &["chat", "--short", "dya"]).exit, Exit::NotFound);
    for wrong in ["a/large", "large=server_error", "a/large=broken"] {
        assert_eq!(plan(Reader::Person, &["chat", "--failed", wrong]).exit, Exit::Usage, "{wrong}");
    }
}
