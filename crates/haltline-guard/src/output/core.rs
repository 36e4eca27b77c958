//! The filter's engine: bytes in, decisions out. It decides byte by byte and never by the piece, so
//! that the result is the same however the text is cut. Where decisions go is the caller's: a text,
//! or the raw JSON that the text was read from.

use super::candidate::{Candidate, NOWHERE, Reading};
use super::class::{Behind, DASH, DIGIT, MNO};
use super::compiled::Compiled;
use super::hit::{Action, Channel, Hit, Pass};
use super::literals::LONGEST;
use super::phrases::{self, Found};
use super::pii;
use super::prompt::{Overlap, PromptPrint};
use super::rule::{After, Before, Begin, JudgeKind, Step};
use super::swallow::{Swallow, Taken};
use std::ops::Range;
use std::sync::Arc;

/// What a candidate may hold; more is replaced, or leaves if its pattern slides.
const HELD_MAX: u64 = 120;
/// What a sliding candidate holds of a long beginning.
const SLIDING: u64 = 100;
/// Candidates at a time. Ordinary text has one or two; more is an attempt to tire the filter, and
/// what is held is replaced.
const CANDIDATES: usize = 24;

/// Bytes that are kept of one piece before what need not wait leaves.
const WORKING: usize = 1_024;

/// The first part of a Discord token, in letters.
const DISCORD_USER_MIN: u32 = 24;
const DISCORD_USER_MAX: u32 = 26;
/// Letters that read like a word: a capital and small ones, or one more if all are capitals.
const WORD_MIN: u32 = 3;

/// Bytes of the longest character.
const CHARACTER: usize = 4;

/// Where decisions about bytes go, in the order of the text.
pub(super) trait Sink {
    /// Bytes that pass.
    fn keep(&mut self, bytes: &[u8]);
    /// So many bytes are left out.
    fn leave_out(&mut self, count: usize);
    /// A placeholder stands here.
    fn insert(&mut self, placeholder: &str);
}

/// The state of one channel of one answer.
pub(super) struct Core {
    state: u32,
    channel: Channel,
    cut: bool,
    changed: bool,
    behind: Behind,
    /// Bytes read.
    at: u64,
    /// Bytes decided.
    decided: u64,
    /// Up to where the last secret was swallowed.
    swallowed: u64,
    held: Vec<u8>,
    candidates: Vec<Candidate>,
    swallow: Swallow,
    /// For what cannot be skimmed.
    readers: Option<Box<Readers>>,
    /// Bytes that candidates have read.
    #[cfg(test)]
    pub(super) steps: u64,
}

/// Something that was found.
struct Find {
    rule: u16,
    range: Range<u64>,
    /// From here on it is judged.
    judged: u64,
    after: After,
    /// Whether it has come to where it is certain; else it was too long to wait.
    certain: bool,
}

/// What reads every letter: only there if it is asked for.
struct Readers {
    phrases: phrases::Reader,
    pii: pii::Reader,
    prompt: Option<(Arc<PromptPrint>, Overlap)>,
    found: Vec<Found>,
}

impl Core {
    pub(super) fn new(rules: &Compiled, channel: Channel, prompt: Option<Arc<PromptPrint>>) -> Self {
        let prompt = prompt.filter(|print| !print.is_empty()).map(|print| (print, Overlap::default()));
        let wanted = prompt.is_some() || !rules.phrases.is_empty() || !rules.pii.is_empty();
        let readers = wanted.then(|| {
            let (phrases, pii) = (phrases::Reader::new(), pii::Reader::default());
            Box::new(Readers { phrases, pii, prompt, found: Vec::new() })
        });
        Self {
            readers,
            #[cfg(test)]
            steps: 0,
            state: 0,
            channel,
            cut: false,
            changed: false,
            behind: Behind::new(),
            at: 0,
            decided: 0,
            swallowed: NOWHERE,
            held: Vec::new(),
            candidates: Vec::new(),
            swallow: Swallow::Nothing,
        }
    }

    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    pub(super) const fn is_cut(&self) -> bool {
        self.cut
    }

