//! The shapes of browser tokens, and what is derived from them. All of them are random; what is
//! kept of them is a keyed hash.

use crate::auth::secret::new_secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haltline_ports::Keys;
use std::fmt;
use std::io;

/// What access tokens begin with.
pub(crate) const ACCESS: &str = "hl-web-";
/// What refresh tokens begin with.
pub(crate) const REFRESH: &str = "hl-refresh-";
/// What codes begin with that are exchanged once for a sign-in.
pub(crate) const CODE: &str = "hl-code-";

/// Characters of a handle: more than 128 bits.
const HANDLE: usize = 22;
/// Characters of what is secret: 256 bits.
const SECRET: usize = 43;

/// What is kept of a token.
pub(crate) type Hash = [u8; 32];

/// A refresh token: a handle that all of its sign-in have, and a secret of its own. Whoever knows a
/// handle has had one of its tokens: it stands nowhere else.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Refresh(String);

impl Refresh {
    /// The first one of a sign-in.
    pub(crate) fn first() -> io::Result<Self> {
        let (handle, secret) = (new_secret("")?, new_secret("")?);
        Ok(Self(format!("{REFRESH}{}{secret}", handle.get(..HANDLE).unwrap_or_default())))
    }

    /// Reads one; `None` where it cannot be one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(REFRESH)?;
        let fits = rest.len() == HANDLE + SECRET
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        fits.then(|| Self(text.to_owned()))
    }

    /// As the cookie has it.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    fn handle(&self) -> &str {
        self.0.get(REFRESH.len()..REFRESH.len() + HANDLE).unwrap_or_default()
    }

    /// What a sign-in is found by.
    pub(crate) fn handle_hash(&self, keys: &dyn Keys) -> Hash {
        keys.hash(&format!("handle:{}", self.handle()))
    }

    /// The token that comes after this one. Derived, so that whoever presents a token twice gets the
    /// same successor although nothing but hashes is kept; secret, because the hash is keyed.
    pub(crate) fn next(&self, keys: &dyn Keys) -> Self {
        let secret = URL_SAFE_NO_PAD.encode(keys.hash(&format!("next:{}", self.0)));
        Self(format!("{REFRESH}{}{secret}", self.handle()))
    }

    /// What a page must repeat in a header: only one that could read an answer of ours knows it.
    pub(crate) fn csrf(&self, keys: &dyn Keys) -> String {
        URL_SAFE_NO_PAD.encode(keys.hash(&format!("csrf:{}", self.handle())))
    }
}

/// Without the token: it must not be printed.
impl fmt::Debug for Refresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refresh(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haltline_ports::{KeyRecord, KeysError};
    use haltline_types::{Name, Timestamp};
    use sha2::{Digest, Sha256};
    use std::sync::Arc;

    struct Hasher;

    impl Keys for Hasher {
        fn hash(&self, secret: &str) -> Hash {
            Sha256::digest(format!("pepper{secret}")).into()
        }
        fn find(&self, _: &Hash) -> Option<Arc<KeyRecord>> {
            None
        }
        fn list(&self) -> Vec<Arc<KeyRecord>> {
            Vec::new()
        }
        fn add(&self, _: KeyRecord) -> Result<(), KeysError> {
            Ok(())
        }
        fn replace(&self, _: KeyRecord) -> Result<(), KeysError> {
            Ok(())
        }
        fn remove(&self, _: &Name, _: Timestamp) -> Result<(), KeysError> {
            Ok(())
        }
    }

    #[test]
    fn a_successor_is_of_the_same_sign_in_and_always_the_same() {
        let first = Refresh::first().expect("randomness");
        let second = first.next(&Hasher);
        assert_eq!(second, first.next(&Hasher));
        assert_ne!(second, first);
        assert_ne!(second.next(&Hasher), second);
        assert_eq!(second.handle_hash(&Hasher), first.handle_hash(&Hasher));
        assert_eq!(second.csrf(&Hasher), first.csrf(&Hasher));
        assert_eq!(Refresh::parse(second.text()), Some(second));
    }

    #[test]
    fn what_cannot_be_one_is_none() {
        let token = Refresh::first().expect("randomness");
        let text = token.text();
        for other in
            ["", REFRESH, &text[1..], &text[..text.len() - 1], &format!("{text}A"), &text.replace(REFRESH, ACCESS)]
        {
            assert_eq!(Refresh::parse(other), None, "{other}");
        }
        assert_eq!(Refresh::parse(&format!("{REFRESH}{}", "é".repeat(65))), None);
        assert_eq!(Refresh::parse(&format!("{REFRESH}{}", "/".repeat(65))), None);
    }

    #[test]
    fn a_token_is_never_printed() {
        let token = Refresh::first().expect("randomness");
        assert!(!format!("{token:?}").contains(REFRESH));
    }
}
