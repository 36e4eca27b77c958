//! Clients: what they ask for, and how they behave when it goes well and when it does not.

use crate::chance::Chance;
use bytes::Bytes;
use haltline_gateway::{Claims, Delivery, Gateway, Incoming, Piece, Presented, Surface};
use haltline_types::{Code, Name};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// One visit of a client.
#[derive(Clone, Debug)]
pub struct Visit {
    /// What it wants.
    pub ask: Ask,
    /// How it behaves.
    pub manners: Manners,
    /// Decides its pauses.
    pub seed: u64,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The secret.
    pub key: String,
    /// The user, named in a header.
    pub user: Option<String>,
    /// A tag.
    pub env: Option<&'static str>,
    /// The model.
    pub model: String,
    /// The output cap.
    pub cap: Option<u64>,
    /// How many choices; 0 says nothing about it.
    pub choices: u64,
    /// As a stream?
    pub stream: bool,
    /// Bytes of text.
    pub text: usize,
}

/// How a client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// Takes whatever comes.
    Patient,
    /// Reads slowly: rests so long after each piece.
    Slow(Duration),
    /// Leaves after so many pieces of a stream.
    Leaves(u32),
    /// Leaves after so long, whatever there is.
    Hurried(Duration),
    /// Asks again at once, whatever it is told, so many times.
    Naive {
        /// How often.
        times: u32,
        /// After this long.
        pause: Duration,
    },
    /// As the official libraries do: obeys `x-should-retry` and `retry-after`, and says how often
    /// it has repeated.
    Library {
        /// How often.
        times: u32,
    },
}

/// What a client got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// Everything.
    Answer,
    /// It left before the end.
    Left,
    /// A refusal or a failure, before the first byte or after.
    Problem(Code),
    /// A stream that ended without saying how.
    Torn,
}

impl Ask {
    /// The body in OpenAI's dialect.
    #[must_use]
    pub fn body(&self) -> Bytes {
        let mut body = format!(r#"{{"model":"{}","messages":[{{"role":"user","content":""#, self.model);
        body.extend((0..self.text).map(|place| if place % 6 == 5 { ' ' } else { 'a' }));
        body.push_str(r#""}]"#);
        // Writing to a string cannot fail.
        if let Some(cap) = self.cap {
            let _ = write!(body, r#","max_tokens":{cap}"#);
        }
        if self.choices > 0 {
            let _ = write!(body, r#","n":{}"#, self.choices);
        }
        if self.stream {
            body.push_str(r#","stream":true"#);
        }
        body.push('}');
        Bytes::from(body)
    }

    /// The request as it arrives.
    #[must_use]
    pub fn incoming(&self, body: Bytes, retry_count: u32) -> Incoming {
        let tags = self.env.map(|env| (Name::new("env"), Name::new(env))).into_iter().collect();
        Incoming {
            surface: Surface::ChatCompletions,
            address: haltline_wire::client::Address::default(),
            dropped: Vec::new(),
            stop: None,
            on_behalf: None,
            presented: Presented::credential(&self.key),
            claims: Claims { user: self.user.clone(), tags, retry_count, ..Claims::default() },
            trace_id: None,
            pass_headers: http::HeaderMap::new(),
            body,
            arrived: Instant::now(),
        }
    }
}

/// Makes a visit; tells each answer to `each`.
pub async fn visit(gateway: &Arc<Gateway>, visit: &Visit, mut each: impl FnMut(Got)) {
    let body = visit.ask.body();
    let mut chance = Chance::new(visit.seed);
    let mut repeated = 0;
    loop {
        let counted = if matches!(visit.manners, Manners::Library { .. }) { repeated } else { 0 };
        let incoming = visit.ask.incoming(body.clone(), counted);
        let Some(delivery) = fetch(gateway, incoming, visit.manners).await else {
            each(Got::Left);
            return;
        };
        let pause = match (&delivery, visit.manners) {
            (Delivery::Problem { .. }, Manners::Naive { times, pause }) if repeated < times => Some(pause),
            (Delivery::Problem { problem, .. }, Manners::Library { times })
                if repeated < times && problem.code.should_retry() =>
            {
                let own = Duration::from_millis(500 << repeated.min(4)) + chance.millis(0..500);
                Some(problem.retry_after.unwrap_or(own))
            }
            _ => None,
        };
        each(read(delivery, visit.manners).await);
        let Some(pause) = pause else { return };
        repeated += 1;
        sleep(pause).await;
    }
}

async fn fetch(gateway: &Arc<Gateway>, incoming: Incoming, manners: Manners) -> Option<Delivery> {
    match manners {
        Manners::Hurried(time) => timeout(time, gateway.submit(incoming)).await.ok(),
        _ => Some(gateway.submit(incoming).await),
    }
}

async fn read(delivery: Delivery, manners: Manners) -> Got {
    let mut watcher = match delivery {
        Delivery::Whole { .. } => return Got::Answer,
        Delivery::Problem { problem, .. } => return Got::Problem(problem.code),
        Delivery::Stream { watcher, .. } => watcher,
    };
    let mut taken = 0;
    loop {
        match watcher.next().await {
            Some(Piece::Events(_)) => taken += 1,
            Some(Piece::Sign { .. }) => {}
            Some(Piece::Complete) => return Got::Answer,
            Some(Piece::Problem { problem, .. }) => return Got::Problem(problem.code),
            Some(Piece::Torn) | None => return Got::Torn,
        }
        match manners {
            Manners::Leaves(after) if taken >= after => return Got::Left,
            Manners::Slow(rest) => sleep(rest).await,
            _ => {}
        }
    }
}
