//! Reading the journal after the process that wrote it has ended, in whatever way. Tells a torn
//! end, which may be cut off, from damage, which may not.

use crate::codec::Fact;
use crate::disk::Disk;
use crate::error::OpenError;
use crate::frame::{self, Found, Place};
use crate::journal::Extent;
use crate::segment::{self, Loaded};
use std::collections::VecDeque;

/// A fact, where it stands, and whether it stands in the oldest segment: only there do carried
/// facts say something that no earlier fact has said.
pub(crate) struct Replayed {
    /// The fact.
    pub(crate) fact: Fact,
    /// Where its frame begins, for messages.
    pub(crate) begin: Place,
    /// Is it in the oldest segment?
    pub(crate) oldest: bool,
}

/// How the journal ended.
#[derive(Debug)]
pub(crate) struct Ending {
    /// The segments, oldest first.
    pub(crate) extents: VecDeque<Extent>,
    /// Behind the last good frame.
    pub(crate) end: Place,
    /// Was the last segment written in the present boot?
    pub(crate) same_boot: bool,
    /// Was the journal closed in order?
    pub(crate) clean: bool,
    /// Bytes behind `end` that are no frames, to be cut off.
    pub(crate) torn: u64,
}

/// Reads all segments in order and gives every fact to `each`. `None` when there is no journal.
/// Changes nothing.
pub(crate) fn replay(
    disk: &dyn Disk,
    mut each: impl FnMut(Replayed) -> Result<(), OpenError>,
) -> Result<Option<Ending>, OpenError> {
    let numbers = segment::numbers(disk)?;
    let (Some(&first), Some(&last)) = (numbers.first(), numbers.last()) else { return Ok(None) };
    let mut ending = Ending {
        extents: VecDeque::new(),
        end: Place { segment: first, offset: 0 },
        same_boot: false,
        clean: false,
        torn: 0,
    };
    for number in numbers {
        let loaded = segment::load(disk, number)?;
        ending.same_boot = loaded.head.boot_id == disk.boot_id();
        ending.clean = false;
        let mut newest = loaded.head.begun;
        let mut at = loaded.first;
        loop {
            let place = Place { segment: number, offset: at as u64 };
            let payload = match frame::find(&loaded.bytes[at..], place) {
                Found::Frame(payload) => payload,
                Found::End => break,
                found => {
                    judge(&loaded, place, &found, number == last, ending.same_boot)?;
                    ending.torn = (loaded.bytes.len() - at) as u64;
                    break;
                }
            };
            let fact = understand(payload, &loaded.name, place)?;
            at += frame::HEAD + payload.len();
            ending.clean = matches!(fact, Fact::Clean(_));
            newest = fact.at().map_or(newest, |at| newest.max(at));
            each(Replayed { fact, begin: place, oldest: number == first })?;
        }
        ending.end = Place { segment: number, offset: at as u64 };
        ending.extents.push_back(Extent { number, newest });
    }
    Ok(Some(ending))
}

/// Gives every fact between two places to `each`. All of it was written and acknowledged: anything
/// else than whole facts is damage. `oldest` is the first segment of the journal.
pub(crate) fn replay_between(
    disk: &dyn Disk,
    oldest: u64,
    from: Place,
    until: Place,
    mut each: impl FnMut(Replayed) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    for number in from.segment..=until.segment {
        let name = segment::name(number);
        let begin =
            if number == from.segment && from.offset > 0 { from.offset } else { segment::first_frame(disk, number)? };
        let wanted = if number == until.segment { until.offset.saturating_sub(begin) } else { u64::MAX };
        let bytes = disk
            .read(&name, begin, usize::try_from(wanted).unwrap_or(usize::MAX))
            .map_err(OpenError::io(format!("reading {name}")))?;
        let mut at = 0;
        while at < bytes.len() {
            let place = Place { segment: number, offset: begin + at as u64 };
            let Found::Frame(payload) = frame::find(&bytes[at..], place) else {
                return Err(OpenError::corrupt(&name, place.offset, "an entry is not what was written"));
            };
            at += frame::HEAD + payload.len();
            each(Replayed { fact: understand(payload, &name, place)?, begin: place, oldest: number == oldest })?;
        }
    }
    Ok(())
}

fn understand(payload: &[u8], name: &str, place: Place) -> Result<Fact, OpenError> {
    Fact::read(payload).ok_or_else(|| OpenError::corrupt(name, place.offset, "an entry is whole and makes no sense"))
}

