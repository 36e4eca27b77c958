//! Random streams, interleaved, on a simulated disk that dies at random moments. After a kill every
//! acknowledged event is there, and nothing else but what was under way. After a power loss each
//! stream is a beginning of what was said, or an error. What was forgotten is on no disk.

use crate::streams::{count, small};
use crate::support::{Chance, at_once, budgets};
use haltline_ports::streams_conformance::{NOW, batch, begin};
use haltline_ports::{StreamBegin, StreamState, Streams};
use haltline_store_embedded::{Crash, DiskFault, EmbeddedStore, SimDisk};
use haltline_types::RequestId;
use std::collections::BTreeMap;
use std::sync::Arc;

#[test]
fn kills_and_power_losses_under_interleaved_streams() {
    let seeds = std::env::var("HALTLINE_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(150);
    let mut seen = Seen::default();
    for seed in 0..seeds {
        World::new(seed, &mut seen).live();
    }
    println!("{seen:?}");
    assert!(seen.kills > 50 && seen.power_losses > 50 && seen.in_doubt > 50, "{seen:?}");
    assert!(seen.lost > 20 && seen.forgotten > 50 && seen.segments > 200, "{seen:?}");
}

/// Whether the test meets what it is about.
#[derive(Debug, Default)]
struct Seen {
    kills: u64,
    power_losses: u64,
    in_doubt: u64,
    /// Streams that a power loss has cut or spoiled.
    lost: u64,
    forgotten: u64,
    segments: usize,
}

/// A stream as it was told: its events, and its note when it has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    events: Vec<String>,
    note: Option<String>,
}

struct World<'s> {
    seed: u64,
    chance: Chance,
    disk: SimDisk,
    store: Arc<EmbeddedStore>,
    next: u128,
    told: BTreeMap<u128, Told>,
    /// The stream of a command under way when the process died, as it is if the command was done.
    doubt: Option<(u128, Option<Told>)>,
    gone: Vec<u128>,
    seen: &'s mut Seen,
}

fn open(disk: &SimDisk) -> Arc<EmbeddedStore> {
    EmbeddedStore::open(small(disk), budgets(), NOW).expect("open").0
}

fn id(number: u128) -> RequestId {
    RequestId::from_u128(number)
}

impl<'s> World<'s> {
    fn new(seed: u64, seen: &'s mut Seen) -> Self {
        let disk = SimDisk::new(seed);
        let store = open(&disk);
        let (told, gone) = (BTreeMap::new(), Vec::new());
        Self { seed, chance: Chance(seed ^ 0x5eed), disk, store, next: 1, told, doubt: None, gone, seen }
    }

    fn live(&mut self) {
        for _ in 0..3 {
            self.disk.inject(DiskFault::DiesAt(self.chance.below(250)));
            while !self.disk.is_dead() {
                self.step();
            }
            let crash = [Crash::Kill, Crash::Kill, Crash::PowerLoss, Crash::PowerLossToSync][self.pick(4)];
            self.restart(crash);
            self.check(crash == Crash::Kill);
        }
        let names = self.disk.restart(Crash::Kill);
        let names = haltline_store_embedded::Disk::list(&names).expect("list");
        self.seen.segments += names.iter().filter(|name| name.starts_with("streams-")).count();
    }

    fn step(&mut self) {
        let running: Vec<u128> =
            self.told.iter().filter(|(_, told)| told.note.is_none()).map(|(number, _)| *number).collect();
        let kind = if running.is_empty() { 0 } else { self.chance.below(40) };
        match kind {
            0..4 => self.begin(),
            4..32 => {
                let number = running[self.pick(running.len())];
                self.append(number);
            }
            32..35 => {
                let number = running[self.pick(running.len())];
                let told = Told { note: Some(format!("<{number}:note>")), ..self.told[&number].clone() };
                let note = told.note.clone().expect("some").into();
                let done = Streams::end(self.store.as_ref(), id(number), NOW, &note).map_err(|error| error.to_string());
                self.done(done, number, Some(told));
            }
            35 => {
                let all: Vec<u128> = self.told.keys().copied().collect();
                let number = all[self.pick(all.len())];
                let done = at_once(self.store.forget(id(number))).map_err(|error| error.to_string());
                let is_done = done.is_ok();
                self.done(done, number, None);
                if is_done {
                    self.gone.push(number);
                    self.seen.forgotten += 1;
                }
            }
            36 => {
                // A write that fails and does not kill leaves everything as it was.
                self.disk.inject(DiskFault::WriteBroken(0));
                let number = running[self.pick(running.len())];
                let first = self.told[&number].events.len() as u64 + 1;
                let failed = self.store.append(id(number), &batch(first, &[&[b'x'; 90]]));
                assert!(failed.is_err());
                if self.disk.is_dead() {
                    self.doubt = None;
                }
            }
            _ => {
                let ticked = self.store.tick(NOW);
                assert!(ticked.is_ok() || self.disk.is_dead());
            }
        }
    }

