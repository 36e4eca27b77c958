//! What is kept between questions: how many calls of a service are under way, and verdicts that
//! are young enough to stand.

use super::verdicts::Verdicts;
use haltline_types::Name;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Calls of one service at once; others wait within their deadline.
const AT_ONCE: usize = 64;

/// By service. Names come from the configuration, so there are few.
#[derive(Default)]
pub(crate) struct Rooms {
    places: Mutex<HashMap<Name, Arc<Semaphore>>>,
    pub(super) verdicts: Verdicts,
}

impl Rooms {
    pub(super) fn room(&self, service: &Name) -> Arc<Semaphore> {
        let mut places = self.places.lock();
        Arc::clone(places.entry(service.clone()).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
    }
}
