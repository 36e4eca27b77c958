//! The upkeep of the log: indexes of sealed segments, and what is older than it is kept, or more
//! than may be kept, off the disk, a whole segment at a time.

use super::digest;
use super::frame::Frame;
use super::log::{Log, State, error};
use super::payload;
use crate::disk::PlacedFile;
use haltline_ports::StreamsError;
use haltline_types::{RequestId, Timestamp};
use std::sync::Arc;

impl Log {
    /// Does all that is due at `now`.
    pub(crate) fn sweep(&self, now: Timestamp) -> Result<(), StreamsError> {
        let going: Vec<RequestId> = self.state.lock().catalog.going.iter().copied().collect();
        self.forget_all(&going)?;
        let _alone = self.upkeep.lock();
        if self.state.lock().segments.is_empty() {
            return Ok(());
        }
        self.sync()?;
        let horizon = now.saturating_sub(self.limits.keep);
        loop {
            let outdated = self.state.lock().outdated(horizon);
            let Some(number) = outdated else { break };
            self.remove(number)?;
        }
        self.remove_excess(horizon)?;
        self.index_sealed()
    }

    /// Does what cannot wait for the next sweep, where there is something. What fails is tried
    /// again by the sweep, which says so.
    pub(crate) fn catch_up(&self) {
        if !std::mem::take(&mut self.state.lock().is_due) {
            return;
        }
        let _alone = self.upkeep.lock();
        let beginning = Timestamp::from_millis(i64::MIN);
        if let Err(error) = self.remove_excess(beginning).and_then(|()| self.index_sealed()) {
            tracing::debug!(%error, "the log of streams is behind with its upkeep");
        }
    }

    fn remove_excess(&self, horizon: Timestamp) -> Result<(), StreamsError> {
        loop {
            let goes = {
                let state = self.state.lock();
                if state.bytes <= self.limits.bytes_max {
                    return Ok(());
                }
                state.segments.keys().copied().find(|number| !state.is_pinned(*number, horizon))
            };
            // Streams that run are kept whatever they take; `write` has the last word.
            let Some(number) = goes else { return Ok(()) };
            self.remove(number)?;
        }
    }

    /// Removes a sealed segment, and with it every stream that has a part in it.
    fn remove(&self, number: u32) -> Result<(), StreamsError> {
        self.drop_streams(number)?;
        let name = digest::segment_name(number);
        self.disk.remove(&name).map_err(|why| error("removing old streams", &why))?;
        let removed = {
            let mut state = self.state.lock();
            let removed = state.segments.remove(&number);
            state.bytes = state.bytes.saturating_sub(removed.as_ref().map_or(0, |segment| u64::from(segment.len)));
            removed
        };
        tracing::debug!(file = %name, "a segment of streams is removed");
        if removed.is_some_and(|segment| segment.is_indexed) {
            let removed = self.disk.remove(&digest::index_name(number));
            removed.map_err(|why| error("removing the index of old streams", &why))?;
        }
        Ok(())
    }

    /// Drops the streams of a segment. Where they began in one that stays, the log says that they
    /// are dropped: without their ends the next start would take them for running.
    fn drop_streams(&self, number: u32) -> Result<(), StreamsError> {
        let mut state = self.state.lock();
        let is_oldest = state.segments.first_key_value().is_none_or(|(oldest, _)| *oldest >= number);
        let Some(segment) = state.segments.get(&number) else { return Ok(()) };
        let begins_in = |id: &RequestId| state.catalog.extent(*id).map(|(begins, _)| begins);
        if is_oldest {
            let begins_here = |id: &&RequestId| begins_in(id) == Some(number);
            let goes: Vec<RequestId> = segment.begun.iter().filter(begins_here).copied().collect();
            state.catalog.drop_all(&goes, true);
            return Ok(());
        }
        let goes = state.catalog.touching(number);
        let begun = goes.iter().filter_map(|id| Some((*id, begins_in(id)?)));
        // What this segment says of others must not go with it.
        let said = begun.chain(segment.dropped.iter().copied());
        let said: Vec<(RequestId, u32)> =
            said.filter(|(_, begins)| *begins != number && state.segments.contains_key(begins)).collect();
        for (id, begins) in said {
            let mut frame = Frame::new(32, |out| payload::write_dropped(out, id, begins))
                .ok_or_else(|| StreamsError("a stream cannot be dropped".into()))?;
            let place = self.write(&mut state, &mut frame, Timestamp::from_millis(i64::MIN))?;
            if let Some(segment) = state.segments.get_mut(&place.segment) {
                segment.dropped.push((id, begins));
            }
        }
        state.catalog.drop_all(&goes, false);
        Ok(())
    }

    fn index_sealed(&self) -> Result<(), StreamsError> {
        let sealed: Vec<(u32, Arc<dyn PlacedFile>, u32)> = {
            let state = self.state.lock();
            let sealed =
                state.segments.iter().filter(|(number, segment)| Some(**number) != state.active && !segment.is_indexed);
            sealed.map(|(number, segment)| (*number, Arc::clone(&segment.file), segment.len)).collect()
        };
        for (number, file, len) in sealed {
            // The index must never know of frames that a power loss can take away.
            let bytes = file.sync().and_then(|()| {
                let len_max = usize::try_from(len).unwrap_or(usize::MAX);
                self.disk.read(&digest::segment_name(number), 0, len_max)
            });
            let bytes = bytes.map_err(|why| error("reading a segment of streams", &why))?;
            let (digest, damaged) = digest::scan(&bytes, number);
            if damaged > 0 {
                tracing::warn!(segment = number, bytes = damaged, "a part of a segment of streams is damaged");
            }
            let written = self.disk.replace(&digest::index_name(number), &digest.write(number));
            written.map_err(|why| error("writing the index of streams", &why))?;
            if let Some(segment) = self.state.lock().segments.get_mut(&number) {
                segment.is_indexed = true;
            }
        }
        Ok(())
    }
}

impl State {
    /// A segment that carries nothing younger than `horizon`; it is sealed now.
    fn outdated(&mut self, horizon: Timestamp) -> Option<u32> {
        let outdated = self.segments.iter().find(|(number, segment)| {
            segment.newest < horizon
                && !self.catalog.running.values().any(|running| running.latest >= horizon && running.touches(**number))
        });
        let number = *outdated?.0;
        if self.active == Some(number) {
            self.active = None;
        }
        Some(number)
    }

    /// Must it stay, because it grows, or a stream runs that has a part in it?
    fn is_pinned(&self, number: u32, horizon: Timestamp) -> bool {
        let runs = || self.catalog.running.values().any(|running| running.latest >= horizon && running.touches(number));
        self.active == Some(number) || runs()
    }
}
