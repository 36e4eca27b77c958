//! From when until when a certificate is good: the two dates of an X.509 certificate (RFC 5280,
//! 4.1.2.5), read from its DER and nothing else of it. Verifying certificates is rustls's matter.

use haltline_types::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use std::time::Duration;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The version of a certificate, where it is not the first.
const VERSION: u8 = 0xa0;
/// Before this is left, somebody should be told; of short-lived certificates a third of their life.
const SOON: Duration = Duration::from_secs(21 * 86_400);

/// When a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From this second.
    pub from: Timestamp,
    /// Until this second, which is the last.
    pub until: Timestamp,
}

impl Validity {
    /// What is to be said of it at `now`, as the rest of a sentence about a certificate.
    #[must_use]
    pub fn complaint(&self, now: Timestamp) -> Option<String> {
        if now > self.until {
            return Some(format!("has expired: it was good until {}", self.until));
        }
        if now < self.from {
            return Some(format!("is not good yet: it will be from {}", self.from));
        }
        let third = self.until.since(self.from) / 3;
        (self.until.since(now) < SOON.min(third)).then(|| format!("expires soon: it is good until {}", self.until))
    }
}

/// The dates of a certificate; `None` when it is none, or they cannot be read.
#[must_use]
pub fn validity(der: &[u8]) -> Option<Validity> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (mut signed, _) = element(certificate, SEQUENCE)?;
    if signed.first() == Some(&VERSION) {
        signed = element(signed, VERSION)?.1;
    }
    // Serial number, signature algorithm, issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        signed = element(signed, tag)?.1;
    }
    let (dates, _) = element(signed, SEQUENCE)?;
    let (from, rest) = time(dates)?;
    let (until, _) = time(rest)?;
    Some(Validity { from, until })
}

/// The content of the first element, which has this tag, and what comes after it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (length, rest) = length(rest)?;
    (*found == tag).then_some(())?;
    rest.split_at_checked(length)
}

/// A length of up to four bytes, and what comes after it.
fn length(der: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = der.split_first()?;
    if *first < 0x80 {
        return Some((usize::from(*first), rest));
    }
    let count = usize::from(*first & 0x7f);
    if count == 0 || count > 4 {
        return None;
    }
    let (bytes, rest) = rest.split_at_checked(count)?;
    Some((bytes.iter().fold(0_usize, |length, byte| (length << 8) | usize::from(*byte)), rest))
}

/// `YYMMDDHHMMSSZ` of 1950 to 2049, or `YYYYMMDDHHMMSSZ`.
fn time(der: &[u8]) -> Option<(Timestamp, &[u8])> {
    let tag = *der.first()?;
    let (text, rest) = element(der, tag)?;
    let text = std::str::from_utf8(text).ok()?;
    let full = match tag {
        UTC_TIME if text.len() == 13 => format!("{}{text}", if text.get(..2)? < "50" { "20" } else { "19" }),
        GENERALIZED_TIME if text.len() == 15 => text.to_owned(),
        _ => return None,
    };
    let at = DateTime::strptime("%Y%m%d%H%M%SZ", full).ok()?;
    let at = Offset::UTC.to_timestamp(at).ok()?;
    Some((Timestamp::from_millis(at.as_millisecond()), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn at(text: &str) -> Timestamp {
        Timestamp::from_millis(text.parse::<jiff::Timestamp>().expect(text).as_millisecond())
    }

    fn certificate(from: (i32, u8, u8), until: (i32, u8, u8)) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("signed").der().to_vec()
    }

    #[test]
    fn dates_of_both_forms_are_read() {
        let der = certificate((2026, 1, 2), (2051, 3, 4));
        let dates = validity(&der).expect("dates");
        assert_eq!((dates.from, dates.until), (at("2026-01-02T00:00:00Z"), at("2051-03-04T00:00:00Z")));
    }

    #[test]
    fn what_is_cut_or_bent_has_no_dates_and_harms_nobody() {
        let der = certificate((2026, 1, 2), (2027, 3, 4));
        for end in 0..der.len() {
            assert_eq!(validity(&der[..end]), None, "cut at {end}");
        }
        for place in 0..der.len().min(300) {
            for bend in [0x01, 0x80, 0xff] {
                let mut bent = der.clone();
                bent[place] ^= bend;
                let _ = validity(&bent);
            }
        }
        assert_eq!(validity(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(validity(&[0x30, 0x80]), None);
    }

    #[test]
    fn complaints_come_in_time() {
        let dates = Validity { from: at("2026-01-01T00:00:00Z"), until: at("2026-04-01T00:00:00Z") };
        let said = |now| dates.complaint(at(now)).unwrap_or_default();
        assert!(said("2025-12-31T00:00:00Z").contains("not good yet"));
        assert_eq!(said("2026-02-01T00:00:00Z"), "");
        assert!(said("2026-03-20T00:00:00Z").contains("expires soon"));
        assert!(said("2026-04-01T00:00:01Z").contains("has expired"));
        let brief = Validity { from: at("2026-01-01T00:00:00Z"), until: at("2026-01-07T00:00:00Z") };
        assert_eq!(brief.complaint(at("2026-01-03T00:00:00Z")), None, "a certificate of six days is renewed late");
        assert!(brief.complaint(at("2026-01-05T12:00:00Z")).is_some());
    }
}
