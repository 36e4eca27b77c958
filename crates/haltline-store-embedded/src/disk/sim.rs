//! A disk that loses what a real one may lose, the same way for the same seed: unsynced sectors in
//! any order at a power loss, a part of a write at a kill, space, and the truth of a sync.

use super::{Disk, DiskFile, PlacedFile};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

const SECTOR: usize = 512;

/// How the process on top of the disk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Killed: the operating system keeps everything that was written.
    Kill,
    /// Power lost: only what was synced is sure; the boot id changes.
    PowerLoss,
    /// Power lost, and nothing is left of what was not synced.
    PowerLossToSync,
}

/// What to let go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// The `n`th write from now on (0 = the next) takes a part of its bytes and finds no space.
    WriteNoSpace(u64),
    /// The `n`th write from now on takes a part of its bytes and fails.
    WriteBroken(u64),
    /// The `n`th sync from now on fails.
    SyncBroken(u64),
    /// The process dies in the middle of the `n`th operation from now on that changes the disk;
    /// every operation after it fails until `restart`.
    DiesAt(u64),
}

/// A simulated disk. Clones share it: keep one to crash it, fill it, and start again on it.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    /// An empty disk whose chances follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let state = State {
            files: BTreeMap::new(),
            chance: seed,
            boot: 1,
            space: None,
            faults: Vec::new(),
            dead: false,
            operations: 0,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Lets something go wrong once.
    pub fn inject(&self, fault: DiskFault) {
        self.state.lock().faults.push(fault);
    }

    /// Sets how many bytes all files may hold together; `None` = no end.
    pub fn set_space(&self, bytes: Option<usize>) {
        self.state.lock().space = bytes;
    }

    /// Did the process die by `DiskFault::DiesAt`?
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.state.lock().dead
    }

    /// How many operations that change the disk were asked for.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    /// Ends the process that used the disk and makes it ready for the next. Handles of before are
    /// cut off: what still holds one can change nothing.
    #[must_use]
    pub fn restart(&self, crash: Crash) -> Self {
        let mut old = self.state.lock();
        let mut files = std::mem::take(&mut old.files);
        let mut chance = old.chance;
        for file in files.values_mut() {
            match crash {
                Crash::Kill => {}
                Crash::PowerLoss => file.lose_power(&mut chance),
                Crash::PowerLossToSync => file.lose_all_unsynced(),
            }
        }
        old.dead = true;
        let boot = old.boot + u64::from(crash != Crash::Kill);
        let state = State {
            files,
            chance,
            boot,
            space: old.space,
            faults: Vec::new(),
            dead: false,
            operations: old.operations,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Changes one byte of a file, as decay would.
    pub fn damage(&self, name: &str, offset: usize) {
        if let Some(byte) = self.state.lock().files.get_mut(name).and_then(|file| file.bytes.get_mut(offset)) {
            *byte ^= 0x40;
        }
    }
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let state = self.state.lock();
        state.alive()?;
        Ok(state.files.keys().cloned().collect())
    }

    fn read(&self, name: &str, offset: u64, len_max: usize) -> io::Result<Vec<u8>> {
        let state = self.state.lock();
        state.alive()?;
        let bytes = &state.files.get(name).ok_or_else(|| absent(name))?.bytes;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let until = from.saturating_add(len_max).min(bytes.len());
        Ok(bytes[from..until].to_vec())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.state.lock();
        state.alive()?;
        if !state.files.contains_key(name) {
            return Err(absent(name));
        }
        Ok(Arc::new(SimFile { disk: self.clone(), name: name.to_owned() }))
    }

    fn open_placed(&self, name: &str) -> io::Result<Arc<dyn PlacedFile>> {
        let mut state = self.state.lock();
        state.alive()?;
        // A new name may be lost at a power loss: an empty file stands for that, which is the same
        // to whoever reads.
        state.files.entry(name.to_owned()).or_default();
        Ok(Arc::new(SimFile { disk: self.clone(), name: name.to_owned() }))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock();
        let old = state.files.get(name).map_or(0, |file| file.bytes.len());
        match state.next(Operation::Write)? {
            Verdict::Goes if state.fits(bytes.len().saturating_sub(old)) => {}
            Verdict::Goes => return Err(no_space()),
            Verdict::Fails(error) => return Err(error),
            // Dying under a rename leaves the old file or the new one.
            Verdict::Dies if draw(&mut state.chance, 2) == 0 => return Err(dead()),
            Verdict::Dies => {
                state.files.insert(name.to_owned(), Content::synced(bytes));
                return Err(dead());
            }
        }
        state.files.insert(name.to_owned(), Content::synced(bytes));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state.lock();
        match state.next(Operation::Other)? {
            Verdict::Goes => state.files.remove(name).map(drop).ok_or_else(|| absent(name)),
            Verdict::Fails(error) => Err(error),
            Verdict::Dies => {
                if draw(&mut state.chance, 2) == 0 {
                    state.files.remove(name);
                }
                Err(dead())
            }
        }
    }

    fn boot_id(&self) -> String {
        format!("simulated-boot-{}", self.state.lock().boot)
    }

    fn path(&self) -> Option<&Path> {
        None
    }
}

