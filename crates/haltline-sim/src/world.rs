//! A world: one node with its providers and clients, from one seed. It lives, dies and lives again
//! on the same disk, until all clients have had their answers; then everything must add up.

mod draw;
mod life;

use crate::auditor::{Auditor, Seen};
use crate::budgets::{self, BudgetPlan};
use crate::clock::SimClock;
use crate::log::EventLog;
use crate::node::virtual_time;
use crate::provider::{Observer, SimProvider};
use draw::{Death, WorldPlan};
use haltline_ports::Clock;
use haltline_store_embedded::{Crash, OpenError, SimDisk, verify_disk};
use haltline_wire::fault::BillingRules;
use life::{End, Life};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::sync::Arc;

/// How a world went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The hash of everything that happened: the same for the same seed.
    pub hash: u64,
    /// How many lines that was.
    pub lines: u64,
    /// What the auditor saw.
    pub seen: Seen,
    /// Lives that ended with a kill or a store that had stopped.
    pub kills: u32,
    /// Lives that ended with a power loss.
    pub power_losses: u32,
    /// Configurations that were taken while running.
    pub rebudgets: u32,
    /// What clients got, by word.
    pub answers: BTreeMap<String, u64>,
}

/// Something that was promised does not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which world.
    pub seed: u64,
    /// What does not hold.
    pub violations: Vec<String>,
    /// The last things that happened.
    pub tail: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} breaks the promise:", self.seed)?;
        for violation in self.violations.iter().take(10) {
            writeln!(f, "  {violation}")?;
        }
        write!(f, "the last events:\n{}", self.tail)
    }
}

impl std::error::Error for Failure {}

/// What goes on from life to life.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) plan: WorldPlan,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) log: Arc<EventLog>,
    pub(crate) auditor: Arc<Auditor>,
    pub(crate) providers: Vec<Arc<SimProvider>>,
    pub(crate) state: Mutex<State>,
}

pub(crate) struct State {
    pub(crate) plans: Vec<BudgetPlan>,
    pub(crate) next_visit: usize,
    pub(crate) next_rebudget: usize,
    pub(crate) rebudgets: u32,
    pub(crate) answers: BTreeMap<String, u64>,
}

/// Runs the world of a seed.
///
/// # Errors
/// What does not hold.
pub fn run(seed: u64) -> Result<Report, Failure> {
    let world = World::new(seed);
    let outcome = world.live();
    let violations = world.auditor.violations();
    let state = world.state.lock();
    match outcome {
        Ok((kills, power_losses)) if violations.is_empty() => Ok(Report {
            hash: world.log.hash(),
            lines: world.log.lines(),
            seen: world.auditor.seen(),
            kills,
            power_losses,
            rebudgets: state.rebudgets,
            answers: state.answers.clone(),
        }),
        outcome => {
            let violations = violations.into_iter().chain(outcome.err()).collect();
            Err(Failure { seed, violations, tail: world.log.tail() })
        }
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let plan = WorldPlan::draw(seed);
        let clock = Arc::new(SimClock::new(plan.begin));
        let log = Arc::new(EventLog::default());
        let auditor = Arc::new(Auditor::new(Arc::clone(&clock), Arc::clone(&log)));
        let mut providers = Vec::new();
        for (site, temper) in plan.providers.iter().zip(&plan.tempers) {
            let rules = match site.kind {
                haltline_gateway::settings::ProviderKind::OpenAi => BillingRules::OpenAi,
                _ => BillingRules::Compatible,
            };
            let observer = Arc::clone(&auditor) as Arc<dyn Observer>;
            let provider = SimProvider::new(&site.name, seed, rules, site.models.clone(), temper.clone(), observer);
            providers.push(Arc::new(provider));
        }
        let state = Mutex::new(State {
            plans: plan.budgets.clone(),
            next_visit: 0,
            next_rebudget: 0,
            rebudgets: 0,
            answers: BTreeMap::new(),
        });
        Self { seed, plan, clock, log, auditor, providers, state }
    }

    /// All lives. Returns how many ended with a kill, and with a power loss.
    fn live(&self) -> Result<(u32, u32), String> {
        let mut disk = SimDisk::new(self.seed);
        let (mut kills, mut power_losses) = (0, 0);
        let mut deaths = self.plan.deaths.iter();
        loop {
            let death = deaths.next();
            let runtime = virtual_time().map_err(|error| error.to_string())?;
            let end = runtime.block_on(Life { world: self, disk: disk.clone(), death }.live());
            if let End::Over = end {
                return Ok((kills, power_losses));
            }
            let crash = match (&end, death) {
                (End::Violated, _) => return Err("the auditor has found something".to_owned()),
                (End::CannotStart(why), None) => return Err(format!("the node does not start: {why}")),
                (_, Some(Death { crash, .. })) => *crash,
                (_, None) => Crash::Kill,
            };
            match crash {
                Crash::Kill => kills += 1,
                Crash::PowerLoss | Crash::PowerLossToSync => power_losses += 1,
            }
            self.log.note(self.clock.elapsed(), format_args!("{crash:?} {end:?}"));
            self.auditor.crashed(crash);
            // First the disk, then the process: what ends with it can write nothing more.
            disk = disk.restart(crash);
            self.log.in_any_order(|| drop(runtime));
            if let Some(death) = death {
                self.clock.pass(death.pause);
                match (&end, crash) {
                    (End::Killed, Crash::Kill) => self.clock.step(death.step_millis),
                    // Nobody but the journal knows whether it has the latest times: what was being written
                    // may stand in it, and what was not synced may be lost. A clock that shows an earlier
                    // time than that would leave it to chance which windows it is in.
                    _ => self.clock.catch_up(self.auditor.latest()),
                }
                self.maybe_rebudget(death);
            }
            self.verify(&disk)?;
        }
    }

    /// The operator has changed the configuration while nothing ran.
    fn maybe_rebudget(&self, death: &Death) {
        let mut state = self.state.lock();
        if death.rebudgets
            && let Some((_, plans)) = self.plan.rebudgets.get(state.next_rebudget)
        {
            state.plans = plans.clone();
            state.next_rebudget += 1;
        }
    }

    /// Everything on the disk is as it was written.
    fn verify(&self, disk: &SimDisk) -> Result<(), String> {
        let plans = self.state.lock().plans.clone();
        let ledgers = budgets::to_ledger(&plans)?;
        match verify_disk(disk, ledgers, self.clock.now()) {
            Ok(_) => Ok(()),
            // A process that died before it had written anything leaves no journal.
            Err(OpenError::Io { error, .. }) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(format!("the disk does not verify: {error}")),
        }
    }
}
