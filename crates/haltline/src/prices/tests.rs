//! The shipped lists: each is read, can hold money, and is told apart by its host.

mod recorded;

use super::*;
use haltline_types::{Tokens, Usage};

fn listed(shipped: Shipped, model: &str) -> Listed {
    shipped.catalogue().expect("a list").models.get(model).unwrap_or_else(|| panic!("no {model}")).clone()
}

fn price(model: &str) -> Price {
    listed(Shipped::OpenAi, model).price
}

#[test]
fn every_shipped_price_can_hold_money() {
    let mut models = 0;
    for shipped in Shipped::ALL {
        let catalogue = shipped.catalogue().expect("a list");
        assert_eq!(catalogue.provider, shipped.word());
        assert_eq!(Shipped::from_word(shipped.word()), Some(shipped));
        for (name, listed) in &catalogue.models {
            models += 1;
            let (max_input, max_output) = (listed.price.max_input.expect(name), listed.price.max_output.expect(name));
            assert_eq!(listed.price.check(), Ok(()), "{name}");
            let usage = Usage { input: max_input, output: max_output, ..Usage::default() };
            let cost = listed.price.cost(&usage).expect(name);
            assert!(listed.price.ceiling(max_input, max_output).expect(name) >= cost, "{name}");
        }
    }
    assert!(models > 1300, "{models}");
}

#[test]
fn well_known_models_have_their_published_prices() {
    for (shipped, model, input, output) in [
        (Shipped::OpenAi, "gpt-4o-mini", "0.15", "0.6"),
        (Shipped::OpenAi, "gpt-5", "1.25", "10"),
        (Shipped::Anthropic, "claude-haiku-4-5", "1", "5"),
        (Shipped::Google, "gemini-2.5-flash", "0.3", "2.5"),
        (Shipped::Groq, "llama-3.1-8b-instant", "0.05", "0.08"),
        (Shipped::Azure, "gpt-4o", "2.5", "10"),
    ] {
        let row = listed(shipped, model).price.settle[0];
        assert_eq!((usd_per_million(row.input), usd_per_million(row.output)), (input.to_owned(), output.to_owned()));
    }
    assert!(listed(Shipped::XAi, "grok-4.7").price.states_cost);
    assert!(!price("gpt-5").states_cost);
    assert_eq!(
        listed(Shipped::Anthropic, "claude-haiku-4-5").price.settle[0].cache_write_long.map(usd_per_million),
        Some("2".to_owned())
    );
    assert_eq!(listed(Shipped::OpenAi, "text-embedding-3-small").price.max_output, Some(Tokens::ZERO));
    assert_eq!(
        listed(Shipped::Google, "gemini-2.5-flash").price.settle[0].media.map(usd_per_million),
        Some("1".to_owned())
    );
}

#[test]
fn a_long_prompt_is_charged_by_the_long_row() {
    let price = price("gpt-6.1-terra");
    let cost = |input| price.cost(&Usage { input: Tokens::new(input), ..Usage::default() }).expect("cost");
    assert_eq!(cost(272_000).get(), 272_000 * 1_000);
    assert_eq!(cost(272_001).get(), 272_001 * 2_000);
    // Unknown input is held at the rate of a cache write.
    assert_eq!(price.ceiling(Tokens::new(1000), Tokens::ZERO).expect("ceiling").get(), 1000 * 1_250);
}

#[test]
fn changes_have_their_days_and_hours() {
    let argon = listed(Shipped::Google, "gemini-4-argon").price;
    assert_eq!(argon.changes.len(), 1);
    assert_eq!(when(argon.changes[0].when), "from 2026-12-01");
    let usage = Usage { input: Tokens::new(1000), ..Usage::default() };
    let cost = |day: &str| {
        let at = days::midnight(day).expect("a day");
        argon.cost_between(&usage, Multiplier::ONE, (at, at)).expect("cost").get()
    };
    assert_eq!((cost("2026-11-25"), cost("2026-12-03")), (2_000_000, 4_000_000));
    let flash = listed(Shipped::DeepSeek, "deepseek-flash").price;
    let words: Vec<String> = flash.changes.iter().map(|change| when(change.when)).collect();
    assert_eq!(words, ["01:00-04:00 UTC", "06:00-10:00 UTC"]);
}

