//! What is wrong with a body, and where.

use std::fmt;

/// Why a body is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonErrorKind {
    /// Nothing but white space.
    Empty,
    /// Not UTF-8.
    Encoding,
    /// Not JSON; says what was expected.
    Syntax(&'static str),
    /// Containers nested deeper than `DEPTH_MAX`.
    TooDeep,
    /// The same key twice in one object; holds the key, shortened.
    DuplicateKey(String),
    /// More open keys than `OPEN_KEYS_MAX`.
    TooManyKeys,
}

/// A refused body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// Why.
    pub kind: JsonErrorKind,
    /// Byte of the body, from 0.
    pub offset: usize,
    /// Line, from 1.
    pub line: usize,
    /// Byte in the line, from 1.
    pub column: usize,
}

impl JsonError {
    /// Finds line and column of `offset`, which only a refusal needs.
    pub(super) fn at(body: &[u8], offset: usize, kind: JsonErrorKind) -> Self {
        let offset = offset.min(body.len());
        let before = &body[..offset];
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let column = offset - memchr::memrchr(b'\n', before).map_or(0, |at| at + 1) + 1;
        Self { kind, offset, line, column }
    }
}

impl fmt::Display for JsonErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::Encoding => f.write_str("it is not UTF-8"),
            Self::Syntax(what) => f.write_str(what),
            Self::TooDeep => write!(f, "it is nested deeper than {} levels", super::DEPTH_MAX),
            Self::DuplicateKey(key) => write!(f, "the key `{key}` stands twice in one object"),
            Self::TooManyKeys => write!(f, "more than {} keys are open at once", super::OPEN_KEYS_MAX),
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {}, column {}, byte {})", self.kind, self.line, self.column, self.offset)
    }
}

impl std::error::Error for JsonError {}