struct SimFile {
    disk: SimDisk,
    name: String,
}

impl DiskFile for SimFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        let verdict = state.next(Operation::Write)?;
        let room = state.room();
        let part = usize::try_from(draw(&mut state.chance, bytes.len() as u64 + 1)).unwrap_or(0);
        let (taken, result) = match verdict {
            Verdict::Goes if bytes.len() <= room => (bytes.len(), Ok(())),
            Verdict::Goes => (room, Err(no_space())),
            Verdict::Fails(error) => (part.min(room), Err(error)),
            Verdict::Dies => (part.min(room), Err(dead())),
        };
        let file = state.files.get_mut(&self.name).ok_or_else(|| absent(&self.name))?;
        file.bytes.extend_from_slice(&bytes[..taken]);
        result
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        let verdict = state.next(Operation::Sync)?;
        // Whether a sync that is cut off reached the platter is a matter of chance.
        let reached = matches!(verdict, Verdict::Goes) || draw(&mut state.chance, 2) == 0;
        let file = state.files.get_mut(&self.name).ok_or_else(|| absent(&self.name))?;
        if reached {
            file.note_synced();
        }
        match verdict {
            Verdict::Goes => Ok(()),
            Verdict::Fails(error) => Err(error),
            Verdict::Dies => Err(dead()),
        }
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        let verdict = state.next(Operation::Other)?;
        let file = state.files.get_mut(&self.name).ok_or_else(|| absent(&self.name))?;
        match verdict {
            Verdict::Goes => {
                file.truncate(usize::try_from(len).unwrap_or(usize::MAX));
                Ok(())
            }
            Verdict::Fails(error) => Err(error),
            Verdict::Dies => Err(dead()),
        }
    }
}

impl PlacedFile for SimFile {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let state = self.disk.state.lock();
        state.alive()?;
        let file = state.files.get(&self.name).ok_or_else(|| absent(&self.name))?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(file.bytes.len());
        let taken = bytes.len().min(file.bytes.len() - from);
        bytes[..taken].copy_from_slice(&file.bytes[from..from + taken]);
        Ok(taken)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        let verdict = state.next(Operation::Write)?;
        let len = state.files.get(&self.name).ok_or_else(|| absent(&self.name))?.bytes.len();
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let grows = from.saturating_add(bytes.len()).saturating_sub(len);
        let room = state.room().saturating_add(bytes.len()).saturating_sub(grows);
        let part = usize::try_from(draw(&mut state.chance, bytes.len() as u64 + 1)).unwrap_or(0);
        let (taken, result) = match verdict {
            Verdict::Goes if bytes.len() <= room => (bytes.len(), Ok(())),
            Verdict::Goes => (room, Err(no_space())),
            Verdict::Fails(error) => (part.min(room), Err(error)),
            Verdict::Dies => (part.min(room), Err(dead())),
        };
        let file = state.files.get_mut(&self.name).ok_or_else(|| absent(&self.name))?;
        file.write(from, &bytes[..taken]);
        result
    }

    fn sync(&self) -> io::Result<()> {
        DiskFile::sync(self)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        DiskFile::truncate(self, len)
    }

    fn len(&self) -> io::Result<u64> {
        let state = self.disk.state.lock();
        state.alive()?;
        let file = state.files.get(&self.name).ok_or_else(|| absent(&self.name))?;
        Ok(file.bytes.len() as u64)
    }
}

struct State {
    files: BTreeMap<String, Content>,
    chance: u64,
    boot: u64,
    space: Option<usize>,
    faults: Vec<DiskFault>,
    dead: bool,
    operations: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Write,
    Sync,
    Other,
}

