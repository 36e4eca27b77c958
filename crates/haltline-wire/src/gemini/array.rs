//! A stream as one JSON array: what `streamGenerateContent` answers without `alt=sse`. Knows
//! nothing of what stands in the elements.

use bytes::{BufMut, Bytes, BytesMut};

/// Frames elements as one JSON array. One for each answer.
#[derive(Debug, Default)]
pub struct ArrayFrames {
    opened: bool,
}

impl ArrayFrames {
    /// Nothing written yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { opened: false }
    }

    /// One element, which must be JSON, with what stands before it.
    #[must_use]
    pub fn element(&mut self, json: &[u8]) -> Bytes {
        let before: &[u8] = if self.opened { b",\r\n" } else { b"[" };
        self.opened = true;
        let mut out = BytesMut::with_capacity(json.len() + before.len());
        out.put_slice(before);
        out.put_slice(json);
        out.freeze()
    }

    /// The end. Only what was closed can be parsed: an answer that was cut stays open.
    #[must_use]
    pub const fn close(self) -> Bytes {
        if self.opened { Bytes::from_static(b"]") } else { Bytes::from_static(b"[]") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_add_up_to_one_array() {
        for count in 0..3_u8 {
            let mut frames = ArrayFrames::new();
            let mut all: Vec<u8> =
                (0..count).flat_map(|n| frames.element(format!("{{\"n\":{n}}}").as_bytes())).collect();
            all.extend(frames.close());
            let parsed: Vec<serde_json::Value> = serde_json::from_slice(&all).expect("an array");
            assert_eq!(parsed.len(), usize::from(count));
        }
    }
}
