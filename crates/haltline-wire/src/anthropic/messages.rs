//! Messages and their blocks: what is known of them, and how much text they hold.
//!
//! Refuses what brings input or cost that is not in the body: files, documents whose size in
//! tokens their bytes do not bound, blocks of tools that the provider ran.

use super::request::{CacheTtl, MESSAGES_MAX};
use super::values::{array, boolean, is_string, object, one_of, read_cache_control, unknown_unless_passed};
use crate::canon::OPENAI_SEAL;
use crate::json::walk::{self, Cursor, Member};
use crate::refusal::{RequestError, shorten};
use crate::{Measure, PassFields};
use std::ops::Range;

/// What is gathered on the way through a request.
pub(super) struct Reader<'a> {
    pub(super) pass: &'a PassFields,
    pub(super) measure: Measure,
    pub(super) cache: Option<CacheTtl>,
    pub(super) client_tools: bool,
    pub(super) unsigned_thinking: bool,
    /// References to tools: the provider puts the definition there once more.
    tool_references: u64,
    /// The longest definition of a tool.
    longest_tool: Measure,
}

impl<'a> Reader<'a> {
    pub(super) fn new(pass: &'a PassFields) -> Self {
        Self {
            pass,
            measure: Measure::default(),
            cache: None,
            client_tools: false,
            unsigned_thinking: false,
            tool_references: 0,
            longest_tool: Measure::default(),
        }
    }

    /// The definition of a tool.
    pub(super) fn add_tool(&mut self, body: &[u8], value: &Range<usize>) {
        let mut one = Measure::default();
        one.add_value(body, value);
        add_times(&mut self.measure, &one, 1);
        self.measure.tools += 1;
        let longest = &mut self.longest_tool;
        longest.ascii_bytes = longest.ascii_bytes.max(one.ascii_bytes);
        longest.other_bytes = longest.other_bytes.max(one.other_bytes);
        longest.other_bytes_decomposed = longest.other_bytes_decomposed.max(one.other_bytes_decomposed);
    }

    /// All that there is to read, once everything was seen.
    pub(super) fn total(&self) -> Measure {
        let mut total = self.measure;
        add_times(&mut total, &self.longest_tool, self.tool_references);
        total
    }

    /// A `cache_control`.
    pub(super) fn read_cache(&mut self, body: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
        let ttl = read_cache_control(body, value, self.pass)?;
        self.cache = self.cache.max(Some(ttl));
        Ok(())
    }
}

/// Adds the text of `more` so many times.
fn add_times(sum: &mut Measure, more: &Measure, times: u64) {
    let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more.saturating_mul(times));
    add(&mut sum.ascii_bytes, more.ascii_bytes);
    add(&mut sum.other_bytes, more.other_bytes);
    add(&mut sum.other_bytes_decomposed, more.other_bytes_decomposed);
}

/// How often the text of a document is counted more when it shall be cited: the provider cuts it
/// into sentences and puts marks between them, whose number the client decides by its full stops.
const CITED_TIMES: u64 = 3;

/// Reads the `messages` at which `cursor` stands, and steps over them. Returns their number.
pub(super) fn read_messages(
    body: &[u8],
    cursor: &mut Cursor<'_>,
    reader: &mut Reader<'_>,
) -> Result<usize, RequestError> {
    if cursor.peek() != Some(b'[') {
        return Err(RequestError::invalid("messages", "`messages` must be a list."));
    }
    cursor.enter();
    let mut index = 0;
    while cursor.next_element() {
        if index == MESSAGES_MAX {
            return Err(RequestError::invalid("messages", format!("`messages` holds more than {MESSAGES_MAX}.")));
        }
        reader.measure.messages += 1;
        read_message(body, cursor, reader).map_err(|error| error.below(&format!("messages[{index}]")))?;
        index += 1;
    }
    Ok(index)
}

/// `system`: a text, or a list of text blocks.
pub(super) fn read_system(body: &[u8], value: &Range<usize>, reader: &mut Reader<'_>) -> Result<(), RequestError> {
    // It is framed like a message.
    reader.measure.messages += 1;
    read_content(body, value, "system", Place::TextOnly, reader)
}

