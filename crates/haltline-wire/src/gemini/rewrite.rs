//! The bytes that a provider gets: the client's bytes with the cap in its place. Whatever else
//! the client sent survives byte for byte.

use super::GeminiRequest;
use super::fields::Field;
use crate::canon::Target;
use crate::edit::Writer;
use bytes::Bytes;
use std::ops::Range;

impl GeminiRequest {
    /// The body with exactly one `maxOutputTokens`. The model stands in the address (`path`), so
    /// one in the body is left out.
    #[must_use]
    pub fn rewrite(&self, target: &Target<'_>) -> Bytes {
        let cap = target.cap.get().to_string();
        let mut writer = Writer::new(&self.body);
        let mut capped = false;
        for known in &self.members {
            let (key, value) = (&known.member.key, &known.member.value);
            match known.field {
                Field::Model => {}
                Field::Config => {
                    capped = true;
                    let config = if known.is_null { with_cap(&cap) } else { self.capped(value, &cap) };
                    writer.replaced(key, value, &config);
                }
                _ => writer.kept(key, value),
            }
        }
        if !capped {
            writer.added("generationConfig", &with_cap(&cap));
        }
        writer.finish()
    }

    /// `generationConfig` with the cap.
    pub(super) fn capped(&self, value: &Range<usize>, cap: &str) -> Vec<u8> {
        let object = self.body.get(value.clone()).unwrap_or_default();
        let within =
            |range: &Range<usize>| range.start.saturating_sub(value.start)..range.end.saturating_sub(value.start);
        let mut writer = Writer::new(object);
        let mut capped = false;
        for known in &self.config {
            let (key, value) = (within(&known.member.key), within(&known.member.value));
            if known.field == Field::Cap {
                capped = true;
                writer.replaced(&key, &value, cap.as_bytes());
            } else {
                writer.kept(&key, &value);
            }
        }
        if !capped {
            writer.added("maxOutputTokens", cap.as_bytes());
        }
        writer.finish().to_vec()
    }
}

fn with_cap(cap: &str) -> Vec<u8> {
    format!("{{\"maxOutputTokens\":{cap}}}").into_bytes()
}
