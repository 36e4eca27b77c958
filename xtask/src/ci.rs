//! Continuous integration: runs the stages in order, shows what runs and how long it took, stops at
//! the first failure, and prints the number of tests as the very last line. What the stages are
//! stands in `ci/stages.rs`; how tests are counted in `ci/tally.rs`.

mod stages;
mod tally;

use crate::problem;
use crate::workspace::Workspace;
use crate::{generate, tidy};
use anyhow::{Context, Result, bail};
use stages::{Check, STAGES, Stage, Step};
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};
use tally::Tally;

/// Where the shared data is, as the tests know it.
const SHARED: &str = "HALTLINE_SHARED";

const DENY_VERSION: &str = "0.20.2";

struct Outcome {
    stage: &'static str,
    took: Duration,
    tally: Tally,
    error: Option<String>,
}

/// Prints the stages and what they run.
pub(crate) fn list() {
    for stage in &STAGES {
        println!("{}: {}", stage.name, stage.about);
        for (name, value) in stage.env {
            println!("    {name}={value}");
        }
        for step in stage.steps {
            println!("    {step}");
        }
    }
}

/// Runs the named stages, or all of them.
pub(crate) fn run(workspace: &Workspace, wanted: &[String]) -> Result<ExitCode> {
    let chosen = choose(wanted)?;
    let shared = match shared_data(workspace) {
        Ok(shared) => shared,
        Err(error) => {
            println!("error: {error:#}");
            println!("{}", Tally { failed: 1, ..Tally::default() });
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut outcomes = Vec::new();
    for (index, stage) in chosen.iter().enumerate() {
        println!("\n=== [{}/{}] {}: {}", index + 1, chosen.len(), stage.name, stage.about);
        let outcome = run_stage(workspace, stage, &shared);
        let verdict = outcome.error.as_ref().map_or_else(|| "ok".to_owned(), |error| format!("FAILED: {error}"));
        println!("=== {}: {verdict} ({}, {} free on the disk)", stage.name, clock(outcome.took), free_space(workspace));
        let failed = outcome.error.is_some();
        outcomes.push(outcome);
        if failed {
            break;
        }
    }
    Ok(summary(&chosen, &outcomes))
}

/// What is left on the disk: a full one makes installers and linkers fail without a word.
fn free_space(workspace: &Workspace) -> String {
    match rustix::fs::statvfs(workspace.root()) {
        Ok(disk) => format!("{} GiB", disk.f_bavail.saturating_mul(disk.f_frsize) >> 30),
        Err(_) => "an unknown space".to_owned(),
    }
}

fn choose(wanted: &[String]) -> Result<Vec<&'static Stage>> {
    for name in wanted {
        if !STAGES.iter().any(|stage| stage.name == name) {
            let known: Vec<&str> = STAGES.iter().map(|stage| stage.name).collect();
            bail!("there is no stage `{name}`; there are {}", known.join(", "));
        }
    }
    Ok(STAGES.iter().filter(|stage| wanted.is_empty() || wanted.iter().any(|name| name == stage.name)).collect())
}

/// The folder of shared test data for the tests' environment. Its absence fails a real run of
/// continuous integration and is said aloud elsewhere.
fn shared_data(workspace: &Workspace) -> Result<OsString> {
    let folder = std::env::var_os(SHARED).unwrap_or_else(|| workspace.root().join("../shared").into_os_string());
    let folder = workspace.root().join(folder);
    if !folder.is_dir() {
        if std::env::var("CI").is_ok_and(|value| value == "true") {
            bail!("the shared test data is not at {} (set {SHARED}); with CI=true that is a failure", folder.display());
        }
        println!("NOTE: the shared test data is not at {}; tests that read it say so and do less", folder.display());
    }
    Ok(folder.into_os_string())
}

fn run_stage(workspace: &Workspace, stage: &'static Stage, shared: &OsString) -> Outcome {
    let begin = Instant::now();
    let mut tally = Tally::default();
    let mut errors = Vec::new();
    // All steps, also after one that failed: who reads the output wants all of what is wrong.
    for step in stage.steps {
        println!("--- {step}");
        let step_begin = Instant::now();
        let result = run_step(workspace, stage, step, shared, &mut tally);
        println!("--- {} {step} ({})", if result.is_ok() { "ok" } else { "failed" }, clock(step_begin.elapsed()));
        if let Err(cause) = result {
            errors.push(format!("{cause:#}"));
        }
    }
    if errors.is_empty() && stage.has_tests && tally.passed == 0 {
        errors.push("no test ran".to_owned());
    }
    // The last line must not say "0 failed" of a run that failed.
    if !errors.is_empty() && tally.failed == 0 {
        tally.failed = 1;
    }
    let error = (!errors.is_empty()).then(|| errors.join("; "));
    Outcome { stage: stage.name, took: begin.elapsed(), tally, error }
}

fn run_step(workspace: &Workspace, stage: &Stage, step: &Step, shared: &OsString, tally: &mut Tally) -> Result<()> {
    match step {
        Step::Run(words) => run_command(workspace, stage, words, shared, tally),
        Step::Check(check) => {
            let problems = match check {
                Check::Tidy => tidy::run(workspace)?,
                Check::Unused => tidy::unused(workspace)?,
                Check::Generated => generate::check(workspace)?,
            };
            problem::report(&step.to_string(), &problems);
            if problems.is_empty() { Ok(()) } else { bail!("{} problems", problems.len()) }
        }
        Step::Deny => {
            let tool = deny_tool(workspace, stage, shared)?;
            let words = [tool.as_str(), "--locked", "check", "licenses", "bans", "sources"];
            run_command(workspace, stage, &words, shared, tally)
        }
    }
}

/// Runs a command, shows its output as it comes and counts the tests in it.
fn run_command(
    workspace: &Workspace,
    stage: &Stage,
    words: &[&str],
    shared: &OsString,
    tally: &mut Tally,
) -> Result<()> {
    let (program, arguments) = words.split_first().context("an empty command")?;
    let mut command = workspace.command(program);
    command.args(arguments).env(SHARED, shared).stdin(Stdio::null()).stdout(Stdio::piped());
    command.envs(stage.env.iter().copied());
    let mut child = command.spawn().with_context(|| format!("`{program}` cannot be started"))?;
    let output = child.stdout.take().context("no output to read")?;
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        // `print!`, not the raw handle: xtask's own tests run commands too, and what those print
        // must not be counted by the run that tests xtask.
        let text = String::from_utf8_lossy(&line);
        print!("{text}");
        tally.read(&text);
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{}`: {status}", words.join(" "));
    }
    Ok(())
}

/// The pinned cargo-deny, built into the target folder when it is not there. The development
/// profile: it takes a third of the time, and a check takes a second either way.
fn deny_tool(workspace: &Workspace, stage: &Stage, shared: &OsString) -> Result<String> {
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.root().join("target"), Into::into);
    let root = workspace.root().join(folder).join("tools").join(format!("cargo-deny-{DENY_VERSION}"));
    let tool = root.join("bin").join("cargo-deny");
    if !tool.is_file() {
        let package = format!("cargo-deny@{DENY_VERSION}");
        let root = root.to_string_lossy();
        let words =
            ["cargo", "install", "--quiet", "--locked", "--debug", "--no-default-features", "--root", &root, &package];
        println!("installing {package}");
        run_command(workspace, stage, &words, shared, &mut Tally::default())?;
    }
    Ok(tool.to_string_lossy().into_owned())
}

fn summary(chosen: &[&Stage], outcomes: &[Outcome]) -> ExitCode {
    let mut total = Tally::default();
    println!("\n{:<10} {:<8} {:>10}  tests", "stage", "result", "time");
    for stage in chosen {
        match outcomes.iter().find(|outcome| outcome.stage == stage.name) {
            Some(outcome) => {
                let result = if outcome.error.is_none() { "ok" } else { "FAILED" };
                println!("{:<10} {result:<8} {:>10}  {}", stage.name, clock(outcome.took), outcome.tally);
                total.add(outcome.tally);
            }
            None => println!("{:<10} {:<8}", stage.name, "not run"),
        }
    }
    println!("{total}");
    let failed = outcomes.iter().any(|outcome| outcome.error.is_some()) || total.failed > 0;
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn clock(took: Duration) -> String {
    let seconds = took.as_secs();
    if seconds < 60 {
        format!("{seconds}.{} s", took.subsec_millis() / 100)
    } else {
        format!("{}m {:02}s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Workspace {
        Workspace::find().expect("the workspace")
    }

    static SHELL: Stage = Stage {
        name: "shell",
        about: "a stage for tests",
        env: &[("HALTLINE_XTASK_TEST", "7")],
        steps: &[Step::Run(&[
            "sh",
            "-c",
            "echo \"test result: ok. $HALTLINE_XTASK_TEST passed; 0 failed; 2 ignored;\"",
        ])],
        has_tests: true,
    };
    static EMPTY: Stage =
        Stage { name: "empty", about: "runs nothing", env: &[], steps: &[Step::Run(&["true"])], has_tests: true };
    static BROKEN: Stage = Stage {
        name: "broken",
        about: "one of its steps fails",
        env: &[],
        steps: &[
            Step::Run(&["false"]),
            Step::Run(&["sh", "-c", "echo 'test result: ok. 1 passed; 0 failed; 0 ignored'"]),
        ],
        has_tests: true,
    };
    static ABSENT: Stage = Stage {
        name: "absent",
        about: "its program is missing",
        env: &[],
        steps: &[Step::Run(&["haltline-no-such-program"])],
        has_tests: false,
    };

    #[test]
    fn a_stage_counts_the_tests_of_its_commands_in_its_environment() {
        let outcome = run_stage(&here(), &SHELL, &OsString::new());
        assert_eq!(outcome.error, None);
        assert_eq!(outcome.tally.to_string(), "7 passed, 0 failed, 2 skipped");
    }

    #[test]
    fn a_stage_that_runs_no_test_fails() {
        let outcome = run_stage(&here(), &EMPTY, &OsString::new());
        assert_eq!(outcome.error.as_deref(), Some("no test ran"));
        assert_eq!(outcome.tally.failed, 1);
    }

    #[test]
    fn a_failed_step_fails_its_stage_and_the_others_still_run() {
        let outcome = run_stage(&here(), &BROKEN, &OsString::new());
        assert!(outcome.error.is_some());
        assert_eq!(outcome.tally.to_string(), "1 passed, 1 failed, 0 skipped");
    }

    #[test]
    fn a_stage_that_cannot_run_fails() {
        let outcome = run_stage(&here(), &ABSENT, &OsString::new());
        assert!(outcome.error.is_some_and(|error| error.contains("cannot be started")));
    }

    #[test]
    fn stages_are_chosen_by_name_and_run_in_their_own_order() {
        let names = |wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
            choose(&wanted).map(|stages| stages.iter().map(|stage| stage.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["test", "quick"]).expect("stages"), ["quick", "test"]);
        assert_eq!(names(&[]).expect("stages").len(), STAGES.len());
        assert!(names(&["quik"]).expect_err("no such stage").to_string().contains("quick"));
    }

    #[test]
    fn time_is_shown_for_people() {
        assert_eq!(clock(Duration::from_millis(1_250)), "1.2 s");
        assert_eq!(clock(Duration::from_secs(125)), "2m 05s");
    }
}
