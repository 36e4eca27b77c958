//! Forgetting: a stream is gone for whoever asks, and what it said is overwritten where it stands. First the log says that it is
//! forgotten, so that a start after a crash goes on with it; its beginning is overwritten last, so
//! that a start knows whether there is something left to do.

use super::digest::{self, SEGMENT_HEAD};
use super::frame::{Frame, Frames};
use super::log::{Log, error};
use super::payload::{self, Said};
use crate::disk::PlacedFile;
use haltline_ports::StreamsError;
use haltline_types::{Name, RequestId, Timestamp};
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::Arc;

const ZEROS: [u8; 4096] = [0; 4096];

impl Log {
    pub(super) fn forget_user(&self, user: &Name) -> Result<u64, StreamsError> {
        let hash = self.user(user);
        let ids = {
            let state = self.state.lock();
            state.check_open()?;
            state.catalog.of_user(&hash)
        };
        self.forget_all(&ids)?;
        Ok(u64::try_from(ids.len()).unwrap_or(u64::MAX))
    }

    /// Forgets streams. When it fails, a part may still stand on the disk: whoever asks again, the
    /// next sweep, or the next start goes on with it.
    pub(super) fn forget_all(&self, ids: &[RequestId]) -> Result<(), StreamsError> {
        let _alone = self.upkeep.lock();
        let (ids, touched) = self.announce(ids)?;
        if ids.is_empty() {
            return Ok(());
        }
        // An index would tell the next start of ends that are not there any more.
        for (number, segment) in &touched {
            if segment.is_indexed {
                let removed = self.disk.remove(&digest::index_name(*number));
                removed.map_err(|why| error("removing an index of streams", &why))?;
                if let Some(segment) = self.state.lock().segments.get_mut(number) {
                    segment.is_indexed = false;
                }
            }
        }
        let blank_all =
            |what| touched.iter().try_for_each(|(number, segment)| self.blank(*number, segment, &ids, what));
        blank_all(What::AllButBeginnings)
            .and_then(|()| blank_all(What::Beginnings))
            .map_err(|why| error("overwriting a stream", &why))?;
        let mut state = self.state.lock();
        state.is_due = true;
        let known: Vec<RequestId> = ids.into_iter().filter(|id| state.catalog.knows(*id)).collect();
        state.catalog.drop_all(&known, false);
        drop(state);
        self.lately.lock().clear();
        Ok(())
    }

    /// Goes on with what a process before did not finish. Damage may be a beginning that it had half
    /// overwritten.
    pub(super) fn finish_forgetting(&self, ids: &[RequestId], damaged: &[u32]) -> Result<(), StreamsError> {
        self.forget_all(ids)?;
        let _alone = self.upkeep.lock();
        for number in damaged {
            let touched = {
                let state = self.state.lock();
                let Some(segment) = state.segments.get(number) else { continue };
                Touched { file: Arc::clone(&segment.file), len: segment.len, is_indexed: false }
            };
            self.blank(*number, &touched, &HashSet::new(), What::AllButBeginnings)
                .map_err(|why| error("overwriting a stream", &why))?;
        }
        Ok(())
    }

    /// Says in the log that streams are forgotten; they run no more. Returns those that are known
    /// and the segments that may hold something of them.
    fn announce(&self, ids: &[RequestId]) -> Result<(HashSet<RequestId>, BTreeMap<u32, Touched>), StreamsError> {
        let mut known = HashSet::new();
        let mut touched = BTreeMap::new();
        let mut state = self.state.lock();
        state.check_open()?;
        for id in ids {
            let Some((from, until)) = state.catalog.extent(*id) else { continue };
            let mut frame = Frame::new(32, |out| payload::write_forgotten(out, *id))
                .ok_or_else(|| StreamsError("a stream cannot be forgotten".into()))?;
            self.write(&mut state, &mut frame, Timestamp::from_millis(i64::MIN))?;
            state.catalog.going.insert(*id);
            known.insert(*id);
            for (number, segment) in state.segments.range(from..=until) {
                let is_indexed = segment.is_indexed;
                touched.insert(*number, Touched { file: Arc::clone(&segment.file), len: segment.len, is_indexed });
            }
        }
        Ok((known, touched))
    }

    /// Overwrites what a segment holds of these streams, and what is no frame, which may be theirs.
    fn blank(&self, number: u32, segment: &Touched, ids: &HashSet<RequestId>, what: What) -> io::Result<()> {
        let len_max = usize::try_from(segment.len).unwrap_or(usize::MAX);
        let bytes = self.disk.read(&digest::segment_name(number), 0, len_max)?;
        let mut frames = Frames::new(&bytes, number, SEGMENT_HEAD.len());
        for (place, len, said) in frames.by_ref() {
            let goes = match payload::read(said) {
                Some(Said::Begin(id, ..)) => ids.contains(&id) && what == What::Beginnings,
                Some(Said::Events(id, ..) | Said::End(id, _)) => ids.contains(&id),
                Some(Said::Blank | Said::Forgotten(_) | Said::Dropped(..)) | None => false,
            };
            if goes && let Some(mut blank) = Frame::new(said.len(), |out| payload::write_blank(out, said.len())) {
                debug_assert_eq!(blank.len(), len, "a blank frame is as long as what it overwrites");
                segment.file.write_at(u64::from(place.offset), blank.at(place))?;
            }
        }
        let tail = (frames.end, bytes.len());
        for (from, until) in frames.gaps.into_iter().chain([tail]) {
            let mut at = from;
            while at < until {
                let zeros = ZEROS.get(..(until - at).min(ZEROS.len())).unwrap_or(&ZEROS);
                segment.file.write_at(at as u64, zeros)?;
                at += zeros.len();
            }
        }
        segment.file.sync()
    }
}

/// A segment that may hold something of a stream that is forgotten.
struct Touched {
    file: Arc<dyn PlacedFile>,
    len: u32,
    is_indexed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    AllButBeginnings,
    Beginnings,
}
