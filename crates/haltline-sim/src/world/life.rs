//! One life of the node, from its start to its end, natural or not.

use super::World;
use super::draw::{Death, Trigger};
use crate::budgets;
use crate::node::{Node, NodeParts};
use crate::site;
use crate::workload;
use haltline_ledger::Balance;
use haltline_ports::Clock;
use haltline_store_embedded::{Crash, DiskFault, SimDisk, Start, verify_disk};
use haltline_types::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// Journeys that last longer than this after the last client left do not end at all.
const PATIENCE: Duration = Duration::from_secs(1_200);

pub(super) struct Life<'w> {
    pub(super) world: &'w World,
    pub(super) disk: SimDisk,
    pub(super) death: Option<&'w Death>,
}

/// How a life ended.
#[derive(Debug)]
pub(super) enum End {
    /// All clients have had their answers, and everything adds up.
    Over,
    /// It was told to die.
    Killed,
    /// The disk or the store died under it.
    Died,
    /// It did not come to life.
    CannotStart(String),
    /// The auditor found something.
    Violated,
}

impl Life<'_> {
    pub(super) async fn live(self) -> End {
        let world = self.world;
        world.clock.begin_life();
        let end = self.live_on().await;
        world.clock.end_life();
        end
    }

    async fn live_on(&self) -> End {
        let world = self.world;
        if let Some(fault) = self.death.and_then(Death::disk_fault) {
            self.disk.inject(fault);
        }
        let node = match Node::start(self.parts()).await {
            Ok(node) => Arc::new(node),
            Err(why) => return End::CannotStart(why),
        };
        world.log.note(
            world.clock.elapsed(),
            format_args!(
                "life {:?} {} open, {} torn",
                node.recovered.start,
                node.recovered.open.len(),
                node.recovered.torn
            ),
        );
        let killed = async {
            match self.death.map(|death| death.trigger) {
                Some(Trigger::After(time)) => sleep(time).await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = world.auditor.alarm() => End::Violated,
            () = node.death() => End::Died,
            () = killed => End::Killed,
            () = self.operate(&node) => End::Violated,
            end = self.serve(&node) => end,
        }
    }

    fn parts(&self) -> NodeParts {
        let world = self.world;
        let plans = world.state.lock().plans.clone();
        let mut settings = site::settings(&world.plan.providers, haltline_ledger::Budgets::none());
        settings.deadlines = world.plan.deadlines;
        settings.streams = world.plan.streams;
        settings.headroom = world.plan.headroom;
        NodeParts {
            settings,
            plans,
            providers: world.providers.clone(),
            keys: world.plan.keys.clone(),
            clock: Arc::clone(&world.clock),
            auditor: Some(Arc::clone(&world.auditor)),
            disk: self.disk.clone(),
            seed: world.seed ^ world.clock.elapsed().as_secs(),
        }
    }

    /// Lets the clients in, and waits until all is quiet.
    async fn serve(&self, node: &Arc<Node>) -> End {
        let world = self.world;
        let mut clients = JoinSet::new();
        let answers = Arc::new(parking_lot::Mutex::new(Vec::new()));
        loop {
            let next = world.state.lock().next_visit;
            let Some((at, visit)) = world.plan.visits.get(next) else { break };
            sleep(at.saturating_sub(world.clock.elapsed())).await;
            world.state.lock().next_visit = next + 1;
            let (gateway, visit) = (Arc::clone(&node.gateway), visit.clone());
            let (log, clock, answers) = (Arc::clone(&world.log), Arc::clone(&world.clock), Arc::clone(&answers));
            clients.spawn(async move {
                workload::visit(&gateway, &visit, |got| {
                    log.note(clock.elapsed(), format_args!("client {next} {got:?}"));
                    answers.lock().push(format!("{got:?}"));
                })
                .await;
            });
        }
        while clients.join_next().await.is_some() {}
        let stuck = node.quiet(PATIENCE).await;
        for answer in answers.lock().drain(..) {
            *world.state.lock().answers.entry(answer).or_default() += 1;
        }
        if stuck > 0 {
            world.auditor.violate(format!("{stuck} journeys do not end"));
            return End::Violated;
        }
        self.close(node).await
    }

    /// Everything is over: it must add up, now and after an orderly stop.
    async fn close(&self, node: &Node) -> End {
        let world = self.world;
        let now = world.clock.now();
        let balances = node.balances(now);
        world.auditor.compare(&balances, now);
        world.auditor.quiet(&balances);
        let plans = world.state.lock().plans.clone();
        let Ok(budgets) = budgets::to_ledger(&plans) else { return End::Violated };
        if self.disk.is_dead() {
            return End::Died;
        }
        match verify_disk(&self.disk, budgets, now) {
            Ok(report) if same(&report.balances, &balances) && report.open_holds == 0 => {}
            Ok(report) => world.auditor.violate(format!(
                "the journal says {:?} with {} open, the ledger {balances:?}",
                report.balances, report.open_holds
            )),
            Err(error) => world.auditor.violate(format!("the journal does not verify: {error}")),
        }
        if node.close(now).is_err() {
            return End::Died;
        }
        // A fault of the disk that was planned for later does not come any more.
        let disk = self.disk.restart(Crash::Kill);
        match Node::start(NodeParts { disk, ..self.parts() }).await {
            Ok(again) if again.recovered.start == Start::Clean && same(&again.balances(now), &balances) => {}
            Ok(again) => world.auditor.violate(format!(
                "after an orderly stop: {:?}, {:?} instead of {balances:?}",
                again.recovered,
                again.balances(now)
            )),
            Err(why) => world.auditor.violate(format!("does not start after an orderly stop: {why}")),
        }
        if world.auditor.violations().is_empty() { End::Over } else { End::Violated }
    }

    /// What happens besides requests: ticks of the store, other budgets, steps of the clock.
    async fn operate(&self, node: &Node) {
        let world = self.world;
        let mut tick = Instant::now() + world.plan.tick;
        let mut steps = world.plan.steps.iter().filter(|(at, _)| *at > world.clock.elapsed());
        let mut step = steps.next();
        loop {
            let (rebudget, place) = {
                let state = world.state.lock();
                (world.plan.rebudgets.get(state.next_rebudget), state.next_rebudget)
            };
            let until = |at: Option<Duration>| async move {
                match at {
                    Some(at) => sleep(at.saturating_sub(world.clock.elapsed())).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = until(rebudget.map(|(at, _)| *at)) => {
                    let Some((_, plans)) = rebudget else { continue };
                    world.state.lock().next_rebudget = place + 1;
                    let taken = node.rebudget(plans.clone()).await;
                    world.log.note(world.clock.elapsed(), format_args!("rebudget {taken:?}"));
                    let mut state = world.state.lock();
                    if taken.is_ok() {
                        state.plans.clone_from(plans);
                        state.rebudgets += 1;
                    }
                }
                () = until(step.map(|(at, _)| *at)) => {
                    if let Some((_, millis)) = step {
                        world.clock.step(*millis);
                        world.log.note(world.clock.elapsed(), format_args!("clock steps {millis} ms"));
                    }
                    step = steps.next();
                }
                () = sleep_until(tick) => {
                    tick = Instant::now() + world.plan.tick;
                    // A store that has stopped says so by itself.
                    let _ = node.tick(world.clock.now());
                }
            }
        }
    }
}

/// Balances that are replayed, against those of a ledger that has run: that one has forgotten the
/// rolling accounts of which nothing is left but what a power loss may have taken from any account.
fn same(replayed: &[Balance], running: &[Balance]) -> bool {
    let forgotten = |balance: &&Balance| balance.account.window == Timestamp::default() && balance.held.value() == 0;
    let missing = |balance: &&Balance| !running.contains(balance);
    running.iter().all(|balance| replayed.contains(balance))
        && replayed.iter().filter(missing).all(|balance| forgotten(&balance))
}

impl Death {
    fn disk_fault(&self) -> Option<DiskFault> {
        match self.trigger {
            Trigger::After(_) => None,
            Trigger::Disk(fault) => Some(fault),
        }
    }
}
