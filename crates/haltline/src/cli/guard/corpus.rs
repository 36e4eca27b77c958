//! Labelled texts from a file, a line each. A wrong line is named.

use crate::cli::exit::{CliError, Exit};
use serde::Deserialize;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Bytes of a line, at most.
const LINE_MAX: u64 = 16 << 20;

/// A labelled text.
#[derive(Debug)]
pub(super) struct Row {
    /// The text.
    pub(super) text: String,
    /// Is it an attack?
    pub(super) is_attack: bool,
    /// Where it is from; the name of the file when nobody says.
    pub(super) source: String,
    /// What it is; may be empty.
    pub(super) kind: String,
}

#[derive(Deserialize)]
struct Line {
    text: String,
    label: u8,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    kind: String,
}

/// A file that is being read.
#[derive(Debug)]
pub(super) struct Corpus {
    path: PathBuf,
    reader: BufReader<File>,
    line: u64,
}

impl Corpus {
    /// Opens it.
    pub(super) fn open(path: &Path) -> Result<Self, CliError> {
        let file = File::open(path)
            .map_err(|error| CliError::new(Exit::NotFound, format!("{} cannot be read: {error}", path.display())))?;
        Ok(Self { path: path.to_owned(), reader: BufReader::new(file), line: 0 })
    }

    /// The next text. Empty lines are skipped.
    pub(super) fn next_row(&mut self) -> Result<Option<Row>, CliError> {
        loop {
            let mut line = Vec::new();
            self.line += 1;
            let read = (&mut self.reader).take(LINE_MAX).read_until(b'\n', &mut line);
            let read = read.map_err(|error| self.wrong(&format!("it cannot be read: {error}")))?;
            if read == 0 {
                return Ok(None);
            }
            if line.last() != Some(&b'\n') && u64::try_from(read).is_ok_and(|read| read == LINE_MAX) {
                return Err(self.wrong(&format!("it has more than {LINE_MAX} bytes")));
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let row: Line = serde_json::from_slice(&line).map_err(|error| self.wrong(&error.to_string()))?;
            if row.label > 1 {
                return Err(self.wrong(&format!("label {} is neither 1 (an attack) nor 0", row.label)));
            }
            let name = || self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let source = row.source.filter(|source| !source.is_empty()).unwrap_or_else(name);
            return Ok(Some(Row { text: row.text, is_attack: row.label == 1, source, kind: row.kind }));
        }
    }

    fn wrong(&self, what: &str) -> CliError {
        CliError::usage(format!("{}, line {}: {what}", self.path.display(), self.line)).help(
            "a line is {\"text\": \"…\", \"label\": 0} with source, kind and lang as far as known; \
             label 1 is an attack, 0 an honest text",
        )
    }
}
