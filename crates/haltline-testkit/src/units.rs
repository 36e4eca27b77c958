//! How time, tokens and money stand in the JSON of the control API: whole numbers whose unit is
//! part of the field's name. Only the wire forms; the types live in `haltline-types`.

/// A `Duration` as whole milliseconds.
pub(crate) mod millis {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub(crate) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

/// Tokens as a count.
pub(crate) mod tokens {
    use haltline_types::Tokens;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Tokens, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(value.get())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Tokens, D::Error> {
        u64::deserialize(from).map(Tokens::new)
    }
}

/// Tokens as a count, or null.
pub(crate) mod tokens_opt {
    use haltline_types::Tokens;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Option<Tokens>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(tokens) => to.serialize_some(&tokens.get()),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Tokens>, D::Error> {
        Option::<u64>::deserialize(from).map(|count| count.map(Tokens::new))
    }
}

/// Money as nanodollars.
pub(crate) mod nano_usd {
    use haltline_types::NanoUsd;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &NanoUsd, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(value.get())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<NanoUsd, D::Error> {
        i64::deserialize(from).map(NanoUsd::new)
    }
}
