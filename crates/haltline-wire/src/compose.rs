//! JSON that is put together as text: for the frames that a stream mostly consists of, where
//! building values first would take most of the time.

use bytes::Bytes;

/// An object that grows member by member.
pub(crate) struct Composed(Vec<u8>);

impl Composed {
    /// Begins with `text`, which needs no escapes.
    pub(crate) fn of(text: &str) -> Self {
        let mut out = Vec::with_capacity(text.len() + 160);
        out.extend_from_slice(text.as_bytes());
        Self(out)
    }

    /// Appends JSON as it is.
    pub(crate) fn raw(mut self, text: &str) -> Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// Appends `text` as a JSON string.
    pub(crate) fn string(mut self, text: &str) -> Self {
        // Writing a string to memory cannot fail.
        if serde_json::to_writer(&mut self.0, text).is_err() {
            self.0.extend_from_slice(b"\"\"");
        }
        self
    }

    /// Appends a number.
    pub(crate) fn number(self, number: u64) -> Self {
        self.raw(&number.to_string())
    }

    /// Appends a place in a list.
    pub(crate) fn size(self, size: usize) -> Self {
        self.raw(&size.to_string())
    }

    pub(crate) fn bytes(self) -> Bytes {
        Bytes::from(self.0)
    }
}
