//! Splits Rust source into code and comments, line by line, with the contents of strings blanked,
//! so that a rule about code does not trip over a string and a rule about comments not over code.
//! Not a parser: it knows comments, strings, raw strings and character literals, nothing else.

/// One line of source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// The code, strings emptied.
    pub(super) code: String,
    /// The text of the comments.
    pub(super) comment: String,
}

enum State {
    Code,
    LineComment,
    BlockComment { depth: usize },
    Text,
    RawText { hashes: usize },
}

/// The lines of `source`, in order.
pub(super) fn split(source: &str) -> Vec<Line> {
    let chars: Vec<char> = source.chars().collect();
    let mut lines = vec![Line::default()];
    let mut state = State::Code;
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied();
        if c == '\n' {
            if matches!(state, State::LineComment) {
                state = State::Code;
            }
            lines.push(Line::default());
            at += 1;
            continue;
        }
        let Some(line) = lines.last_mut() else { break };
        match state {
            State::LineComment => line.comment.push(c),
            State::BlockComment { depth } => match (c, next) {
                ('*', Some('/')) => {
                    state = if depth == 1 { State::Code } else { State::BlockComment { depth: depth - 1 } };
                    at += 1;
                }
                ('/', Some('*')) => {
                    state = State::BlockComment { depth: depth + 1 };
                    at += 1;
                }
                _ => line.comment.push(c),
            },
            State::Text => match c {
                // A backslash at the end of a line continues the string; the line end still counts.
                '\\' if next != Some('\n') => at += 1,
                '"' => {
                    line.code.push('"');
                    state = State::Code;
                }
                _ => {}
            },
            State::RawText { hashes } => {
                let closed = c == '"' && (1..=hashes).all(|n| chars.get(at + n) == Some(&'#'));
                if closed {
                    line.code.push('"');
                    at += hashes;
                    state = State::Code;
                }
            }
            State::Code => match (c, next) {
                ('/', Some('/')) => {
                    state = State::LineComment;
                    at += 1;
                }
                ('/', Some('*')) => {
                    state = State::BlockComment { depth: 1 };
                    at += 1;
                }
                ('"', _) => {
                    line.code.push('"');
                    state = State::Text;
                }
                ('r', Some('"' | '#')) if !ends_in_word(&line.code) || ends_in_byte_prefix(&line.code) => {
                    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
                    if chars.get(at + 1 + hashes) == Some(&'"') {
                        line.code.push('"');
                        at += hashes + 1;
                        state = State::RawText { hashes };
                    } else {
                        line.code.push(c);
                    }
                }
                ('\'', Some(_)) => {
                    let length = character_literal(&chars[at..]);
                    line.code.push(c);
                    at += length;
                }
                _ => line.code.push(c),
            },
        }
        at += 1;
    }
    lines
}

fn ends_in_word(code: &str) -> bool {
    code.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// `br"…"` and `cr"…"`: the `r` follows a prefix letter that stands alone.
fn ends_in_byte_prefix(code: &str) -> bool {
    let mut back = code.chars().rev();
    matches!(back.next(), Some('b' | 'c')) && !back.next().is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// How many characters after the opening quote belong to a character literal; 0 for a lifetime.
fn character_literal(from_quote: &[char]) -> usize {
    match from_quote.get(1) {
        Some('\\') => from_quote.iter().skip(3).take(12).position(|c| *c == '\'').map_or(0, |position| position + 3),
        Some(_) if from_quote.get(2) == Some(&'\'') => 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(source: &str) -> Vec<String> {
        split(source).into_iter().map(|line| line.code).collect()
    }

    fn comments(source: &str) -> Vec<String> {
        split(source).into_iter().map(|line| line.comment).collect()
    }

    #[test]
    fn comments_are_parted_from_code() {
        assert_eq!(code("let a = 1; // one"), ["let a = 1; "]);
        assert_eq!(comments("let a = 1; // one"), [" one"]);
        assert_eq!(comments("/* a /* b */ c */ d"), [" a  b  c "]);
        assert_eq!(code("/* a /* b */ c */ d"), [" d"]);
    }

    #[test]
    fn strings_are_emptied() {
        assert_eq!(code(r#"f("// not \" a comment"); g"#), [r#"f(""); g"#]);
        assert_eq!(code("f(r#\"raw \" // text\"#); g"), ["f(\"\"); g"]);
        assert_eq!(code("f(br\"raw\\\"); g"), ["f(b\"\"); g"]);
        assert_eq!(code("\"two\nlines\" // x"), ["\"", "\" "]);
        assert_eq!(code("\"two \\\nlines\"; y"), ["\"", "\"; y"]);
    }

    #[test]
    fn a_quote_character_opens_no_string() {
        assert_eq!(code("if c == '\"' { x } // y"), ["if c == ' { x } "]);
        assert_eq!(code(r"match c { '\'' => 1, '\u{1F600}' => 2 } // y"), ["match c { ' => 1, ' => 2 } "]);
        assert_eq!(code("fn f<'a>(x: &'a str) {} // y"), ["fn f<'a>(x: &'a str) {} "]);
    }

    #[test]
    fn a_raw_identifier_opens_no_string() {
        assert_eq!(code("let r#type = 1; // y"), ["let r#type = 1; "]);
    }
}