#[test]
fn a_regional_factor_is_rounded_up() {
    assert_eq!(factor("1.1"), Some(Multiplier { numerator: 11, denominator: 10 }));
    assert_eq!(factor("1"), Some(Multiplier::ONE));
    for wrong in ["0.5", "11", "1.-1", "", ".1", "1e3", "99999999999"] {
        assert_eq!(factor(wrong), None, "{wrong}");
    }
    let plain = listed(Shipped::OpenAi, "gpt-6-luna");
    let raised = Shipped::OpenAi.price(&plain, "https://eu.api.openai.com/v1").expect("fits");
    assert_eq!(raised.settle[0].input.get(), (plain.price.settle[0].input.get() * 11).div_ceil(10));
    assert_eq!(raised.max_input, plain.price.max_input);
    assert_eq!(Shipped::OpenAi.price(&plain, "https://api.openai.com/v1"), Some(plain.price));
    let odd = Price::flat(PicoUsdPerToken::new(1_001), PicoUsdPerToken::new(u64::MAX));
    assert_eq!(times(&odd, Multiplier { numerator: 11, denominator: 10 }), None);
    let odd = Price::flat(PicoUsdPerToken::new(1_001), PicoUsdPerToken::new(1_001));
    let raised = times(&odd, Multiplier { numerator: 11, denominator: 10 }).expect("fits");
    assert_eq!(raised.settle[0].input.get(), 1_102, "1,101.1");
}

#[test]
fn a_list_is_found_by_its_host() {
    for (url, found) in [
        ("https://api.openai.com/v1", Some(Shipped::OpenAi)),
        ("https://api.anthropic.com", Some(Shipped::Anthropic)),
        ("https://me.openai.azure.com/openai/v1", Some(Shipped::Azure)),
        ("https://api.groq.com/openai/v1", Some(Shipped::Groq)),
        ("https://openrouter.ai/api/v1", Some(Shipped::OpenRouter)),
        ("https://generativelanguage.googleapis.com/v1beta", Some(Shipped::Google)),
        ("https://api.groq.com.example.net/v1", None),
        ("https://notapi.x.ai/v1", None),
        ("http://127.0.0.1:11434/v1", None),
        ("", None),
    ] {
        assert_eq!(Shipped::from_base_url(url), found, "{url}");
    }
}

const LIST: &str = "[catalogue]\nprovider = \"p\"\nas_of = \"2026-11-23\"\n[models.a]\nmax_input = 10\nmax_output = 5\n\
    settle = [{ over = 0, input = \"1\", output = \"2\" }]\n";

#[test]
fn a_damaged_list_is_an_error_and_no_zero() {
    assert!(read(LIST).is_ok());
    assert!(matches!(read("[models]"), Err(CatalogueError::Shape(..))));
    for (was, is, said) in [
        ("\"1\"", "\"0\"", "a price of zero is refused"),
        ("\"1\"", "\"one\"", "one"),
        ("max_input = 10", "max_input = 0", "longest prompt"),
        ("max_input = 10", "max_input = 10\nregional = \"0.9\"", "factor"),
        ("max_input = 10", "max_input = 10\nretires = \"soon\"", "not a day"),
        ("2026-11-23", "yesterday", "not a day"),
        ("max_input = 10", "max_inptu = 10", "unknown field"),
        ("max_input = 10", "max_input = 10\nchanges = [{ hours = \"9-5\", settle = [] }]", "01:00-04:00"),
        ("max_input = 10", "max_input = 10\nchanges = [{ hours = \"01:00-02:00\", settle = [] }]", "one row"),
        ("max_input = 10", "max_input = 10\nfees = { maps = \"-1\" }", "fee"),
    ] {
        let error = read(&LIST.replacen(was, is, 1)).expect_err(is).to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn differences_name_what_changes() {
    let old = read(LIST).expect("a list");
    assert_eq!(differences(&old, &old), []);
    let new = read(&LIST.replace("\"2\"", "\"3\"").replace("models.a", "models.b")).expect("a list");
    let found = differences(&old, &new);
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].model.as_str(), found[0].becomes.as_deref()), ("a", None));
    assert_eq!((found[1].model.as_str(), found[1].was.as_deref()), ("b", None));
    let dearer = read(&LIST.replace("\"2\"", "\"3\"")).expect("a list");
    let found = differences(&old, &dearer);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].field, "settle over 0: output");
    assert_eq!((found[0].was.as_deref(), found[0].becomes.as_deref()), (Some("2"), Some("3")));
}
