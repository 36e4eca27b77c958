//! Exit codes, and errors that carry one.

use crate::config::Diagnostics;
use std::fmt;
use std::process::ExitCode;

/// How a command ended; the numbers are a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// It failed.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// The gateway or its store cannot be reached.
    NotReachable = 3,
    /// Whoever asks may not.
    NotAllowed = 4,
    /// It is not there, or the name is taken.
    NotFound = 5,
    /// A budget is above the mark.
    OverBudget = 6,
    /// A person interrupted it.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub struct CliError {
    /// The exit code.
    pub exit: Exit,
    /// One sentence or more, for people.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The configuration's errors, when they are the reason.
    pub diagnostics: Option<Box<Diagnostics>>,
}

impl CliError {
    /// With an exit code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), help: None, diagnostics: None }
    }

    /// Exit code 1.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// Exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Says what to do.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

impl From<Box<Diagnostics>> for CliError {
    fn from(diagnostics: Box<Diagnostics>) -> Self {
        let sum = diagnostics.sum().unwrap_or_default();
        Self { exit: Exit::Usage, message: sum, help: None, diagnostics: Some(diagnostics) }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CliError {}
