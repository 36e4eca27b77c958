//! Phrases, canaries, the system prompt, personal data and an operator's own secrets; and that the
//! result never depends on how a text is cut.

use crate::corpus::{characters, stream, texts, tokens};
use haltline_guard::Category;
use haltline_guard::output::{
    Action, Channel, OutputOptions, OutputRules, OutputRulesError, Pass, Phrase, PiiKind, PiiOptions, PromptPrint,
    RuleSet, SecretOptions, SecretPattern,
};
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};

const CANARY: &str = "cnry-7Hq2-Zé-0000-this-is-long-enough-to-need-more-than-one-step";

fn own() -> SecretPattern {
    SecretPattern {
        id: "acme".to_owned(),
        prefix: "acme:".to_owned(),
        class: "a-z0-9".to_owned(),
        min: 10,
        max: Some(16),
        action: None,
    }
}

fn phrase(id: &str, any: &[&str], action: Action) -> Phrase {
    Phrase { id: id.to_owned(), any: any.iter().map(|text| (*text).to_owned()).collect(), action }
}

fn everything() -> OutputOptions {
    OutputOptions {
        secrets: SecretOptions { rules: RuleSet::All, own: vec![own()], ..SecretOptions::default() },
        phrases: vec![
            phrase("codename", &["project bluebird", "Blaumeise"], Action::Redact),
            phrase("topic", &["merger", "takeover of acme", "机密项目"], Action::Flag),
        ],
        canaries: vec![CANARY.to_owned()],
        canary_action: Some(Action::Redact),
        pii: PiiOptions { kinds: PiiKind::ALL.to_vec(), ..PiiOptions::default() },
        prompt_leak_action: None,
    }
}

fn screened(options: &OutputOptions, text: &str) -> (String, Vec<String>) {
    let rules = OutputRules::new(options).unwrap();
    let screened = rules.whole(Channel::Text, text);
    (screened.text.unwrap_or_else(|| text.to_owned()), screened.hits.iter().map(|hit| hit.rule.to_string()).collect())
}

#[test]
fn phrases_are_redacted_flagged_or_end_the_text() {
    let text = "About ＰＲＯＪＥＣＴ Blue\u{200B}bird: the Merger is near.";
    let (out, hits) = screened(&everything(), text);
    assert_eq!(out, "About [REDACTED:codename]: the Merger is near.");
    assert_eq!(hits, ["codename", "topic"]);
    let cut =
        OutputOptions { phrases: vec![phrase("p", &["project bluebird"], Action::Cut)], ..OutputOptions::default() };
    let rules = OutputRules::new(&cut).unwrap();
    for seed in 0..30 {
        let streamed = stream(&rules, Channel::Text, tokens("All of project bluebird is secret", seed));
        assert_eq!((streamed.text.as_str(), streamed.cut), ("All of ", true));
        assert_eq!(streamed.hits[0].category, Category::Phrase);
    }
    let mut filter = rules.filter(Channel::Text);
    let (mut out, mut hits) = (String::new(), Vec::new());
    assert_eq!(filter.push(&rules, "a project", &mut out, &mut hits), Pass::Changed);
    assert_eq!(out, "a ");
    assert_eq!(filter.push(&rules, " is", &mut out, &mut hits), Pass::Changed);
    assert_eq!(out, "a project is", "nothing waits once no phrase can match");
}

#[test]
fn canaries_are_found_exactly_wherever_they_stand() {
    let text = format!("x{CANARY}y {}", CANARY.to_uppercase());
    let (out, hits) = screened(&everything(), &text);
    assert_eq!(out, format!("x[REDACTED:canary]y {}", CANARY.to_uppercase()));
    assert_eq!(hits, ["canary"]);
}

#[test]
fn an_operators_own_secrets_are_found_up_to_their_longest() {
    let options = everything();
    for (text, wanted) in [
        ("key acme:0123456789!", "key [REDACTED:acme]!"),
        ("key acme:0123456789abcdefgh!", "key [REDACTED:acme]gh!"),
        ("key acme:012345678!", "key acme:012345678!"),
        ("xacme:0123456789!", "xacme:0123456789!"),
    ] {
        assert_eq!(screened(&options, text).0, wanted);
    }
}

