//! Where media stand in a request of any dialect.
//!
//! The four shapes of media parts do not collide, so one walk finds them all. It goes only where
//! a dialect has parts: tools, schemas and a tool's arguments are text, whatever they look like.
//! A dialect that counts more media than are found here has met a shape that this file does not
//! know: the caller counts the difference as unknown.

use super::header::{Dimensions, ImageError, size_of_base64};
use crate::json::walk::{self, Member};
use std::ops::Range;

/// A medium and the place of its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    /// What it is.
    pub kind: MediumKind,
    /// The string that holds its data or address, quotes included. No model reads it as text.
    pub span: Range<usize>,
}

/// What a medium is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediumKind {
    /// An image.
    Image {
        /// Its size; `None` behind an address or an id, or when it cannot be known from the first
        /// bytes. An error means that it must be refused.
        size: Result<Option<Dimensions>, ImageError>,
        /// How closely it is to be looked at.
        detail: DetailWord,
    },
    /// A document. Its pages are not known.
    Document,
    /// A recording. Its length is not known.
    Audio,
}

/// OpenAI's `detail` of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DetailWord {
    /// `low`.
    Low,
    /// `high`.
    High,
    /// Another word, or none.
    #[default]
    Unsaid,
}

/// Top-level members that hold parts, in any dialect.
const ROOMS: [&[u8]; 6] = [b"messages", b"input", b"system", b"contents", b"systemInstruction", b"system_instruction"];

/// Members below them that hold a tool's arguments or a tool's answer as data.
const TEXT: [&[u8]; 5] = [b"arguments", b"args", b"response", b"input", b"tool_calls"];

/// Parts lie no deeper than this below a top-level member: message, content, tool result, its
/// content, part.
const DEPTH: u8 = 12;

/// All media of a body that was checked (`json::check`), in the order in which they stand.
#[must_use]
pub fn find(body: &[u8]) -> Vec<Medium> {
    let mut found = Vec::new();
    for member in walk::members(body, 0) {
        if ROOMS.contains(&&*member.name(body)) {
            visit(body, &member.value, DEPTH, &mut found);
        }
    }
    found
}

fn visit(body: &[u8], value: &Range<usize>, depth: u8, found: &mut Vec<Medium>) {
    let Some(below) = depth.checked_sub(1) else { return };
    match body.get(value.start) {
        Some(b'[') => walk::elements(body, value.start).for_each(|element| visit(body, &element, below, found)),
        Some(b'{') => {
            let members: Vec<Member> = walk::members(body, value.start).collect();
            let part = Part { body, members: &members };
            if let Some(medium) = part.medium() {
                found.push(medium);
                return;
            }
            for member in members.iter().filter(|member| !TEXT.contains(&&*member.name(body))) {
                visit(body, &member.value, below, found);
            }
        }
        _ => {}
    }
}

struct Part<'a> {
    body: &'a [u8],
    members: &'a [Member],
}

