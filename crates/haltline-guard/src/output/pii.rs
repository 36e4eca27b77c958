//! Personal data: numbers with check digits, addresses, telephone numbers. Off unless asked for:
//! most words may begin an address, so that more text waits.

mod numbers;

use super::options::PiiKind;
use super::phrases::Found;
use numbers::find_numbers;

/// Bytes of numbers and what stands between them that are looked at together.
const NUMBERS_MAX: usize = 64;
/// Of these, what is kept when there are more.
const NUMBERS_KEPT: usize = 36;
/// Letters before the `@` of an address: RFC 5321, section 4.5.3.1.1.
const LOCAL_MAX: u64 = 64;
/// Letters after it that are waited for.
const DOMAIN_MAX: usize = 100;

/// The rule of each kind that is looked for, in the order of [`PiiKind::ALL`].
#[derive(Clone, Copy, Default)]
pub(super) struct PiiRules(pub(super) [Option<u16>; 6]);

impl PiiRules {
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    pub(super) fn rule(&self, kind: PiiKind) -> Option<u16> {
        PiiKind::ALL.iter().position(|other| *other == kind).and_then(|at| self.0.get(at).copied().flatten())
    }
}

/// Where personal data may be in the making in one text.
#[derive(Default)]
pub(super) struct Reader {
    last: u8,
    word: Word,
    numbers: Option<Numbers>,
    address: Option<Address>,
    iban: Option<Iban>,
}

/// The last letters before a number.
#[derive(Clone, Copy, Default)]
struct Word {
    letters: [u8; 8],
    length: u8,
}

struct Numbers {
    start: u64,
    text: Vec<u8>,
    version: bool,
    endless: bool,
}

struct Address {
    start: u64,
    domain: Option<Vec<u8>>,
}

struct Iban {
    start: u64,
    text: Vec<u8>,
    end: u64,
}

impl Reader {
    /// Reads the byte at `at`.
    pub(super) fn read(&mut self, rules: &PiiRules, byte: u8, at: u64, found: &mut Vec<Found>) {
        if rules.0.iter().any(|rule| rule.is_some()) {
            self.numbers(rules, byte, at, found);
            if let Some(rule) = rules.rule(PiiKind::Email) {
                self.address(rule, byte, at, found);
            }
            if let Some(rule) = rules.rule(PiiKind::Iban) {
                self.iban(rule, byte, at, found);
            }
        }
        self.word.read(byte, self.last);
        self.last = byte;
    }

    /// The text ends at `at`.
    pub(super) fn end(&mut self, rules: &PiiRules, at: u64, found: &mut Vec<Found>) {
        self.read(rules, 0, at, found);
        *self = Self::default();
    }

    /// From where on text must wait.
    pub(super) fn held_from(&self) -> Option<u64> {
        let numbers = self.numbers.as_ref().filter(|numbers| !numbers.endless).map(|numbers| numbers.start);
        let address = self.address.as_ref().map(|address| address.start);
        let iban = self.iban.as_ref().map(|iban| iban.start);
        [numbers, address, iban].into_iter().flatten().min()
    }

    fn numbers(&mut self, rules: &PiiRules, byte: u8, at: u64, found: &mut Vec<Found>) {
        let Some(numbers) = &mut self.numbers else {
            if (byte.is_ascii_digit() || byte == b'+') && !is_word(self.last) && self.last != b'+' {
                let version = self.word.is_version();
                self.numbers = Some(Numbers { start: at, text: vec![byte], version, endless: false });
            }
            return;
        };
        let previous = numbers.text.last().copied().unwrap_or(0);
        let goes_on = match byte {
            b'0'..=b'9' => true,
            b' ' | b'-' | b'.' => previous.is_ascii_digit() || previous == b')',
            b'(' => matches!(previous, b' ' | b'+' | b'0'..=b'9'),
            b')' => previous.is_ascii_digit(),
            _ => false,
        };
        if !goes_on {
            numbers.tell(rules, is_word(byte) && previous.is_ascii_digit(), found);
            self.numbers = None;
            if byte == b'+' {
                self.numbers(rules, byte, at, found);
            }
            return;
        }
        if numbers.endless {
            if !byte.is_ascii_digit() {
                self.numbers = None;
            }
            return;
        }
        numbers.text.push(byte);
        if numbers.text.len() > NUMBERS_MAX {
            numbers.shorten(rules, found);
        }
    }

