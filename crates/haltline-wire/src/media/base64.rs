//! Base64 as it stands in a JSON string, decoded only as far as it is asked for.

/// A reader over the inside of a JSON string. White space and JSON's escapes are stepped over, both
/// alphabets are understood.
pub(super) struct Reader<'a> {
    raw: &'a [u8],
    out: Vec<u8>,
    bits: u32,
    held: u32,
    most: usize,
    end: End,
}

/// Why there is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// There may be more.
    Open,
    /// The data ends.
    Data,
    /// The reader gives no more than it was allowed to.
    Limit,
    /// A byte stands there that is no base64.
    Broken,
}

impl<'a> Reader<'a> {
    /// Gives at most `most` bytes.
    pub(super) const fn new(raw: &'a [u8], most: usize) -> Self {
        Self { raw, out: Vec::new(), bits: 0, held: 0, most, end: End::Open }
    }

    /// The bytes from `from` to `to`; what is missing at the end is told by `end`.
    pub(super) fn get(&mut self, from: usize, to: usize) -> Option<&[u8]> {
        while self.out.len() < to && self.end == End::Open {
            self.step();
        }
        self.out.get(from..to)
    }

    /// Why the last `get` gave nothing.
    pub(super) const fn end(&self) -> End {
        self.end
    }

    fn step(&mut self) {
        if self.out.len() >= self.most {
            self.end = End::Limit;
            return;
        }
        let (value, rest) = match self.raw {
            [] | [b'=', ..] => {
                self.end = End::Data;
                return;
            }
            // PHP writes `\/`, and MIME breaks lines; `\u002f` and `\u002b` are written by careful ones.
            [b'\\', b'/', rest @ ..] => (Some(63), rest),
            [b'\\', b'n' | b'r' | b't', rest @ ..] => (None, rest),
            [b'\\', b'u', b'0', b'0', b'2', b'f' | b'F', rest @ ..] => (Some(63), rest),
            [b'\\', b'u', b'0', b'0', b'2', b'b' | b'B', rest @ ..] => (Some(62), rest),
            [b'\\', b'u', b'0', b'0', b'3', b'd' | b'D', ..] => {
                self.end = End::Data;
                return;
            }
            [b' ', rest @ ..] => (None, rest),
            [byte, rest @ ..] => {
                let Some(value) = value_of(*byte) else {
                    self.end = End::Broken;
                    return;
                };
                (Some(value), rest)
            }
        };
        self.raw = rest;
        let Some(value) = value else { return };
        self.held = (self.held << 6) | value;
        self.bits += 6;
        if self.bits >= 8 {
            self.bits -= 8;
            let byte = (self.held >> self.bits) & 0xFF;
            self.out.push(u8::try_from(byte).unwrap_or_default());
            self.held &= (1 << self.bits) - 1;
        }
    }
}

fn value_of(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(raw: &[u8], most: usize) -> (Vec<u8>, End) {
        let mut reader = Reader::new(raw, most);
        let mut out = Vec::new();
        while let Some(byte) = reader.get(out.len(), out.len() + 1) {
            out.extend_from_slice(byte);
        }
        (out, reader.end())
    }

    #[test]
    fn data_is_read_in_every_dress() {
        let expected = vec![0xFB, 0xFF, b'a', b'b'];
        for raw in ["+/9hYg==", "-_9hYg", r"+\/9hYg==", "+/9h\\r\\nYg==", r"\u002b\u002f9hYg\u003d\u003d", "+/ 9hYg"] {
            assert_eq!(all(raw.as_bytes(), 100), (expected.clone(), End::Data), "{raw}");
        }
    }

    #[test]
    fn reading_ends_where_it_must() {
        assert_eq!(all(b"+/9hYg==", 2), (vec![0xFB, 0xFF], End::Limit));
        assert_eq!(all(b"YWJj!YWJj", 100), (b"abc".to_vec(), End::Broken));
        assert_eq!(all(b"YWJj\\u0041", 100), (b"abc".to_vec(), End::Broken));
        assert_eq!(all(b"", 100), (Vec::new(), End::Data));
        assert_eq!(all("YWJjé".as_bytes(), 100), (b"abc".to_vec(), End::Broken));
    }
}
