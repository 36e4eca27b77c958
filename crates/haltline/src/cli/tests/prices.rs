//! `haltline prices`: lists, one model, differences, and lists that are wrong.

use super::{Did, Reader, haltline, no_env};
use crate::cli::Exit;
use serde_json::Value;

const LIST: &str = "[catalogue]\nprovider = \"groq\"\nas_of = \"2026-01-01\"\n\n[models.\"own\"]\nmax_input = 10\n\
    max_output = 5\nsettle = [{ over = 0, input = \"1\", output = \"2\" }]\n";

fn lines(did: &Did) -> Vec<Value> {
    assert_eq!(did.exit, Exit::Ok, "{}", did.err);
    did.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn with_list(text: &str, words: &[&str]) -> Did {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("list.toml");
    std::fs::write(&file, text).expect("written");
    let file = file.display().to_string();
    haltline(Reader::Person, &no_env, &[words, &[&file]].concat())
}

#[test]
fn all_models_are_listed_or_those_of_one_provider() {
    let all = lines(&haltline(Reader::Program, &no_env, &["prices", "list"]));
    let groq = lines(&haltline(Reader::Person, &no_env, &["prices", "list", "--provider", "groq", "--json"]));
    assert!(all.len() > 1300 && !groq.is_empty() && groq.len() < 100);
    assert!(groq.iter().all(|line| line["provider"] == "groq"));
    let nano = all.iter().find(|line| line["model"] == "gpt-5-nano" && line["provider"] == "openai").expect("a line");
    assert_eq!((nano["input"].as_str(), nano["output"].as_str()), (Some("0.05"), Some("0.4")));
    let table = haltline(Reader::Person, &no_env, &["prices", "list", "--provider", "openai"]);
    assert!(table.out.lines().any(|line| line.contains("gpt-6.1-sol") && line.contains("272000")), "{}", table.out);
    let unknown = haltline(Reader::Person, &no_env, &["prices", "list", "--provider", "opneai"]);
    assert_eq!(unknown.exit, Exit::NotFound);
    assert!(unknown.err.contains("openai, anthropic"), "{}", unknown.err);
}

#[test]
fn one_model_is_shown_with_what_requests_cost() {
    let shown = lines(&haltline(Reader::Program, &no_env, &["prices", "show", "openai/gpt-6.1-terra"]));
    let [model] = shown.as_slice() else { panic!("{shown:?}") };
    assert_eq!(model["settle"][1]["over"], 272_000);
    assert_eq!(model["max_output"], 128_000);
    // 1,000 tokens at $1 and 1,024 at $5 per million; held at the rate of a cache write, with slack.
    let example = &model["examples"][0];
    assert_eq!((example["input"].as_u64(), example["output"].as_u64()), (Some(1_000), Some(1_024)));
    assert_eq!((example["cost"].as_str(), example["held"].as_str()), (Some("0.00612"), Some("0.00669")));
    let person = haltline(Reader::Person, &no_env, &["prices", "show", "gemini-4-argon"]);
    for part in ["google/gemini-4-argon", "vertex/gemini-4-argon", "from 2026-12-01", "maps: $0.014 each", "as of"] {
        assert!(person.out.contains(part), "{part}: {}", person.out);
    }
    let slip = haltline(Reader::Person, &no_env, &["prices", "show", "openai/gpt-5-mnii"]);
    assert_eq!(slip.exit, Exit::NotFound);
    assert!(slip.err.contains("did you mean `openai/gpt-5-mini`?"), "{}", slip.err);
}

#[test]
fn a_list_in_a_file_is_checked_and_compared() {
    let sound = with_list(LIST, &["prices", "check"]);
    assert_eq!(sound.exit, Exit::Ok);
    assert!(sound.out.contains("sound. 1 models of `groq`"), "{}", sound.out);
    assert!(sound.err.contains("warning[C116]") && sound.err.contains("list.toml:3:"), "{}", sound.err);
    let diff = with_list(LIST, &["prices", "diff"]);
    assert_eq!(diff.exit, Exit::Ok);
    assert!(
        diff.out.contains("+ own (input 1, output 2)") && diff.out.contains("- llama-3.1-8b-instant"),
        "{}",
        diff.out
    );
    let json = with_list(LIST, &["prices", "diff", "--json"]);
    assert!(json.out.lines().any(|line| line.contains("\"model\":\"own\"")), "{}", json.out);
    let stranger = with_list(&LIST.replace("groq", "nobody"), &["prices", "diff"]);
    assert_eq!(stranger.exit, Exit::NotFound);
}

#[test]
fn everything_that_is_wrong_with_a_list_is_said_with_its_place() {
    let second =
        "[models.\"other\"]\nmax_input = 10\nmax_output = 5\nsettle = [{ over = 0, input = \"x\", output = \"2\" }]\n";
    let wrong = with_list(&(LIST.replace("\"1\"", "\"0\"") + second), &["prices", "check"]);
    assert_eq!((wrong.exit, wrong.out.as_str()), (Exit::Usage, ""));
    for part in
        ["error[C014]: own: a price of zero", "list.toml:5:1", "error[C014]: other:", "list.toml:9:1", "2 errors"]
    {
        assert!(wrong.err.contains(part), "{part}: {}", wrong.err);
    }
    let shape = with_list(&LIST.replace("max_input", "max_inptu"), &["prices", "check"]);
    assert_eq!(shape.exit, Exit::Usage);
    assert!(shape.err.contains("error[C017]") && shape.err.contains("max_inptu"), "{}", shape.err);
    let absent = haltline(Reader::Person, &no_env, &["prices", "check", "nowhere.toml"]);
    assert_eq!(absent.exit, Exit::Usage);
}

#[test]
fn the_cost_matrix_is_made_of_the_lists() {
    let did = haltline(Reader::Program, &no_env, &["prices", "matrix"]);
    assert_eq!(did.exit, Exit::Ok, "{}", did.err);
    // 1,000 tokens at $0.05 and 320, 1,088 and 4,160 at $0.40 per million.
    let row = "| `gpt-5-nano` | chat | 0.000178 | 561 | 0.0004852 | 2061 | 0.001714 | 5834 |";
    assert!(did.out.contains(row), "{}", did.out);
    assert!(did.out.contains("| `text-embedding-3-small` | embeddings | 0.00002 | 5000 |"), "{}", did.out);
    let openai = did.out.split("\n## ").find(|section| section.starts_with("openai\n")).expect("a section");
    assert!(openai.contains("`gpt-5-nano`") && !openai.contains("`gpt-3.5-turbo`"), "it was shut down");
}
