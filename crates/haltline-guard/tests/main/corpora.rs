//! What the shipped rules find in labelled texts. The corpora belong to others and are read where
//! they are; the numbers by source stand in docs/reference/guard-quality.md.

use haltline_guard::input::quality::{Label, Quality};
use haltline_guard::input::{Allow, Findings, Reach, Ruleset, Threshold};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

struct Row {
    text: String,
    is_attack: bool,
    kind: String,
    source: String,
}

/// `None` where there are no corpora, which is said, and a failure in continuous integration.
fn rows(name: &str) -> Option<Vec<Row>> {
    let shared = std::env::var_os("HALTLINE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = shared.join("data/guard/dev").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "the corpus is missing at {}", path.display());
        eprintln!("NOT TESTED: the corpus is missing at {}; set HALTLINE_SHARED", path.display());
        return None;
    };
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).expect("a row of JSON");
        let word = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        Row { text: word("text"), is_attack: row["label"] == 1, kind: word("kind"), source: word("source") }
    };
    Some(text.lines().map(row).collect())
}

fn scan(text: &str) -> Findings {
    Ruleset::shipped().scan(text, &Allow::none())
}

fn is_blocked(text: &str) -> bool {
    scan(text).reach(Threshold::default()) == Reach::Block
}

#[test]
fn honest_prompts_pass_and_a_third_of_the_attacks_do_not() {
    let Some(rows) = rows("prompts.jsonl") else { return };
    let mut counts: BTreeMap<(bool, &str), (u32, u32)> = BTreeMap::new();
    for row in &rows {
        let (all, blocked) = counts.entry((row.is_attack, &row.source)).or_default();
        *all += 1;
        *blocked += u32::from(is_blocked(&row.text));
    }
    let share = |wanted: bool| {
        let of = counts.iter().filter(|((is_attack, _), _)| *is_attack == wanted);
        let (all, blocked) = of.fold((0, 0), |(all, blocked), (_, count)| (all + count.0, blocked + count.1));
        assert!(all > 1_000, "the corpus is not what it was");
        f64::from(blocked) / f64::from(all)
    };
    println!("recall {:.4}, false positives {:.5}\n{counts:#?}", share(true), share(false));
    assert!(share(false) <= 0.0015, "honest prompts are blocked: {:.5}", share(false));
    assert!(share(true) >= 0.35, "attacks pass: {:.4}", share(true));
    // What is outside of one set of adversarially phrased, harmless prompts is not blocked at all.
    let elsewhere: u32 = counts
        .iter()
        .filter(|((is_attack, source), _)| !is_attack && !source.contains("wildguard"))
        .map(|(_, count)| count.1)
        .sum();
    assert!(elsewhere <= 2, "{elsewhere} honest prompts are blocked");
}

#[test]
fn a_disguise_does_not_help() {
    let Some(rows) = rows("obfuscated.jsonl") else { return };
    let mut counts: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    let mut plain_is_caught = false;
    for row in &rows {
        let kind = row.kind.strip_prefix("obfuscated/").expect("a transformation");
        if kind == "none" {
            plain_is_caught = is_blocked(&row.text);
        } else if plain_is_caught {
            let (all, caught) = counts.entry(kind).or_default();
            *all += 1;
            *caught += u32::from(is_blocked(&row.text));
        }
    }
    let (all, caught) = counts.values().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    println!("{counts:#?}");
    assert!(all > 100, "too few are caught in plain");
    assert!(f64::from(caught) >= 0.9 * f64::from(all), "{caught} of {all}");
}

#[test]
fn what_looks_odd_and_is_honest_passes() {
    let Some(rows) = rows("benign_unicode.jsonl") else { return };
    for row in &rows {
        assert!(!is_blocked(&row.text), "{:?}: {:?}", row.text, scan(&row.text));
    }
    let flagged = rows.iter().filter(|row| scan(&row.text).reach(Threshold::default()) == Reach::Flag).count();
    assert!(flagged <= 3, "{flagged} are flagged");
}

/// `HALTLINE_WRITE_DOCS=1` writes the table instead of comparing it.
#[test]
fn the_table_in_the_documents_is_what_is_measured() {
    let names = ["prompts.jsonl", "obfuscated.jsonl", "benign_unicode.jsonl"];
    let Some(corpora) = names.map(rows).into_iter().collect::<Option<Vec<_>>>() else { return };
    let mut quality = Quality::new(Threshold::default());
    for row in corpora.iter().flatten() {
        let label = Label { is_attack: row.is_attack, source: &row.source, kind: &row.kind };
        quality.add(label, &scan(&row.text));
    }
    let measured = quality.markdown(&Ruleset::shipped());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/guard-quality.md");
    let document = std::fs::read_to_string(&path).expect("the document");
    let (begin, end) = ("<!-- measured:begin -->\n", "<!-- measured:end -->");
    let (before, rest) = document.split_once(begin).expect("where the table begins");
    let (present, after) = rest.split_once(end).expect("where the table ends");
    if std::env::var_os("HALTLINE_WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{begin}{measured}{end}{after}")).expect("written");
        return;
    }
    assert!(
        present == measured,
        "docs/reference/guard-quality.md is not what is measured; write it with \
         HALTLINE_WRITE_DOCS=1 cargo test -p haltline-guard the_table_in_the_documents"
    );
}
