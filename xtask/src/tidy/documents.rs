//! Documents that must keep step with the code: the page of a request's journey with the stage files,
//! the pages of error codes with the table of codes. A helper beside the stages says in its header
//! that it is "Not a stage".

use crate::problem::Problem;
use crate::workspace::TextFile;
use haltline_types::Code;

const JOURNEY: &str = "docs/life-of-a-request.md";
const STAGES: &str = "crates/haltline-gateway/src/line/";
const PAGES: &str = "docs/errors/";

/// One `## ` section a stage file, in the same word.
pub(super) fn stages(files: &[TextFile]) -> Vec<Problem> {
    let stages: Vec<&str> = files
        .iter()
        .filter(|file| is_stage(file))
        .filter_map(|file| file.path.strip_prefix(STAGES)?.strip_suffix(".rs"))
        .filter(|stem| !stem.contains('/'))
        .collect();
    let page = files.iter().find(|file| file.path == JOURNEY);
    let sections: Vec<(usize, &str)> = page
        .into_iter()
        .flat_map(|page| page.text.lines().enumerate())
        .filter_map(|(index, line)| line.strip_prefix("## ").map(|title| (index + 1, title.trim())))
        .collect();

    let mut problems = Vec::new();
    if page.is_none() {
        problems.push(Problem::new(
            JOURNEY,
            0,
            "the page is missing",
            "tell the journey of a request, one section a stage",
        ));
    }
    if stages.is_empty() {
        problems.push(Problem::new(STAGES, 0, "there are no stage files", "keep one file a stage, named by a verb"));
    }
    for stage in &stages {
        if page.is_some() && !sections.iter().any(|(_, title)| title == stage) {
            problems.push(Problem::new(
                JOURNEY,
                0,
                format!("the stage `{stage}` ({STAGES}{stage}.rs) has no section"),
                format!("add `## {stage}` in travel order, or say \"Not a stage\" in the file's header"),
            ));
        }
    }
    for (line, title) in &sections {
        if !stages.contains(title) {
            problems.push(Problem::new(
                JOURNEY,
                *line,
                format!("the section `{title}` has no stage file"),
                format!("name it as a file in {STAGES}, or use `###` for what is no stage"),
            ));
        }
        if sections.iter().any(|(other, same)| same == title && other < line) {
            problems.push(Problem::new(JOURNEY, *line, format!("the section `{title}` stands twice"), "keep one"));
        }
    }
    problems
}

fn is_stage(file: &TextFile) -> bool {
    !file.text.lines().take_while(|line| line.starts_with("//!")).any(|line| line.contains("Not a stage"))
}

/// Exactly one page a code, and the facts at its head are those of the code.
pub(super) fn error_pages(files: &[TextFile]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut seen = Vec::new();
    for file in files {
        let Some(word) = file.path.strip_prefix(PAGES).and_then(|name| name.strip_suffix(".md")) else { continue };
        match Code::from_word(word) {
            Some(code) => {
                seen.push(code);
                problems.extend(page(file, code));
            }
            None => problems.push(Problem::new(
                &file.path,
                0,
                format!("`{word}` is no error code"),
                "rename the page after a code of haltline-types, or take it out",
            )),
        }
    }
    for code in Code::ALL.into_iter().filter(|code| !seen.contains(code)) {
        problems.push(Problem::new(
            format!("{PAGES}{code}.md"),
            0,
            format!("the code `{code}` has no page"),
            "write it: what the client sees, why, what user, operator and developer do",
        ));
    }
    problems
}

/// The rows that a code's page must have, as the table of codes knows them.
pub(super) fn facts(code: Code) -> [String; 4] {
    [
        format!("| HTTP status | {} |", code.status()),
        format!("| `type` (OpenAI, Anthropic) | `{}`, `{}` |", code.openai_type(), code.anthropic_type()),
        format!("| `class` | `{}` |", code.class().word()),
        format!("| `x-should-retry` | `{}` |", code.should_retry()),
    ]
}

const SECTIONS: [&str; 5] = [
    "## What the client sees",
    "## Why",
    "## What a user can do",
    "## What an operator can do",
    "## What a developer can do",
];

