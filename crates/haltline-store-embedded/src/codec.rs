//! How facts become bytes: compact, hand-written, the same on every machine. Reading never
//! panics and never believes a length that the bytes do not bear out.

mod budgets;
mod entry;
mod fact;
mod record;
mod steps;

#[cfg(test)]
pub(crate) use fact::write_record;
pub(crate) use fact::{Fact, FactRef, read_record, record_bytes};

use haltline_types::{Amount, AttemptId, Demand, Name, NanoUsd, RequestId, Subjects, Timestamp, Tokens, Unit};

/// Subjects with a browser token begin with this; others with the byte of an option, 0 or 1, as they
/// did before there were browser tokens.
const WITH_TOKEN: u8 = 2;

/// Appends values to a buffer.
pub(crate) struct Writer<'a>(pub(crate) &'a mut Vec<u8>);

impl Writer<'_> {
    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn u64(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.u64((value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned());
    }

    pub(crate) fn u128(&mut self, value: u128) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.u64(value.len() as u64);
        self.0.extend_from_slice(value.as_bytes());
    }

    pub(crate) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            None => self.u8(0),
            Some(value) => {
                self.u8(1);
                write(self, value);
            }
        }
    }

    pub(crate) fn list<T>(&mut self, values: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.u64(values.len() as u64);
        for value in values {
            write(self, value);
        }
    }

    pub(crate) fn time(&mut self, value: Timestamp) {
        self.i64(value.as_millis());
    }

    pub(crate) fn name(&mut self, value: &Name) {
        self.text(value.as_str());
    }

    pub(crate) fn attempt(&mut self, id: AttemptId) {
        self.u128(id.request.as_u128());
        self.u8(id.number);
    }

    pub(crate) fn unit(&mut self, unit: Unit) {
        self.u8(match unit {
            Unit::Usd => 0,
            Unit::Tokens => 1,
            Unit::Requests => 2,
            Unit::Retries => 3,
        });
    }

    pub(crate) fn amount(&mut self, amount: Amount) {
        self.unit(amount.unit());
        self.i64(amount.value());
    }

    pub(crate) fn demand(&mut self, demand: &Demand) {
        self.i64(demand.usd.get());
        self.u64(demand.tokens.get());
        self.u64(u64::from(demand.requests));
        self.u64(u64::from(demand.retries));
    }

    pub(crate) fn subjects(&mut self, subjects: &Subjects) {
        let Subjects { team, tier, key, user, session, model, provider, provider_model, browser_token, tags } =
            subjects;
        if let Some(token) = browser_token {
            self.u8(WITH_TOKEN);
            self.name(token);
        }
        for value in [team, tier, key, user, session, model, provider, provider_model] {
            self.option(value.as_ref(), Writer::name);
        }
        self.list(tags, |writer, (name, value)| {
            writer.name(name);
            writer.name(value);
        });
    }
}

/// Reads what `Writer` wrote. `None` from any method: these bytes are something else.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// `Some` when every byte was read.
    pub(crate) fn end(&self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }

    /// What is not read yet.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        u32::try_from(self.u64()?).ok()
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        u16::try_from(self.u64()?).ok()
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        let value = self.u64()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(crate) fn u128(&mut self) -> Option<u128> {
        self.take(16)?.try_into().ok().map(u128::from_le_bytes)
    }

    pub(crate) fn bool(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let len = usize::try_from(self.u64()?).ok()?;
        std::str::from_utf8(self.take(len)?).ok()
    }

    #[expect(clippy::option_option, reason = "the outer says whether it could be read, the inner is the value")]
    pub(crate) fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.bool()? { read(self).map(Some) } else { Some(None) }
    }

    pub(crate) fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(self.u64()?).ok()?;
        // Every element takes a byte at least: a longer list is a lie that would cost memory.
        if count > self.rest.len() {
            return None;
        }
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(read(self)?);
        }
        Some(values)
    }

    pub(crate) fn time(&mut self) -> Option<Timestamp> {
        self.i64().map(Timestamp::from_millis)
    }

    pub(crate) fn name(&mut self) -> Option<Name> {
        self.text().map(Name::new)
    }

    pub(crate) fn attempt(&mut self) -> Option<AttemptId> {
        Some(AttemptId { request: RequestId::from_u128(self.u128()?), number: self.u8()? })
    }

    pub(crate) fn unit(&mut self) -> Option<Unit> {
        Some(match self.u8()? {
            0 => Unit::Usd,
            1 => Unit::Tokens,
            2 => Unit::Requests,
            3 => Unit::Retries,
            _ => return None,
        })
    }

    pub(crate) fn amount(&mut self) -> Option<Amount> {
        Some(Amount::new(self.unit()?, self.i64()?))
    }

    pub(crate) fn demand(&mut self) -> Option<Demand> {
        Some(Demand {
            usd: NanoUsd::new(self.i64()?),
            tokens: Tokens::new(self.u64()?),
            requests: self.u32()?,
            retries: self.u32()?,
        })
    }

    pub(crate) fn subjects(&mut self) -> Option<Subjects> {
        let mut browser_token = None;
        if self.rest.first() == Some(&WITH_TOKEN) {
            self.u8()?;
            browser_token = Some(self.name()?);
        }
        Some(Subjects {
            browser_token,
            team: self.option(Self::name)?,
            tier: self.option(Self::name)?,
            key: self.option(Self::name)?,
            user: self.option(Self::name)?,
            session: self.option(Self::name)?,
            model: self.option(Self::name)?,
            provider: self.option(Self::name)?,
            provider_model: self.option(Self::name)?,
            tags: self.list(|reader| Some((reader.name()?, reader.name()?)))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_and_texts_survive(a: u64, b: i64, c: u128, text: String) {
            let mut bytes = Vec::new();
            let mut writer = Writer(&mut bytes);
            writer.u64(a);
            writer.i64(b);
            writer.u128(c);
            writer.text(&text);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.u64(), Some(a));
            prop_assert_eq!(reader.i64(), Some(b));
            prop_assert_eq!(reader.u128(), Some(c));
            prop_assert_eq!(reader.text(), Some(text.as_str()));
            prop_assert_eq!(reader.end(), Some(()));
        }
    }

    #[test]
    fn extremes_survive_and_lies_are_refused() {
        for value in [i64::MIN, -1, 0, 1, i64::MAX] {
            let mut bytes = Vec::new();
            Writer(&mut bytes).i64(value);
            assert_eq!(Reader::new(&bytes).i64(), Some(value));
        }
        assert_eq!(Reader::new(&[0xff; 10]).u64(), None, "more than 64 bits");
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0x7f]).list(Reader::u8), None, "a list longer than its bytes");
        assert_eq!(Reader::new(&[5, b'a']).text(), None, "a text longer than its bytes");
    }
}
