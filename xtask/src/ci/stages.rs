//! The stages of continuous integration: a table. A stage is a name, what it proves, the environment
//! of its commands, and its steps in order. A stage with `has_tests` fails when no test ran in it.

use std::fmt;

/// One stage.
pub(super) struct Stage {
    /// Its name on the command line.
    pub(super) name: &'static str,
    /// What it proves.
    pub(super) about: &'static str,
    /// Added to the environment of its commands.
    pub(super) env: &'static [(&'static str, &'static str)],
    /// What it runs, in order.
    pub(super) steps: &'static [Step],
    /// Must at least one test have run?
    pub(super) has_tests: bool,
}

/// One step of a stage.
pub(super) enum Step {
    /// A command in the project's root.
    Run(&'static [&'static str]),
    /// A check of our own.
    Check(Check),
    /// Licences, bans and sources of the dependency tree, by `deny.toml`.
    Deny,
    /// Withdrawn versions, and advisories where a database is at hand.
    Advisories,
}

/// The checks of our own.
pub(super) enum Check {
    /// The rules of the house.
    Tidy,
    /// Dependencies that nobody names.
    Unused,
    /// Files that are written from code.
    Generated,
}

/// All stages, in the order in which they run: what fails fastest first.
pub(super) static STAGES: [Stage; 6] = [
    Stage {
        name: "quick",
        about: "form, rules of the house, dependencies",
        env: &[],
        steps: &[
            Step::Run(&["cargo", "fmt", "--all", "--check"]),
            Step::Check(Check::Tidy),
            Step::Check(Check::Unused),
            Step::Check(Check::Generated),
            Step::Run(&["cargo", "clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]),
            Step::Deny,
            Step::Advisories,
        ],
        has_tests: false,
    },
    Stage {
        name: "test",
        about: "all crates but the simulator, examples in documentation included",
        env: &[],
        steps: &[Step::Run(&[
            "cargo",
            "test",
            "--locked",
            "--workspace",
            "--exclude",
            "haltline-sim",
            "--no-fail-fast",
        ])],
        has_tests: true,
    },
    Stage {
        name: "sim",
        about: "the simulator: many seeds, and every seed that ever failed",
        env: &[("HALTLINE_SIM_SEEDS", "300")],
        steps: &[Step::Run(&["cargo", "test", "--locked", "-p", "haltline-sim", "--no-fail-fast"])],
        has_tests: true,
    },
    Stage {
        name: "fuzz",
        about: "the corpus of the parsers, replayed",
        env: &[],
        steps: &[
            Step::Run(&["cargo", "test", "--locked", "-p", "haltline-wire", "corpus"]),
            Step::Run(&["cargo", "test", "--locked", "-p", "haltline-guard", "fuzzed"]),
        ],
        has_tests: true,
    },
    Stage {
        name: "chaos",
        about: "real processes: kill -9 under load, the bill against the ledger, streams that go on",
        env: &[],
        steps: &[Step::Run(&["cargo", "test", "--locked", "-p", "haltline", "--test", "chaos", "--", "--nocapture"])],
        has_tests: true,
    },
    Stage {
        name: "e2e",
        about: "the vendors' own clients and a browser against the real binary",
        env: &[],
        steps: &[
            Step::Run(&["bash", "e2e/run.sh"]),
            Step::Run(&["bash", "e2e/clients.sh"]),
            Step::Run(&["bash", "e2e/browser.sh"]),
        ],
        has_tests: true,
    },
];

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(words) => f.write_str(&words.join(" ")),
            Self::Check(Check::Tidy) => f.write_str("tidy"),
            Self::Check(Check::Unused) => f.write_str("unused dependencies"),
            Self::Check(Check::Generated) => f.write_str("generated files"),
            Self::Deny => f.write_str("cargo deny check licenses bans sources"),
            Self::Advisories => f.write_str("cargo deny check advisories"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stage_names_are_unique_and_every_stage_does_something() {
        for (index, stage) in STAGES.iter().enumerate() {
            assert!(!stage.steps.is_empty(), "{}", stage.name);
            assert!(STAGES[..index].iter().all(|other| other.name != stage.name), "{}", stage.name);
        }
    }
}