    /// Takes the next bytes of the text.
    pub(super) fn push(&mut self, rules: &Compiled, bytes: &[u8], sink: &mut impl Sink, hits: &mut Vec<Hit>) -> Pass {
        if self.cut {
            return Pass::Cut;
        }
        self.changed = !self.held.is_empty();
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            if self.readers.is_none() && self.candidates.is_empty() && self.swallow.is_idle() {
                rest = self.skim(rules, rest, sink);
            } else {
                rest = after;
                self.byte(rules, byte, sink, hits);
            }
            if self.cut {
                return Pass::Cut;
            }
            if self.held.len() > WORKING {
                let whole = floor(&self.held, self.held.len() - CHARACTER);
                let waits = self.waits_from(rules).min(self.decided + whole as u64);
                self.keep_to(waits, sink);
            }
        }
        self.release(rules, sink);
        if self.changed || !self.held.is_empty() { Pass::Changed } else { Pass::Unchanged }
    }

    /// The text ends.
    pub(super) fn finish(&mut self, rules: &Compiled, sink: &mut impl Sink, hits: &mut Vec<Hit>) -> Pass {
        if self.cut {
            return Pass::Cut;
        }
        let pass = self.settle(rules, sink, hits);
        self.candidates.clear();
        pass
    }

    /// What has begun ends here, as if the text did; what only stands before a secret goes on.
    pub(super) fn settle(&mut self, rules: &Compiled, sink: &mut impl Sink, hits: &mut Vec<Hit>) -> Pass {
        self.changed = !self.held.is_empty();
        let at = self.at;
        let mut index = 0;
        while let Some(candidate) = self.candidates.get_mut(index) {
            if candidate.start == NOWHERE {
                index += 1;
                continue;
            }
            let ends = rules.pattern(candidate.pattern).is_some_and(|pattern| candidate.ends(&pattern.shape, at));
            let candidate = self.candidates.remove(index);
            if ends {
                self.resolve(rules, candidate, at, true, sink, hits);
                if self.cut {
                    return Pass::Cut;
                }
            }
        }
        if let Some(readers) = &mut self.readers {
            readers.phrases.end(&mut readers.found);
            readers.pii.end(&rules.pii, at, &mut readers.found);
            if let Some((print, overlap)) = &mut readers.prompt
                && overlap.end(print)
            {
                readers.found.push(Found { rule: rules.prompt_rule, start: at, end: at });
            }
            self.tell(rules, sink, hits);
            if self.cut {
                return Pass::Cut;
            }
        }
        self.swallow = Swallow::Nothing;
        self.state = 0;
        self.behind = Behind::new();
        self.keep_to(at, sink);
        if self.changed { Pass::Changed } else { Pass::Unchanged }
    }

    /// Reads on while nothing has begun, up to the end of the first literal. Returns the rest.
    fn skim<'a>(&mut self, rules: &Compiled, bytes: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        let mut state = self.state;
        let mut read = bytes.len();
        for (at, &byte) in bytes.iter().enumerate() {
            state = rules.literals.step(state, byte);
            if rules.literals.is_complete(state) {
                read = at + 1;
                break;
            }
        }
        self.state = state;
        let (seen, rest) = bytes.split_at_checked(read).unwrap_or((bytes, &[]));
        self.behind.extend(seen);
        self.at += seen.len() as u64;
        let complete = rules.literals.is_complete(state);
        let keep = if complete { LONGEST } else { self.may_begin(rules) };
        if keep == 0 && self.held.is_empty() {
            sink.keep(seen);
            self.decided = self.at;
            return rest;
        }
        // It may begin within a character: the rest of that belongs to what is held.
        let within = seen.iter().take_while(|byte| *byte & 0xC0 == 0x80).count();
        let (within, seen) = seen.split_at_checked(within).unwrap_or((&[], seen));
        self.held.extend_from_slice(within);
        let split = floor(seen, seen.len().saturating_sub(keep));
        let (passes, held) = seen.split_at_checked(split).unwrap_or((&[], seen));
        if !passes.is_empty() {
            if !self.held.is_empty() {
                sink.keep(&self.held);
                self.held.clear();
            }
            sink.keep(passes);
        }
        self.held.extend_from_slice(held);
        self.decided = self.at - self.held.len() as u64;
        if complete {
            self.begin(rules);
        }
        rest
    }

    /// Reads one byte while something has begun.
    fn byte(&mut self, rules: &Compiled, byte: u8, sink: &mut impl Sink, hits: &mut Vec<Hit>) {
        let at = self.at;
        #[cfg(test)]
        {
            self.steps += self.candidates.len() as u64;
        }
        let mut with: Vec<Candidate> = Vec::new();
        if !self.candidates.is_empty() {
            with = self.read(rules, byte, sink, hits);
            if self.cut {
                return;
            }
        }
        let taken = self.swallow.take(byte);
        self.held.push(byte);
        self.at += 1;
        if taken == Taken::Yes {
            self.leave_out_to(self.at, sink);
        }
        self.behind.push(byte);
        self.state = rules.literals.step(self.state, byte);
        if rules.literals.is_complete(self.state) {
            self.begin(rules);
        }
        for candidate in with {
            self.resolve(rules, candidate, self.at, true, sink, hits);
            if self.cut {
                return;
            }
        }
        if !self.candidates.is_empty() {
            self.bound(rules, sink, hits);
            if self.cut {
                return;
            }
        }
        if let Some(readers) = &mut self.readers {
            if !rules.phrases.is_empty() {
                readers.phrases.read(&rules.phrases, byte, at, &mut readers.found);
            }
            if !rules.pii.is_empty() {
                readers.pii.read(&rules.pii, byte, at, &mut readers.found);
            }
            if let Some((print, overlap)) = &mut readers.prompt
                && overlap.read(print, byte)
            {
                readers.found.push(Found { rule: rules.prompt_rule, start: at, end: at });
            }
            if !readers.found.is_empty() {
                self.tell(rules, sink, hits);
            }
        }
    }

    /// Shows the candidates the byte that comes. Returns those that it completes.
    fn read(&mut self, rules: &Compiled, byte: u8, sink: &mut impl Sink, hits: &mut Vec<Hit>) -> Vec<Candidate> {
        let at = self.at;
        let mut with: Vec<Candidate> = Vec::new();
        let mut before: Vec<Candidate> = Vec::new();
        let (held, decided) = (&self.held, self.decided);
        self.candidates.retain_mut(|candidate| {
            let Some(pattern) = rules.pattern(candidate.pattern) else { return false };
            let from = usize::try_from(candidate.start.saturating_sub(decided)).unwrap_or(usize::MAX);
            let reading = candidate.read(&pattern.shape, byte, at, held.get(from..).unwrap_or_default());
            match reading {
                Reading::With => with.push(*candidate),
                Reading::Before => before.push(*candidate),
                Reading::Live | Reading::Dead => {}
            }
            reading == Reading::Live
        });
        for candidate in before {
            self.resolve(rules, candidate, at, true, sink, hits);
            if self.cut {
                break;
            }
        }
        with
    }

    /// What the readers found.
    fn tell(&mut self, rules: &Compiled, sink: &mut impl Sink, hits: &mut Vec<Hit>) {
        let found = self.readers.as_mut().map(|readers| std::mem::take(&mut readers.found)).unwrap_or_default();
        for Found { rule, start, end } in found {
            if self.cut {
                return;
            }
            if start == end {
                self.repeats_the_prompt(rules, rule, end, sink, hits);
            } else {
                let find = Find { rule, range: start..end, judged: start, after: After::Nothing, certain: true };
                self.found(rules, find, sink, hits);
            }
        }
    }

    /// The prompt has been repeated up to here. It is out already: all that can follow is an end.
    fn repeats_the_prompt(&mut self, rules: &Compiled, rule: u16, at: u64, sink: &mut impl Sink, hits: &mut Vec<Hit>) {
        let Some(rule) = rules.rules.get(usize::from(rule)) else { return };
        let action = if rule.action(self.channel) == Action::Cut { Action::Cut } else { Action::Flag };
        hits.push(Hit { rule: Arc::clone(&rule.id), category: rule.category, action, at, length: 0 });
        if action == Action::Cut {
            let waits = self.waits_from(rules);
            self.keep_to(waits.min(at), sink);
            self.end_early();
        }
    }

    fn end_early(&mut self) {
        self.cut = true;
        self.changed = true;
        self.held = Vec::new();
        self.candidates = Vec::new();
        self.readers = None;
    }

    /// Candidates whose literal is complete here.
    fn begin(&mut self, rules: &Compiled) {
        for &literal in rules.literals.complete(self.state) {
            let Some(literal) = rules.starts.get(usize::from(literal)) else { continue };
            for &index in &literal.patterns {
                let Some(pattern) = rules.pattern(index) else { continue };
                if !stands_after(self.behind, pattern.shape.before, literal.length) {
                    continue;
                }
                let start = match pattern.shape.begin {
                    _ if pattern.shape.before == Before::DiscordUser => {
                        let user = discord_user(self.behind, literal.length).1;
                        self.at.saturating_sub(u64::from(literal.length + user)).max(self.decided)
                    }
                    Begin::Secret => self.at - u64::from(literal.length),
                    Begin::Context | Begin::ExactContext => NOWHERE,
                };
                let candidate = Candidate::new(index, start, self.at);
                if !self.candidates.iter().any(|older| candidate.repeats(older, &pattern.shape)) {
                    self.candidates.push(candidate);
                }
            }
        }
    }

    /// Nobody holds more than may be held.
    fn bound(&mut self, rules: &Compiled, sink: &mut impl Sink, hits: &mut Vec<Hit>) {
        let (at, decided) = (self.at, self.decided);
        let mut over = (self.candidates.len() > CANDIDATES).then_some(0);
        for (index, candidate) in self.candidates.iter_mut().enumerate() {
            let held = at.saturating_sub(candidate.start.max(decided));
            let Some(pattern) = rules.pattern(candidate.pattern).filter(|_| candidate.start != NOWHERE) else {
                continue;
            };
            if pattern.shape.slides && candidate.is_first() {
                candidate.start = candidate.start.max(at.saturating_sub(SLIDING));
            } else if held > HELD_MAX && over.is_none() {
                over = Some(index);
            }
        }
        if let Some(index) = over.filter(|index| *index < self.candidates.len()) {
            let candidate = self.candidates.remove(index);
            self.resolve(rules, candidate, at, false, sink, hits);
        }
    }

    /// A candidate is complete, and what it found ends at `at` unless it ended before.
    fn resolve(
        &mut self,
        rules: &Compiled,
        candidate: Candidate,
        at: u64,
        certain: bool,
        sink: &mut impl Sink,
        hits: &mut Vec<Hit>,
    ) {
        let Some(pattern) = rules.pattern(candidate.pattern) else { return };
        let after = match (certain, candidate.place(&pattern.shape)) {
            (false, Some(Step::Run { class, .. })) => After::Class(*class),
            _ => pattern.shape.after,
        };
        let end = candidate.end.min(at);
        if candidate.start >= end {
            return;
        }
        // What everybody's secrets begin with says nothing about this one.
        let judged = candidate.start.max(candidate.body.min(end));
        let find = Find { rule: pattern.rule, range: candidate.start..end, judged, after, certain };
        self.found(rules, find, sink, hits);
    }

    /// Something was found: judge it, and do what its rule says.
    fn found(&mut self, rules: &Compiled, find: Find, sink: &mut impl Sink, hits: &mut Vec<Hit>) {
        let Find { rule, mut range, judged, after, certain } = find;
        let Some(rule) = rules.rules.get(usize::from(rule)).filter(|_| range.end > self.decided) else { return };
        // It began inside of what was replaced, and goes on beyond it.
        let joined = self.swallowed == self.decided && range.start < self.decided;
        let mut text = self.slice(judged, range.end);
        while rule.judge.kind == JudgeKind::Generic && !joined && text.last() == Some(&b'.') {
            // The dot ends the sentence.
            range.end -= 1;
            text = text.split_last().map_or(&[], |(_, text)| text);
        }
        if !joined && !rule.judge.accepts(text) {
            return;
        }
        let action = rule.action(self.channel);
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        if !joined {
            hits.push(Hit { rule: Arc::clone(&rule.id), category: rule.category, action, at: range.start, length });
        }
        if action == Action::Flag {
            return;
        }
        // What may still become a secret, and this one stands in it, is one with it.
        let start = self.candidates.iter().map(|candidate| candidate.start).fold(range.start, u64::min);
        self.keep_to(start.max(self.decided), sink);
        if action == Action::Cut {
            self.end_early();
            return;
        }
        if !joined {
            self.changed = true;
            sink.insert(&rule.placeholder);
        }
        self.leave_out_to(range.end, sink);
        if !matches!(after, After::Nothing) {
            self.swallow = Swallow::new(after, certain);
        }
    }

    /// What is held from `start` to `end`.
    fn slice(&self, start: u64, end: u64) -> &[u8] {
        let from = usize::try_from(start.saturating_sub(self.decided)).unwrap_or(usize::MAX);
        let to = usize::try_from(end.saturating_sub(self.decided)).unwrap_or(usize::MAX);
        self.held.get(from..to).unwrap_or_default()
    }

    /// All that is before `place` may go out.
    fn keep_to(&mut self, place: u64, sink: &mut impl Sink) {
        let count = self.count_to(place);
        if let Some(bytes) = self.held.get(..count).filter(|bytes| !bytes.is_empty()) {
            sink.keep(bytes);
            self.held.drain(..count);
            self.decided += count as u64;
        }
    }

    /// All that is before `place` is part of a secret.
    fn leave_out_to(&mut self, place: u64, sink: &mut impl Sink) {
        let count = self.count_to(place);
        if count > 0 {
            self.changed = true;
            sink.leave_out(count);
            self.held.drain(..count);
            self.decided += count as u64;
        }
        self.swallowed = self.decided;
    }

    /// How many of the last bytes may be the beginning of something.
    fn may_begin(&self, rules: &Compiled) -> usize {
        let literal = rules.literals.held(self.state, self.behind);
        if rules.has_discord { literal.max(discord_user(self.behind, 0).1 as usize) } else { literal }
    }

    fn count_to(&self, place: u64) -> usize {
        usize::try_from(place.saturating_sub(self.decided)).unwrap_or(usize::MAX).min(self.held.len())
    }

    /// Lets out what no candidate needs.
    fn release(&mut self, rules: &Compiled, sink: &mut impl Sink) {
        if !self.held.is_empty() {
            let waits = self.waits_from(rules);
            self.keep_to(waits, sink);
        }
    }

    /// The first byte that may still become part of something.
    fn waits_from(&self, rules: &Compiled) -> u64 {
        if !self.swallow.is_idle() {
            return self.decided;
        }
        let literal = self.at - self.may_begin(rules) as u64;
        let needed = self.candidates.iter().map(|candidate| candidate.start).fold(literal, u64::min);
        self.readers.as_ref().map_or(needed, |readers| {
            let read = [readers.phrases.held_from(), readers.pii.held_from()];
            read.into_iter().flatten().fold(needed, u64::min)
        })
    }
}

