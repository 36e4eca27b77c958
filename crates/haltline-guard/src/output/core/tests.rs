//! Work and hold are bounded, whatever the text.

use super::super::options::{OutputOptions, RuleSet, SecretOptions};
use super::super::{Filter, OutputRules};
use super::*;

struct Count(u64);

impl Sink for Count {
    fn keep(&mut self, bytes: &[u8]) {
        self.0 += bytes.len() as u64;
    }

    fn leave_out(&mut self, count: usize) {
        self.0 += count as u64;
    }

    fn insert(&mut self, _placeholder: &str) {}
}

#[test]
fn work_and_hold_are_bounded_whatever_the_text() {
    let secrets = SecretOptions { rules: RuleSet::All, ..SecretOptions::default() };
    let rules = OutputRules::new(&OutputOptions { secrets, ..OutputOptions::default() }).unwrap();
    let pieces = [
        "sk-",
        "sk-proj-",
        "eyJ",
        "eyJ-",
        "eyJaaaaaaaaaa.",
        "eyJaaaaaaaaaa.ey",
        "----BEGIN ",
        "-----BEGIN ",
        "-----BEGIN A ",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----a:",
        "://a:b:c:",
        "https://",
        "https://a:",
        "https://a:b@",
        "password ",
        "password=a",
        "authorization basic",
        "api-key: 0",
        "AccountKey=",
        "hvs.a",
        "xox",
        "xoxb-1-",
        "glpat-glpat-",
        "AKIA",
        "Maaaaaaaaaaaaaaaaaaaaaaa.",
        "12345678:AA",
        "github_pat_",
        "pypi-AgEIcHlwaS5vcmc",
        "S",
        "\\n",
        "\u{1F600}://\u{e9}:",
    ];
    for piece in pieces {
        let text = piece.repeat(100_000 / piece.len());
        for size in [text.len(), 5_003] {
            let mut core = Core::new(rules.compiled(), Channel::Text, None);
            let (mut count, mut hits, mut held) = (Count(0), Vec::new(), 0);
            for chunk in text.as_bytes().chunks(size) {
                core.push(rules.compiled(), chunk, &mut count, &mut hits);
                held = held.max(core.held());
            }
            core.finish(rules.compiled(), &mut count, &mut hits);
            let steps = core.steps as f64 / text.len() as f64;
            assert!(steps <= CANDIDATES as f64 + 3.0, "{piece}: {steps} steps a byte");
            assert!(held <= 128, "{piece}: {held} bytes held");
            assert_eq!(count.0, text.len() as u64, "{piece}: bytes are neither lost nor told twice");
            assert!(core.held.capacity() <= 4 * WORKING, "{piece}: {}", core.held.capacity());
        }
    }
}

#[test]
fn a_filter_is_small_until_something_begins() {
    assert!(size_of::<Filter>() <= 300, "{}", size_of::<Filter>());
}
