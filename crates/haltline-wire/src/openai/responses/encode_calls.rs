//! The part of `Encoder` that writes calls of tools and files.

use super::Encoder;
use super::encode_items::OpenCall;
use crate::canon::Frame;
use serde_json::json;

impl Encoder {
    pub(super) fn call(&mut self, index: u32, id: &str, name: &str, out: &mut Vec<Frame>) {
        self.close_open(out);
        self.close_whole_calls(out);
        let custom = self.custom.iter().any(|known| known == name);
        let (place, item_id) = self.place(if custom { "ctc_" } else { "fc_" });
        let call = OpenCall {
            index,
            place,
            id: item_id,
            call_id: id.to_owned(),
            name: name.to_owned(),
            arguments: String::new(),
            custom,
        };
        let item = call.json("in_progress");
        self.calls.push(call);
        self.say("response.output_item.added", json!({ "output_index": place, "item": item }), out);
    }

    pub(super) fn arguments(&mut self, index: u32, fragment: &str, out: &mut Vec<Frame>) {
        let Some(call) = self.calls.iter_mut().rev().find(|call| call.index == index) else { return };
        if fragment.is_empty() {
            return;
        }
        call.arguments.push_str(fragment);
        // What a custom tool gets is inside a string of JSON: it is written when it is whole.
        if call.custom {
            return;
        }
        let fields = json!({ "item_id": call.id, "output_index": call.place, "delta": fragment });
        self.say("response.function_call_arguments.delta", fields, out);
    }

    /// Closes the calls whose arguments are whole: others may go on beside what follows.
    pub(super) fn close_whole_calls(&mut self, out: &mut Vec<Frame>) {
        let calls = std::mem::take(&mut self.calls);
        for call in calls {
            if call.is_whole() {
                self.close_call(&call, out);
            } else {
                self.calls.push(call);
            }
        }
    }

    pub(super) fn close_call(&mut self, call: &OpenCall, out: &mut Vec<Frame>) {
        let about = json!({ "item_id": call.id, "output_index": call.place });
        let with = |members: &[(&str, &str)]| {
            let mut fields = about.clone();
            if let Some(fields) = fields.as_object_mut() {
                fields.extend(members.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
            }
            fields
        };
        if call.custom {
            let input = call.free_text();
            self.say("response.custom_tool_call_input.delta", with(&[("delta", &input)]), out);
            self.say("response.custom_tool_call_input.done", with(&[("input", &input)]), out);
        } else {
            let fields = with(&[("name", &call.name), ("arguments", &call.arguments)]);
            self.say("response.function_call_arguments.done", fields, out);
        }
        self.close_item(call.place, call.json("completed"), out);
    }

    pub(super) fn file(&mut self, media_type: &str, data: &str, out: &mut Vec<Frame>) {
        self.close_open(out);
        self.close_whole_calls(out);
        let (place, id) = self.place("ig_");
        let item = json!({ "id": id, "type": "image_generation_call", "status": "in_progress", "result": null });
        self.say("response.output_item.added", json!({ "output_index": place, "item": item }), out);
        let format = media_type.strip_prefix("image/").unwrap_or(media_type);
        let item = json!({
            "id": id,
            "type": "image_generation_call",
            "status": "completed",
            "output_format": format,
            "result": data,
        });
        self.close_item(place, item, out);
    }
}
