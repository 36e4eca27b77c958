//! Sealing by itself: what opens, what does not, and which keys a store takes.

use super::*;
use crate::disk::SimDisk;
use proptest::prelude::*;

fn key(byte: u8) -> StoreKey {
    StoreKey(Zeroizing::new(std::array::from_fn(|place| byte ^ u8::try_from(place).expect("small"))))
}

fn with(current: u8, old: &[u8]) -> Encryption {
    Encryption { key: key(current), old: old.iter().map(|byte| key(*byte)).collect() }
}

fn seal(current: u8, old: &[u8]) -> Seal {
    Seal::new(&with(current, old)).expect("a seal")
}

#[test]
fn what_is_sealed_opens_in_its_place_and_under_its_key_only() {
    let one = seal(1, &[]);
    let sealed = one.sealed(b"hello", b"here").expect("sealed");
    assert_eq!(sealed.len(), 5 + OVERHEAD);
    assert!(!sealed.windows(5).any(|window| window == b"hello"));
    assert_eq!(one.opened(&sealed, b"here"), Ok(Some(b"hello".to_vec())));
    assert!(one.opened(&sealed, b"there").is_err());
    assert!(seal(2, &[]).opened(&sealed, b"here").is_err());
    // Another process with the same key, and one whose key has changed since.
    assert_eq!(seal(1, &[]).opened(&sealed, b"here"), Ok(Some(b"hello".to_vec())));
    assert_eq!(seal(2, &[3, 1]).opened(&sealed, b"here"), Ok(Some(b"hello".to_vec())));
    for place in 0..sealed.len() {
        let mut bent = sealed.clone();
        bent[place] ^= 1;
        assert_ne!(one.opened(&bent, b"here"), Ok(Some(b"hello".to_vec())), "{place}");
    }
}

#[test]
fn no_two_sealed_texts_share_key_and_nonce() {
    let (one, again) = (seal(1, &[]), seal(1, &[]));
    let head = |seal: &Seal| seal.sealed(b"same", b"").expect("sealed")[MAGIC.len()..OVERHEAD - TAG].to_vec();
    let mut heads: Vec<Vec<u8>> = (0..1_000).flat_map(|_| [head(&one), head(&again)]).collect();
    heads.sort();
    heads.dedup();
    assert_eq!(heads.len(), 2_000);
}

#[test]
fn what_is_plain_stays_plain_and_without_a_key_nothing_is_touched() {
    assert_eq!(seal(1, &[]).opened(b"{\"plain\":1}", b""), Ok(None));
    assert_eq!(Seal::none().sealed(b"x", b""), Ok(b"x".to_vec()));
    assert_eq!(Seal::none().opened(b"\0HLS1", b""), Ok(None));
}

#[test]
fn a_store_takes_its_key_or_a_new_one_that_knows_the_old() {
    let disk = SimDisk::new(1);
    assert!(!Seal::open(&disk, None).expect("plain").is_on());
    assert!(Seal::open(&disk, Some(&with(1, &[]))).expect("the first key").is_on());
    let note = disk.read_all(FILE).expect("a note");
    let refused = |encryption: Option<&Encryption>| Seal::open(&disk, encryption).err().expect("refused").to_string();
    assert!(refused(None).contains("there is no key"), "{}", refused(None));
    let wrong = refused(Some(&with(2, &[3])));
    assert!(wrong.contains("another key") && wrong.contains("old_encryption_keys"), "{wrong}");
    assert_eq!(disk.read_all(FILE).expect("untouched"), note);
    Seal::open(&disk, Some(&with(1, &[]))).expect("the same again");
    assert_eq!(disk.read_all(FILE).expect("untouched"), note);
    Seal::open(&disk, Some(&with(2, &[1]))).expect("a new key");
    assert!(Seal::open(&disk, Some(&with(1, &[]))).is_err(), "the old key alone");
    Seal::open(&disk, Some(&with(2, &[]))).expect("the new key alone");
    disk.replace(FILE, b"{").expect("damaged");
    assert!(refused(Some(&with(2, &[]))).contains("damaged"));
}

#[test]
fn keys_are_read_in_both_forms_and_never_shown() {
    let bytes: Vec<u8> = (0..32).collect();
    let (base64, digits) = (STANDARD.encode(&bytes), hex(&bytes));
    let (one, two) = (StoreKey::parse(&base64.as_str().into()), StoreKey::parse(&digits.as_str().into()));
    assert_eq!(one, two);
    assert_eq!(format!("{:?}", one.expect("a key")), "(secret)");
    for (text, why) in [
        ("", "has 0 bytes"),
        ("not base64!", "neither"),
        ("AAAA", "has 3 bytes"),
        (&"zz".repeat(32), "neither"),
        (&"00".repeat(32), "must be random"),
    ] {
        let error = StoreKey::parse(&text.into()).expect_err(text);
        assert!(error.contains(why) && (text.len() < 5 || !error.contains(text)), "{error}");
    }
}

proptest! {
    #[test]
    fn hostile_bytes_never_open(bytes: Vec<u8>) {
        let mut sealed = MAGIC.to_vec();
        sealed.extend(bytes);
        prop_assert!(seal(1, &[]).opened(&sealed, b"").is_err());
    }
}
