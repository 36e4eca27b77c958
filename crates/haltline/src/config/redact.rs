//! Masks secrets before any part of a file is shown, whether or not the file can be parsed: what
//! stands after a key that is called like a secret, and what looks like one wherever it stands.

use std::ops::Range;

/// What is shown in a secret's place.
pub(super) const MASK: &str = "(secret)";
/// Beginnings of keys that providers and we hand out.
const PREFIXES: [&str; 5] = ["sk-", "sk_", "hl-", "gsk_", "Bearer "];

/// A text whose secrets are not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted {
    text: String,
    secrets: Vec<Range<usize>>,
}

/// A line as it may be shown, and a part of it to point at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownLine {
    /// Its number, from 1.
    pub number: usize,
    /// Where the part begins in the file, in characters from 1.
    pub column: usize,
    /// The line, secrets masked, tabs as one space.
    pub text: String,
    /// Where the part begins in `text`, in characters from 0.
    pub start: usize,
    /// How many characters long it is in `text`; at least 1.
    pub length: usize,
}

impl Redacted {
    /// Masks what looks like a secret, and `known`.
    pub(super) fn new(text: &str, known: &[Range<usize>]) -> Self {
        let mut secrets: Vec<Range<usize>> = known.to_vec();
        let mut start = 0;
        let mut in_list = false;
        for line in text.split_inclusive('\n') {
            let mut found = secrets_in(line);
            in_list = secrets_of_lists(line, in_list, &mut found);
            secrets.extend(found.into_iter().map(|found| start + found.start..start + found.end));
            start += line.len();
        }
        secrets.sort_by_key(|secret| (secret.start, secret.end));
        Self { text: text.to_owned(), secrets: merged(secrets) }
    }

    /// The line in which `span` begins.
    #[must_use]
    pub fn line(&self, span: &Range<usize>) -> ShownLine {
        let at = floor(&self.text, span.start);
        let begin = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = self.text[at..].find('\n').map_or(self.text.len(), |newline| at + newline);
        let stop = floor(&self.text, span.end).clamp(at, end);
        let start = self.shown(begin..at).chars().count();
        let length = self.shown(begin..stop).chars().count().saturating_sub(start).max(1);
        ShownLine {
            number: self.text[..begin].matches('\n').count() + 1,
            column: self.text[begin..at].chars().count() + 1,
            text: self.shown(begin..end).trim_end().to_owned(),
            start,
            length,
        }
    }

    fn shown(&self, part: Range<usize>) -> String {
        let mut out = String::new();
        let mut at = part.start;
        for secret in &self.secrets {
            let masked = secret.start.max(part.start)..secret.end.min(part.end);
            if masked.start >= masked.end || masked.start < at {
                continue;
            }
            out.push_str(self.text.get(at..masked.start).unwrap_or_default());
            out.push_str(MASK);
            at = masked.end;
        }
        out.push_str(self.text.get(at..part.end).unwrap_or_default());
        out.replace(['\t', '\r'], " ")
    }
}

/// A message in which what looks like a secret is masked.
pub(super) fn masked(message: &str) -> String {
    Redacted::new(message, &[]).shown(0..message.len())
}

/// Overlapping ranges as one.
fn merged(sorted: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    for range in sorted {
        match out.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => out.push(range),
        }
    }
    out
}

fn secrets_in(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (equals, _) in line.match_indices('=') {
        if is_secret_key(&line[..equals]) {
            found.extend(value_after(line, equals + 1));
        }
    }
    for (scheme, _) in line.match_indices("://") {
        found.extend(credentials_after(line, scheme + 3));
    }
    for prefix in PREFIXES {
        for (start, _) in line.match_indices(prefix) {
            let before = line[..start].chars().next_back();
            let body = &line[start + prefix.len()..];
            let length = body.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(body.len());
            if length >= 8 && !before.is_some_and(char::is_alphanumeric) {
                found.push(start..start + prefix.len() + length);
            }
        }
    }
    found
}

/// User and password of an address, which begin here. A password may hold what an address may not
/// hold unescaped, so everything up to the last `@` counts.
fn credentials_after(line: &str, start: usize) -> Option<Range<usize>> {
    let rest = &line[start..];
    let address = &rest[..rest.find(|c: char| c.is_whitespace() || "\"'`".contains(c)).unwrap_or(rest.len())];
    Some(start..start + address.rfind('@')?).filter(|found| !found.is_empty())
}

/// Finds what stands in lists of secrets, which may go over several lines; is the list open at the
/// end of this one? `in_list`: it was at the beginning.
fn secrets_of_lists(line: &str, mut in_list: bool, found: &mut Vec<Range<usize>>) -> bool {
    // The header of a section: the list was never closed.
    in_list = in_list && !line.starts_with('[');
    let mut at = 0;
    loop {
        if !in_list {
            let opens = line
                .match_indices('=')
                .map(|(equals, _)| equals)
                .filter(|equals| *equals >= at)
                .find(|equals| is_secret_key(&line[..*equals]) && line[equals + 1..].trim_start().starts_with('['));
            let Some(equals) = opens else { return false };
            at = equals + 1;
        }
        let rest = &line[at..];
        let Some(next) = rest.find(['"', '\'', ']']) else { return true };
        let start = at + next;
        in_list = true;
        if line[start..].starts_with(']') {
            in_list = false;
            at = start + 1;
            continue;
        }
        let Some(string) = value_after(line, start) else {
            // A reference, or nothing: on behind its closing quote.
            at = line[start + 1..].find(['"', '\'']).map_or(line.len(), |end| start + end + 2);
            continue;
        };
        at = string.end;
        found.push(string);
    }
}

