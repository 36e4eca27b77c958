//! A body whose last message, the assistant's, is to be written on with, as its server wants to be
//! told.

use crate::edit::{Writer, elements};
use crate::json::walk;
use crate::openai::PrefixForm;
use bytes::Bytes;

/// The body with the marks of `form`. `body` is one that was written for a server.
pub(crate) fn open_ended(body: &Bytes, form: PrefixForm) -> Bytes {
    const MARKS: [(&str, &[u8]); 2] = [("continue_final_message", b"true"), ("add_generation_prompt", b"false")];
    let mut writer = Writer::new(body);
    for member in walk::members(body, 0) {
        let name = member.name(body);
        let is_mark = MARKS.iter().any(|(mark, _)| *name == *mark.as_bytes());
        match form {
            PrefixForm::Flag | PrefixForm::FlagAtBeta if *name == *b"messages" => {
                writer.replaced(&member.key, &member.value, &last_marked(&elements(body, &member.value)));
            }
            PrefixForm::OpenEnd if is_mark => {}
            _ => writer.kept(&member.key, &member.value),
        }
    }
    if form == PrefixForm::OpenEnd {
        for (name, value) in MARKS {
            writer.added(name, value);
        }
    }
    writer.finish()
}

/// The list with `prefix` in its last message.
fn last_marked(messages: &[&[u8]]) -> Vec<u8> {
    let Some((last, before)) = messages.split_last() else { return b"[]".to_vec() };
    let mut writer = Writer::new(last);
    for member in walk::members(last, 0).filter(|member| *member.name(last) != *b"prefix") {
        writer.kept(&member.key, &member.value);
    }
    writer.added("prefix", b"true");
    crate::edit::spliced(before, &[writer.finish()], crate::edit::At::End, 0)
}
