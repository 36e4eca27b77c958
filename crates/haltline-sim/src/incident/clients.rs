//! The clients of an incident: each calls so many times, with a pause between, whatever it is answered.

use super::scenario::Scenario;
use crate::chance::Chance;
use crate::provider::SimProvider;
use crate::workload::Ask;
use futures_util::StreamExt;
use haltline_gateway::{Delivery, Gateway};
use haltline_ports::Call;
use haltline_types::{AttemptId, ModelName, RequestId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// What clients got: how often each status.
pub(super) type Statuses = BTreeMap<u16, u64>;

/// What each client asks for.
pub(super) fn ask(scenario: &Scenario, model: &str, user: u64) -> Ask {
    Ask {
        key: String::new(),
        user: Some(format!("user-{user}")),
        env: None,
        model: model.to_owned(),
        cap: Some(scenario.clients.max_tokens.get()),
        choices: 0,
        stream: false,
        text: usize::try_from(scenario.clients.input_tokens.get().saturating_mul(4)).unwrap_or(usize::MAX),
    }
}

/// The clients straight at the provider.
pub(super) async fn without(scenario: &Scenario, provider: &Arc<SimProvider>, endpoint: &ModelName) -> Statuses {
    let mut clients = JoinSet::new();
    for user in 0..scenario.clients.users {
        let body = ask(scenario, &endpoint.model, user).body();
        let (provider, endpoint, plan) = (Arc::clone(provider), endpoint.clone(), scenario.clients.clone());
        let begin = begin(scenario, user);
        clients.spawn(async move {
            let mut statuses = Statuses::new();
            sleep(begin).await;
            for number in 0..plan.calls_per_user {
                let request = RequestId::from_parts(number, u128::from(user));
                let call = Call {
                    endpoint: endpoint.clone(),
                    target: "/chat/completions".to_owned(),
                    headers: http::HeaderMap::new(),
                    body: body.clone(),
                    stream: false,
                    affinity: None,
                };
                let status = match provider.serve(AttemptId { request, number: 1 }, call).await {
                    Ok(mut answer) => {
                        while answer.body.next().await.is_some_and(|piece| piece.is_ok()) {}
                        answer.status.as_u16()
                    }
                    Err(fault) => fault.status.unwrap_or(0),
                };
                *statuses.entry(status).or_default() += 1;
                sleep(plan.pause).await;
            }
            statuses
        });
    }
    together(clients).await
}

/// The same clients, with the gateway between.
pub(super) async fn with(scenario: &Scenario, gateway: &Arc<Gateway>, secret: &str, model: &str) -> Statuses {
    let mut clients = JoinSet::new();
    for user in 0..scenario.clients.users {
        let ask = Ask { key: secret.to_owned(), ..ask(scenario, model, user) };
        let (gateway, plan) = (Arc::clone(gateway), scenario.clients.clone());
        let begin = begin(scenario, user);
        clients.spawn(async move {
            let body = ask.body();
            let mut statuses = Statuses::new();
            sleep(begin).await;
            for _ in 0..plan.calls_per_user {
                let status = match gateway.submit(ask.incoming(body.clone(), 0)).await {
                    Delivery::Problem { problem, .. } => problem.code.status(),
                    Delivery::Whole { .. } | Delivery::Stream { .. } => 200,
                };
                *statuses.entry(status).or_default() += 1;
                sleep(plan.pause).await;
            }
            statuses
        });
    }
    together(clients).await
}

fn begin(scenario: &Scenario, user: u64) -> Duration {
    let within = u64::try_from(scenario.clients.begin_within.as_millis()).unwrap_or(u64::MAX);
    Chance::of_number(scenario.seed, u128::from(user)).millis(0..within)
}

async fn together(mut clients: JoinSet<Statuses>) -> Statuses {
    let mut all = Statuses::new();
    while let Some(joined) = clients.join_next().await {
        for (status, count) in joined.unwrap_or_default() {
            *all.entry(status).or_default() += count;
        }
    }
    all
}

/// Ends the outage in time.
pub(super) async fn recover(scenario: &Scenario, providers: &[Arc<SimProvider>]) {
    sleep(scenario.outage.lasts).await;
    for provider in providers {
        provider.set_temper(scenario.well());
    }
    std::future::pending::<()>().await;
}
