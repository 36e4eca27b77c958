//! The shape of a rule: literal beginnings, then steps that read one byte after the other and never
//! look back. So a rule costs the same however the text is cut.

use super::class::Class;
use std::borrow::Cow;
use std::fmt;

/// How bad it is that this gets out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Little by itself.
    Low,
    /// Worth a look.
    Medium,
    /// Must be replaced by its owner.
    High,
    /// Gives away a whole account, or a key that signs.
    Critical,
}

impl Severity {
    /// The word for documents and records.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A built-in rule for one kind of secret.
#[derive(Clone, Copy)]
pub struct SecretRule {
    /// Its name for good: in placeholders, records and configurations.
    pub id: &'static str,
    /// What it finds, for documents.
    pub finds: &'static str,
    /// How bad a find is.
    pub severity: Severity,
    /// Whether it is on unless somebody says otherwise.
    pub default: bool,
    /// Where the format is described.
    pub source: &'static str,
    pub(super) judge: Judge,
    pub(super) patterns: &'static [Pattern],
}

impl fmt::Debug for SecretRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretRule").field("id", &self.id).finish_non_exhaustive()
    }
}

/// One form of what a rule finds.
#[derive(Clone, Copy)]
pub(super) struct Pattern {
    /// Any of these begins it.
    pub(super) prefixes: &'static [&'static str],
    pub(super) before: Before,
    pub(super) begin: Begin,
    pub(super) steps: &'static [Step],
    pub(super) after: After,
    /// Whether a long beginning may leave, so that less is held: what is replaced then begins later.
    pub(super) slides: bool,
}

/// A pattern but its beginnings, which the automaton has.
pub(super) struct Shape {
    pub(super) before: Before,
    pub(super) begin: Begin,
    pub(super) steps: Cow<'static, [Step]>,
    pub(super) after: After,
    pub(super) slides: bool,
}

/// What must stand before a pattern's beginning.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// Anything.
    Any,
    /// No letter, digit or `_`.
    NoWord,
    /// The number of a Telegram bot: 8 to 10 digits.
    BotNumber,
    /// The first part of a Discord token: 24 to 26 letters of base64, of which the first is M, N or O.
    DiscordUser,
}

/// What the literal beginning is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// Part of the secret: it is held and replaced with it.
    Secret,
    /// What stands before a secret: it passes. Letters count in either case.
    Context,
    /// The same, but letters count as they are.
    ExactContext,
}

/// One step of a pattern.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// From `min` to `max` bytes of a class, as many as there are.
    Run { class: Class, min: u16, max: u16 },
    /// These bytes.
    Lit(&'static str),
    /// These bytes, letters in either case.
    Fold(&'static str),
    /// What is replaced begins here.
    Mark,
    /// What is replaced ends here.
    End,
    /// What has been read is the first line of a private key.
    PrivateKeyLabel,
    /// The lines of a private key, up to where there is no doubt.
    PrivateKeyBody,
}

/// What belongs to a secret beyond the point where it is certain.
#[derive(Clone, Copy)]
pub(super) enum After {
    /// Nothing.
    Nothing,
    /// All bytes of a class.
    Class(Class),
    /// So many bytes of a class at most; `u16::MAX` is no bound.
    Bounded(Class, u16),
    /// All bytes of a class, and so many further parts after a dot.
    Dotted(Class, u8),
    /// All lines up to the end of a private key.
    PrivateKey,
}

/// What is asked of a text that has the right form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Judge {
    pub(super) kind: JudgeKind,
    /// The least entropy, in bits a byte.
    pub(super) entropy: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JudgeKind {
    /// No placeholder.
    Token,
    /// The same, and looks like chance: for what has no form of its own.
    Generic,
    /// Nothing more.
    Certain,
}

pub(super) const fn run(class: Class, exact: u16) -> Step {
    Step::Run { class, min: exact, max: exact }
}

pub(super) const fn runs(class: Class, min: u16, max: u16) -> Step {
    Step::Run { class, min, max }
}
