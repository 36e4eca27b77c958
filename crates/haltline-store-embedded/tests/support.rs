//! Budgets, subjects and stores for the tests of this binary.

use haltline_ledger::{Applies, Budget, Budgets, OnFull, Window, Zone};
use haltline_store_embedded::{EmbeddedStore, OpenError, Options, Recovered, SimDisk, Threads};
use haltline_types::{AttemptId, Demand, NanoUsd, RequestId, Scope, Subjects, Timestamp, Tokens};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// 2026-11-24T10:00:00Z.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_795_514_400);

pub(crate) fn budget(name: &str, scope: &[&str], limit: &str, window: &str) -> Budget {
    Budget {
        name: name.into(),
        scope: Scope::parse(scope.iter().copied()).expect("scope"),
        limit: limit.parse().expect("limit"),
        window: Window::parse(window, &Zone::utc()).expect("window"),
        on_full: OnFull::Refuse,
        applies: Applies::ToAll,
    }
}

/// Money for all and for each user, tokens in a rolling window, requests.
pub(crate) fn budgets() -> Budgets {
    Budgets::new(vec![
        budget("all-day", &["global"], "$1", "day"),
        budget("user-day", &["user"], "$0.40", "day"),
        budget("user-tokens", &["user"], "2000 tokens", "24h"),
        budget("team-requests", &["team"], "400 requests", "day"),
    ])
    .expect("budgets")
}

pub(crate) fn subjects(user: &str) -> Arc<Subjects> {
    Arc::new(Subjects { user: Some(user.into()), team: Some("red".into()), ..Subjects::default() })
}

pub(crate) fn attempt(number: u128) -> AttemptId {
    AttemptId { request: RequestId::from_u128(number), number: 1 }
}

/// So many nanodollars and tokens, one request.
pub(crate) fn demand(nanodollars: i64, tokens: u64) -> Demand {
    Demand { usd: NanoUsd::new(nanodollars), tokens: Tokens::new(tokens), requests: 1, retries: 0 }
}

pub(crate) fn options(disk: &SimDisk) -> Options {
    let pepper = Some([7; 32]);
    Options { segment_bytes: 4096, pepper, ..Options::on(Arc::new(disk.clone()), Threads::None) }
}

pub(crate) fn open(disk: &SimDisk, now: Timestamp) -> Result<(Arc<EmbeddedStore>, Recovered), OpenError> {
    EmbeddedStore::open(options(disk), budgets(), now)
}

/// Without threads every future is done when it is first asked.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("a store without threads waits for nobody"),
    }
}

/// A splitmix64 sequence.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    pub(crate) fn amount(&mut self, bound: i64) -> i64 {
        i64::try_from(self.below(u64::try_from(bound).expect("positive"))).expect("fits")
    }
}
