//! `input`: items and their parts, what is known of them, and how much text they hold.
//!
//! Refuses what brings input that is not in the body: references to stored items, files and
//! addresses of files, and items of tools that the provider runs.

use super::FOREIGN_REASONING;
use super::request::HostedTools;
use super::tools::read_tools;
use super::values::{array, object};
use crate::json::walk::{self, Member};
use crate::openai::data_url;
use crate::refusal::{RequestError, shorten};
use crate::{Measure, PassFields};
use std::ops::Range;

/// Items that one request may hold.
pub const ITEMS_MAX: usize = 10_000;

/// What `input` was found to be.
#[derive(Clone, Debug, Default)]
pub(super) struct Input {
    /// Reasoning items that hold nothing a provider of this dialect can read when nothing is
    /// stored: neither sealed nor open thoughts, or thoughts that another dialect sealed. Places
    /// in the list, by bytes.
    pub(super) hollow: Vec<Range<usize>>,
    /// Files that are no plain text: their tokens are not bounded by their bytes.
    pub(super) documents: u32,
}

/// Reads `input` and adds it to `measure`.
pub(super) fn read_input(
    body: &[u8],
    value: &Range<usize>,
    pass: &PassFields,
    measure: &mut Measure,
) -> Result<Input, RequestError> {
    let mut input = Input::default();
    if body.get(value.start) == Some(&b'"') {
        measure.messages += 1;
        measure.add_value(body, value);
        return Ok(input);
    }
    if body.get(value.start) != Some(&b'[') {
        return Err(RequestError::invalid("input", "`input` must be a string or a list of items."));
    }
    for (index, item) in walk::elements(body, value.start).enumerate() {
        if index == ITEMS_MAX {
            return Err(RequestError::invalid("input", format!("`input` holds more than {ITEMS_MAX} items.")));
        }
        measure.messages = measure.messages.saturating_add(1);
        let mut reader = Reader { body, pass, measure, documents: 0 };
        let hollow = reader.item(&item).map_err(|error| error.below(&format!("input[{index}]")))?;
        input.documents = input.documents.saturating_add(reader.documents);
        if hollow {
            input.hollow.push(item);
        }
    }
    Ok(input)
}

struct Reader<'a> {
    body: &'a [u8],
    pass: &'a PassFields,
    measure: &'a mut Measure,
    documents: u32,
}

/// Members that items of the accepted types have, by the types of openai-python 3.57.
const ITEM_MEMBERS: [&str; 20] = [
    "action",
    "arguments",
    "call_id",
    "caller",
    "content",
    "encrypted_content",
    "environment",
    "execution",
    "id",
    "input",
    "max_output_length",
    "name",
    "namespace",
    "operation",
    "output",
    "phase",
    "role",
    "status",
    "summary",
    "tools",
];

