//! Bad and questionable configurations, and what is said of each: `bad.txt`, one case after the
//! other. With HALTLINE_BLESS=1 in the environment the file is written anew, to be read by a person.

use super::said;
use crate::config::{ConfigCode, Paint};
use std::fmt::Write;
use std::path::Path;

const CASE: &str = "######## ";
const ANSWER: &str = "-------- ";

#[test]
fn every_mistake_is_said_with_its_place_and_cure() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/tests/bad.txt");
    let cases = std::fs::read_to_string(&path).expect("the cases");
    let mut written = String::new();
    let mut seen = Vec::new();
    for case in cases.split(CASE).skip(1) {
        let (title, rest) = case.split_once('\n').expect("a title");
        let (text, _) = rest.split_once(ANSWER).expect("a text and an answer");
        let found = said(text);
        seen.extend(found.items.iter().map(|item| item.code));
        let _ = writeln!(written, "{CASE}{title}\n{text}{ANSWER}\n{}", found.to_text(Paint::None));
        assert!(!found.to_text(Paint::None).contains("verysecret"), "{title}");
        assert!(!found.to_json_lines().contains("verysecret"), "{title}");
    }
    // The blank line that ends a case.
    let written = written.trim_end().to_owned() + "\n";
    if std::env::var_os("HALTLINE_BLESS").is_some() {
        std::fs::write(&path, &written).expect("written");
        return;
    }
    for (is, should) in written.split(CASE).zip(cases.split(CASE)) {
        assert_eq!(is.trim_end(), should.trim_end());
    }
    let unreadable_is_tested_elsewhere = ConfigCode::Unreadable;
    for code in ConfigCode::ALL {
        assert!(code == unreadable_is_tested_elsewhere || seen.contains(&code), "no case for {code}");
    }
}

#[test]
fn json_names_file_line_and_column() {
    let found = said("[server]\nlistn = \"127.0.0.1:1\"\n");
    let line: serde_json::Value =
        serde_json::from_str(found.to_json_lines().lines().next().expect("one line")).expect("JSON");
    assert_eq!(line["severity"], "error");
    assert_eq!(line["code"], "C003");
    assert_eq!((line["line"].as_u64(), line["column"].as_u64()), (Some(2), Some(1)));
    assert_eq!(line["source"], "listn = \"127.0.0.1:1\"");
    assert_eq!(line["label"], "did you mean `listen`?");
}