fn read_message(body: &[u8], cursor: &mut Cursor<'_>, reader: &mut Reader<'_>) -> Result<(), RequestError> {
    if cursor.peek() != Some(b'{') {
        return Err(RequestError::invalid("", "A message must be an object."));
    }
    cursor.enter();
    let mut role = false;
    while let Some(key) = cursor.next_key() {
        let name = walk::name(body, &key);
        if cursor.peek() == Some(b'[') && *name == *b"content" {
            read_blocks(body, cursor, "content", Place::Message, reader)?;
            continue;
        }
        let value = cursor.skip();
        if walk::is_null(body, &value) {
            continue;
        }
        match &*name {
            b"role" => {
                role = true;
                one_of(body, &value, "role", &["user", "assistant", "system"])?;
            }
            b"content" => {
                is_string(body, &value, "content")?;
                reader.measure.add_value(body, &value);
            }
            other => {
                unknown_unless_passed(other, "", reader.pass)?;
                reader.measure.add_value(body, &value);
            }
        }
    }
    if role { Ok(()) } else { Err(RequestError::invalid("role", "A message has no `role`.")) }
}

/// Where a block stands decides which kinds it may be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Message,
    /// In the content of a tool's result.
    Result,
    /// In the content of a document.
    Document,
    /// In the system prompt, or in a search result.
    TextOnly,
}

/// A text, or a list of blocks.
fn read_content(
    body: &[u8],
    value: &Range<usize>,
    param: &str,
    place: Place,
    reader: &mut Reader<'_>,
) -> Result<(), RequestError> {
    if body.get(value.start) == Some(&b'"') {
        reader.measure.add_value(body, value);
        return Ok(());
    }
    array(body, value, param)?;
    read_blocks(body, &mut Cursor::new(body, value.start), param, place, reader)
}

/// Reads the list at which `cursor` stands, and steps over it.
fn read_blocks(
    body: &[u8],
    cursor: &mut Cursor<'_>,
    param: &str,
    place: Place,
    reader: &mut Reader<'_>,
) -> Result<(), RequestError> {
    cursor.enter();
    let mut index = 0;
    // One list for all blocks.
    let mut members = Vec::with_capacity(6);
    while cursor.next_element() {
        let path = |error: RequestError| error.below(&format!("{param}[{index}]"));
        if cursor.peek() != Some(b'{') {
            return Err(path(RequestError::invalid("", "A block must be an object.")));
        }
        cursor.enter();
        members.clear();
        while let Some(key) = cursor.next_key() {
            members.push(Member { key, value: cursor.skip() });
        }
        read_block(body, &members, place, reader).map_err(path)?;
        index += 1;
    }
    Ok(())
}

/// Members of blocks whose text the model reads.
const TEXT: &[&str] = &["text", "citations"];
const DOCUMENT: &[&str] = &["title", "context", "citations"];
const SEARCH: &[&str] = &["source", "title", "citations"];
const CALL: &[&str] = &["id", "name", "input", "caller", "toolset_name"];
const RESULT: &[&str] = &["tool_use_id", "is_error", "toolset_name"];
/// A signature can hold the whole thinking, sealed: it is measured like it.
const THINKING: &[&str] = &["thinking", "signature"];

fn read_block(body: &[u8], members: &[Member], place: Place, reader: &mut Reader<'_>) -> Result<(), RequestError> {
    let kind = members.iter().find(|member| *member.name(body) == *b"type");
    let kind = kind.and_then(|kind| walk::string(body, &kind.value)).unwrap_or_default();
    let (in_result, in_message) = (place == Place::Result, place == Place::Message);
    let texts = match &*kind {
        b"text" => TEXT,
        b"image" if place != Place::TextOnly => &[],
        b"document" if in_message || in_result => DOCUMENT,
        b"search_result" if in_message || in_result => SEARCH,
        b"tool_reference" if in_result => &["tool_name"],
        b"tool_use" if in_message => CALL,
        b"tool_result" if in_message => RESULT,
        b"thinking" if in_message => THINKING,
        b"redacted_thinking" if in_message => &["data"],
        other => return Err(not_accepted(other)),
    };
    if matches!(&*kind, b"tool_use" | b"tool_result") {
        // They are framed like messages.
        reader.measure.messages += 1;
    }
    reader.tool_references += u64::from(*kind == *b"tool_reference");
    if matches!(&*kind, b"document" | b"search_result") && is_cited(body, members) {
        let mut text = Measure::default();
        for member in members {
            text.add_value(body, &member.value);
        }
        add_times(&mut reader.measure, &text, CITED_TIMES);
    }
    let mut signed = false;
    for member in members {
        let name = member.name(body);
        if *name == *b"type" || walk::is_null(body, &member.value) {
            continue;
        }
        match (&*kind, &*name) {
            (_, b"cache_control") => reader.read_cache(body, &member.value)?,
            (b"image", b"source") => read_image(body, &member.value, reader)?,
            (b"document", b"source") => read_document(body, &member.value, reader)?,
            (b"tool_result", b"content") => read_content(body, &member.value, "content", Place::Result, reader)?,
            (b"search_result", b"content") => read_content(body, &member.value, "content", Place::TextOnly, reader)?,
            (_, other) => {
                signed |= other == b"signature" && member.value.len() > 2 && !is_foreign(body, &member.value);
                check_member(body, other, &member.value)?;
                if !texts.iter().any(|text| text.as_bytes() == other) {
                    unknown_unless_passed(other, "", reader.pass)?;
                }
                reader.measure.add_value(body, &member.value);
            }
        }
    }
    reader.unsigned_thinking |= *kind == *b"thinking" && !signed;
    Ok(())
}

