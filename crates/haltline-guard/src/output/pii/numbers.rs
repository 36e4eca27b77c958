//! What numbers are: cards and IBANs by their check digits, telephone numbers, social security
//! numbers and addresses by their form.

use super::super::options::PiiKind;
use std::ops::Range;

/// A group of digits, and what stands before it.
struct Group {
    range: Range<usize>,
    before: Option<u8>,
}

/// What is in a text of digits, spaces, dots, dashes and brackets. The last number does not count if
/// it is `glued` to letters; `version` says that it follows a word like that.
pub(super) fn find_numbers(text: &[u8], glued: bool, version: bool) -> Vec<(Range<usize>, PiiKind)> {
    let mut groups = groups(text);
    if glued {
        groups.pop();
    }
    if let Some(phone) = phone(text, &groups) {
        return vec![(phone, PiiKind::Phone)];
    }
    let mut found = Vec::new();
    let mut rest = groups.as_slice();
    while let Some((first, after)) = rest.split_first() {
        let hit = ssn(text, rest)
            .map(|count| (count, PiiKind::Ssn))
            .or_else(|| ipv4(text, rest).filter(|_| !version).map(|count| (count, PiiKind::Ipv4)))
            .or_else(|| card(text, rest).map(|count| (count, PiiKind::Card)));
        let Some((count, kind)) = hit else {
            rest = after;
            continue;
        };
        if let Some(last) = rest.get(count - 1) {
            found.push((first.range.start..last.range.end, kind));
        }
        rest = rest.get(count..).unwrap_or_default();
    }
    found
}

fn groups(text: &[u8]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (at, byte) in text.iter().enumerate() {
        if !byte.is_ascii_digit() {
            continue;
        }
        match groups.last_mut() {
            Some(group) if group.range.end == at => group.range.end += 1,
            _ => {
                let before = at.checked_sub(1).and_then(|at| text.get(at)).copied();
                groups.push(Group { range: at..at + 1, before });
            }
        }
    }
    groups
}

fn digits<'a>(text: &'a [u8], group: &Group) -> &'a [u8] {
    text.get(group.range.clone()).unwrap_or_default()
}

/// E.164: a `+`, and 8 to 15 digits of which the first is not 0.
fn phone(text: &[u8], groups: &[Group]) -> Option<Range<usize>> {
    let first = groups.first()?;
    let starts = text.first() == Some(&b'+') && first.range.start <= 2 && digits(text, first).first() != Some(&b'0');
    let mut count = 0;
    let mut end = 0;
    for group in groups.iter().filter(|_| starts) {
        count += group.range.len();
        if count > 15 {
            break;
        }
        end = group.range.end;
    }
    (count >= 8 && end > 0).then_some(0..end)
}

/// How many groups are a number of the form 219-09-9999. Some numbers are never given.
fn ssn(text: &[u8], groups: &[Group]) -> Option<usize> {
    let [area, middle, serial, rest @ ..] = groups else { return None };
    let sizes = [area.range.len(), middle.range.len(), serial.range.len()] == [3, 2, 4];
    let dashes = area.before != Some(b'-') && [middle, serial].iter().all(|group| group.before == Some(b'-'));
    let ends = rest.first().is_none_or(|next| next.before != Some(b'-'));
    let area = digits(text, area);
    let given = area != b"000" && area != b"666" && area.first() != Some(&b'9') && digits(text, middle) != b"00";
    (sizes && dashes && ends && given && digits(text, serial) != b"0000").then_some(3)
}

/// How many groups are an address that is not the machine's own.
fn ipv4(text: &[u8], groups: &[Group]) -> Option<usize> {
    let [first, others @ ..] = groups else { return None };
    let [a, b, c, rest @ ..] = others else { return None };
    let dots = first.before != Some(b'.') && [a, b, c].iter().all(|group| group.before == Some(b'.'));
    let ends = rest.first().is_none_or(|next| next.before != Some(b'.'));
    let number = |group: &Group| {
        let digits = digits(text, group);
        let plain = digits.len() == 1 || (digits.len() <= 3 && digits.first() != Some(&b'0'));
        plain && std::str::from_utf8(digits).ok().and_then(|text| text.parse::<u8>().ok()).is_some()
    };
    let own = matches!(digits(text, first), b"0" | b"127");
    (dots && ends && !own && [first, a, b, c].into_iter().all(number)).then_some(4)
}

