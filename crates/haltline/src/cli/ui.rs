//! What commands print: tables for people on a terminal, JSON lines for programs.

use super::args::Global;
use super::exit::{CliError, Exit};
use crate::config::Paint;
use comfy_table::{Table, presets};
use serde::Serialize;
use serde_json::json;
use std::borrow::Cow;
use std::io::Write;

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns.
    Table,
    /// One JSON object a line.
    Json,
    /// Comma separated values.
    Csv,
}

/// Where a command prints, and how.
pub struct Ui<'u> {
    out: &'u mut dyn Write,
    err: &'u mut dyn Write,
    /// As asked for, else by whether a terminal is at the other end.
    pub format: Format,
    /// Was the format asked for?
    pub is_explicit: bool,
    /// Colours of what goes to standard error.
    pub paint: Paint,
    /// Colours of what goes to standard output; none unless set.
    pub out_paint: Paint,
    quiet: bool,
}

impl<'u> Ui<'u> {
    /// For these streams.
    pub fn new(out: &'u mut dyn Write, err: &'u mut dyn Write, global: &Global, terminal: bool, colours: bool) -> Self {
        let format = global.format.unwrap_or(if terminal { Format::Table } else { Format::Json });
        let paint = if colours { Paint::Ansi } else { Paint::None };
        let is_explicit = global.format.is_some();
        Self { out, err, format, is_explicit, paint, out_paint: Paint::None, quiet: global.quiet }
    }

    /// A list of like things. `row` gives the cells for people.
    ///
    /// # Errors
    /// When the reader of the output is gone.
    pub fn list<T: Serialize>(
        &mut self,
        headers: &[&str],
        items: &[T],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), CliError> {
        match self.format {
            Format::Json => items.iter().try_for_each(|item| self.json(item)),
            Format::Csv => {
                let rows = items.iter().map(row);
                let lines =
                    std::iter::once(headers.iter().map(|header| header.replace(' ', "_")).collect()).chain(rows);
                let text: String = lines.map(|cells: Vec<String>| csv_line(&cells)).collect();
                self.text(&text)
            }
            Format::Table => {
                let mut table = Table::new();
                table.load_style(presets::NOTHING);
                table.set_header(headers.to_vec());
                items.iter().for_each(|item| {
                    table.add_row(row(item));
                });
                let text: String = table
                    .lines()
                    .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(&line).trim_end()))
                    .collect();
                self.text(&text)
            }
        }
    }

    /// One JSON line.
    ///
    /// # Errors
    /// When the reader of the output is gone.
    pub fn json<T: Serialize>(&mut self, value: &T) -> Result<(), CliError> {
        let line = serde_json::to_string(value).map_err(|error| CliError::failed(error.to_string()))?;
        self.text(&format!("{line}\n"))
    }

    /// Text to standard output; it ends with a line break, whether given one or not.
    ///
    /// # Errors
    /// When the reader of the output is gone.
    pub fn text(&mut self, text: &str) -> Result<(), CliError> {
        let written = self.out.write_all(ended(text).as_bytes());
        written.map_err(|error| CliError::failed(format!("the output cannot be written: {error}")))
    }

    /// Bytes to standard output, at once and as they are.
    ///
    /// # Errors
    /// When the reader of the output is gone.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        let written = self.out.write_all(bytes).and_then(|()| self.out.flush());
        written.map_err(|error| CliError::failed(format!("the output cannot be written: {error}")))
    }

    /// A sentence about what was done: for people a line, for programs `{"message": …}`.
    ///
    /// # Errors
    /// When the reader of the output is gone.
    pub fn said(&mut self, sentence: &str) -> Result<(), CliError> {
        match self.format {
            Format::Json => self.json(&json!({ "message": sentence })),
            Format::Table | Format::Csv if self.quiet => Ok(()),
            Format::Table | Format::Csv => self.text(&format!("{sentence}\n")),
        }
    }

    /// A remark beside the result, to standard error; silent with `--quiet`.
    pub fn note(&mut self, text: &str) {
        if !self.quiet {
            let _ = self.err.write_all(ended(text).as_bytes());
        }
    }

    /// Why a command failed. Said also with `--quiet`.
    pub fn error(&mut self, error: &CliError) {
        let is_json = self.is_explicit && self.format == Format::Json;
        let text = match (&error.diagnostics, is_json) {
            (Some(found), true) => found.to_json_lines(),
            (Some(found), false) => found.to_text(self.paint),
            (None, true) => {
                format!("{}\n", json!({ "error": error.message, "help": error.help, "exit": error.exit as u8 }))
            }
            (None, false) => {
                let help = error.help.as_ref().map(|help| format!("  help: {help}\n")).unwrap_or_default();
                let word = if error.exit == Exit::OverBudget { "over budget" } else { "error" };
                format!("{word}: {}\n{help}", error.message)
            }
        };
        let _ = self.err.write_all(text.as_bytes());
    }
}

impl std::fmt::Debug for Ui<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ui").field("format", &self.format).field("quiet", &self.quiet).finish_non_exhaustive()
    }
}

/// With a line break at its end, unless it is empty.
fn ended(text: &str) -> Cow<'_, str> {
    if text.is_empty() || text.ends_with('\n') { Cow::Borrowed(text) } else { Cow::Owned(format!("{text}\n")) }
}

/// A line of RFC 4180. A cell that a spreadsheet would take for a formula gets an apostrophe before it.
fn csv_line(cells: &[String]) -> String {
    let cell = |cell: &String| {
        let after_minus = cell.strip_prefix('-').map(|rest| rest.trim_start_matches('$'));
        let is_amount =
            after_minus.is_some_and(|rest| rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_digit()));
        let safe = match cell.chars().next() {
            Some('=' | '+' | '@') => format!("'{cell}"),
            Some('-') if !is_amount => format!("'{cell}"),
            _ => cell.clone(),
        };
        if safe.contains([',', '"', '\n', '\r']) { format!("\"{}\"", safe.replace('"', "\"\"")) } else { safe }
    };
    format!("{}\r\n", cells.iter().map(cell).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_csv_cannot_become_formulas_or_other_cells() {
        let cells = ["a,b", "say \"x\"", "=cmd()", "-$1.00", "-x()"].map(str::to_owned);
        assert_eq!(csv_line(&cells), "\"a,b\",\"say \"\"x\"\"\",'=cmd(),-$1.00,'-x()\r\n");
    }
}
