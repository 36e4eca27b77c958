//! Not a stage of the line: what the request says of tools, for its timeline. Read once the answer
//! is out, so that nobody waits for it. Nothing of what tools were told or gave is kept, only how
//! much.

use crate::deliver::Outlet;
use crate::gateway::Gateway;
use crate::line::accept::Request;
use crate::line::trip::Trip;
use crate::streams::{Opened, assembled};
use haltline_ports::{ToolReturn, What, shortened};
use haltline_types::Name;
use haltline_wire::assemble::whole_answer;
use haltline_wire::canon;
use haltline_wire::canon::{Message, Part, Role, ToolResult};

/// The most results of one request that are told.
const RETURNS_MAX: usize = 16;
/// A longer body is not read again for this.
const BODY_BYTES_MAX: usize = 1 << 20;
/// The longest name or id that is kept, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// Notes the results of tools that the request brings, if it has to do with tools at all.
pub(crate) fn note_results(trip: &Trip, request: &Request) {
    let body = request.body();
    let may_have_some = request.asked.measure().tools > 0 || memchr::memmem::find(body, b"tool").is_some();
    if !may_have_some || body.len() > BODY_BYTES_MAX {
        return;
    }
    let Ok(canonical) = request.asked.canonical() else { return };
    for result in results(&canonical) {
        trip.log.step_of_request(What::ToolReturned(Box::new(result)));
    }
}

/// Notes the tools that the answer calls, where the request offers any.
pub(crate) async fn note_calls(gateway: &Gateway, trip: &Trip, request: &Request, outlet: &Outlet) {
    if request.asked.measure().tools == 0 {
        return;
    }
    let live = outlet.live();
    let answer = match live.opened_now() {
        Some(Opened::Whole(_, body)) if body.len() <= BODY_BYTES_MAX => whole_answer(request.asked.dialect(), &body),
        Some(Opened::Stream(_)) if outlet.is_kept() => {
            let dialect = request.asked.dialect();
            match assembled(gateway.streams.as_ref(), dialect, live.surface, live.id).await {
                Ok(assembler) => assembler.answer(),
                Err(_) => return,
            }
        }
        _ => return,
    };
    for call in answer.calls().take(RETURNS_MAX) {
        trip.step(What::ToolCalled {
            name: Name::new(shortened(&call.name, NAME_BYTES_MAX)),
            id: Name::new(shortened(&call.id, NAME_BYTES_MAX)),
        });
    }
}

/// The results that stand behind the last turn of the model.
fn results(request: &canon::Request) -> Vec<ToolReturn> {
    let turn_end = request.messages.iter().rposition(|message| message.role == Role::Assistant);
    let Some((before, after)) = turn_end.and_then(|end| request.messages.split_at_checked(end + 1)) else {
        return Vec::new();
    };
    let calls = || before.iter().rev().take_while(|message| message.role == Role::Assistant).flat_map(parts);
    let name_of = |id: &str| {
        calls().find_map(|part| match part {
            Part::Call(call) if call.id == id => Some(call.name.clone()),
            _ => None,
        })
    };
    let results = after.iter().flat_map(parts).filter_map(|part| match part {
        Part::Result(result) => Some(result),
        _ => None,
    });
    results.take(RETURNS_MAX).map(|result| told(result, name_of(&result.id))).collect()
}

fn parts(message: &Message) -> &[Part] {
    &message.parts
}

fn told(result: &ToolResult, called: Option<String>) -> ToolReturn {
    let name = called.or_else(|| result.name.clone()).unwrap_or_default();
    let bytes = result.parts.iter().map(length).fold(0_u64, u64::saturating_add);
    let says_nothing = |part: &Part| matches!(part, Part::Text(text) if is_nothing(&text.text));
    ToolReturn {
        name: Name::new(shortened(&name, NAME_BYTES_MAX)),
        id: Name::new(shortened(&result.id, NAME_BYTES_MAX)),
        empty: result.parts.iter().all(says_nothing),
        error: result.is_error,
        bytes,
        took: None,
    }
}

