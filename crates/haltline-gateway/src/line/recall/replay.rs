//! Gives a kept answer: in the form in which it was given, as fast as its watchers read. Not a stage:
//! the giving half of `recall`.

use super::note;
use crate::cache::{CachedEvent, Entry, Said};
use crate::deliver::{CacheResult, Outlet};
use crate::gateway::Gateway;
use crate::line::accept::Request;
use crate::line::relay::BATCH_BYTES;
use crate::line::trip::Trip;
use crate::sessions;
use bytes::{Bytes, BytesMut};
use haltline_ports::{Outcome, What};
use haltline_wire::openai::responses::StoredResponse;
use haltline_wire::provider::news_frame;
use serde_json::{Value, json};
use std::time::Duration;

/// A kept answer, about to be given.
pub(super) struct Replay<'a> {
    pub(super) entry: &'a Entry,
    pub(super) age: Duration,
    pub(super) result: CacheResult,
}

impl Replay<'_> {
    /// Gives it.
    pub(super) async fn to(&self, gateway: &Gateway, request: &Request, trip: &mut Trip, outlet: &mut Outlet) {
        note(gateway, trip, self.result, Some(self.age));
        trip.answered_by.clone_from(&self.entry.endpoint);
        trip.dropped_headers.extend(self.entry.dropped.iter().cloned());
        trip.first_token = Some(trip.arrived.elapsed());
        trip.step(What::Cached { how: self.result.word().into(), age: self.age });
        self.keep_response(gateway, trip).await;
        match &self.entry.said {
            Said::Whole(body) => {
                sessions::answered(gateway, trip, outlet, Some(body), Outcome::Answered);
                outlet.whole(trip.final_notes(), body.clone());
            }
            Said::Stream(events) => {
                self.stream(request, trip, outlet, events);
                sessions::answered(gateway, trip, outlet, None, Outcome::Answered);
                outlet.complete();
            }
        }
    }

    fn stream(&self, request: &Request, trip: &Trip, outlet: &mut Outlet, events: &[CachedEvent]) {
        let mut out = BytesMut::new();
        // A page that was shown a beginning already keeps the message that it has.
        let begun = if outlet.has_begun() { events.iter().take_while(|event| is_beginning(event)).count() } else { 0 };
        let mut news = (self.result == CacheResult::Stale)
            .then(|| news_frame(&request.asked, &json!({"state": "cached", "age": self.age.as_secs()})))
            .flatten();
        let last = events.len().saturating_sub(1);
        for (place, event) in events.iter().enumerate() {
            if place == last {
                let told = format!(
                    "x-haltline-cost: {}, x-haltline-cache: {}, age: {}",
                    trip.cost().to_decimal(),
                    self.result.word(),
                    self.age.as_secs()
                );
                outlet.remark(&mut out, &told);
            }
            if place >= begun {
                outlet.event(&mut out, event.name(), &event.data);
            }
            // After the part that begins the message.
            if let Some(frame) = news.take() {
                outlet.event(&mut out, frame.event, &frame.data);
            }
            if out.len() >= BATCH_BYTES {
                give(trip, outlet, out.split().freeze());
            }
        }
        outlet.close(&mut out);
        give(trip, outlet, out.freeze());
    }

    /// A response that its client wants to be kept is kept, wherever it came from.
    async fn keep_response(&self, gateway: &Gateway, trip: &mut Trip) {
        let Some(keeping) = trip.keeping.take() else { return };
        let response = match &self.entry.said {
            Said::Whole(body) => StoredResponse::read(body),
            Said::Stream(events) => events.last().and_then(|event| StoredResponse::of_event(&event.data)),
        };
        if let Some(response) = response {
            let id = response.id().to_owned();
            gateway.keep(keeping, &response.clone(), response.under_id(&id)).await;
        }
    }
}

/// Everything is known when the head goes out, the cost as well.
fn give(trip: &Trip, outlet: &mut Outlet, bytes: Bytes) {
    if outlet.is_open() {
        outlet.publish(bytes);
    } else {
        outlet.open(trip.final_notes(), bytes);
    }
}

/// The parts that begin a page's stream.
fn is_beginning(event: &CachedEvent) -> bool {
    let kind = serde_json::from_slice::<Value>(&event.data).ok();
    kind.is_some_and(|value| matches!(value.get("type").and_then(Value::as_str), Some("start" | "start-step")))
}
