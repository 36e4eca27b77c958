//! How much may be written down for a key in jobs that cost nothing: every job is kept for a while
//! after its end, also one that was never sent. Counted by minutes, in memory; a restart begins anew.

use haltline_types::{Name, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// For the jobs of one key that were made within the time that jobs are kept.
pub(super) const BYTES_OF_KEY_MAX: usize = 256 << 20;
/// What a job takes besides what its client says, in bytes.
pub(super) const OVERHEAD: usize = 2_048;
const MINUTE: i64 = 60_000;

/// What each key has had written.
#[derive(Debug, Default)]
pub(super) struct Quota(HashMap<Name, VecDeque<(i64, usize)>>);

impl Quota {
    /// Counts one more, unless it is too much.
    pub(super) fn take(&mut self, key: &Name, bytes: usize, now: Timestamp, keep_for: Duration) -> bool {
        let first = now.saturating_sub(keep_for).as_millis().div_euclid(MINUTE);
        self.0.retain(|_, minutes| {
            while minutes.front().is_some_and(|(minute, _)| *minute < first) {
                minutes.pop_front();
            }
            !minutes.is_empty()
        });
        let minutes = self.0.entry(key.clone()).or_default();
        let had = minutes.iter().map(|(_, bytes)| *bytes).fold(0, usize::saturating_add);
        let more = bytes.saturating_add(OVERHEAD);
        if had.saturating_add(more) > BYTES_OF_KEY_MAX {
            return false;
        }
        let minute = now.as_millis().div_euclid(MINUTE);
        match minutes.back_mut().filter(|(last, _)| *last >= minute) {
            Some((_, bytes)) => *bytes = bytes.saturating_add(more),
            None => minutes.push_back((minute, more)),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_share_and_has_it_again_when_its_jobs_are_gone() {
        let mut quota = Quota::default();
        let (a, b) = (Name::new("a"), Name::new("b"));
        let (now, keep_for) = (Timestamp::from_secs(1_800_000_000), Duration::from_secs(3_600));
        let later = |seconds| now.saturating_add(Duration::from_secs(seconds));
        assert!(quota.take(&a, BYTES_OF_KEY_MAX / 2, now, keep_for));
        assert!(quota.take(&a, BYTES_OF_KEY_MAX / 4, later(1_800), keep_for));
        assert!(!quota.take(&a, BYTES_OF_KEY_MAX / 4, later(1_801), keep_for), "with what a job takes by itself");
        assert!(quota.take(&b, BYTES_OF_KEY_MAX / 4, later(1_802), keep_for));
        assert!(quota.take(&a, BYTES_OF_KEY_MAX / 4, later(3_700), keep_for), "the first is gone");
        assert!(!quota.take(&a, BYTES_OF_KEY_MAX / 2, later(3_700), keep_for));
        quota.take(&b, 0, later(9_000), keep_for);
        assert_eq!(quota.0.len(), 1, "what is gone takes no room");
    }
}
