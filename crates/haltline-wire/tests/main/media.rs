//! Sizes of images, and media in the bodies of all dialects.

use haltline_wire::media::{DetailWord, Dimensions, HEADER_MAX, ImageError, Medium, MediumKind, find, size_of_bytes};
use std::path::Path;

fn image(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/image_header").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn sizes_stand_in_the_headers_of_four_formats() {
    let sizes = [
        ("png", Ok((640, 480))),
        ("png-of-no-width", Err(ImageError::Broken)),
        ("png-cut", Err(ImageError::Broken)),
        ("png-huge", Err(ImageError::Broken)),
        ("jpeg", Ok((300, 200))),
        // The largest of all frame headers.
        ("jpeg-two-frames", Ok((300, 400))),
        ("jpeg-fill-and-garbage", Ok((30, 20))),
        ("jpeg-no-frame", Err(ImageError::Broken)),
        ("jpeg-length-zero", Err(ImageError::Broken)),
        // The frame reaches beyond the screen.
        ("gif", Ok((35, 10))),
        ("gif-endless-blocks", Err(ImageError::Broken)),
        ("webp-lossy", Ok((176, 144))),
        ("webp-lossless", Ok((100, 50))),
        ("webp-extended", Ok((4096, 1024))),
        ("avif", Err(ImageError::Format)),
        ("chat-body", Err(ImageError::Format)),
    ];
    for (name, expected) in sizes {
        let expected = expected.map(|(width, height)| Some(Dimensions { width, height }));
        assert_eq!(size_of_bytes(&image(name)), expected, "{name}");
    }
}

#[test]
fn a_size_far_behind_metadata_is_not_known_and_not_refused() {
    let mut jpeg = vec![0xFF, 0xD8];
    while jpeg.len() < HEADER_MAX {
        jpeg.extend([0xFF, 0xE2, 0xFF, 0xFF]);
        jpeg.resize(jpeg.len() + 0xFFFD, 7);
    }
    jpeg.extend(&image("jpeg")[2..]);
    assert_eq!(size_of_bytes(&jpeg), Ok(None));
}

fn of(body: &str) -> Vec<MediumKind> {
    haltline_wire::json::check(body.as_bytes()).expect("JSON");
    let found = find(body.as_bytes());
    for Medium { span, .. } in &found {
        let text = &body[span.clone()];
        assert!(text.starts_with('"') && text.ends_with('"'), "{text}");
    }
    found.into_iter().map(|medium| medium.kind).collect()
}

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAoAAAAHgCAIAAAC6s0uz";

fn known(detail: DetailWord) -> MediumKind {
    MediumKind::Image { size: Ok(Some(Dimensions { width: 640, height: 480 })), detail }
}

fn unknown(detail: DetailWord) -> MediumKind {
    MediumKind::Image { size: Ok(None), detail }
}

#[test]
fn media_are_found_in_every_dialect() {
    use DetailWord::{High, Low, Unsaid};
    let data = format!("data:image/png;base64,{PNG}");
    let chat = format!(
        r#"{{"messages":[{{"role":"user","content":[
            {{"type":"image_url","image_url":{{"url":"{data}","detail":"low"}}}},
            {{"image_url":{{"detail":"high","url":"https://x/y.png"}},"type":"image_url"}},
            {{"type":"input_audio","input_audio":{{"data":"AAAA","format":"wav"}}}},
            {{"type":"file","file":{{"file_id":"file-1"}}}}]}}]}}"#
    );
    assert_eq!(of(&chat), [known(Low), unknown(High), MediumKind::Audio, MediumKind::Document]);
    let responses = format!(
        r#"{{"input":[{{"type":"message","content":[{{"type":"input_image","image_url":"{data}"}},
            {{"type":"input_image","file_id":"file-1","detail":"original"}}]}},
            {{"type":"function_call_output","output":[{{"type":"input_image","image_url":"{data}","detail":"high"}}]}}]}}"#
    );
    assert_eq!(of(&responses), [known(Unsaid), unknown(Unsaid), known(High)]);
    let anthropic = format!(
        r#"{{"system":[{{"type":"text","text":"x"}}],"messages":[{{"content":[
            {{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{PNG}"}}}},
            {{"type":"document","source":{{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}}}},
            {{"type":"document","source":{{"type":"text","media_type":"text/plain","data":"words"}}}},
            {{"type":"tool_result","content":[{{"type":"image","source":{{"type":"url","url":"https://x"}}}}]}}]}}]}}"#
    );
    assert_eq!(of(&anthropic), [known(Unsaid), MediumKind::Document, unknown(Unsaid)]);
    let gemini = format!(
        r#"{{"contents":[{{"parts":[{{"inlineData":{{"mimeType":"image/png","data":"{PNG}"}}}},
            {{"inline_data":{{"mime_type":"audio/wav","data":"AAAA"}}}},
            {{"fileData":{{"mimeType":"image/png","fileUri":"gs://x"}}}},
            {{"fileData":{{"fileUri":"gs://x"}}}}]}}]}}"#
    );
    assert_eq!(of(&gemini), [known(Unsaid), MediumKind::Audio, unknown(Unsaid), MediumKind::Document]);
}