    fn address(&mut self, rule: u16, byte: u8, at: u64, found: &mut Vec<Found>) {
        let local = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-');
        match &mut self.address {
            None => {
                if (byte.is_ascii_alphanumeric() || byte == b'_') && !is_word(self.last) {
                    self.address = Some(Address { start: at, domain: None });
                }
            }
            Some(Address { start, domain: None }) => {
                if byte == b'@' {
                    self.address = Some(Address { start: *start, domain: Some(Vec::new()) });
                } else if !local(byte) || at - *start >= LOCAL_MAX {
                    self.address = None;
                }
            }
            Some(Address { start, domain: Some(domain) }) => {
                if (byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')) && domain.len() < DOMAIN_MAX {
                    domain.push(byte);
                    return;
                }
                let length = domain.len();
                let kept = domain.iter().rposition(u8::is_ascii_alphanumeric).map_or(0, |last| last + 1);
                domain.truncate(kept);
                if is_domain(domain) {
                    found.push(Found { rule, start: *start, end: at - (length - kept) as u64 });
                }
                self.address = None;
            }
        }
    }

    fn iban(&mut self, rule: u16, byte: u8, at: u64, found: &mut Vec<Found>) {
        let Some(iban) = &mut self.iban else {
            if byte.is_ascii_uppercase() && !is_word(self.last) {
                self.iban = Some(Iban { start: at, text: vec![byte], end: at + 1 });
            }
            return;
        };
        let read = iban.text.len();
        let wanted = if read < 2 { None } else { numbers::iban_length(&iban.text) };
        if read >= 2 && wanted.is_none() {
            self.iban = None;
            return;
        }
        if wanted == Some(read) {
            if !is_word(byte) && numbers::is_iban(&iban.text) {
                found.push(Found { rule, start: iban.start, end: iban.end });
            }
            self.iban = None;
            return;
        }
        let goes_on = match read {
            0 | 1 => byte.is_ascii_uppercase(),
            2 | 3 => byte.is_ascii_digit(),
            _ => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        };
        if goes_on {
            iban.text.push(byte);
            iban.end = at + 1;
        } else if byte != b' ' || read < 4 || self.last == b' ' {
            self.iban = None;
        }
    }
}

impl Numbers {
    /// Tells what is in the numbers; `glued` if a letter follows the last one.
    fn tell(&self, rules: &PiiRules, glued: bool, found: &mut Vec<Found>) {
        if self.endless {
            return;
        }
        for (range, kind) in find_numbers(&self.text, glued, self.version) {
            if let Some(rule) = rules.rule(kind) {
                let (start, end) = (self.start + range.start as u64, self.start + range.end as u64);
                found.push(Found { rule, start, end });
            }
        }
    }

    /// There are more than are looked at together: the first ones leave.
    fn shorten(&mut self, rules: &PiiRules, found: &mut Vec<Found>) {
        let group = |at: usize| {
            let digit = |at: usize| self.text.get(at).is_some_and(u8::is_ascii_digit);
            digit(at) && (at == 0 || !digit(at - 1))
        };
        let least = self.text.len().saturating_sub(NUMBERS_KEPT);
        let Some(keep) = (least..self.text.len()).find(|&at| group(at)) else {
            self.endless = true;
            return;
        };
        let mut keep = keep;
        for (range, kind) in find_numbers(&self.text, true, self.version) {
            if let Some(rule) = rules.rule(kind).filter(|_| range.start < keep) {
                found.push(Found { rule, start: self.start + range.start as u64, end: self.start + range.end as u64 });
                keep = keep.max(range.end);
            }
        }
        self.text.drain(..keep.min(self.text.len()));
        self.start += keep as u64;
        self.version = false;
    }
}

impl Word {
    fn read(&mut self, byte: u8, last: u8) {
        if !byte.is_ascii_alphabetic() {
            return;
        }
        if !last.is_ascii_alphabetic() {
            self.length = 0;
        }
        if let Some(letter) = self.letters.get_mut(usize::from(self.length)) {
            *letter = byte.to_ascii_lowercase();
        }
        self.length = self.length.saturating_add(1);
    }

    /// Whether numbers after it are a version's.
    fn is_version(&self) -> bool {
        let word = self.letters.get(..usize::from(self.length)).unwrap_or_default();
        [&b"version"[..], b"ver", b"v", b"release", b"build", b"rev"].contains(&word)
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_domain(domain: &[u8]) -> bool {
    let mut labels = domain.split(|byte| *byte == b'.');
    let last = labels.next_back().unwrap_or_default();
    let mut count = 0;
    let whole = labels.all(|label| {
        count += 1;
        !label.is_empty() && !label.starts_with(b"-") && !label.ends_with(b"-")
    });
    whole && count > 0 && last.len() >= 2 && last.iter().all(u8::is_ascii_alphabetic)
}