    fn begin(&mut self) {
        let number = self.next;
        self.next += 1;
        let begin = StreamBegin { head: format!("<{number}:head>").into(), ..begin(number) };
        let done = self.store.begin(&begin).map_err(|error| error.to_string());
        self.done(done, number, Some(Told { events: Vec::new(), note: None }));
    }

    fn append(&mut self, number: u128) {
        let mut told = self.told[&number].clone();
        let first = told.events.len();
        for event in first..=first + self.pick(4) {
            let padding = "x".repeat(self.pick(400));
            told.events.push(format!("<{number}:{event}:{padding}>"));
        }
        let events: Vec<&[u8]> = told.events[first..].iter().map(String::as_bytes).collect();
        let done = self.store.append(id(number), &batch(first as u64 + 1, &events)).map_err(|error| error.to_string());
        self.done(done, number, Some(told));
    }

    fn done(&mut self, done: Result<(), String>, number: u128, told: Option<Told>) {
        if let Err(error) = done {
            assert!(self.disk.is_dead(), "seed {}: only the dead refuse: {error}", self.seed);
            self.doubt = Some((number, told));
            return;
        }
        match told {
            Some(told) => self.told.insert(number, told),
            None => self.told.remove(&number),
        };
    }

    /// Sometimes the start dies, too.
    fn restart(&mut self, crash: Crash) {
        if crash == Crash::Kill {
            self.seen.kills += 1;
        } else {
            self.seen.power_losses += 1;
        }
        self.seen.in_doubt += u64::from(self.doubt.is_some());
        self.disk = self.disk.restart(crash);
        if self.chance.below(3) == 0 {
            self.disk.inject(DiskFault::DiesAt(self.chance.below(40)));
            let _ = EmbeddedStore::open(small(&self.disk), budgets(), NOW).map(|(store, _)| store.tick(NOW));
            self.disk = self.disk.restart(Crash::Kill);
        }
        self.store = open(&self.disk);
    }

    fn check(&mut self, is_exact: bool) {
        let doubt = self.doubt.take();
        for number in 1..self.next {
            let said = self.said(number);
            let known = self.told.get(&number).cloned();
            let other = doubt.as_ref().filter(|(doubted, _)| *doubted == number).map(|(_, told)| told.clone());
            let is_as_told = |said: &Option<Told>| *said == known || other.as_ref().is_some_and(|other| other == said);
            match said {
                Ok(said) if is_as_told(&said) => {
                    if said.is_none() && self.told.contains_key(&number) {
                        assert_eq!(count(&self.disk, &format!("<{number}:")), 0, "forgotten, with all it said");
                    }
                    self.adopt(number, said);
                }
                said if is_exact => panic!("seed {}: {number} is {said:?}, not {known:?} or {other:?}", self.seed),
                Ok(said) => {
                    self.seen.lost += 1;
                    if let Some(said) = &said {
                        let whole = other.flatten().or(known).unwrap_or_else(|| panic!("{number} is invented"));
                        assert!(whole.events.starts_with(&said.events), "seed {}: {number}", self.seed);
                        assert!(said.note.is_none() || *said == whole, "seed {}: {number}", self.seed);
                    }
                    self.adopt(number, said);
                }
                Err(_) => {
                    self.seen.lost += 1;
                    at_once(self.store.forget(id(number))).expect("what is damaged can be forgotten");
                    self.gone.push(number);
                    self.told.remove(&number);
                }
            }
        }
        for number in &self.gone {
            assert_eq!(self.said(*number), Ok(None), "seed {}", self.seed);
            assert_eq!(count(&self.disk, &format!("<{number}:")), 0, "seed {}: {number} is on the disk", self.seed);
        }
    }

    fn adopt(&mut self, number: u128, said: Option<Told>) {
        match said {
            Some(said) => self.told.insert(number, said),
            None => self.told.remove(&number),
        };
    }

    fn said(&self, number: u128) -> Result<Option<Told>, String> {
        let record = at_once(Streams::find(self.store.as_ref(), id(number))).map_err(|error| error.to_string())?;
        let Some(record) = record else { return Ok(None) };
        let mut events = Vec::new();
        while events.len() as u64 != record.last {
            let batches = at_once(self.store.read(id(number), events.len() as u64, 700));
            let batches = batches.map_err(|error| error.to_string())?;
            assert!(!batches.is_empty(), "seed {}: {number} ends too early", self.seed);
            for batch in batches {
                assert_eq!(batch.first, events.len() as u64 + 1);
                let mut from = 0;
                for end in batch.ends {
                    let end = usize::try_from(end).expect("an offset");
                    events.push(String::from_utf8(batch.bytes[from..end].to_vec()).expect("text"));
                    from = end;
                }
            }
        }
        let note = match record.state {
            StreamState::Running => None,
            StreamState::Ended { note, .. } => Some(String::from_utf8(note.to_vec()).expect("text")),
        };
        // One that is broken says so to whoever asks for what comes next.
        if note.is_none() {
            at_once(self.store.read(id(number), record.last, 1)).map_err(|error| error.to_string())?;
        }
        Ok(Some(Told { events, note }))
    }

    fn pick(&mut self, count: usize) -> usize {
        usize::try_from(self.chance.below(count as u64)).expect("small")
    }
}