enum Verdict {
    Goes,
    Fails(io::Error),
    Dies,
}

impl State {
    fn alive(&self) -> io::Result<()> {
        if self.dead { Err(dead()) } else { Ok(()) }
    }

    /// Counts every planned fault down by this operation, and says what becomes of it.
    fn next(&mut self, operation: Operation) -> io::Result<Verdict> {
        self.alive()?;
        self.operations += 1;
        let mut verdict = Verdict::Goes;
        self.faults.retain_mut(|fault| {
            let (left, outcome) = match fault {
                DiskFault::WriteNoSpace(left) if operation == Operation::Write => (left, Verdict::Fails(no_space())),
                DiskFault::WriteBroken(left) if operation == Operation::Write => (left, Verdict::Fails(broken())),
                DiskFault::SyncBroken(left) if operation == Operation::Sync => (left, Verdict::Fails(broken())),
                DiskFault::DiesAt(left) => (left, Verdict::Dies),
                _ => return true,
            };
            if *left > 0 {
                *left -= 1;
                return true;
            }
            // Of two faults at once, dying is the one that is met.
            if !matches!(verdict, Verdict::Dies) {
                verdict = outcome;
            }
            false
        });
        if matches!(verdict, Verdict::Dies) {
            self.dead = true;
        }
        Ok(verdict)
    }

    fn room(&self) -> usize {
        let used: usize = self.files.values().map(|file| file.bytes.len()).sum();
        self.space.map_or(usize::MAX, |space| space.saturating_sub(used))
    }

    fn fits(&self, more: usize) -> bool {
        more <= self.room()
    }
}

#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    /// So many bytes from the beginning are on the platter as they are in `bytes`.
    synced: usize,
    /// Bytes of the platter after `synced` that an unsynced cut took off.
    cut_off: Vec<u8>,
    /// What unsynced writes over synced bytes have overwritten, in the order of the writes.
    overwritten: Vec<(usize, Vec<u8>)>,
}

impl Content {
    fn synced(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), synced: bytes.len(), ..Self::default() }
    }

    fn write(&mut self, from: usize, bytes: &[u8]) {
        let until = from + bytes.len();
        if let Some(old) = self.bytes.get(from..until.min(self.synced)).filter(|old| !old.is_empty()) {
            self.overwritten.push((from, old.to_vec()));
        }
        if self.bytes.len() < until {
            self.bytes.resize(until, 0);
        }
        self.bytes[from..until].copy_from_slice(bytes);
    }

    fn note_synced(&mut self) {
        self.synced = self.bytes.len();
        self.cut_off.clear();
        self.overwritten.clear();
    }

    /// Brings back what was overwritten and not synced, sector by sector, as far as `keeps` says no.
    fn undo_overwrites(&mut self, mut keeps: impl FnMut() -> bool) {
        for (from, old) in std::mem::take(&mut self.overwritten).into_iter().rev() {
            let mut at = from;
            for sector in old.chunks(SECTOR) {
                if !keeps()
                    && let Some(there) = self.bytes.get_mut(at..at + sector.len())
                {
                    there.copy_from_slice(sector);
                }
                at += sector.len();
            }
        }
    }

    fn truncate(&mut self, len: usize) {
        if len < self.synced {
            let mut cut_off = self.bytes[len..self.synced].to_vec();
            cut_off.append(&mut self.cut_off);
            self.cut_off = cut_off;
            self.synced = len;
        }
        self.bytes.truncate(len);
    }

    fn lose_all_unsynced(&mut self) {
        self.undo_overwrites(|| false);
        self.bytes.truncate(self.synced);
        self.bytes.append(&mut self.cut_off);
        self.synced = self.bytes.len();
    }

    /// Every sector that was written and not synced is there, or as before, or torn; the length
    /// is any that the file had in between.
    fn lose_power(&mut self, chance: &mut u64) {
        self.undo_overwrites(|| draw(chance, 2) == 0);
        let mut platter = self.bytes[..self.synced].to_vec();
        platter.append(&mut self.cut_off);
        let (short, long) = (platter.len().min(self.bytes.len()), platter.len().max(self.bytes.len()));
        let length = match draw(chance, 4) {
            0 => short,
            1 => short + usize::try_from(draw(chance, (long - short) as u64 + 1)).unwrap_or(0),
            _ => long,
        };
        platter.resize(length, 0);
        let survival = draw(chance, 5);
        let mut from = self.synced;
        while from < length.min(self.bytes.len()) {
            let until = ((from / SECTOR + 1) * SECTOR).min(length).min(self.bytes.len());
            let kept = match draw(chance, 5) {
                luck if luck < survival => until - from,
                4 => usize::try_from(draw(chance, (until - from) as u64)).unwrap_or(0),
                _ => 0,
            };
            platter[from..from + kept].copy_from_slice(&self.bytes[from..from + kept]);
            from = until;
        }
        *self = Self { synced: platter.len(), bytes: platter, ..Self::default() };
    }
}

