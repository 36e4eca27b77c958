//! Steps as they come in, bounded: the first and the last ones are kept.

use super::{STEPS_MAX, Step, What};
use std::collections::VecDeque;
use std::time::Duration;

/// Steps before the gap, when there are too many.
const FIRST: usize = STEPS_MAX / 2;
/// Steps after it; one place is the mark's.
const LAST: usize = STEPS_MAX - FIRST - 1;

/// The steps of one request as they come in: the first and the last ones are kept, and how many
/// are left out between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    first: Vec<Step>,
    last: VecDeque<Step>,
    left_out: u64,
}

impl Steps {
    /// None yet, with room for as many as most requests have.
    #[must_use]
    pub fn new() -> Self {
        Self { first: Vec::with_capacity(16), last: VecDeque::new(), left_out: 0 }
    }

    /// Adds one. A time before that of the last step is that of the last step.
    pub fn push(&mut self, at: Duration, what: What) {
        let at = Duration::from_micros(u64::try_from(at.as_micros()).unwrap_or(u64::MAX));
        let before = self.last.back().or_else(|| self.first.last()).map_or(Duration::ZERO, |step| step.at);
        let step = Step { at: at.max(before), what };
        if self.first.len() < FIRST {
            self.first.push(step);
            return;
        }
        if self.last.len() >= LAST {
            self.last.pop_front();
            self.left_out = self.left_out.saturating_add(1);
        }
        self.last.push_back(step);
    }

    /// Adds something that the request itself says and that was found out later: it stands behind
    /// the acceptance and what was found out before. There may be no room for it.
    pub fn push_of_request(&mut self, what: What) {
        let belongs = |step: &Step| matches!(step.what, What::Accepted { .. } | What::ToolReturned(_));
        let Some((index, before)) = self.first.iter().enumerate().rfind(|(_, step)| belongs(step)) else { return };
        if self.first.len() < FIRST {
            let at = before.at;
            self.first.insert(index + 1, Step { at, what });
        }
    }

    /// All that are kept, in order, with a mark where some are left out.
    #[must_use]
    pub fn list(self) -> Vec<Step> {
        let Self { mut first, last, left_out } = self;
        if let (true, Some(at)) = (left_out > 0, first.last().map(|step| step.at)) {
            first.push(Step { at, what: What::LeftOut { steps: left_out } });
        }
        first.extend(last);
        first
    }
}

/// Which counts of events become steps: the first one, and then whenever the count has doubled, so
/// that a stream of any length has few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    next: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { next: 1 }
    }
}

impl Sampling {
    /// The most steps of one stream.
    pub const STEPS_MAX: u32 = 32;

    /// Is this count of events a step?
    pub const fn is_due(&mut self, events: u64) -> bool {
        let is_due = events >= self.next && events < 1 << Self::STEPS_MAX;
        if is_due {
            self.next = (events + 1).next_power_of_two();
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ToolReturn, shortened};
    use super::*;

    fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    #[test]
    fn the_middle_is_left_out_and_marked() {
        let mut steps = Steps::new();
        for events in 0..1000 {
            steps.push(micros(events), What::Checkpoint { events });
        }
        let kept = steps.list();
        assert_eq!(kept.len(), STEPS_MAX);
        let number = |index: usize| match &kept[index].what {
            What::Checkpoint { events } => *events,
            other => panic!("{other:?}"),
        };
        assert_eq!((number(0), number(FIRST - 1)), (0, FIRST as u64 - 1));
        assert_eq!(kept[FIRST].what, What::LeftOut { steps: 1000 - STEPS_MAX as u64 + 1 });
        assert_eq!((number(FIRST + 1), number(STEPS_MAX - 1)), (1000 - LAST as u64, 999));
        assert!(kept.is_sorted_by_key(|step| step.at));
    }

    #[test]
    fn as_many_as_fit_have_no_gap() {
        let mut steps = Steps::new();
        for events in 0..STEPS_MAX as u64 - 1 {
            steps.push(micros(events), What::Checkpoint { events });
        }
        let kept = steps.list();
        assert_eq!(kept.len(), STEPS_MAX - 1);
        assert!(kept.iter().all(|step| !matches!(step.what, What::LeftOut { .. })));
    }

    #[test]
    fn time_never_runs_backwards_and_has_whole_microseconds() {
        let mut steps = Steps::new();
        steps.push(Duration::from_nanos(5_999), What::Arrived);
        steps.push(micros(2), What::FirstToken);
        assert_eq!(steps.list().iter().map(|step| step.at).collect::<Vec<_>>(), [micros(5), micros(5)]);
    }

    #[test]
    fn what_the_request_says_stands_behind_its_acceptance() {
        let tool = |id: &str| {
            let (name, id) = ("t".into(), id.into());
            What::ToolReturned(Box::new(ToolReturn { name, id, empty: false, error: false, bytes: 1, took: None }))
        };
        let mut steps = Steps::new();
        steps.push_of_request(tool("too early"));
        steps.push(micros(0), What::Arrived);
        steps.push(micros(7), What::Accepted { model: "m".into(), surface: "chat".into(), bytes: 1 });
        steps.push(micros(9), What::FirstToken);
        steps.push_of_request(tool("1"));
        steps.push_of_request(tool("2"));
        let listed: Vec<_> = steps.list().into_iter().map(|step| (step.at, step.what)).collect();
        assert_eq!(listed[2..4], [(micros(7), tool("1")), (micros(7), tool("2"))]);
        assert_eq!((listed.len(), &listed[4].1), (5, &What::FirstToken));
    }

    #[test]
    fn a_long_stream_has_few_checkpoints() {
        let count = |events: &mut dyn Iterator<Item = u64>| {
            let mut sampling = Sampling::default();
            events.filter(|events| sampling.is_due(*events)).count()
        };
        assert_eq!(count(&mut (0..100_000)), 17);
        assert_eq!(count(&mut (0..100_000).step_by(7)), 15, "batches do not hide a doubling");
        assert_eq!(count(&mut (0..64).map(|power| 1 << power)), 32);
    }

    #[test]
    fn details_are_cut_between_characters() {
        assert_eq!(shortened("aéb", 2), "a");
        assert_eq!(shortened("aéb", 3), "aé");
        assert_eq!(shortened("ab", 200), "ab");
    }
}