fn page(file: &TextFile, code: Code) -> Vec<Problem> {
    let has = |wanted: &str| file.text.lines().any(|line| line.trim_end() == wanted);
    let mut problems = Vec::new();
    if file.text.lines().next() != Some(format!("# {code}").as_str()) {
        problems.push(Problem::new(&file.path, 1, "the title is not the code", format!("begin with `# {code}`")));
    }
    for wanted in SECTIONS {
        if !has(wanted) {
            problems.push(Problem::new(&file.path, 0, format!("the section `{wanted}` is missing"), "add it"));
        }
    }
    for wanted in facts(code) {
        if !has(&wanted) {
            problems.push(Problem::new(
                &file.path,
                0,
                "a fact differs from the table of codes in haltline-types",
                format!("the page needs the row `{wanted}`"),
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    fn whats(problems: &[Problem]) -> String {
        problems.iter().map(|problem| problem.what.as_str()).collect::<Vec<_>>().join("; ")
    }

    fn stage(name: &str) -> TextFile {
        file(&format!("{STAGES}{name}.rs"), "//! x\n")
    }

    #[test]
    fn the_journey_has_one_section_a_stage() {
        let page = file(JOURNEY, "# Life\n## identify\ntext\n### aside\n## accept\n");
        assert_eq!(stages(&[page, stage("identify"), stage("accept"), stage("relay/meter")]), []);
    }

    #[test]
    fn a_stage_without_section_and_a_section_without_stage_are_problems() {
        let page = file(JOURNEY, "# Life\n## identify\n## Accept\n");
        let problems = stages(&[page, stage("identify"), stage("accept")]);
        assert!(whats(&problems).contains("the stage `accept`"), "{problems:?}");
        assert!(whats(&problems).contains("the section `Accept` has no stage file"), "{problems:?}");
        assert_eq!(problems.iter().filter(|problem| problem.line == 3).count(), 1);
    }

    #[test]
    fn a_helper_that_says_so_is_no_stage_and_has_no_section() {
        let helper =
            || file(&format!("{STAGES}notes.rs"), "//! Keeps notes.\n//! Not a stage; the notebook.\nuse x;\n");
        let page = |text: &str| file(JOURNEY, text);
        assert_eq!(stages(&[page("## identify\n"), stage("identify"), helper()]), []);
        let with_section = stages(&[page("## identify\n## notes\n"), stage("identify"), helper()]);
        assert!(whats(&with_section).contains("the section `notes` has no stage file"));
        let later = file(&format!("{STAGES}notes.rs"), "//! Keeps notes.\nuse x;\n// Not a stage\n");
        assert!(whats(&stages(&[page("## identify\n"), stage("identify"), later])).contains("the stage `notes`"));
    }

    #[test]
    fn an_absent_page_absent_stages_and_a_doubled_section_are_problems() {
        assert!(whats(&stages(&[stage("identify")])).contains("the page is missing"));
        assert!(whats(&stages(&[file(JOURNEY, "# Life\n")])).contains("no stage files"));
        let doubled = file(JOURNEY, "## identify\n## identify\n");
        assert!(whats(&stages(&[doubled, stage("identify")])).contains("stands twice"));
    }

    fn good_page(code: Code) -> TextFile {
        let text = format!("# {code}\n{}\n{}\n", facts(code).join("\n"), SECTIONS.join("\n"));
        file(&format!("{PAGES}{code}.md"), &text)
    }

    #[test]
    fn every_code_has_a_page_and_every_page_a_code() {
        let mut files: Vec<TextFile> = Code::ALL.into_iter().map(good_page).collect();
        assert_eq!(error_pages(&files), []);
        files.push(file("docs/errors/mystery.md", "# mystery\n"));
        files.retain(|file| !file.path.ends_with("/internal.md"));
        let problems = whats(&error_pages(&files));
        assert!(problems.contains("`mystery` is no error code"), "{problems}");
        assert!(problems.contains("the code `internal` has no page"), "{problems}");
    }

    #[test]
    fn a_page_states_what_the_table_of_codes_states() {
        let mut lying = good_page(Code::BudgetExceeded);
        lying.text = lying.text.replace("| 402 |", "| 429 |").replace("## Why", "## Reason");
        let problems = page(&lying, Code::BudgetExceeded);
        assert!(whats(&problems).contains("`## Why` is missing"), "{problems:?}");
        assert!(problems.iter().any(|problem| problem.fix.contains("| HTTP status | 402 |")), "{problems:?}");
        lying.text = lying.text.replace("# budget_exceeded", "# Budget");
        assert!(whats(&page(&lying, Code::BudgetExceeded)).contains("title"));
    }
}
