//! The reference lists the rules that there are.

use haltline_guard::output::secret_rules;
use std::fmt::Write as _;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/output-guard.md");

#[test]
fn the_reference_lists_every_rule() {
    let mut table = String::from("| rule | finds | severity | default | format |\n|---|---|---|---|---|\n");
    for rule in secret_rules() {
        let source =
            if rule.source.starts_with("https://") { format!("<{}>", rule.source) } else { rule.source.to_owned() };
        let default = if rule.default { "on" } else { "off" };
        writeln!(table, "| `{}` | {} | {} | {default} | {source} |", rule.id, rule.finds, rule.severity).unwrap();
    }
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    let listed =
        document.split("<!-- rules:begin -->\n").nth(1).and_then(|rest| rest.split("<!-- rules:end -->").next());
    assert_eq!(listed, Some(table.as_str()), "put this table into docs/reference/output-guard.md:\n{table}");
}

#[test]
fn every_rule_has_a_name_of_its_own_and_says_where_its_format_is_described() {
    let mut ids: Vec<&str> = secret_rules().map(|rule| rule.id).collect();
    assert!(secret_rules().all(|rule| !rule.finds.is_empty() && !rule.source.is_empty()));
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}
