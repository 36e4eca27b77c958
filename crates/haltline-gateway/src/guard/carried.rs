//! Points of a session's turns before, where guards add them up: an attack in small pieces. In
//! memory only, and bounded: a session that is not heard of for long is forgotten.

use haltline_policy::lru::Lru;
use haltline_ports::Owner;
use haltline_types::Name;
use parking_lot::Mutex;

/// Sessions that are remembered.
const SESSIONS_MAX: usize = 20_000;

/// The points of sessions.
pub(crate) struct Carried(Mutex<Lru<(Owner, Name), u32>>);

impl Default for Carried {
    fn default() -> Self {
        Self(Mutex::new(Lru::new(SESSIONS_MAX)))
    }
}

impl Carried {
    /// Points of the turns before.
    pub(crate) fn of(&self, owner: &Owner, session: &Name) -> u32 {
        self.0.lock().peek(&(owner.clone(), session.clone())).copied().unwrap_or(0)
    }

    /// Adds those of a turn.
    pub(crate) fn add(&self, owner: &Owner, session: &Name, points: u32) {
        if points == 0 {
            return;
        }
        let key = (owner.clone(), session.clone());
        let mut sessions = self.0.lock();
        let sum = sessions.peek(&key).copied().unwrap_or(0).saturating_add(points);
        sessions.put(key, sum, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_add_up_within_a_session_of_one_owner() {
        let carried = Carried::default();
        let owner = |key: &str| Owner { key: Name::new(key), user: None };
        let session = Name::new("s");
        carried.add(&owner("a"), &session, 1);
        carried.add(&owner("a"), &session, 2);
        assert_eq!(carried.of(&owner("a"), &session), 3);
        assert_eq!(carried.of(&owner("b"), &session), 0);
        assert_eq!(carried.of(&owner("a"), &Name::new("t")), 0);
        for number in 0..SESSIONS_MAX {
            carried.add(&owner("c"), &Name::new(&number.to_string()), 1);
        }
        assert_eq!(carried.of(&owner("a"), &session), 0, "the oldest is forgotten");
    }
}
