//! One call for many who ask the same at once: the first leads and goes down the line, the others
//! follow and get what it brings. A lead that fails for a reason of its own (its budget, its client
//! that left) hands over: one of those who wait leads next, the rest go on waiting. A lead whose
//! failure would be everybody's shares it. So no number of equal requests becomes a stampede.

use super::key::CacheKey;
use crate::problem::Problem;
use haltline_types::RequestId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

/// What became of a lead.
#[derive(Clone, Debug)]
pub(crate) enum Landed {
    /// An answer that is kept: whoever looks for it finds it.
    Kept,
    /// An answer that is for the one who asked only: everybody must ask.
    Private,
    /// A failure for all.
    Failed(Box<Problem>),
}

#[derive(Debug)]
struct UnderWay {
    leader: RequestId,
    landed: watch::Receiver<Option<Landed>>,
}

/// All that are under way.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    under_way: Mutex<HashMap<CacheKey, UnderWay>>,
}

/// A place in a flight.
#[derive(Debug)]
pub(crate) enum Place {
    /// Goes down the line.
    Lead(Lead),
    /// Waits for the one who does.
    Follow(Follow),
}

/// The one who goes. Dropped without a word, it hands over.
#[derive(Debug)]
pub(crate) struct Lead {
    flights: Arc<Flights>,
    key: CacheKey,
    landed: watch::Sender<Option<Landed>>,
}

/// One who waits.
#[derive(Debug)]
pub(crate) struct Follow {
    /// The request whose stream runs.
    pub(crate) leader: RequestId,
    landed: watch::Receiver<Option<Landed>>,
}

impl Flights {
    /// Takes a place for this request.
    pub(crate) fn enter(self: &Arc<Self>, key: CacheKey, request: RequestId) -> Place {
        let mut under_way = self.under_way.lock();
        if let Some(flight) = under_way.get(&key) {
            return Place::Follow(Follow { leader: flight.leader, landed: flight.landed.clone() });
        }
        let (landed, receiver) = watch::channel(None);
        under_way.insert(key, UnderWay { leader: request, landed: receiver });
        Place::Lead(Lead { flights: Arc::clone(self), key, landed })
    }
}

impl Lead {
    /// Tells those who wait.
    pub(crate) fn land(self, landed: Landed) {
        self.landed.send_replace(Some(landed));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.flights.under_way.lock().remove(&self.key);
    }
}

impl Follow {
    /// What the lead brings; `None` when it hands over.
    pub(crate) async fn landed(mut self) -> Option<Landed> {
        let landed = self.landed.wait_for(Option::is_some).await.ok()?;
        landed.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(number: u128) -> RequestId {
        RequestId::from_parts(1, number)
    }

    fn follow(flights: &Arc<Flights>, key: CacheKey, number: u128) -> Follow {
        match flights.enter(key, request(number)) {
            Place::Follow(follow) => follow,
            Place::Lead(_) => panic!("there is a lead already"),
        }
    }

    #[tokio::test]
    async fn the_first_leads_and_the_others_get_what_it_brings() {
        let flights = Arc::new(Flights::default());
        let key = CacheKey([1; 32]);
        let Place::Lead(lead) = flights.enter(key, request(1)) else { panic!("the first leads") };
        let followers: Vec<_> = (2..5).map(|number| follow(&flights, key, number)).collect();
        assert!(followers.iter().all(|follow| follow.leader == request(1)));
        assert!(matches!(flights.enter(CacheKey([2; 32]), request(9)), Place::Lead(_)), "another question");
        lead.land(Landed::Kept);
        for follow in followers {
            assert!(matches!(follow.landed().await, Some(Landed::Kept)));
        }
        assert!(flights.under_way.lock().is_empty());
    }

    #[tokio::test]
    async fn a_lead_that_says_nothing_hands_over_to_one() {
        let flights = Arc::new(Flights::default());
        let key = CacheKey([1; 32]);
        let Place::Lead(lead) = flights.enter(key, request(1)) else { panic!("the first leads") };
        let (second, third) = (follow(&flights, key, 2), follow(&flights, key, 3));
        drop(lead);
        assert!(second.landed().await.is_none() && third.landed().await.is_none());
        let Place::Lead(_lead) = flights.enter(key, request(2)) else { panic!("one leads next") };
        assert_eq!(follow(&flights, key, 3).leader, request(2));
    }
}
