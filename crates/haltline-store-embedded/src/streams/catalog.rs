//! Which streams there are, and where: those that run with the places of all their events, those
//! that have ended only with the place of their end, which says the rest. In memory; a million
//! ended streams take about 200 MB.

use super::digest::{self, Digest};
use super::frame::Place;
use super::payload::{Marks, Part};
use haltline_types::{RequestId, Timestamp};
use std::collections::{HashMap, HashSet};

/// A stream that nobody has ended.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) begin: Place,
    pub(super) begin_len: u32,
    pub(super) marks: Marks,
    pub(super) parts: Vec<Part>,
    /// The number of its last event.
    pub(super) last: u64,
    /// When it last said something.
    pub(super) latest: Timestamp,
    /// Events after the last one were there, and some of them are not what was written.
    pub(super) broken: bool,
}

/// A stream that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finished {
    pub(super) begin: Place,
    pub(super) begin_len: u32,
    pub(super) end: Place,
    pub(super) end_len: u32,
    pub(super) marks: Marks,
}

/// All streams.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    pub(super) running: HashMap<RequestId, Running>,
    pub(super) finished: HashMap<RequestId, Finished>,
    /// Streams that are being forgotten: gone for whoever asks.
    pub(super) going: HashSet<RequestId>,
    by_once: HashMap<[u8; 16], RequestId>,
    by_talk: HashMap<[u8; 16], RequestId>,
}

impl Running {
    /// Does segment `number` hold something of it?
    pub(super) fn touches(&self, number: u32) -> bool {
        let from = self.parts.partition_point(|part| part.place.segment < number);
        self.begin.segment == number || self.parts.get(from).is_some_and(|part| part.place.segment == number)
    }
}

impl Catalog {
    pub(super) fn knows(&self, id: RequestId) -> bool {
        self.running.contains_key(&id) || self.finished.contains_key(&id)
    }

    /// A stream that runs.
    pub(super) fn running(&self, id: RequestId) -> Option<&Running> {
        self.running.get(&id).filter(|_| !self.going.contains(&id))
    }

    /// A stream that has ended.
    pub(super) fn finished(&self, id: RequestId) -> Option<&Finished> {
        self.finished.get(&id).filter(|_| !self.going.contains(&id))
    }

    pub(super) fn begin(&mut self, id: RequestId, running: Running) {
        self.note(id, &running.marks);
        self.running.insert(id, running);
    }

    /// What was there of a running stream becomes what is kept of it.
    pub(super) fn end(&mut self, id: RequestId, end: Place, end_len: u32) -> Option<Finished> {
        let Running { begin, begin_len, marks, .. } = self.running.remove(&id)?;
        let finished = Finished { begin, begin_len, end, end_len, marks };
        self.finished.insert(id, finished);
        Some(finished)
    }

    pub(super) fn once(&self, hash: &[u8; 16]) -> Option<RequestId> {
        self.by_once.get(hash).copied().filter(|id| !self.going.contains(id))
    }

    pub(super) fn newest(&self, talk: &[u8; 16]) -> Option<RequestId> {
        self.by_talk.get(talk).copied().filter(|id| !self.going.contains(id))
    }

    /// All streams of a user. The hash is keyed and long enough that no two users share one.
    pub(super) fn of_user(&self, user: &[u8; 8]) -> Vec<RequestId> {
        self.all().filter(|(_, _, marks)| marks.user == *user).map(|(id, ..)| id).collect()
    }

    /// From the segment where it begins to the one where it ends; to `u32::MAX` while it runs.
    pub(super) fn extent(&self, id: RequestId) -> Option<(u32, u32)> {
        let finished = || self.finished.get(&id).map(|kept| (kept.begin.segment, kept.end.segment));
        self.running.get(&id).map(|running| (running.begin.segment, u32::MAX)).or_else(finished)
    }