/// The next number below `below` of a splitmix64 sequence.
fn draw(chance: &mut u64, below: u64) -> u64 {
    *chance = chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *chance;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % below.max(1)
}

fn dead() -> io::Error {
    io::Error::other("the simulated process is dead")
}

fn broken() -> io::Error {
    io::Error::other("simulated input/output error")
}

fn no_space() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "no space left on the simulated disk")
}

fn absent(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{name} is absent"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk_with(bytes: &[u8]) -> (SimDisk, Arc<dyn DiskFile>) {
        let disk = SimDisk::new(7);
        disk.replace("f", bytes).expect("replace");
        let file = disk.open("f").expect("open");
        (disk, file)
    }

    #[test]
    fn a_kill_keeps_every_byte_and_power_loss_only_what_was_synced() {
        let mut lost = 0;
        for seed in 0..100 {
            let disk = SimDisk::new(seed);
            disk.replace("f", b"").expect("replace");
            let file = disk.open("f").expect("open");
            file.append(&[1; 700]).expect("append");
            file.sync().expect("sync");
            file.append(&[2; 3000]).expect("append");
            let killed = disk.restart(Crash::Kill);
            assert_eq!(killed.read_all("f").expect("read").len(), 3700);
            let after = killed.restart(Crash::PowerLoss);
            assert_ne!(after.boot_id(), disk.boot_id());
            let left = after.read_all("f").expect("read");
            assert!(left.len() >= 700 && left[..700].iter().all(|byte| *byte == 1));
            lost += usize::from(left.len() < 3700 || left.contains(&0));
        }
        assert!(lost > 50, "only {lost} of 100 power losses lost anything");
    }

    #[test]
    fn an_overwrite_may_be_undone_by_power_loss_until_it_is_synced() {
        let disk = SimDisk::new(3);
        let file = disk.open_placed("f").expect("make");
        file.write_at(0, &[1; 2000]).expect("write");
        file.sync().expect("sync");
        file.write_at(600, &[2; 100]).expect("overwrite");
        let lost = disk.restart(Crash::PowerLossToSync).read_all("f").expect("read");
        assert_eq!(lost, [1; 2000]);
        let disk = SimDisk::new(3);
        let file = disk.open_placed("f").expect("make");
        file.write_at(0, &[1; 2000]).expect("write");
        file.write_at(600, &[2; 100]).expect("overwrite");
        file.sync().expect("sync");
        assert_eq!(disk.restart(Crash::PowerLoss).read("f", 600, 100).expect("read"), [2; 100]);
    }

    #[test]
    fn faults_come_when_they_were_planned() {
        let (disk, file) = disk_with(b"");
        disk.inject(DiskFault::WriteNoSpace(1));
        file.append(b"a").expect("the first write goes");
        assert_eq!(file.append(b"b").expect_err("the second fails").kind(), io::ErrorKind::StorageFull);
        file.append(b"c").expect("the third goes");
        disk.inject(DiskFault::SyncBroken(0));
        file.sync().expect_err("broken");
        disk.inject(DiskFault::DiesAt(0));
        file.append(b"d").expect_err("dead");
        file.append(b"e").expect_err("stays dead");
        assert!(disk.is_dead());
    }

    #[test]
    fn space_ends_and_comes_back() {
        let (disk, file) = disk_with(b"1234");
        disk.set_space(Some(6));
        file.append(b"567").expect_err("full");
        assert_eq!(disk.read_all("f").expect("read"), b"123456");
        file.truncate(4).expect("cut");
        disk.set_space(None);
        file.append(b"x").expect("room");
    }

    #[test]
    fn old_handles_change_nothing_after_a_restart() {
        let (disk, file) = disk_with(b"1");
        let next = disk.restart(Crash::Kill);
        file.append(b"2").expect_err("cut off");
        assert_eq!(next.read_all("f").expect("read"), b"1");
    }
}
