//! Commands on a store that no gateway runs on.

use super::{Did, Reader, config, folder, haltline, no_env};
use crate::cli::Exit;
use serde_json::Value;

fn json(did: &Did) -> Value {
    assert_eq!(did.exit, Exit::Ok, "{}", did.err);
    serde_json::from_str(did.out.lines().next().expect("a line")).expect("JSON")
}

#[test]
fn a_key_is_made_listed_changed_and_removed() {
    let dir = folder();
    let file = config(dir.path());
    let run = |words: &[&str]| haltline(Reader::Program, &no_env, &[words, &["-c", &file]].concat());
    assert_eq!(run(&["key", "list"]).exit, Exit::NotFound, "there is no store yet");
    let dry = run(&["key", "create", "web", "--dry-run"]);
    assert!(dry.out.contains("Would make") && !dir.path().join("data").exists());

    let made = json(&run(&[
        "key",
        "create",
        "web",
        "--team",
        "shop",
        "--users",
        "a,b",
        "--models",
        "chat",
        "--expires",
        "30d",
    ]));
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    assert!(secret.starts_with("hl-live-") && secret.len() == 8 + 43, "{secret}");
    assert_eq!(made["users"], "a,b");
    let taken = run(&["key", "create", "web"]);
    assert_eq!(taken.exit, Exit::NotFound);
    assert!(taken.err.contains("`web` exists already"), "{}", taken.err);

    let list = run(&["key", "list"]);
    assert!(!list.out.contains(&secret));
    assert_eq!(json(&list)["team"], "shop");
    let rotated = json(&run(&["key", "rotate", "web"]));
    assert_ne!(rotated["secret"].as_str(), Some(secret.as_str()));
    assert_eq!(run(&["key", "freeze", "web"]).exit, Exit::Ok);
    assert_eq!(json(&run(&["key", "list"]))["frozen"], true);
    assert_eq!(run(&["key", "freeze", "web", "--undo"]).exit, Exit::Ok);
    assert_eq!(json(&run(&["key", "list"]))["frozen"], false);
    assert_eq!(run(&["key", "rm", "web", "--dry-run"]).exit, Exit::Ok);
    assert_eq!(run(&["key", "rm", "web"]).exit, Exit::Ok);
    assert_eq!(run(&["key", "rm", "web"]).exit, Exit::NotFound);
    assert_eq!(run(&["key", "list"]).out, "");
}

#[test]
fn a_person_sees_the_secret_alone_on_a_line() {
    let dir = folder();
    let did = haltline(Reader::Person, &no_env, &["key", "create", "web", "-c", &config(dir.path())]);
    assert!(did.out.trim_end().starts_with("hl-live-") && did.out.lines().count() == 1);
    assert!(did.err.contains("only time"));
    let table = haltline(Reader::Person, &no_env, &["key", "list", "-c", &config(dir.path())]);
    assert!(table.out.lines().count() == 2 && table.out.contains("active"), "{}", table.out);
    let csv = haltline(Reader::Person, &no_env, &["key", "list", "--format", "csv", "-c", &config(dir.path())]);
    assert!(csv.out.starts_with("name,secret,team"), "{}", csv.out);
}

#[test]
fn budgets_are_overridden_with_a_reason_that_is_kept() {
    let dir = folder();
    let file = config(dir.path());
    let env = |name: &str| (name == "USER").then(|| "ann".to_owned());
    let run = |words: &[&str]| haltline(Reader::Program, &env, &[words, &["-c", &file]].concat());
    assert_eq!(run(&["key", "create", "web"]).exit, Exit::Ok);
    assert_eq!(run(&["budget", "assert", "day", "--below", "80%"]).exit, Exit::Ok);
    let order = ["budget", "override", "day", "--limit", "$80", "--until", "2h", "--reason", "launch"];
    let dry = run(&[&order[..], &["--dry-run"]].concat());
    assert!(dry.out.contains("by ann: launch"), "{}", dry.out);
    assert_eq!(run(&["budget", "history", "day"]).out, "");
    let done = run(&order);
    assert_eq!(done.exit, Exit::Ok, "{}", done.err);
    let line = json(&run(&["budget", "history", "day"]));
    assert_eq!(
        (line["what"].as_str(), line["amount"].as_str(), line["by"].as_str(), line["reason"].as_str()),
        (Some("override"), Some("$80.00"), Some("ann"), Some("launch"))
    );
    for words in
        [&["budget", "history", "dya"][..], &["budget", "list", "dya"], &["budget", "assert", "dya", "--below", "1%"]]
    {
        let did = run(words);
        assert_eq!(did.exit, Exit::NotFound);
        assert!(did.err.contains("there are: day, retries"), "{}", did.err);
    }
    assert_eq!(
        run(&["budget", "override", "day", "--limit", "80 apples", "--until", "2h", "--reason", "x"]).exit,
        Exit::Usage
    );
    assert_eq!(
        run(&["budget", "override", "day", "--limit", "$80", "--until", "soon", "--reason", "x"]).exit,
        Exit::Usage
    );
}

#[test]
fn a_limit_is_changed_in_the_file_and_comments_stay() {
    let dir = folder();
    let file = config(dir.path());
    let read = || std::fs::read_to_string(&file).expect("read");
    let before = read();
    let run = |reader, words: &[&str]| haltline(reader, &no_env, &[words, &["-c", &file]].concat());
    let dry = run(Reader::Person, &["budget", "set", "day", "--limit", "$80", "--dry-run"]);
    assert!(dry.out.ends_with("@@ line 10 @@\n-limit = \"$10\"\n+limit = \"$80\"\n"), "{}", dry.out);
    assert_eq!(read(), before);
    let refused = run(Reader::Person, &["budget", "set", "day", "--limit", "$0"]);
    assert_eq!((refused.exit, read()), (Exit::Usage, before.clone()));
    assert!(refused.err.contains("error[C007]"), "{}", refused.err);
    let done = run(Reader::Person, &["budget", "set", "day", "--limit", "$80"]);
    assert_eq!(done.exit, Exit::Ok, "{}", done.err);
    assert_eq!(read(), before.replace("$10", "$80"));
    assert_eq!(run(Reader::Person, &["budget", "set", "dya", "--limit", "$80"]).exit, Exit::NotFound);
}

#[test]
fn spend_and_verify_look_at_the_store() {
    let dir = folder();
    let file = config(dir.path());
    let run = |words: &[&str]| haltline(Reader::Program, &no_env, &[words, &["-c", &file]].concat());
    assert_eq!(run(&["key", "create", "web"]).exit, Exit::Ok);
    let spend = run(&["spend", "--by", "key,day", "--format", "csv"]);
    assert_eq!(spend.out.lines().next(), Some("key,day,requests,attempts,input_tokens,output_tokens,cost_usd"));
    assert_eq!(run(&["spend", "--by", "colour"]).exit, Exit::Usage);
    assert_eq!(run(&["spend", "--since", "1d", "--until", "2d"]).exit, Exit::Usage);
    let verify = run(&["store", "verify"]);
    assert_eq!(verify.exit, Exit::Ok, "{}", verify.err);
}

#[test]
fn a_store_in_memory_belongs_to_its_gateway() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = config(dir.path());
    std::fs::write(&file, "[store]\nurl = \"memory:\"\n").expect("written");
    let did = haltline(Reader::Person, &no_env, &["key", "list", "-c", &file]);
    assert_eq!(did.exit, Exit::NotReachable);
    assert!(did.err.contains("HALTLINE_ADMIN_URL"), "{}", did.err);
}
