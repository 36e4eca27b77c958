//! How diagnostics are shown: to people like a compiler does, to programs as JSON lines.

use super::diagnostic::{Diagnostic, Diagnostics};
use super::redact::masked;
use serde_json::json;
use std::fmt::Write;

/// Are colours wanted?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// Escape sequences for a terminal.
    Ansi,
    /// Nothing but text.
    None,
}

impl Paint {
    fn wrap(self, sequence: &str, text: &str) -> String {
        match self {
            Self::Ansi => format!("\u{1b}[{sequence}m{text}\u{1b}[0m"),
            Self::None => text.to_owned(),
        }
    }
}

impl Diagnostics {
    /// All of them for people, with a sum as the last line.
    #[must_use]
    pub fn to_text(&self, paint: Paint) -> String {
        let mut out = String::new();
        for item in &self.items {
            self.write_item(&mut out, item, paint);
        }
        if let Some(sum) = self.sum() {
            let _ = writeln!(out, "{sum}");
        }
        out
    }

    /// `3 errors, 1 warning`; `None` when there is nothing.
    #[must_use]
    pub fn sum(&self) -> Option<String> {
        let (errors, warnings) = self.counts();
        let part = |count: usize, word: &str| match count {
            0 => None,
            1 => Some(format!("1 {word}")),
            many => Some(format!("{many} {word}s")),
        };
        let parts: Vec<String> = [part(errors, "error"), part(warnings, "warning")].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// One JSON object a line.
    #[must_use]
    pub fn to_json_lines(&self) -> String {
        let mut out = String::new();
        for item in &self.items {
            let place = item.span.as_ref().map(|span| self.source.line(span));
            let value = json!({
                "severity": severity(item),
                "code": item.code.word(),
                "message": masked(&item.message),
                "file": self.file,
                "line": place.as_ref().map(|line| line.number),
                "column": place.as_ref().map(|line| line.column),
                "source": place.as_ref().map(|line| line.text.as_str()),
                "label": item.label,
                "allowed": item.allowed,
                "help": item.help,
            });
            let _ = writeln!(out, "{value}");
        }
        out
    }

    fn write_item(&self, out: &mut String, item: &Diagnostic, paint: Paint) {
        let colour = if item.code.is_warning() { "1;33" } else { "1;31" };
        let head = paint.wrap(colour, &format!("{}[{}]", severity(item), item.code));
        let _ = writeln!(out, "{head}: {}", masked(&item.message));
        let mut margin = 2;
        match &item.span {
            None => {
                let _ = writeln!(out, "  --> {}", self.file);
            }
            Some(span) => {
                let line = self.source.line(span);
                let number = line.number.to_string();
                margin = number.len();
                let _ = writeln!(out, "{:margin$}--> {}:{}:{}", "", self.file, line.number, line.column);
                let _ = writeln!(out, "{number} | {}", line.text);
                let caret = paint.wrap(colour, format!("{} {}", "^".repeat(line.length), item.label).trim_end());
                let _ = writeln!(out, "{:margin$} | {:start$}{caret}", "", "", start = line.start);
            }
        }
        if !item.allowed.is_empty() {
            let _ = writeln!(out, "{:margin$} = allowed here: {}", "", item.allowed.join(", "));
        }
        if let Some(help) = &item.help {
            let _ = writeln!(out, "{:margin$} = help: {help}", "");
        }
        let _ = writeln!(out, "{:margin$} = more: haltline explain {}\n", "", item.code);
    }
}

fn severity(item: &Diagnostic) -> &'static str {
    if item.code.is_warning() { "warning" } else { "error" }
}
