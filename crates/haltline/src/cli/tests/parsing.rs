//! What clap takes, and what the simple commands print.

use super::{Reader, config, folder, haltline, no_env};
use crate::cli::{Cli, Exit};
use clap::{CommandFactory, Parser};

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn the_contract_s_command_lines_are_understood() {
    for line in [
        "demo",
        "demo runaway",
        "serve",
        "serve -c haltline.toml",
        "init",
        "check -c a.toml --format json",
        "explain C003",
        "check --plan chat --prompt-tokens 5000 --failed openai/gpt-5=rate_limited --failed a/b=server_error --short day --session s --json",
        "key create web --team shop --tier gold --users any --models chat,openai/gpt-5 --expires 30d -c a.toml",
        "key list",
        "key rotate web",
        "key freeze web --undo",
        "key rm web --dry-run",
        "budget list",
        "budget set day --limit $80 --dry-run",
        "budget override day --limit $80 --until 2h --reason launch --subject alice",
        "budget adjust day --delta -$1.50 --reason credit",
        "budget history day",
        "budget assert day --subject alice --below 80%",
        "spend --by key,team,user,model,provider,tag,day --since 7d --until 2026-11-24 --format csv",
        "prices list --provider openai --json",
        "prices show gpt-5 --format json",
        "prices diff prices.toml",
        "prices check prices.toml",
        "trace req_00000000000000000000000000000007 --format json",
        "trace thread-1 --key web --user alice",
        "replay req_00000000000000000000000000000007 --speed 4x",
        "replay thread-1 --speed max --raw",
        "store verify",
        "version --json",
        "--quiet key list",
    ] {
        let words = std::iter::once("haltline").chain(line.split(' '));
        assert!(Cli::try_parse_from(words).is_ok(), "{line}");
    }
}

#[test]
fn mistakes_of_usage_are_told_apart_from_help() {
    for (line, is_mistake) in [
        ("--help", false),
        ("--version", false),
        ("chek", true),
        ("key create", true),
        ("budget assert day", true),
        ("serve --port 1", true),
    ] {
        let words = std::iter::once("haltline").chain(line.split(' '));
        assert_eq!(Cli::try_parse_from(words).expect_err(line).use_stderr(), is_mistake, "{line}");
    }
}

#[test]
fn serve_and_demo_go_to_whoever_wires_the_gateway() {
    assert_eq!(
        haltline(Reader::Person, &no_env, &["serve", "--listen", "127.0.0.1:1"]).out,
        "serve Some(127.0.0.1:1)\n"
    );
    assert_eq!(haltline(Reader::Person, &no_env, &["demo", "runaway"]).out, "demo Some(Runaway { seconds: 20 })\n");
}

#[test]
fn every_code_can_be_explained() {
    for code in haltline_types::Code::ALL.map(haltline_types::Code::word) {
        let did = haltline(Reader::Person, &no_env, &["explain", code]);
        assert_eq!(did.exit, Exit::Ok);
        assert!(did.out.contains(code), "{code}");
    }
    let did = haltline(Reader::Program, &no_env, &["explain", "c003"]);
    assert!(did.out.starts_with("# C003: A key is not known here"), "{}", did.out);
    let did = haltline(Reader::Person, &no_env, &["explain", "budget_exceded"]);
    assert_eq!(
        (did.exit, did.err.as_str()),
        (Exit::NotFound, "error: there is no code `budget_exceded`\n  help: did you mean `budget_exceeded`?\n")
    );
}

#[test]
fn version_says_who_it_is() {
    assert!(haltline(Reader::Person, &no_env, &["version"]).out.starts_with("haltline 0."));
    let json: serde_json::Value =
        serde_json::from_str(&haltline(Reader::Person, &no_env, &["version", "--json"]).out).expect("JSON");
    assert_eq!(json["name"], "haltline");
    assert!(json["prices_as_of"].is_string());
}

#[test]
fn check_prints_the_worst_case_or_what_is_wrong() {
    let dir = folder();
    let file = config(dir.path());
    let env = |name: &str| (name == "OPENAI_API_KEY").then(|| "sk-test".to_owned());
    let person = haltline(Reader::Person, &env, &["check", "-c", &file]);
    assert_eq!((person.exit, person.err.as_str()), (Exit::Ok, ""));
    assert!(person.out.contains("1 providers"), "{}", person.out);
    let row = person.out.lines().find(|line| line.trim_start().starts_with("whole gateway")).expect("a row");
    let cells: Vec<&str> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(cells, ["whole gateway", "$10.00", "$20.00", "$10.00", "$20.00", "day, 2 windows"]);
    let program = haltline(Reader::Program, &env, &["check", "-c", &file]);
    let first: serde_json::Value = serde_json::from_str(program.out.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["calendar_day"]["most"], "10.00");

    let wrong = haltline(Reader::Program, &no_env, &["check", "-c", &file]);
    assert_eq!((wrong.exit, wrong.out.as_str()), (Exit::Usage, ""));
    assert!(wrong.err.contains("error[C008]") && wrong.err.ends_with("1 error\n"), "{}", wrong.err);
    let wrong = haltline(Reader::Program, &no_env, &["check", "-c", &file, "--format", "json"]);
    let line: serde_json::Value = serde_json::from_str(wrong.err.trim()).expect("JSON");
    assert_eq!(line["code"], "C008");
    let absent = haltline(Reader::Person, &no_env, &["check", "-c", "/no/such.toml"]);
    assert_eq!(absent.exit, Exit::Usage);
    assert!(absent.err.contains("C001"));
}

#[test]
fn init_writes_what_check_accepts_and_nothing_twice() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = config(dir.path());
    let env = |name: &str| (name == "OPENAI_API_KEY").then(|| "sk-0123456789abcdefghij".to_owned());
    let did = haltline(Reader::Person, &env, &["init", &file]);
    assert_eq!((did.exit, did.err.as_str()), (Exit::Ok, "found OPENAI_API_KEY (…ghij)\n"));
    assert_eq!(haltline(Reader::Person, &env, &["check", "-c", &file]).exit, Exit::Ok);
    assert_eq!(haltline(Reader::Person, &env, &["init", &file]).exit, Exit::NotFound);
    assert!(haltline(Reader::Person, &env, &["init", &file, "--dry-run"]).out.contains("limit = \"$10\""));
}

#[test]
fn init_says_which_key_lacks_an_address() {
    let env = |name: &str| matches!(name, "GROQ_API_KEY" | "AZURE_OPENAI_API_KEY").then(|| "k".repeat(32));
    let did = haltline(Reader::Person, &env, &["init", "--dry-run"]);
    assert_eq!(did.exit, Exit::Ok, "{}", did.err);
    assert!(did.err.contains("found GROQ_API_KEY (…kkkk)\n"), "{}", did.err);
    assert!(did.err.contains("no address in AZURE_OPENAI_ENDPOINT: `azure` is left out"), "{}", did.err);
    assert!(did.out.contains("[providers.groq]\nkind = \"openai-compatible\"\napi_key = \"${GROQ_API_KEY}\"\n"));
    assert!(!did.out.contains("kkkk"), "{}", did.out);
}