impl Part<'_> {
    fn medium(&self) -> Option<Medium> {
        // Gemini's parts have no type.
        for (inline, camel, snake) in
            [("inlineData", "mimeType", "mime_type"), ("inline_data", "mimeType", "mime_type")]
        {
            if let Some(data) = self.object(inline) {
                let data = Part { body: self.body, members: &data };
                let kind = data.word(camel).or_else(|| data.word(snake)).unwrap_or_default();
                return Some(data.base64(&kind, "data"));
            }
        }
        for name in ["fileData", "file_data"] {
            if let Some(data) = self.object(name) {
                let data = Part { body: self.body, members: &data };
                let kind = data.word("mimeType").or_else(|| data.word("mime_type")).unwrap_or_default();
                let at = data.value("fileUri").or_else(|| data.value("file_uri"))?;
                return Some(remote(&kind, at));
            }
        }
        match &*self.word("type")? {
            b"image_url" | b"input_image" => self.openai_image(),
            b"image" | b"document" => self.anthropic(),
            b"file" | b"input_file" => self.openai_file(),
            b"input_audio" => {
                let audio = self.object("input_audio")?;
                let span = Part { body: self.body, members: &audio }.value("data")?;
                Some(Medium { kind: MediumKind::Audio, span })
            }
            _ => None,
        }
    }

    fn openai_image(&self) -> Option<Medium> {
        if let Some(inner) = self.object("image_url") {
            let inner = Part { body: self.body, members: &inner };
            return Some(inner.address(&inner.value("url")?, inner.detail()));
        }
        let at = self.value("image_url").filter(|at| !walk::is_null(self.body, at));
        match at {
            Some(at) => Some(self.address(&at, self.detail())),
            None => {
                let kind = MediumKind::Image { size: Ok(None), detail: self.detail() };
                Some(Medium { kind, span: self.value("file_id")? })
            }
        }
    }

    fn openai_file(&self) -> Option<Medium> {
        let inner = self.object("file");
        let part = Part { body: self.body, members: inner.as_deref().unwrap_or(self.members) };
        let span = part.value("file_data").or_else(|| part.value("file_url")).or_else(|| part.value("file_id"))?;
        Some(Medium { kind: MediumKind::Document, span })
    }

    fn anthropic(&self) -> Option<Medium> {
        let is_image = self.word("type").is_some_and(|kind| kind == b"image");
        let source = self.object("source")?;
        let source = Part { body: self.body, members: &source };
        let kind: &[u8] = if is_image { b"image/" } else { b"application/pdf" };
        match &*source.word("type")? {
            // Written in another dialect, the data is what its media type says.
            b"base64" if is_image && !source.word("media_type").is_some_and(|kind| is_picture(&kind)) => {
                let kind = MediumKind::Image { size: Err(ImageError::Format), detail: DetailWord::Unsaid };
                Some(Medium { kind, span: source.value("data").unwrap_or(0..0) })
            }
            b"base64" => Some(source.base64(kind, "data")),
            b"url" => Some(remote(kind, source.value("url")?)),
            b"file" => Some(remote(kind, source.value("file_id")?)),
            // Plain text, or parts of its own.
            _ => None,
        }
    }

    /// An image behind a `data:` address or another one.
    fn address(&self, at: &Range<usize>, detail: DetailWord) -> Medium {
        let raw = walk::inside(self.body, at).unwrap_or_default();
        let size = data_of(raw).map_or(Ok(None), |data| data.and_then(size_of_base64));
        Medium { kind: MediumKind::Image { size, detail }, span: at.clone() }
    }

    fn base64(&self, media_type: &[u8], name: &str) -> Medium {
        let Some(span) = self.value(name) else {
            // No data is no image; whoever reads the dialect says so in its own words.
            let kind = MediumKind::Image { size: Err(ImageError::Broken), detail: DetailWord::Unsaid };
            return Medium { kind, span: 0..0 };
        };
        match kind_of(media_type) {
            MediumKind::Image { .. } => {
                let size = walk::inside(self.body, &span).map_or(Err(ImageError::Base64), size_of_base64);
                Medium { kind: MediumKind::Image { size, detail: DetailWord::Unsaid }, span }
            }
            kind => Medium { kind, span },
        }
    }

    fn detail(&self) -> DetailWord {
        match self.word("detail").as_deref() {
            Some(b"low") => DetailWord::Low,
            Some(b"high") => DetailWord::High,
            _ => DetailWord::Unsaid,
        }
    }

    fn value(&self, name: &str) -> Option<Range<usize>> {
        let member = self.members.iter().find(|member| *member.name(self.body) == *name.as_bytes())?;
        Some(member.value.clone())
    }

    fn word(&self, name: &str) -> Option<Vec<u8>> {
        let value = self.value(name).filter(|value| value.len() <= 128)?;
        walk::string(self.body, &value).map(std::borrow::Cow::into_owned)
    }

    fn object(&self, name: &str) -> Option<Vec<Member>> {
        let value = self.value(name)?;
        (self.body.get(value.start) == Some(&b'{')).then(|| walk::members(self.body, value.start).collect())
    }
}

/// What stands behind an address cannot be looked at: it is an image only if it says so.
fn remote(media_type: &[u8], span: Range<usize>) -> Medium {
    let kind = match kind_of(media_type) {
        MediumKind::Image { .. } if !media_type.starts_with(b"image/") => MediumKind::Document,
        kind => kind,
    };
    Medium { kind, span }
}

/// What a media type says; what is no document and no recording is taken for an image, which has
/// to prove it by its header.
fn kind_of(media_type: &[u8]) -> MediumKind {
    if media_type.starts_with(b"audio/") || media_type.starts_with(b"video/") {
        MediumKind::Audio
    } else if media_type.starts_with(b"application/") || media_type.starts_with(b"text/") {
        MediumKind::Document
    } else {
        MediumKind::Image { size: Ok(None), detail: DetailWord::Unsaid }
    }
}

/// Does a media type, as it stands in JSON, say that it is a picture? Bytes that begin like one can
/// go on as a document, and a provider may believe the type.
fn is_picture(media_type: &[u8]) -> bool {
    let begins = |with: &[u8]| media_type.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    begins(b"image/") || begins(b"image\\/")
}

/// The data of a `data:` address of a picture, as it stands; `None` for any other address.
fn data_of(raw: &[u8]) -> Option<Result<&[u8], ImageError>> {
    let scheme = raw.get(..5)?;
    if !scheme.eq_ignore_ascii_case(b"data:") {
        return None;
    }
    // A media type is short; a comma further behind belongs to something else.
    let head = raw.get(..raw.len().min(256))?;
    let comma = memchr::memchr(b',', head).ok_or(ImageError::Base64);
    Some(comma.and_then(|comma| {
        let is_base64 = head[..comma].len() >= 7 && head[..comma].to_ascii_lowercase().ends_with(b";base64");
        if !is_base64 {
            return Err(ImageError::Base64);
        }
        if is_picture(&raw[5..]) { Ok(&raw[comma + 1..]) } else { Err(ImageError::Format) }
    }))
}
