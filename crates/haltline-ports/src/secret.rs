//! Text that must not be seen: it is not printed, and its memory is wiped when it goes. Where it
//! came from (an environment, a file, a request) is beyond that.

use std::fmt;
use zeroize::Zeroizing;

/// Text that must not be printed; wiped when dropped.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps it.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Without spaces and line breaks around it.
    #[must_use]
    pub fn trimmed(self) -> Self {
        let inside = self.0.trim();
        if inside.len() == self.0.len() { self } else { Self::new(inside.to_owned()) }
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.to_owned())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_not_printed_in_any_form() {
        let secret = Secret::from("hush-hush");
        assert_eq!(format!("{secret:?} {secret:#?} {:?}", Some(&secret)), "(secret) (secret) Some((secret))");
        assert_eq!(Secret::from("  hush\n").trimmed().reveal(), "hush");
    }
}
