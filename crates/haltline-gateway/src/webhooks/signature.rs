//! Signatures as Standard Webhooks has them (standardwebhooks.com, version 1.0.0): HMAC-SHA256 over
//! id, timestamp and body, one signature for each secret, so that a secret can be changed without a
//! message being lost.

use crate::settings::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use haltline_types::{Name, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// How a secret begins.
const PREFIX: &str = "whsec_";
/// A shorter key is too easily found, a longer one adds nothing (the specification, "Signature scheme").
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Checks that a secret can sign: `whsec_` and 24 to 64 bytes in base64.
///
/// # Errors
/// What is wrong with it, without the secret.
pub fn check_secret(secret: &Secret) -> Result<(), String> {
    key(secret).map(|_| ())
}

/// The value of `webhook-signature`: `v1,…`, one for each secret, separated by spaces. `None` when
/// no secret can sign.
pub(super) fn sign(secrets: &[Secret], id: &str, at: Timestamp, body: &str) -> Option<String> {
    let signatures: Vec<String> = secrets.iter().filter_map(|secret| one(secret, id, at, body)).collect();
    (!signatures.is_empty()).then(|| signatures.join(" "))
}

/// Tells secrets apart without showing them: the beginning of a hash, kept with what they sign.
pub(super) fn fingerprint(secret: &Secret) -> String {
    let hash = Sha256::digest(format!("haltline webhook secret\n{}", secret.reveal()));
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Whole seconds since the epoch, as `webhook-timestamp` has them.
pub(super) const fn seconds(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(1000)
}

/// The secret of one key's messages, from the one in the configuration: HMAC-SHA256 with it over the
/// key's name. Whoever knows it can make neither the other nor that of another key. `None` when the
/// configured one cannot sign.
pub(super) fn derive(secret: &Secret, owner: &Name) -> Option<Secret> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key(secret).ok()?).ok()?;
    mac.update(b"haltline job webhook secret\n");
    mac.update(owner.as_bytes());
    Some(Secret::new(format!("{PREFIX}{}", STANDARD.encode(mac.finalize().into_bytes()))))
}

fn one(secret: &Secret, id: &str, at: Timestamp, body: &str) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key(secret).ok()?).ok()?;
    mac.update(format!("{id}.{}.", seconds(at)).as_bytes());
    mac.update(body.as_bytes());
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

fn key(secret: &Secret) -> Result<Vec<u8>, String> {
    let wrong = |why: &str| {
        format!(
            "a webhook secret is `{PREFIX}` and {} to {} bytes in base64: {why}",
            KEY_BYTES.start(),
            KEY_BYTES.end()
        )
    };
    let encoded = secret.reveal().strip_prefix(PREFIX).ok_or_else(|| wrong("it begins otherwise"))?;
    let key = STANDARD.decode(encoded).map_err(|_| wrong("this is no base64"))?;
    if !KEY_BYTES.contains(&key.len()) {
        return Err(wrong(&format!("these are {}", key.len())));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    /// The example of the specification and of its reference libraries' tests.
    #[test]
    fn the_specifications_own_example_comes_out() {
        let secrets = [secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
        let signed = sign(
            &secrets,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            Timestamp::from_secs(1_614_265_330),
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn two_secrets_sign_twice() {
        let first = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let second = secret(&format!("whsec_{}", STANDARD.encode([7; 32])));
        let at = Timestamp::from_secs(1_614_265_330);
        let alone = |secret: &Secret| sign(std::slice::from_ref(secret), "m", at, "{}").expect("signed");
        let both = sign(&[first.clone(), second.clone()], "m", at, "{}").expect("signed");
        assert_eq!(both, format!("{} {}", alone(&first), alone(&second)));
        assert_ne!(fingerprint(&first), fingerprint(&second));
        assert!(!both.contains(fingerprint(&first).as_str()));
        assert_eq!(sign(&[], "m", at, "{}"), None);
    }

    #[test]
    fn each_key_has_a_secret_of_its_own_that_depends_on_the_configured_one() {
        let configured = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let of = |secret: &Secret, name: &str| derive(secret, &Name::new(name)).expect("a secret");
        let (a, b) = (of(&configured, "a"), of(&configured, "b"));
        assert_eq!(check_secret(&a), Ok(()));
        assert!(a != b && a != configured && a == of(&configured, "a"));
        assert_ne!(a, of(&secret(&format!("whsec_{}", STANDARD.encode([7; 32]))), "a"));
        assert_eq!(derive(&secret("whsec_"), &Name::new("a")), None);
    }

    #[test]
    fn what_cannot_sign_is_said_without_being_shown() {
        let short = format!("whsec_{}", STANDARD.encode([1; 23]));
        let long = format!("whsec_{}", STANDARD.encode([1; 65]));
        for text in ["", "whsec_", "whsec_!!!!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", short.as_str(), long.as_str()] {
            let error = check_secret(&secret(text)).expect_err(text);
            assert!(text.len() < 8 || !error.contains(&text[6..]), "{error}");
        }
        assert_eq!(check_secret(&secret(&format!("whsec_{}", STANDARD.encode([1; 24])))), Ok(()));
    }
}