/// Nothing, as tools say it.
fn is_nothing(text: &str) -> bool {
    matches!(text.trim(), "" | "null" | "{}" | "[]" | "\"\"")
}

fn length(part: &Part) -> u64 {
    let length = match part {
        Part::Text(text) => text.text.len(),
        Part::Image(media) | Part::Document(media) | Part::Audio(media) => match &media.source {
            canon::MediaSource::Base64 { data, .. } => data.len() / 4 * 3,
            canon::MediaSource::Url(text) | canon::MediaSource::Text(text) => text.len(),
        },
        Part::Call(_) | Part::Result(_) | Part::Reasoning { .. } | Part::Refusal(_) => 0,
    };
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use haltline_wire::PassFields;
    use haltline_wire::client::{Address, ClientDialect, ClientRequest};

    fn found(dialect: ClientDialect, body: &'static str) -> Vec<(String, String, bool, bool, u64)> {
        let address = Address { model: Some("m".to_owned()), ..Address::default() };
        let body = Bytes::from_static(body.as_bytes());
        let asked = ClientRequest::parse(dialect, &address, body, &PassFields::none()).expect("a request");
        results(&asked.canonical().expect("canonical"))
            .into_iter()
            .map(|tool| (tool.name.to_string(), tool.id.to_string(), tool.empty, tool.error, tool.bytes))
            .collect()
    }

    fn row(name: &str, id: &str, empty: bool, error: bool, bytes: u64) -> (String, String, bool, bool, u64) {
        (name.to_owned(), id.to_owned(), empty, error, bytes)
    }

    #[test]
    fn results_of_the_last_turn_are_told_in_every_dialect() {
        assert_eq!(
            found(
                ClientDialect::Chat,
                r#"{"model":"m","messages":[
                {"role":"user","content":"?"},
                {"role":"assistant","tool_calls":[{"id":"old","type":"function","function":{"name":"old","arguments":"{}"}}]},
                {"role":"tool","tool_call_id":"old","content":"1"},
                {"role":"assistant","tool_calls":[
                    {"id":"c1","type":"function","function":{"name":"weather","arguments":"{}"}},
                    {"id":"c2","type":"function","function":{"name":"clock","arguments":"{}"}}]},
                {"role":"tool","tool_call_id":"c1","content":"sunny"},
                {"role":"tool","tool_call_id":"c2","content":" "}]}"#,
            ),
            [row("weather", "c1", false, false, 5), row("clock", "c2", true, false, 1)],
        );
        assert_eq!(
            found(
                ClientDialect::Messages,
                r#"{"model":"m","max_tokens":9,"messages":[
                {"role":"user","content":"?"},
                {"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"weather","input":{}}]},
                {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"no such place","is_error":true}]}]}"#,
            ),
            [row("weather", "t1", false, true, 13)],
        );
        let responses = found(
            ClientDialect::Responses,
            r#"{"model":"m","input":[
            {"role":"user","content":"?"},
            {"type":"function_call","call_id":"f1","name":"weather","arguments":"{}"},
            {"type":"function_call_output","call_id":"f1","output":"null"}]}"#,
        );
        assert_eq!(responses, [row("weather", "f1", true, false, 4)]);
    }

    #[test]
    fn a_turn_that_brings_none_has_none() {
        let body = r#"{"model":"m","messages":[
            {"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"weather","arguments":"{}"}}]},
            {"role":"tool","tool_call_id":"c1","content":"sunny"},
            {"role":"assistant","content":"It is sunny."},
            {"role":"user","content":"Thanks"}]}"#;
        assert_eq!(found(ClientDialect::Chat, body), []);
        assert_eq!(found(ClientDialect::Chat, r#"{"model":"m","messages":[{"role":"user","content":"?"}]}"#), []);
    }
}