impl Reader<'_> {
    /// Reads one item. Is it a reasoning item without thoughts that the provider can read?
    fn item(&mut self, item: &Range<usize>) -> Result<bool, RequestError> {
        let body = self.body;
        if body.get(item.start) != Some(&b'{') {
            return Err(RequestError::invalid("", "An item must be an object."));
        }
        let members: Vec<Member> = walk::members(body, item.start).collect();
        let find = |name: &str| members.iter().find(|member| *member.name(body) == *name.as_bytes());
        let text = |name: &str| find(name).and_then(|member| walk::string(body, &member.value));
        let has_role = find("role").is_some_and(|member| !walk::is_null(body, &member.value));
        let kind = match text("type") {
            Some(kind) => String::from_utf8_lossy(&kind).into_owned(),
            None if has_role => "message".to_owned(),
            None => return Err(RequestError::invalid("type", "An item has neither a `type` nor a `role`.")),
        };
        self.accept_kind(&kind)?;
        if kind == "message" {
            match text("role").as_deref() {
                Some(b"user" | b"assistant" | b"system" | b"developer") => {}
                _ => {
                    return Err(RequestError::invalid(
                        "role",
                        "`role` must be one of user, assistant, system, developer.",
                    ));
                }
            }
        }
        for member in &members {
            if walk::is_null(body, &member.value) {
                continue;
            }
            match &*member.name(body) {
                b"type" | b"role" | b"id" | b"status" | b"phase" => {}
                // Tools that a search of the client found are tools all the same.
                b"tools" => {
                    read_tools(body, &member.value, self.pass, HostedTools::Refuse, self.measure)?;
                }
                b"environment" => {
                    if !matches!(super::values::member(body, &member.value, "type").as_deref(), None | Some("local")) {
                        return Err(RequestError::invalid(
                            "environment",
                            "Only a local `environment` is taken: containers of the provider are state and cost that \
                             is not in the body.",
                        ));
                    }
                    self.measure.add_value(body, &member.value);
                }
                b"content" | b"output" | b"summary" if body.get(member.value.start) == Some(&b'[') => {
                    let list = String::from_utf8_lossy(&member.name(body)).into_owned();
                    self.parts(&list, &member.value)?;
                }
                other => {
                    let name = String::from_utf8_lossy(other);
                    if !ITEM_MEMBERS.contains(&&*name) && !self.pass.contains(&name) {
                        return Err(RequestError::unknown(
                            shorten(&name),
                            crate::suggest::nearest(&name, ITEM_MEMBERS),
                        ));
                    }
                    self.measure.add_value(body, &member.value);
                }
            }
        }
        let is_empty = |name: &str| {
            find(name).is_none_or(|member| {
                let value = body.get(member.value.clone()).unwrap_or_default();
                matches!(value, b"null" | b"\"\"")
                    || value.starts_with(b"[") && walk::elements(value, 0).next().is_none()
            })
        };
        let is_foreign = text("id").is_some_and(|id| id.starts_with(FOREIGN_REASONING.as_bytes()));
        Ok(kind == "reasoning" && (is_foreign || is_empty("encrypted_content") && is_empty("content")))
    }

    fn accept_kind(&self, kind: &str) -> Result<(), RequestError> {
        match kind {
            "message"
            | "function_call"
            | "function_call_output"
            | "custom_tool_call"
            | "custom_tool_call_output"
            | "reasoning"
            | "local_shell_call"
            | "local_shell_call_output"
            | "shell_call"
            | "shell_call_output"
            | "apply_patch_call"
            | "apply_patch_call_output"
            | "tool_search_call"
            | "tool_search_output" => Ok(()),
            "item_reference" => Err(RequestError::invalid(
                "type",
                "`item_reference` is not accepted: it is input that is not in the body. Send the item itself.",
            )),
            "compaction" | "compaction_trigger" => Err(RequestError::invalid(
                "type",
                format!("`{kind}` is not accepted: compaction is billed outside the output cap."),
            )),
            other => Err(RequestError::invalid(
                "type",
                format!(
                    "An item of type `{}` is not accepted: only messages, reasoning, and calls and outputs of \
                     tools that the client runs are.",
                    shorten(other)
                ),
            )),
        }
    }

    fn parts(&mut self, list: &str, value: &Range<usize>) -> Result<(), RequestError> {
        array(self.body, value, list)?;
        for (index, part) in walk::elements(self.body, value.start).enumerate() {
            self.part(&part).map_err(|error| error.below(&format!("{list}[{index}]")))?;
        }
        Ok(())
    }

    fn part(&mut self, part: &Range<usize>) -> Result<(), RequestError> {
        let body = self.body;
        if body.get(part.start) == Some(&b'"') {
            // Local shells send plain strings.
            self.measure.add_value(body, part);
            return Ok(());
        }
        object(body, part, "")?;
        let members: Vec<Member> = walk::members(body, part.start).collect();
        let kind = members
            .iter()
            .find(|member| *member.name(body) == *b"type")
            .and_then(|member| walk::string(body, &member.value));
        let known: &[&str] = match kind.as_deref() {
            Some(b"input_text" | b"text" | b"summary_text" | b"reasoning_text") => &["text"],
            Some(b"output_text") => &["text", "annotations", "logprobs"],
            Some(b"refusal") => &["refusal"],
            Some(b"input_image") => &["image_url", "detail"],
            Some(b"input_file") => &["file_data", "filename"],
            // What a shell gave.
            None => &["stdout", "stderr", "outcome", "exit_code"],
            Some(b"input_audio") => {
                return Err(RequestError::invalid(
                    "type",
                    "`input_audio` is not accepted: audio is priced apart from tokens and is not offered.",
                ));
            }
            Some(_) => {
                return Err(RequestError::invalid(
                    "type",
                    "A part's `type` must be one of input_text, input_image, input_file, output_text, refusal.",
                ));
            }
        };
        let is_image = kind.as_deref() == Some(b"input_image");
        if is_image {
            self.measure.images = self.measure.images.saturating_add(1);
        }
        for member in &members {
            let name = member.name(body);
            if *name == *b"type" || walk::is_null(body, &member.value) {
                continue;
            }
            let name = String::from_utf8_lossy(&name);
            match &*name {
                "file_id" | "file_url" => {
                    return Err(RequestError::invalid(
                        &*name,
                        format!("`{name}` is not accepted: the file is input that is not in the body."),
                    ));
                }
                "prompt_cache_breakpoint" => read_breakpoint(body, &member.value)?,
                "detail" if is_image => match walk::string(body, &member.value).as_deref() {
                    Some(b"auto" | b"low" | b"high") => {}
                    _ => {
                        return Err(RequestError::invalid(
                            "detail",
                            "`detail` must be auto, low or high: the size of others is not bounded.",
                        ));
                    }
                },
                "detail" => self.measure.add_value(body, &member.value),
                // An image is counted, not measured: its tokens come from its size in pixels.
                "image_url" if is_image => {
                    if walk::inside(body, &member.value).is_none() {
                        return Err(RequestError::invalid("image_url", "`image_url` must be a string."));
                    }
                }
                "file_data" => {
                    let data = walk::inside(body, &member.value)
                        .ok_or_else(|| RequestError::invalid("file_data", "`file_data` must be a string."))?;
                    let name = super::values::member(body, part, "filename");
                    let said = walk::string(body, &member.value).unwrap_or_default();
                    if !is_plain_text(&String::from_utf8_lossy(&said), name.as_deref().unwrap_or_default()) {
                        self.documents = self.documents.saturating_add(1);
                    }
                    self.measure.add_text(data);
                }
                known_name if known.contains(&known_name) => self.measure.add_value(body, &member.value),
                other if self.pass.contains(other) => self.measure.add_value(body, &member.value),
                other => return Err(RequestError::unknown(shorten(other), None)),
            }
        }
        Ok(())
    }
}