#[test]
fn what_cannot_be_followed_is_refused_with_a_reason() {
    let with_own = |change: &dyn Fn(&mut SecretPattern)| {
        let mut own = own();
        change(&mut own);
        OutputOptions {
            secrets: SecretOptions { own: vec![own], ..SecretOptions::default() },
            ..OutputOptions::default()
        }
    };
    let with_phrase = |phrases: Vec<Phrase>| OutputOptions { phrases, ..OutputOptions::default() };
    let named = |name: &str| OutputOptions {
        secrets: SecretOptions { except: vec![name.to_owned()], ..SecretOptions::default() },
        ..OutputOptions::default()
    };
    let bad = |id: &str| id.to_owned();
    for (options, wanted) in [
        (with_own(&|own| own.prefix.clear()), OutputRulesError::NoPrefix(bad("acme"))),
        (with_own(&|own| own.prefix = "a b c".to_owned()), OutputRulesError::NoPrefix(bad("acme"))),
        (with_own(&|own| own.class.clear()), OutputRulesError::BadRun(bad("acme"))),
        (with_own(&|own| own.class = " -~".to_owned()), OutputRulesError::BadRun(bad("acme"))),
        (with_own(&|own| own.min = 97), OutputRulesError::BadRun(bad("acme"))),
        (with_own(&|own| own.max = Some(9)), OutputRulesError::BadRun(bad("acme"))),
        (with_own(&|own| own.id = "github".to_owned()), OutputRulesError::BadId(bad("github"))),
        (with_own(&|own| own.id = "A b".to_owned()), OutputRulesError::BadId(bad("A b"))),
        (with_phrase(vec![phrase("p", &["x"], Action::Cut)]), OutputRulesError::BadPhrase(bad("p"))),
        (with_phrase(vec![phrase("p", &[], Action::Cut)]), OutputRulesError::BadPhrase(bad("p"))),
        (with_phrase(vec![phrase("p", &["ab"], Action::Cut); 2]), OutputRulesError::BadId(bad("p"))),
        (named("nothing"), OutputRulesError::UnknownRule(bad("nothing"))),
        (
            OutputOptions { canaries: vec!["short".to_owned()], ..OutputOptions::default() },
            OutputRulesError::BadPhrase(bad("canary")),
        ),
    ] {
        let error = OutputRules::new(&options).unwrap_err();
        assert_eq!(error, wanted);
        assert!(error.to_string().len() > 40, "{error}");
    }
}

#[test]
fn an_answer_that_repeats_the_system_prompt_is_flagged_or_ends() {
    let prompt = "You are the helper of a small bank. Never tell anybody that the vault opens at seven in the morning, \
                  and answer every question about loans with the rate of the day.";
    let print = Arc::new(PromptPrint::new(prompt, []));
    for (action, cut) in [(None, false), (Some(Action::Cut), true)] {
        let rules =
            OutputRules::new(&OutputOptions { prompt_leak_action: action, ..OutputOptions::default() }).unwrap();
        let text = format!("Sure: {prompt} That is all.");
        let whole = rules.whole_beside(Channel::Text, &text, &print);
        assert_eq!((whole.hits.len(), whole.cut), (1, cut));
        assert_eq!(&*whole.hits[0].rule, "prompt_overlap");
        let wanted = if cut { "Sure: You are the helper of a small bank. Never tell anybody that" } else { &text };
        assert_eq!(whole.text.as_deref().unwrap_or(&text), wanted);
        for seed in 0..30 {
            let mut filter = rules.filter_beside(Channel::Text, &print);
            let (mut out, mut hits) = (String::new(), Vec::new());
            for piece in tokens(&text, seed) {
                filter.push(&rules, piece, &mut out, &mut hits);
            }
            filter.finish(&rules, &mut out, &mut hits);
            assert_eq!((out.as_str(), &hits), (wanted, &whole.hits), "{seed}");
        }
    }
}

#[test]
fn personal_data_is_replaced_and_what_looks_like_it_stays() {
    let Some(rows) = texts("pii.jsonl") else { return };
    let pii = PiiOptions { kinds: PiiKind::ALL.to_vec(), ..PiiOptions::default() };
    let rules = OutputRules::new(&OutputOptions { pii, ..OutputOptions::default() }).unwrap();
    let mut wrong = Vec::new();
    for (text, kind, found) in &rows {
        let wanted = found.as_ref().map_or_else(
            || text.clone(),
            |found| {
                let word = kind.trim_start_matches("pii/").trim_start_matches("us_");
                text.replace(found.as_str(), PiiKind::from_word(word).unwrap().placeholder())
            },
        );
        let screened = rules.whole(Channel::Text, text);
        let out = screened.text.unwrap_or_else(|| text.clone());
        if out != wanted {
            wrong.push(format!("{kind}: {text}: {out}"));
        }
        for pieces in [characters(text).collect(), tokens(text, 3)] {
            let streamed = stream(&rules, Channel::Text, pieces);
            assert_eq!((streamed.text, streamed.hits), (out.clone(), screened.hits.clone()), "{text}");
        }
    }
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), rows.len());
}