/// `Ok` when what stands at `place` is the torn end of the journal; else says why it is damage.
fn judge(loaded: &Loaded, place: Place, found: &Found<'_>, is_last: bool, same_boot: bool) -> Result<(), OpenError> {
    let damage = |why: &str| Err(OpenError::corrupt(&loaded.name, place.offset, why));
    if !is_last {
        return damage("an entry is not what was written, and newer segments follow");
    }
    let from = usize::try_from(place.offset).unwrap_or(usize::MAX);
    let rest = loaded.bytes.get(from..).unwrap_or_default();
    for (_, payload) in frame::find_later(rest, place) {
        if same_boot {
            return damage("an entry is not what was written, and sound entries follow it");
        }
        if let Some(Fact::Synced(synced)) = Fact::read(payload)
            && synced > place
        {
            return damage("an entry is not what was written, though it was safely on the disk");
        }
    }
    if same_boot && *found == Found::Damage {
        // A killed process leaves a part of its last write, never other bytes.
        return damage("the last entry is not what was written, and the machine did not lose power since");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::FactRef;
    use crate::disk::{Crash, DiskFault, SimDisk};
    use crate::journal::Journal;
    use haltline_types::Timestamp;
    use std::sync::Arc;

    fn fact(number: i64) -> FactRef<'static> {
        FactRef::Clean(Timestamp::from_millis(number))
    }

    fn begin(disk: &SimDisk) -> Journal {
        let (extent, end) = Journal::begin_segment(disk, 1, Timestamp::from_millis(0), []).expect("begin");
        Journal::open(Arc::new(disk.clone()), 1 << 20, [extent].into(), end).expect("open")
    }

    fn write(journal: &mut Journal, number: i64) {
        journal.push(fact(number)).expect("push");
        journal.commit().expect("commit");
    }

    fn sync(journal: &mut Journal) {
        if let Some((file, place)) = journal.unsynced() {
            file.sync().expect("sync");
            journal.mark_synced(place);
        }
    }

    fn read(disk: &SimDisk) -> Result<(Vec<i64>, Ending), OpenError> {
        let mut seen = Vec::new();
        let ending = replay(disk, |replayed| {
            if let Fact::Clean(at) = replayed.fact {
                seen.push(at.as_millis());
            }
            Ok(())
        })?;
        Ok((seen, ending.expect("there is a journal")))
    }

    #[test]
    fn an_empty_directory_has_no_journal() {
        assert!(replay(&SimDisk::new(1), |_| Ok(())).expect("readable").is_none());
    }

    #[test]
    fn after_a_kill_everything_written_is_there_and_half_a_write_is_cut() {
        for seed in 0..50 {
            let disk = SimDisk::new(seed);
            let mut journal = begin(&disk);
            for number in 0..10 {
                write(&mut journal, number);
            }
            disk.inject(DiskFault::DiesAt(0));
            journal.push(fact(10)).expect("push");
            journal.commit().expect_err("dead");
            let (seen, ending) = read(&disk.restart(Crash::Kill)).expect("readable");
            assert!(seen.len() == 10 || (seen.len() == 11 && ending.torn == 0), "{seen:?} {ending:?}");
            assert!(ending.same_boot);
        }
    }

    #[test]
    fn after_a_power_loss_what_was_synced_is_there_and_the_rest_is_a_beginning_of_what_was_written() {
        let mut cut = 0;
        for seed in 0..200 {
            let disk = SimDisk::new(seed);
            let mut journal = begin(&disk);
            for number in 0..400 {
                write(&mut journal, number);
                if number == 100 || number == 200 {
                    sync(&mut journal);
                }
            }
            let (seen, ending) = read(&disk.restart(Crash::PowerLoss)).expect("readable");
            assert!(seen.len() > 200, "{} of 201 synced", seen.len());
            assert!(seen.iter().copied().eq(0..i64::try_from(seen.len()).expect("few")));
            assert!(!ending.same_boot);
            cut += usize::from(ending.torn > 0);
        }
        assert!(cut > 50, "only {cut} of 200 ends were torn");
    }

    #[test]
    fn a_failed_write_leaves_no_trace() {
        let disk = SimDisk::new(3);
        let mut journal = begin(&disk);
        write(&mut journal, 1);
        disk.inject(DiskFault::WriteNoSpace(0));
        journal.push(fact(2)).expect("push");
        journal.commit().expect_err("full");
        write(&mut journal, 3);
        let (seen, ending) = read(&disk.restart(Crash::Kill)).expect("readable");
        assert_eq!((seen, ending.torn), (vec![1, 3], 0));
    }

    #[test]
    fn damage_in_the_middle_is_refused_in_the_same_boot_and_after_a_sync_also_in_the_next() {
        let disk = SimDisk::new(3);
        let mut journal = begin(&disk);
        write(&mut journal, 1);
        let middle = usize::try_from(journal.end().offset).expect("small");
        for number in 2..6 {
            write(&mut journal, number);
        }
        sync(&mut journal);
        write(&mut journal, 6);
        sync(&mut journal);
        let mut disk = disk;
        for crash in [Crash::Kill, Crash::PowerLoss] {
            disk = disk.restart(crash);
            disk.damage(&segment::name(1), middle + frame::HEAD);
            let refused = read(&disk).expect_err("refused").to_string();
            assert!(refused.contains(&format!("journal-00000001.hl is damaged at byte {middle}")), "{refused}");
            assert!(refused.contains("haltline store verify"), "{refused}");
            disk.damage(&segment::name(1), middle + frame::HEAD);
            assert_eq!(read(&disk).expect("sound again").0, [1, 2, 3, 4, 5, 6]);
        }
    }

    #[test]
    fn damage_at_the_very_end_is_refused_without_a_power_loss() {
        let disk = SimDisk::new(3);
        let mut journal = begin(&disk);
        write(&mut journal, 1);
        let last = usize::try_from(journal.end().offset).expect("small");
        write(&mut journal, 2);
        let next = disk.restart(Crash::Kill);
        next.damage(&segment::name(1), last + frame::HEAD);
        read(&next).expect_err("refused");
    }

    #[test]
    fn damage_in_an_older_segment_is_always_refused() {
        let disk = SimDisk::new(3);
        let mut journal = begin(&disk);
        let first = usize::try_from(journal.end().offset).expect("small");
        write(&mut journal, 1);
        journal.rotate(Timestamp::from_millis(1), [fact(2)]).expect("rotate");
        let next = disk.restart(Crash::PowerLoss);
        assert_eq!(read(&next).expect("sound").0, [1, 2]);
        next.damage(&segment::name(1), first + frame::HEAD);
        read(&next).expect_err("refused");
    }
}