/// Endings of names of files that are no plain text to OpenAI's list of file inputs: it unpacks
/// them, turns pages into pictures, or sums tables up.
const UNPACKED: [&str; 24] = [
    "csv", "doc", "docx", "dot", "dotx", "eml", "epub", "hwp", "hwpx", "iif", "key", "numbers", "odt", "pages", "pdf",
    "pot", "pps", "ppt", "pptx", "rtf", "tsv", "xls", "xlsx", "zip",
];

/// Subtypes of `text/` that are none either.
const TABLES: [&str; 6] = ["csv", "rtf", "richtext", "tab-separated-values", "tsv", "x-iif"];

/// How PDF, packed files, older office files and RTF begin, in base64.
const MAGIC: [&str; 4] = ["JVBER", "UEsDB", "0M8R4KGx", "e1xyd"];

/// Is a file plain text by its media type, its name and its first bytes? Then its bytes bound what
/// a model reads of it. What contradicts itself is none: the provider may believe any of the three.
fn is_plain_text(url: &str, name: &str) -> bool {
    let Some((kind, data)) = data_url::split(url) else { return false };
    let kind = kind.to_ascii_lowercase();
    let ending = name.rsplit_once('.').map_or(String::new(), |(_, ending)| ending.trim().to_ascii_lowercase());
    kind.strip_prefix("text/").is_some_and(|kind| !TABLES.contains(&kind))
        && !UNPACKED.contains(&ending.as_str())
        && !MAGIC.iter().any(|magic| data.trim_start().starts_with(magic))
}

/// A cache breakpoint, as long as it does not ask for a longer and dearer life.
fn read_breakpoint(body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
    object(body, value, "prompt_cache_breakpoint")?;
    for member in walk::members(body, value.start) {
        let text = walk::string(body, &member.value);
        let fits = match &*member.name(body) {
            b"mode" => text.as_deref() == Some(b"explicit"),
            b"ttl" => text.as_deref() == Some(b"30m"),
            _ => false,
        };
        if !fits && !walk::is_null(body, &member.value) {
            return Err(RequestError::invalid(
                "prompt_cache_breakpoint",
                "Only `\"mode\":\"explicit\"` and `\"ttl\":\"30m\"` are taken: longer retention raises the price.",
            ));
        }
    }
    Ok(())
}