/// The last place not after `at` where a character begins.
fn floor(bytes: &[u8], at: usize) -> usize {
    (0..=at).rev().find(|&at| bytes.get(at).is_none_or(|byte| byte & 0xC0 != 0x80)).unwrap_or(0)
}

/// Whether what a pattern wants stands before a literal of the given length that ends here.
fn stands_after(behind: Behind, before: Before, length: u32) -> bool {
    match before {
        Before::Any => true,
        Before::NoWord => behind.begins(length),
        Before::BotNumber => {
            let end = (length..).find(|&back| behind.kind(back) != DIGIT).unwrap_or(length);
            (8..=10).contains(&(end - length)) && behind.begins(end)
        }
        Before::DiscordUser => discord_user(behind, length).0,
    }
}

/// Whether the first part of a Discord token stands before `length` bytes, and how much of what
/// stands there is replaced with it, if it is one or may become one. A beginning that reads like a
/// word is not: words would wait.
fn discord_user(behind: Behind, length: u32) -> (bool, u32) {
    let part = |back: u32| behind.is_word(back) || behind.kind(back) == DASH;
    let end = (length..).find(|&back| !part(back)).unwrap_or(length);
    let user = end - length;
    if user == 0 || user > DISCORD_USER_MAX || behind.kind(end - 1) != MNO {
        return (false, 0);
    }
    let run =
        |is: &dyn Fn(u32) -> bool| (1..user).take_while(|place| is(end - 1 - place)).fold(1, |count, _| count + 1);
    let (small, capital) = (run(&|back| behind.is_lower(back)), run(&|back| behind.is_upper(back)));
    let word = if small >= WORD_MIN {
        small
    } else if capital > WORD_MIN {
        capital
    } else {
        0
    };
    (user >= DISCORD_USER_MIN, user - word)
}

#[cfg(test)]
mod tests;
