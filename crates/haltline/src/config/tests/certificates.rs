//! Certificates and keys for the files that test configurations name, made anew in each run.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use std::collections::HashMap;
use std::sync::LazyLock;

/// A certificate with its key, PEM; good from 2026-01-01 until then.
fn pair(until: (i32, u8, u8)) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(until.0, until.1, until.2);
    (params.self_signed(&key).expect("signed").pem(), key.serialize_pem())
}

static FILES: LazyLock<HashMap<&'static str, String>> = LazyLock::new(|| {
    let (good, key) = pair((2036, 1, 1));
    let (other, _) = pair((2036, 1, 1));
    let (expired, expired_key) = pair((2026, 11, 1));
    let (soon, soon_key) = pair((2026, 12, 1));
    HashMap::from([
        ("good.pem", good),
        ("good.key", key),
        ("other.pem", other),
        ("expired.pem", expired),
        ("expired.key", expired_key),
        ("soon.pem", soon),
        ("soon.key", soon_key),
        ("empty.pem", String::new()),
        ("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned()),
    ])
});

/// What stands in `/etc/haltline/tls/NAME`.
pub(super) fn file(path: &str) -> Option<String> {
    FILES.get(path.strip_prefix("/etc/haltline/tls/")?).cloned()
}