#[test]
fn what_only_looks_like_a_medium_is_text() {
    let part = format!(r#"{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{PNG}"}}}}"#);
    for body in [
        format!(r#"{{"messages":[{{"content":[{{"type":"tool_use","input":{{"a":{part}}}}}]}}]}}"#),
        format!(r#"{{"tools":[{part}],"metadata":{part}}}"#),
        format!(
            r#"{{"contents":[{{"parts":[{{"functionCall":{{"args":{part}}}}},{{"functionResponse":{{"response":{part}}}}}]}}]}}"#
        ),
        r#"{"messages":[{"content":"data:image/png;base64,iVBORw0KGgo="}]}"#.to_owned(),
    ] {
        assert_eq!(of(&body), [], "{body}");
    }
}

#[test]
fn what_cannot_be_an_image_is_told_to_refuse() {
    let refused = |url: &str| {
        let body = format!(r#"{{"messages":[{{"content":[{{"type":"image_url","image_url":{{"url":"{url}"}}}}]}}]}}"#);
        match of(&body).as_slice() {
            [MediumKind::Image { size, .. }] => *size,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused("data:image/avif;base64,AAAAHGZ0eXBhdmlmAAAAAA=="), Err(ImageError::Format));
    assert_eq!(refused("data:image/png;base64,iVBORw0KGgo="), Err(ImageError::Broken));
    assert_eq!(refused("data:image/png;base64,iVBO!"), Err(ImageError::Base64));
    assert_eq!(refused("data:image/svg+xml,<svg/>"), Err(ImageError::Base64));
    assert_eq!(refused("data:"), Err(ImageError::Base64));
    assert_eq!(refused("DATA:image/png;BASE64,iVBORw0KGgo="), Err(ImageError::Broken));
    assert_eq!(refused("https://example.org/a.png"), Ok(None));
}

#[test]
fn what_begins_like_a_picture_and_is_called_something_else_is_none() {
    // Google reads `inlineData` by its media type: a PDF in a GIF's clothes has pages.
    let anthropic = |media_type: &str| {
        of(&format!(
            r#"{{"messages":[{{"content":[{{"type":"image","source":
                {{"type":"base64","media_type":"{media_type}","data":"{PNG}"}}}}]}}]}}"#
        ))
    };
    let openai = |media_type: &str| {
        of(&format!(
            r#"{{"messages":[{{"content":[{{"type":"image_url","image_url":
                {{"url":"data:{media_type};base64,{PNG}"}}}}]}}]}}"#
        ))
    };
    let refused = MediumKind::Image { size: Err(ImageError::Format), detail: DetailWord::Unsaid };
    for media_type in ["application/pdf", "video/mp4", "audio/wav", "text/plain"] {
        assert_eq!(anthropic(media_type), [refused], "{media_type}");
        assert_eq!(openai(media_type), [refused], "{media_type}");
    }
    for media_type in ["image/png", "IMAGE/PNG", r"image\/png"] {
        assert_eq!(anthropic(media_type), [known(DetailWord::Unsaid)], "{media_type}");
        assert_eq!(openai(media_type), [known(DetailWord::Unsaid)], "{media_type}");
    }
}
