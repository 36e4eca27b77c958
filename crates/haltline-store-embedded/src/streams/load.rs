//! How the log of streams is read at a start: indexes where there are some, frames otherwise. What
//! cannot be read is said and left out; an unfinished write is cut off.

use super::digest::{self, Digest, SEGMENT_HEAD};
use super::log::{HEAD_LEN, Limits, Segment, State};
use crate::disk::{Disk, PlacedFile};
use haltline_types::RequestId;
use std::io;

/// What a process before may have left to overwrite.
#[derive(Default)]
pub(super) struct Unfinished {
    /// Streams that are to be forgotten and still begin.
    pub(super) ids: Vec<RequestId>,
    /// Segments with damage, which may be what such a stream began with.
    pub(super) damaged: Vec<u32>,
    /// Something was forgotten.
    pub(super) is_any: bool,
}

impl Unfinished {
    pub(super) const fn is_some(&self) -> bool {
        self.is_any && !(self.ids.is_empty() && self.damaged.is_empty())
    }
}

/// Reads what is there.
pub(super) fn load(disk: &dyn Disk, state: &mut State, limits: Limits) -> io::Result<Unfinished> {
    let names = disk.list()?;
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| digest::number(name, ".log")).collect();
    numbers.sort_unstable();
    let mut unfinished = Unfinished::default();
    for number in &numbers {
        state.number = *number;
        match load_segment(disk, *number, numbers.last() == Some(number), &names) {
            Ok((segment, digest, is_damaged)) => {
                unfinished.ids.extend(state.catalog.take_in(&digest, *number));
                unfinished.damaged.extend(is_damaged.then_some(*number));
                unfinished.is_any |= !digest.forgotten.is_empty();
                state.bytes += u64::from(segment.len);
                state.segments.insert(*number, segment);
                for ended in &digest.ended {
                    let Some(kept) = state.catalog.finished.get(&ended.id) else { continue };
                    for (_, segment) in state.segments.range_mut(kept.begin.segment..=*number) {
                        segment.newest = segment.newest.max(ended.at);
                    }
                }
            }
            Err(error) => {
                tracing::error!(%error, file = %digest::segment_name(*number), "streams in this file cannot be read");
            }
        }
    }
    for name in &names {
        if let Some(number) = digest::number(name, ".idx")
            && !numbers.contains(&number)
            && let Err(error) = disk.remove(name)
        {
            tracing::warn!(%error, file = %name, "an index of streams that are gone cannot be removed");
        }
    }
    let last = state.segments.last_key_value();
    state.active = last
        .filter(|(number, segment)| {
            **number == state.number && !segment.is_indexed && segment.len < limits.segment_bytes()
        })
        .map(|(number, _)| *number);
    state.is_due = true;
    Ok(unfinished)
}

fn load_segment(disk: &dyn Disk, number: u32, is_last: bool, names: &[String]) -> io::Result<(Segment, Digest, bool)> {
    let name = digest::segment_name(number);
    let file = disk.open_placed(&name)?;
    let indexed = names
        .contains(&digest::index_name(number))
        .then(|| disk.read_all(&digest::index_name(number)))
        .transpose()?
        .and_then(|bytes| Digest::read(&bytes, number))
        .filter(|digest| file.len().is_ok_and(|len| len >= u64::from(digest.end)));
    let is_indexed = indexed.is_some();
    let (digest, damaged) = match indexed {
        Some(digest) => (digest, 0),
        None => read_segment(disk, file.as_ref(), number, is_last)?,
    };
    let segment = Segment {
        file,
        len: digest.end.max(HEAD_LEN),
        newest: digest.newest,
        begun: digest.begun.iter().map(|begun| begun.id).collect(),
        dropped: digest.dropped.clone(),
        is_indexed,
        is_dirty: false,
    };
    Ok((segment, digest, damaged > 0))
}

fn read_segment(disk: &dyn Disk, file: &dyn PlacedFile, number: u32, is_last: bool) -> io::Result<(Digest, usize)> {
    let name = digest::segment_name(number);
    let bytes = disk.read_all(&name)?;
    if bytes.get(..SEGMENT_HEAD.len()) != Some(&SEGMENT_HEAD[..]) {
        if bytes.len() > SEGMENT_HEAD.len() && bytes.get(..8) == SEGMENT_HEAD.get(..8) {
            return Err(io::Error::other("it was written by a newer Haltline"));
        }
        // A head is written before anything else: without it nothing was, or it is damaged. The
        // frames know their places and are looked for all the same.
        tracing::warn!(file = %name, "the beginning of a segment of streams is not what was written");
        if is_last {
            file.write_at(0, &SEGMENT_HEAD)?;
        }
    }
    let (digest, damaged) = digest::scan(&bytes, number);
    if damaged > 0 {
        tracing::error!(file = %name, bytes = damaged, "a part of a segment of streams is damaged; streams in it are lost");
    }
    let end = usize::try_from(digest.end.max(HEAD_LEN)).unwrap_or(usize::MAX);
    if bytes.len() > end {
        tracing::warn!(file = %name, offset = end, bytes = bytes.len() - end, "an unfinished write is cut off the log of streams");
        file.truncate(end as u64)?;
    }
    Ok((digest, damaged))
}