    /// Takes in what a segment says; segments come in order. Returns the streams that it forgets.
    pub(super) fn take_in(&mut self, digest: &Digest, number: u32) -> Vec<RequestId> {
        for begun in &digest.begun {
            let running = Running {
                begin: digest::at(number, begun.offset),
                begin_len: begun.len,
                marks: begun.marks,
                parts: Vec::new(),
                last: 0,
                latest: begun.at,
                broken: false,
            };
            self.begin(begun.id, running);
        }
        for run in &digest.runs {
            // Without a beginning it is a stream that is kept no more.
            let Some(running) = self.running.get_mut(&run.id) else { continue };
            let follows = run.parts.first().is_some_and(|part| running.last.checked_add(1) == Some(part.first));
            if follows && !running.broken {
                running.parts.extend_from_slice(&run.parts);
                (running.last, running.latest) = (run.last, run.at);
                running.broken = run.broken;
            } else {
                running.broken = true;
            }
        }
        for ended in &digest.ended {
            self.end(ended.id, digest::at(number, ended.offset), ended.len);
        }
        let dropped: Vec<RequestId> = digest.dropped.iter().map(|(id, _)| *id).collect();
        if !dropped.is_empty() {
            self.drop_all(&dropped, false);
        }
        digest.forgotten.iter().copied().filter(|id| self.knows(*id)).collect()
    }

    /// Drops streams. `is_oldest`: no stream that stays began before one that goes.
    pub(super) fn drop_all(&mut self, ids: &[RequestId], is_oldest: bool) {
        let (mut once, mut talks) = (HashSet::new(), HashSet::new());
        for id in ids {
            self.going.remove(id);
            let running = self.running.remove(id).map(|running| running.marks);
            let Some(marks) = self.finished.remove(id).map(|kept| kept.marks).or(running) else { continue };
            if self.by_once.get(&marks.once) == Some(id) {
                self.by_once.remove(&marks.once);
                once.insert(marks.once);
            }
            if self.by_talk.get(&marks.talk) == Some(id) {
                self.by_talk.remove(&marks.talk);
                talks.insert(marks.talk);
            }
        }
        let has_heirs = !is_oldest && (!once.is_empty() || !talks.is_empty());
        if has_heirs {
            let mut heirs: Vec<_> = self
                .all()
                .filter(|(_, _, marks)| once.contains(&marks.once) || talks.contains(&marks.talk))
                .map(|(id, begin, marks)| (begin, id, *marks))
                .collect();
            heirs.sort_by_key(|(begin, ..)| *begin);
            for (_, id, marks) in heirs {
                if once.contains(&marks.once) {
                    note(&mut self.by_once, marks.once, id);
                }
                if talks.contains(&marks.talk) {
                    note(&mut self.by_talk, marks.talk, id);
                }
            }
        }
        // Bursts pass: what they took is given back.
        if self.finished.len() < self.finished.capacity() / 8 {
            self.finished.shrink_to(self.finished.len() * 2);
            self.by_once.shrink_to(self.by_once.len() * 2);
            self.by_talk.shrink_to(self.by_talk.len() * 2);
        }
    }

    /// The streams that segment `number` holds something of, or may hold it.
    pub(super) fn touching(&self, number: u32) -> Vec<RequestId> {
        let ended = self.finished.iter().filter(|(_, kept)| (kept.begin.segment..=kept.end.segment).contains(&number));
        let running = self.running.iter().filter(|(_, running)| running.touches(number));
        ended.map(|(id, _)| *id).chain(running.map(|(id, _)| *id)).collect()
    }

    fn all(&self) -> impl Iterator<Item = (RequestId, Place, &Marks)> {
        let running = self.running.iter().map(|(id, running)| (*id, running.begin, &running.marks));
        running.chain(self.finished.iter().map(|(id, kept)| (*id, kept.begin, &kept.marks)))
    }

    fn note(&mut self, id: RequestId, marks: &Marks) {
        note(&mut self.by_once, marks.once, id);
        note(&mut self.by_talk, marks.talk, id);
    }
}

/// Zeros stand for nothing.
fn note(map: &mut HashMap<[u8; 16], RequestId>, hash: [u8; 16], id: RequestId) {
    if hash != [0; 16] {
        map.insert(hash, id);
    }
}