/// How many groups are the number of a card: the most that are.
fn card(text: &[u8], groups: &[Group]) -> Option<usize> {
    let mut all: Vec<u8> = Vec::new();
    let mut best = None;
    let between = groups.get(1).and_then(|group| group.before);
    for (at, group) in groups.iter().enumerate() {
        let joined = at == 0 || (group.before == between && matches!(between, Some(b' ' | b'-')));
        if !joined || all.len() + group.range.len() > 19 || (at == 1 && all.len() != 4) {
            break;
        }
        all.extend_from_slice(digits(text, group));
        if is_card(&all) {
            best = Some(at + 1);
        }
    }
    best
}

/// ISO/IEC 7812: what issuers begin with, how long their numbers are, and the check digit.
fn is_card(number: &[u8]) -> bool {
    let head = |count: usize| {
        number
            .get(..count)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|text| text.parse::<u32>().ok())
    };
    let (Some(one), Some(two), Some(three), Some(four)) = (head(1), head(2), head(3), head(4)) else { return false };
    let length = number.len();
    let issued = match (one, two, three, four) {
        (4, ..) => matches!(length, 13 | 16 | 19),
        (_, 51..=55, ..) | (_, _, _, 2221..=2720) => length == 16,
        (_, 34 | 37, ..) => length == 15,
        (_, 30 | 36 | 38 | 39, ..) => (14..=19).contains(&length),
        (_, 35 | 62 | 65, ..) | (_, _, 644..=649, _) | (_, _, _, 6011) => (16..=19).contains(&length),
        (_, 50 | 56..=58, ..) => (13..=19).contains(&length),
        _ => false,
    };
    issued && luhn(number)
}

fn luhn(number: &[u8]) -> bool {
    let sum: u32 = number
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let digit = u32::from(digit.saturating_sub(b'0'));
            if at % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Lengths of IBANs by country: the registry of ISO 13616.
const IBANS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
];

pub(super) fn iban_length(text: &[u8]) -> Option<usize> {
    let country = text.get(..2)?;
    IBANS.iter().find(|(code, _)| code.as_slice() == country).map(|(_, length)| *length)
}

/// ISO 7064, modulo 97: letters count from 10 on, the first four stand last.
pub(super) fn is_iban(text: &[u8]) -> bool {
    let (head, tail) = text.split_at_checked(4).unwrap_or((text, &[]));
    let rest = tail.iter().chain(head).try_fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => Some((rest * 10 + u32::from(byte - b'0')) % 97),
        b'A'..=b'Z' => Some((rest * 100 + u32::from(byte - b'A') + 10) % 97),
        _ => None,
    });
    rest == Some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_their_form_and_check_digits_say() {
        for (text, wanted) in [
            ("4111 1111 1111 1111", vec!["4111 1111 1111 1111"]),
            ("4111-1111-1111-1111", vec!["4111-1111-1111-1111"]),
            ("4111 1111-1111 1111", vec![]),
            ("4111111111111112", vec![]),
            ("12 4111111111111111 7", vec!["4111111111111111"]),
            ("+31 20 555 0123", vec!["+31 20 555 0123"]),
            ("+1 (202) 555-0143", vec!["+1 (202) 555-0143"]),
            ("+0 20 555 0123", vec![]),
            ("219-09-9999", vec!["219-09-9999"]),
            ("219-09-9999-1", vec![]),
            ("666-09-9999", vec![]),
            ("192.0.2.44", vec!["192.0.2.44"]),
            ("192.0.2.256", vec![]),
            ("1.192.0.2.44", vec![]),
            ("127.0.0.1", vec![]),
        ] {
            let found = find_numbers(text.as_bytes(), false, false);
            let found: Vec<&str> = found.into_iter().map(|(range, _)| &text[range]).collect();
            assert_eq!(found, wanted, "{text}");
        }
        assert!(find_numbers(b"10.2.3.4", false, true).is_empty());
        assert!(find_numbers(b"4111111111111111", true, false).is_empty());
    }

    #[test]
    fn ibans_have_a_length_and_check_digits() {
        assert!(is_iban(b"DE89370400440532013000"));
        assert!(!is_iban(b"DE88370400440532013000"));
        assert_eq!(iban_length(b"DE89"), Some(22));
        assert_eq!(iban_length(b"ZZ89"), None);
    }
}
