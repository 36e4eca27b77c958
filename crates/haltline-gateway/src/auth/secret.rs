//! Secrets that the gateway makes: 256 random bits, written so that people recognise whose they are.

use std::io;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A new secret: the prefix and 43 characters, six bits each.
///
/// # Errors
/// When the system has no randomness.
pub fn new_secret(prefix: &str) -> io::Result<String> {
    let mut bytes = [0_u8; 33];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    let mut secret = String::with_capacity(prefix.len() + 43);
    secret.push_str(prefix);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte));
        for shift in [18, 12, 6, 0] {
            let index = usize::try_from((bits >> shift) & 63).unwrap_or(0);
            secret.push(char::from(ALPHABET[index]));
        }
    }
    secret.truncate(prefix.len() + 43);
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_have_256_bits() {
        let (one, two) = (new_secret("hl-live-").expect("randomness"), new_secret("hl-live-").expect("randomness"));
        assert_ne!(one, two);
        assert_eq!(one.len(), 8 + 43);
    }
}
