//! Queues for headroom that is only held: whoever waits for an account waits in a line, so that
//! the first to come is the first to look when money comes back.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// An account that people wait for: budget and subject.
type Account = (haltline_types::Name, String);

/// All lanes. A lane lives while somebody is in it.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: Mutex<HashMap<Account, Arc<Turn<()>>>>,
}

impl Lanes {
    /// Waits for one's turn at an account. The turn ends when the guard is dropped.
    pub(crate) async fn turn(&self, account: Account) -> OwnedMutexGuard<()> {
        let lane = Arc::clone(self.lanes.lock().entry(account).or_default());
        lane.lock_owned().await
    }

    /// Removes lanes that nobody is in.
    pub(crate) fn sweep(&self) {
        self.lanes.lock().retain(|_, lane| Arc::strong_count(lane) > 1);
    }
}
