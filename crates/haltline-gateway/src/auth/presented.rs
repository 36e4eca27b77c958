//! What a client presents to come in, whatever the header.

use haltline_ports::RouteGroup;
use std::fmt;
use std::net::IpAddr;

/// What a client presents to come in.
#[derive(Clone, Default)]
pub struct Presented {
    /// The credential: an API key, or a token that stands for one.
    pub credential: Option<String>,
    /// The page that asks, as its browser says (`Origin`).
    pub origin: Option<String>,
    /// The client's address, as far as it is known for sure.
    pub from: Option<IpAddr>,
    /// The routes that it asks for; none where the way that it came by says nothing of that.
    pub route: Option<RouteGroup>,
}

impl Presented {
    /// A credential, or none.
    #[must_use]
    pub fn new(credential: Option<String>) -> Self {
        Self { credential, ..Self::default() }
    }

    /// A credential and nothing else.
    #[must_use]
    pub fn credential(text: &str) -> Self {
        Self::new(Some(text.to_owned()))
    }

    /// The same, from this address and for these routes.
    #[must_use]
    pub fn at(self, from: Option<IpAddr>, route: Option<RouteGroup>) -> Self {
        Self { from, route, ..self }
    }

    /// The credential, if any was presented.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.credential.as_deref().filter(|text| !text.is_empty())
    }
}

/// Without the credential: it must not be printed.
impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credential = self.credential.as_ref().map(|_| "(secret)");
        f.debug_struct("Presented").field("credential", &credential).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_never_printed() {
        let presented = Presented::credential("hl-live-1");
        assert!(!format!("{presented:?}").contains("hl-live"));
    }
}
