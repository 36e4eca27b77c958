//! Which of several HTTP/2 connections takes the next request, and when another is worth making.
//! Pure: counts in, a choice out.

use std::time::Duration;

/// What bounds HTTP/2 connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2Settings {
    /// Connections to one host. Beyond that and `streams_max` on each, a request is not sent.
    pub connections_max: usize,
    /// Requests at once on one connection; fewer where the server allows fewer.
    pub streams_max: usize,
    /// From so many on the least loaded connection on, another one is made: a lost packet holds
    /// up every stream of its connection.
    pub spread_at: usize,
    /// How long a connection without requests is kept.
    pub idle_timeout: Duration,
    /// A connection that has been silent for so long is asked for a sign of life.
    pub ping_interval: Duration,
    /// A connection that gives no sign for so long after that is given up, with all its requests.
    pub ping_timeout: Duration,
}

impl Default for Http2Settings {
    fn default() -> Self {
        Self {
            connections_max: 32,
            streams_max: 100,
            spread_at: 50,
            idle_timeout: Duration::from_secs(60),
            ping_interval: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(10),
        }
    }
}

/// How a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    /// Requests under way.
    pub(crate) streams: usize,
    /// What its server allows.
    pub(crate) allowed: usize,
}

/// What to do with the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Take the connection at this place.
    Take(usize),
    /// Take it, and make another for those that come next.
    TakeAndOpen(usize),
    /// Make another and wait for it.
    Open,
    /// Everything that is allowed is in use.
    Full,
}

/// The connection with the fewest requests takes the next one.
pub(crate) fn choose(loads: &[Load], settings: &Http2Settings) -> Choice {
    let may_open = loads.len() < settings.connections_max;
    let limit = |load: &Load| load.allowed.min(settings.streams_max);
    let with_room = loads.iter().enumerate().filter(|(_, load)| load.streams < limit(load));
    match with_room.min_by_key(|(_, load)| load.streams) {
        Some((place, load)) => {
            let limit = limit(load);
            // Well before a limit: making a connection takes several round trips.
            let full_soon = load.streams >= settings.spread_at.min(limit - limit / 4);
            if full_soon && may_open { Choice::TakeAndOpen(place) } else { Choice::Take(place) }
        }
        None if may_open => Choice::Open,
        None => Choice::Full,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_loaded_is_taken_and_another_made_in_time() {
        let settings = Http2Settings { connections_max: 3, spread_at: 50, ..Http2Settings::default() };
        for (loads, expected) in [
            (&[][..], Choice::Open),
            (&[(0, 100)], Choice::Take(0)),
            (&[(49, 100)], Choice::Take(0)),
            (&[(50, 100)], Choice::TakeAndOpen(0)),
            (&[(50, 100), (3, 100)], Choice::Take(1)),
            (&[(50, 100), (60, 100), (70, 100)], Choice::Take(0)),
            // The server allows few.
            (&[(7, 10)], Choice::Take(0)),
            (&[(8, 10)], Choice::TakeAndOpen(0)),
            (&[(10, 10)], Choice::Open),
            (&[(10, 10), (1, 10)], Choice::Take(1)),
            (&[(2, 2), (60, 100)], Choice::TakeAndOpen(1)),
            (&[(0, 1)], Choice::Take(0)),
            (&[(0, 0)], Choice::Open),
            // Our own bounds.
            (&[(100, 1000)], Choice::Open),
            (&[(100, 1000), (100, 100), (2, 2)], Choice::Full),
            (&[(99, 1000), (100, 100), (2, 2)], Choice::Take(0)),
        ] {
            let loads: Vec<Load> =
                loads.iter().map(|(streams, allowed)| Load { streams: *streams, allowed: *allowed }).collect();
            assert_eq!(choose(&loads, &settings), expected, "{loads:?}");
        }
    }
}
