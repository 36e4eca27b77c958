//! What a request says, text by text: who says it, and where it stands. For guards, which must see
//! all of it: what is not known to be an id, a kind or the data of a medium is a text.
//!
//! Reads bodies that were accepted (`client`). Knows no rule.

mod collect;
mod roles;

use crate::client::ClientDialect;
use crate::json::walk;
use collect::Collect;
use serde_json::Value;

/// Who says a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// The operator or developer.
    System,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// A tool, in its result.
    Tool,
    /// A document.
    Document,
    /// Whoever describes a tool.
    ToolDescription,
}

/// A text of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// Who says it.
    pub by: By,
    /// Where it stands: `messages[3].content[0].text`.
    pub place: String,
    /// What it says.
    pub text: String,
    /// It is several texts of one speaker in one, each of which stands in the list by itself, too.
    pub joined: bool,
}

/// How much of a request is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Extent {
    /// What came after the model's last turn.
    #[default]
    LatestTurn,
    /// Everything.
    All,
}

/// The texts of a request, in order.
#[must_use]
pub fn spoken(dialect: ClientDialect, body: &[u8], extent: Extent, tools: bool) -> Vec<Spoken> {
    collected(dialect, body, extent, tools, By::System)
}

/// The texts of a request that no operator has written: what pretends to be the operator's is the
/// user's.
#[must_use]
pub fn spoken_by_user(dialect: ClientDialect, body: &[u8], extent: Extent, tools: bool) -> Vec<Spoken> {
    collected(dialect, body, extent, tools, By::User)
}

fn collected(dialect: ClientDialect, body: &[u8], extent: Extent, tools: bool, operator: By) -> Vec<Spoken> {
    let mut collect = Collect::default();
    let is_asked = extent == Extent::All || operator == By::User;
    for member in walk::members(body, 0) {
        let name = String::from_utf8_lossy(&member.name(body)).into_owned();
        let value = member.value.clone();
        match roles::kind_of(dialect, &name) {
            roles::Kind::Turns => turns(dialect, &name, body, value.start, extent, operator, &mut collect),
            roles::Kind::System if is_asked => read(body, value, operator, &name, &mut collect),
            roles::Kind::Words => read(body, value, By::User, &name, &mut collect),
            roles::Kind::Tools if tools => read(body, value, By::ToolDescription, &name, &mut collect),
            roles::Kind::System | roles::Kind::Tools | roles::Kind::Other => {}
        }
    }
    collect.texts
}

/// The turns of a conversation: a list, one turn alone, or a text.
fn turns(
    dialect: ClientDialect,
    name: &str,
    body: &[u8],
    from: usize,
    extent: Extent,
    operator: By,
    collect: &mut Collect,
) {
    if body.get(from) != Some(&b'[') {
        let mut cursor = walk::Cursor::new(body, from);
        read(body, cursor.skip(), By::User, name, collect);
        return;
    }
    let turns: Vec<_> = walk::elements(body, from).collect();
    let begin = match extent {
        Extent::All => 0,
        Extent::LatestTurn => latest(dialect, body, &turns),
    };
    let last = turns.iter().rposition(|turn| turn_of(dialect, body, turn) != By::Assistant);
    let first = collect.texts.len();
    for (index, turn) in turns.iter().enumerate().skip(begin) {
        let by = match turn_of(dialect, body, turn) {
            By::System => operator,
            // What the model is to go on with was put in its mouth.
            By::Assistant if last.is_none_or(|last| index > last) && dialect != ClientDialect::UiStream => By::User,
            by => by,
        };
        let (place, own) = (format!("{name}[{index}]"), collect.texts.len());
        read(body, turn.clone(), by, &place, collect);
        if extent == Extent::All {
            collect.join(own, &place);
        }
    }
    if extent == Extent::LatestTurn {
        collect.join(first, name);
    }
}

/// Where the latest turn begins: after the last turn of the model's that somebody has answered. A
/// turn of the model's at the end is one that it is to go on with, and on a page it holds what the
/// page's tools gave: what it answers is looked at as well.
fn latest(dialect: ClientDialect, body: &[u8], turns: &[std::ops::Range<usize>]) -> usize {
    let of_model = |turn: &std::ops::Range<usize>| turn_of(dialect, body, turn) == By::Assistant;
    let answered = turns.iter().rposition(|turn| !of_model(turn)).unwrap_or(0);
    turns.iter().take(answered).rposition(of_model).map_or(0, |index| index + 1)
}

fn turn_of(dialect: ClientDialect, body: &[u8], turn: &std::ops::Range<usize>) -> By {
    let (mut role, mut kind) = (None, None);
    if body.get(turn.start) == Some(&b'{') {
        for member in walk::members(body, turn.start) {
            match &*member.name(body) {
                b"role" => role = walk::string(body, &member.value),
                b"type" => kind = walk::string(body, &member.value),
                _ => {}
            }
        }
    }
    roles::of_turn(dialect, role.as_deref(), kind.as_deref())
}

fn read(body: &[u8], value: std::ops::Range<usize>, by: By, place: &str, collect: &mut Collect) {
    let Some(json) = body.get(value) else { return };
    match serde_json::from_slice::<Value>(json) {
        Ok(value) => collect.take(&value, by, place),
        // Deeper than a reader goes: a guard must not be blind for that.
        Err(_) => collect.push(by, place, &String::from_utf8_lossy(json)),
    }
}

#[cfg(test)]
mod tests;
