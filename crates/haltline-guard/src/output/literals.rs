//! One automaton over all literal beginnings: a table look-up a byte, however many rules there are.
//! It also knows how much of the text's end may still become a beginning.

use super::class::Behind;
use std::collections::HashMap;

/// The longest beginning: what look-behind can see past.
pub(super) const LONGEST: usize = 29;

/// One beginning.
#[derive(PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) bytes: Vec<u8>,
    /// Letters count in either case.
    pub(super) fold: bool,
    /// It is part of what is replaced.
    pub(super) held: bool,
    /// It counts only where a word begins.
    pub(super) begins_word: bool,
}

/// The compiled table. A state is an offset into `next`.
pub(super) struct Literals {
    next: Box<[u32]>,
    class_of: Box<[u8; 256]>,
    classes: u32,
    /// Per state: what is complete there, and what may be held.
    states: Box<[State]>,
    /// Whether nothing is complete there, per state.
    first_complete: u32,
}

struct State {
    complete: Box<[u16]>,
    /// Bit `n`: the last `n` bytes are the beginning of a literal that counts anywhere.
    anywhere: u32,
    /// The same, for literals that count where a word begins.
    at_words: u32,
}

/// Which literals are partly read, and how far.
type Parts = Vec<(u16, u8)>;

impl Literals {
    /// `None` if there are more states than fit, or a literal is empty or longer than [`LONGEST`].
    pub(super) fn new(literals: &[Literal]) -> Option<Self> {
        if literals.iter().any(|literal| literal.bytes.is_empty() || literal.bytes.len() > LONGEST) {
            return None;
        }
        let mut class_of = Box::new([0_u8; 256]);
        let mut members: Vec<u8> = vec![0];
        for byte in 0..=u8::MAX {
            let used = literals.iter().any(|literal| literal.bytes.iter().any(|&own| literal.matches(own, byte)));
            if used && let Some(class) = class_of.get_mut(usize::from(byte)) {
                *class = u8::try_from(members.len()).ok()?;
                members.push(byte);
            }
        }
        let starts: Vec<Parts> = members
            .iter()
            .enumerate()
            .map(|(class, &byte)| if class == 0 { Parts::new() } else { started(literals, byte) })
            .collect();
        let mut ids: HashMap<Parts, usize> = HashMap::from([(Parts::new(), 0)]);
        let mut all: Vec<Parts> = vec![Parts::new()];
        let mut edges: Vec<usize> = Vec::new();
        let mut at = 0;
        while let Some(parts) = all.get(at).cloned() {
            for (class, (&byte, start)) in members.iter().zip(&starts).enumerate() {
                let mut reached = start.clone();
                // Class 0 is every byte of no literal: nothing goes on with it.
                for &(literal, read) in parts.iter().filter(|_| class > 0) {
                    if let Some(own) = literals.get(usize::from(literal))
                        && own.bytes.get(usize::from(read)).is_some_and(|&wanted| own.matches(wanted, byte))
                    {
                        reached.push((literal, read + 1));
                    }
                }
                reached.sort_unstable();
                let fresh = all.len();
                let id = *ids.entry(reached.clone()).or_insert(fresh);
                if id == fresh {
                    all.push(reached);
                }
                edges.push(id);
            }
            at += 1;
        }
        Self::laid_out(literals, &all, &edges, class_of, members.len())
    }

    /// Puts the states in which something is complete last, so that one comparison finds them.
    fn laid_out(
        literals: &[Literal],
        all: &[Parts],
        edges: &[usize],
        class_of: Box<[u8; 256]>,
        classes: usize,
    ) -> Option<Self> {
        let complete = |parts: &Parts| -> Box<[u16]> {
            let full = |&&(literal, read): &&(u16, u8)| {
                literals.get(usize::from(literal)).is_some_and(|own| own.bytes.len() == usize::from(read))
            };
            parts.iter().filter(full).map(|&(literal, _)| literal).collect()
        };
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(|&id| all.get(id).is_some_and(|parts| !complete(parts).is_empty()));
        let mut place = vec![0_u32; all.len()];
        for (at, &id) in order.iter().enumerate() {
            if let Some(place) = place.get_mut(id) {
                *place = u32::try_from(at * classes).ok()?;
            }
        }
        let mut next = Vec::with_capacity(edges.len());
        let mut states = Vec::with_capacity(all.len());
        let mut first_complete = u32::MAX;
        for &id in &order {
            let parts = all.get(id)?;
            for &to in edges.get(id * classes..(id + 1) * classes)? {
                next.push(*place.get(to)?);
            }
            let mut state = State { complete: complete(parts), anywhere: 0, at_words: 0 };
            if !state.complete.is_empty() {
                first_complete = first_complete.min(*place.get(id)?);
            }
            for &(literal, read) in parts {
                let own = literals.get(usize::from(literal))?;
                if own.held && usize::from(read) < own.bytes.len() {
                    *(if own.begins_word { &mut state.at_words } else { &mut state.anywhere }) |= 1 << read;
                }
            }
            states.push(state);
        }
        Some(Self {
            next: next.into(),
            class_of,
            classes: u32::try_from(classes).ok()?,
            states: states.into(),
            first_complete,
        })
    }

    /// The state after a byte.
    #[inline]
    pub(super) fn step(&self, state: u32, byte: u8) -> u32 {
        let class = self.class_of.get(usize::from(byte)).copied().unwrap_or(0);
        self.next.get(state as usize + usize::from(class)).copied().unwrap_or(0)
    }

    /// Whether a literal is complete in a state.
    #[inline]
    pub(super) const fn is_complete(&self, state: u32) -> bool {
        state >= self.first_complete
    }

    /// The literals that are complete in a state.
    pub(super) fn complete(&self, state: u32) -> &[u16] {
        self.state(state).map_or(&[], |state| &state.complete)
    }

    /// How many of the last bytes may be the beginning of a literal that is replaced.
    pub(super) fn held(&self, state: u32, behind: Behind) -> usize {
        let Some(state) = self.state(state) else { return 0 };
        let mut at_words = state.at_words;
        let anywhere = state.anywhere.checked_ilog2().unwrap_or(0);
        while let Some(longest) = at_words.checked_ilog2() {
            if longest <= anywhere || behind.begins(longest) {
                return longest.max(anywhere) as usize;
            }
            at_words &= !(1 << longest);
        }
        anywhere as usize
    }

    fn state(&self, state: u32) -> Option<&State> {
        self.states.get((state / self.classes) as usize)
    }
}

impl Literal {
    const fn matches(&self, own: u8, byte: u8) -> bool {
        own == byte || (self.fold && own.eq_ignore_ascii_case(&byte))
    }
}

fn started(literals: &[Literal], byte: u8) -> Parts {
    let mut parts = Parts::new();
    for (at, literal) in literals.iter().enumerate() {
        if let (Ok(at), Some(&first)) = (u16::try_from(at), literal.bytes.first())
            && literal.matches(first, byte)
        {
            parts.push((at, 1));
        }
    }
    parts
}