/// Is it a seal of OpenAI's, that came to the client through us?
fn is_foreign(body: &[u8], value: &Range<usize>) -> bool {
    let text = body.get(value.clone()).and_then(|text| text.strip_prefix(b"\""));
    text.is_some_and(|text| text.starts_with(OPENAI_SEAL.as_bytes()))
}

/// `"citations":{"enabled":true}`.
fn is_cited(body: &[u8], members: &[Member]) -> bool {
    let citations = members.iter().filter(|member| *member.name(body) == *b"citations");
    citations
        .flat_map(|member| walk::members(body, member.value.start))
        .any(|member| *member.name(body) == *b"enabled" && body.get(member.value.clone()) != Some(b"false"))
}

/// The members that the canonical form is made of have the types that it needs.
fn check_member(body: &[u8], name: &[u8], value: &Range<usize>) -> Result<(), RequestError> {
    match name {
        b"text" => is_string(body, value, "text"),
        b"id" => is_string(body, value, "id"),
        b"name" => is_string(body, value, "name"),
        b"tool_use_id" => is_string(body, value, "tool_use_id"),
        b"input" => object(body, value, "input"),
        b"is_error" => boolean(body, value, "is_error").map(|_| ()),
        b"thinking" => is_string(body, value, "thinking"),
        b"signature" => is_string(body, value, "signature"),
        b"data" => is_string(body, value, "data"),
        _ => Ok(()),
    }
}

fn not_accepted(kind: &[u8]) -> RequestError {
    let kind = shorten(&String::from_utf8_lossy(kind));
    RequestError::invalid(
        "type",
        format!(
            "Blocks of type `{kind}` are not accepted here: what the provider's own tools, files, containers and \
             compaction add is not bounded by what stands in the body."
        ),
    )
}

/// An image is counted, not measured: its tokens come from its size in pixels, and have a cap.
fn read_image(body: &[u8], value: &Range<usize>, reader: &mut Reader<'_>) -> Result<(), RequestError> {
    match &*source_kind(body, value)? {
        b"base64" => check_source(body, value, &["media_type", "data"], reader)?,
        b"url" => check_source(body, value, &["url"], reader)?,
        _ => {
            return Err(RequestError::invalid(
                "source.type",
                "An image's `source.type` must be base64 or url: files are input that is not in the body.",
            ));
        }
    }
    reader.measure.images += 1;
    Ok(())
}

/// Only documents whose text stands in the body: a PDF's pages and packed text are not bounded by
/// its bytes.
fn read_document(body: &[u8], value: &Range<usize>, reader: &mut Reader<'_>) -> Result<(), RequestError> {
    match &*source_kind(body, value)? {
        b"text" => {
            check_source(body, value, &["media_type", "data"], reader)?;
            reader.measure.add_value(body, value);
            Ok(())
        }
        b"content" => {
            check_source(body, value, &["content"], reader)?;
            let content = walk::members(body, value.start).find(|member| *member.name(body) == *b"content");
            match content {
                Some(content) => read_content(body, &content.value, "source.content", Place::Document, reader),
                None => Err(RequestError::invalid("source.content", "`source.content` is missing.")),
            }
        }
        _ => Err(RequestError::invalid(
            "source.type",
            "A document's `source.type` must be text or content: the size in tokens of PDFs and files is not in the \
             body.",
        )),
    }
}

fn source_kind(body: &[u8], value: &Range<usize>) -> Result<Vec<u8>, RequestError> {
    object(body, value, "source")?;
    let kind = walk::members(body, value.start).find(|member| *member.name(body) == *b"type");
    Ok(kind.and_then(|kind| walk::string(body, &kind.value)).unwrap_or_default().into_owned())
}

fn check_source(body: &[u8], value: &Range<usize>, names: &[&str], reader: &Reader<'_>) -> Result<(), RequestError> {
    for member in walk::members(body, value.start) {
        let name = member.name(body);
        if *name == *b"type" || walk::is_null(body, &member.value) {
            continue;
        }
        if !names.iter().any(|known| known.as_bytes() == &*name) {
            unknown_unless_passed(&name, "source", reader.pass)?;
        } else if *name != *b"content" {
            let name = String::from_utf8_lossy(&name);
            is_string(body, &member.value, &format!("source.{name}"))?;
        }
    }
    Ok(())
}