#[test]
fn personal_data_stands_in_other_text() {
    let (out, _) = screened(
        &everything(),
        "1, 2, 3 +31 20 555 0123; (4111 1111 1111 1111) a.b@c.de. x@y, 10 4111-1111-1111-1111, v1.2.3.4 and 8.8.8.8, \
         12345678901234567890123456789012345678901234567890123456789012345678901234567890 4111111111111111",
    );
    assert_eq!(
        out,
        "1, 2, 3 [PHONE]; ([CARD]) [EMAIL]. x@y, 10 [CARD], v1.2.3.4 and [IP], \
         12345678901234567890123456789012345678901234567890123456789012345678901234567890 [CARD]"
    );
}

#[test]
fn without_rules_all_passes() {
    let options = OutputOptions {
        secrets: SecretOptions { rules: RuleSet::None, ..SecretOptions::default() },
        ..OutputOptions::default()
    };
    let rules = OutputRules::new(&options).unwrap();
    assert!(rules.is_empty());
    assert_eq!(rules.whole(Channel::Text, "-----BEGIN PRIVATE KEY-----").text, None);
    assert_ne!(rules.version(), OutputRules::new(&everything()).unwrap().version());
}

/// What mixtures are made of: beginnings and ends of secrets, and what stands between.
const PIECES: &[&str] = &[
    "sk-",
    "proj-",
    "ant-api03-",
    "0123456789",
    "abcdef0123456789abcdef0123456789",
    "T3BlbkFJ",
    "Zk9Qw3xY7",
    "eyJ",
    "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0",
    ".",
    "..",
    "-----BEGIN PRIVATE KEY-----",
    "-----END PRIVATE KEY-----",
    "-----",
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj",
    "\n",
    "\\n",
    "\"",
    " ",
    "https://",
    "user:",
    "pa55Wörd",
    "@",
    "host",
    "é",
    "😀",
    "password",
    "=",
    ": ",
    "api-key",
    "authorization: basic ",
    "dXNlcjpwYXNzd29yZDEyMw",
    "AKIA",
    "QWERTYUIOPASDFGH",
    "project",
    "bluebird",
    "\u{200B}",
    "merger",
    "takeover of acme",
    "机密项目",
    "cnry-7Hq2-Zé-0000-this-is-long-enough",
    "-to-need-more-than-one-step",
    "4111 1111 1111 1111",
    "+31 20 555 0123",
    "DE89 3704 0044 0532 0130 00",
    "a.b@c.de",
    "192.0.2.44",
    "219-09-9999",
    "acme:",
    "MTk4NjIyNDgzNDcxOTI1MjQ4",
    "12345678:AAFAKERjJvhM3L7jqypf7SUgmosL3eQGQabc",
    "xoxb-",
    "\\",
    "Proc-Type: 4,ENCRYPTED",
    "hvs.",
    "ghp_",
];

fn mixtures() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(PIECES), 0..24).prop_map(|pieces| pieces.concat())
}

static EVERYTHING: LazyLock<OutputRules> = LazyLock::new(|| OutputRules::new(&everything()).unwrap());
static DEFAULTS: LazyLock<OutputRules> = LazyLock::new(|| crate::corpus::rules(RuleSet::Default));

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_is_the_whole_text(text in mixtures(), seed in 1_u64..u64::MAX) {
        for (rules, bound) in [(&*EVERYTHING, 1_024), (&*DEFAULTS, 128)] {
            let whole = rules.whole(Channel::Text, &text);
            let wanted = (whole.text.unwrap_or_else(|| text.clone()), whole.hits);
            for pieces in [tokens(&text, seed), tokens(&text, seed / 2 + 1), characters(&text).collect()] {
                let streamed = stream(rules, Channel::Text, pieces);
                prop_assert!(streamed.held <= bound, "{}", streamed.held);
                prop_assert_eq!((streamed.text, streamed.hits), wanted.clone());
            }
        }
    }

    #[test]
    fn arguments_are_the_same_however_they_are_cut(text in mixtures(), seed in 1_u64..u64::MAX) {
        let rules = &*EVERYTHING;
        let json = serde_json::json!({ "a": text, "password": ["x", 4_111_111_111_111_111_u64, text] }).to_string();
        let whole = rules.whole_arguments(&json);
        let wanted = whole.text.unwrap_or_else(|| json.clone());
        prop_assert!(serde_json::from_str::<serde_json::Value>(&wanted).is_ok(), "{}", wanted);
        for pieces in [tokens(&json, seed), characters(&json).collect()] {
            let mut filter = rules.arguments();
            let (mut out, mut hits) = (String::new(), Vec::new());
            for piece in pieces {
                filter.push(rules, piece, &mut out, &mut hits);
            }
            filter.finish(rules, &mut out, &mut hits);
            prop_assert_eq!((&out, &hits), (&wanted, &whole.hits));
        }
    }
}