/// Does the text before an equals sign end with the name of a secret?
fn is_secret_key(before: &str) -> bool {
    let word = before.trim_end().trim_end_matches(['"', '\'']);
    let start = word.rfind(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).map_or(0, |at| at + 1);
    let name = word[start..].to_ascii_lowercase();
    if name == "first_token" {
        return false;
    }
    let mut parts = name.split(['_', '-']);
    parts.any(|part| matches!(part, "key" | "keys" | "apikey" | "secret" | "password" | "token" | "authorization"))
}

/// The value that begins after `from`: a string in quotes, or a bare word. References to the
/// environment and to files are no secrets.
fn value_after(line: &str, from: usize) -> Option<Range<usize>> {
    let rest = &line[from..];
    let start = from + rest.find(|c: char| !c.is_whitespace())?;
    let value = &line[start..];
    if value.starts_with('[') {
        return None;
    }
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    let end = match quote {
        Some(quote) => value[1..].find(quote).map_or(value.trim_end().len(), |at| at + 2),
        None => value.find([',', '}', '#']).unwrap_or(value.len()),
    };
    let value = value[..end].trim_end();
    let bare = value.trim_matches(['"', '\'']);
    let is_reference =
        (bare.starts_with("${") && bare.ends_with('}') && !bare.contains(":-")) || bare.starts_with("file:");
    (!is_reference && !bare.is_empty()).then(|| start..start + value.len())
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        for (line, shown) in [
            ("api_key = \"verysecret\"", "api_key = (secret)"),
            ("openai = { api_key = 'abc', kind = \"openai\" }", "openai = { api_key = (secret), kind = \"openai\" }"),
            ("api_key = \"${OPENAI_API_KEY}\"", "api_key = \"${OPENAI_API_KEY}\""),
            ("api_key = \"${K:-abc}\"", "api_key = (secret)"),
            ("api_key = \"file:/run/key\"", "api_key = \"file:/run/key\""),
            ("api_key = \"unclosed", "api_key = (secret)"),
            ("api-key = unquoted", "api-key = (secret)"),
            ("limit = \"sk-proj-0123456789\"", "limit = \"(secret)\""),
            ("task-force-command = 1", "task-force-command = 1"),
            ("first_token = \"30s\"", "first_token = \"30s\""),
            ("max_output_tokens = 10", "max_output_tokens = 10"),
            ("api_keys = [\"one\", \"${A}\", 'two'] # \"a\"", "api_keys = [(secret), \"${A}\", (secret)] # \"a\""),
            ("api_keys = [\n  \"one\",\n  \"file:two\",\n]\n", "api_keys = [\n  (secret),\n  \"file:two\",\n]\n"),
            (
                "p = { api_keys = [{ key = \"one\", weight = 3 }, \"two",
                "p = { api_keys = [{ key = (secret), weight = 3 }, (secret)",
            ),
            ("api_keys = [\"one\"\n[prices]\nsource = \"two\"\n", "api_keys = [(secret)\n[prices]\nsource = \"two\"\n"),
        ] {
            assert_eq!(masked(line), shown);
        }
    }

    #[test]
    fn a_caret_stands_where_the_shown_text_is() {
        let text = "a = 1\nx = { api_key = \"0123456789\", kidn = \"ö\" }\n";
        let at = text.find("kidn").expect("there");
        let line = Redacted::new(text, &[]).line(&(at..at + 4));
        assert_eq!(line.number, 2);
        assert_eq!(line.column, 31);
        let pointed: String = line.text.chars().skip(line.start).take(line.length).collect();
        assert_eq!(pointed, "kidn");
    }

    #[test]
    fn known_secrets_are_masked_without_a_telling_name() {
        let text = "note = \"\"\"\nplain\n\"\"\"\n";
        let value = 7..text.len() - 1;
        let redacted = Redacted::new(text, std::slice::from_ref(&value));
        assert!(!redacted.line(&(11..12)).text.contains("plain"));
    }

    #[test]
    fn user_and_password_of_an_address_are_masked() {
        for (line, shown) in [
            ("url = \"redis://user:pa/ss@cache:6379/0\"", "url = \"redis://(secret)@cache:6379/0\""),
            ("`https://me:pw@host/v1` is no base", "`https://(secret)@host/v1` is no base"),
            ("url = \"https://host/v1\" # me@host", "url = \"https://host/v1\" # me@host"),
            ("url = \"https://@host\"", "url = \"https://@host\""),
        ] {
            assert_eq!(masked(line), shown);
        }
    }
}
