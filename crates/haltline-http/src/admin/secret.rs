//! Secrets of API keys, as operators see them.

pub use haltline_gateway::new_secret;

/// What of a secret may be shown to recognise it by: its first twelve characters.
#[must_use]
pub fn secret_hint(secret: &str) -> String {
    format!("{}…", secret.chars().take(12).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_not_the_secret() {
        let secret = new_secret("hl-live-").expect("randomness");
        assert!(!secret_hint(&secret).contains(&secret[13..]));
    }
}
