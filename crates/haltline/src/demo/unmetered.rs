//! The same model without Haltline: called directly, with permits of a ledger that has no budgets.
//! It is how `demo runaway` measures what the night would have cost.

use bytes::Bytes;
use futures_util::StreamExt;
use haltline_ledger::{Applied, Budgets, Hold, Ledger};
use haltline_ports::{Call, Permit, Upstream};
use haltline_types::{AttemptId, Demand, ModelName, RequestId, Subjects, Timestamp};
use haltline_upstream::SimulatedUpstream;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Calls without any limit.
pub(super) struct Unmetered {
    model: Arc<SimulatedUpstream>,
    ledger: Mutex<Ledger>,
    next: AtomicU64,
}

impl Unmetered {
    pub(super) fn new(model: Arc<SimulatedUpstream>) -> anyhow::Result<Self> {
        let none = Budgets::new(Vec::new()).map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
        Ok(Self { model, ledger: Mutex::new(Ledger::new(none)), next: AtomicU64::new(1) })
    }

    /// Calls, and says whether it was answered.
    pub(super) async fn ask(&self, endpoint: &ModelName, body: Bytes) -> bool {
        let Some(permit) = self.permit() else { return false };
        let id = permit.id();
        let call = Call {
            endpoint: endpoint.clone(),
            target: "/chat/completions".to_owned(),
            headers: http::HeaderMap::new(),
            body,
            stream: false,
            affinity: None,
        };
        let answered = match self.model.call(permit, call).await {
            Ok(mut answer) => {
                let mut whole = true;
                while let Some(piece) = answer.body.next().await {
                    whole &= piece.is_ok();
                }
                whole
            }
            Err(_) => false,
        };
        let mut ledger = self.ledger.lock();
        if let Ok(entry) = ledger.release(id, Timestamp::default())
            && let Err(error) = ledger.apply(&entry)
        {
            tracing::debug!(%error, "a release of the unmetered ledger");
        }
        answered
    }

    fn permit(&self) -> Option<Permit> {
        let request = RequestId::from_u128(u128::from(self.next.fetch_add(1, Ordering::Relaxed)));
        let hold = Hold {
            id: AttemptId { request, number: 1 },
            at: Timestamp::default(),
            subjects: Arc::new(Subjects::default()),
            ceiling: Demand::ZERO,
            expires: Timestamp::default(),
        };
        let mut ledger = self.ledger.lock();
        let entry = ledger.hold(&hold).ok()?;
        match ledger.apply(&entry).ok()? {
            Applied::Held(held) => Some(Permit::durable(held)),
            _ => None,
        }
    }
}
