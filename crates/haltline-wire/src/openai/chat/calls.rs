//! Which call a piece of a tool call belongs to: servers leave out indices and ids, repeat them, or
//! send a whole call in one piece.

use crate::call_id::made_up;
use crate::canon::Event;
use serde_json::Value;

/// Calls that one answer may make.
const CALLS_MAX: usize = 4_096;

/// The calls of an answer so far.
#[derive(Debug, Default)]
pub(super) struct Calls {
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    /// The provider's own index.
    index: Option<u64>,
    /// The provider's own id.
    id: Option<String>,
    /// The arguments so far, to know whether they are complete.
    arguments: String,
}

impl Calls {
    /// Was a tool called?
    pub(super) fn any(&self) -> bool {
        !self.known.is_empty()
    }

    /// Reads an element of `tool_calls`.
    pub(super) fn read(&mut self, call: &Value, answer_id: &str, out: &mut Vec<Event>) {
        let index = call.get("index").and_then(Value::as_u64);
        let function = call.get("function").or_else(|| call.get("custom")).unwrap_or(&Value::Null);
        self.piece(index, word(call.get("id")), function, answer_id, out);
    }

    /// Reads the old `function_call`, of which there is one.
    pub(super) fn read_function(&mut self, function: &Value, answer_id: &str, out: &mut Vec<Event>) {
        self.piece(Some(0), None, function, answer_id, out);
    }

    fn piece(
        &mut self,
        index: Option<u64>,
        id: Option<String>,
        function: &Value,
        answer_id: &str,
        out: &mut Vec<Event>,
    ) {
        let name = word(function.get("name"));
        let at = match self.place(index, id.as_deref(), name.is_some()) {
            Some(at) => at,
            None if self.known.len() >= CALLS_MAX => return,
            None => self.begin(index, id, name.unwrap_or_default(), answer_id, out),
        };
        let fragment = arguments(function.get("arguments").or_else(|| function.get("input")));
        if let Some(known) = self.known.get_mut(at)
            && !fragment.is_empty()
        {
            known.arguments.push_str(&fragment);
            out.push(Event::Arguments { index: u32::try_from(at).unwrap_or(u32::MAX), fragment });
        }
    }

    /// Which known call a piece goes on with; `None` when a new one begins.
    fn place(&self, index: Option<u64>, id: Option<&str>, named: bool) -> Option<usize> {
        let at = match (index, id) {
            (Some(index), _) => self.known.iter().rposition(|known| known.index == Some(index))?,
            (None, Some(id)) => return self.known.iter().position(|known| known.id.as_deref() == Some(id)),
            (None, None) => self.known.len().checked_sub(1)?,
        };
        let known = self.known.get(at)?;
        let other_id = id.is_some_and(|id| known.id.as_deref().is_some_and(|known| known != id));
        // A name on an index that has its arguments: the server counts wrongly, or not at all.
        let another = named && (other_id || id.is_none() && is_complete(&known.arguments));
        (!another).then_some(at)
    }

    fn begin(
        &mut self,
        index: Option<u64>,
        id: Option<String>,
        name: String,
        answer_id: &str,
        out: &mut Vec<Event>,
    ) -> usize {
        let at = self.known.len();
        // Two calls with one id could not be told apart by their results.
        let taken = |id: &String| self.known.iter().any(|known| known.id.as_ref() == Some(id));
        let shown = match &id {
            Some(id) if taken(id) => format!("{id}_{at}"),
            Some(id) => id.clone(),
            None => made_up(answer_id, at),
        };
        self.known.push(Known { index, id, arguments: String::new() });
        let index = u32::try_from(at).unwrap_or(u32::MAX);
        out.push(Event::Call { index, id: shown, name, signature: None });
        at
    }
}

fn is_complete(arguments: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(arguments).is_ok()
}

/// A fragment of JSON text, or the arguments as JSON (Ollama).
fn arguments(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn word(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}
