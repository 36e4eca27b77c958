//! A node with one provider, for tests that know beforehand what happens.

use haltline_gateway::settings::{ProviderKind, Settings};
use haltline_ledger::Budgets;
use haltline_ports::{Clock, UserClaims};
use haltline_sim::auditor::Auditor;
use haltline_sim::budgets::BudgetPlan;
use haltline_sim::clock::SimClock;
use haltline_sim::log::EventLog;
use haltline_sim::node::{Node, NodeParts};
use haltline_sim::provider::{Bill, Ending, Model, Observer, SimProvider, Tariff, Temper};
use haltline_sim::site::{self, SiteKey, SiteProvider};
use haltline_sim::workload::{self, Ask, Got, Manners, Visit};
use haltline_store_embedded::SimDisk;
use haltline_types::{AttemptId, ModelName, Timestamp};
use haltline_wire::fault::BillingRules;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// One cent in nanodollars.
pub(crate) const CENT: i64 = 10_000_000;
/// One dollar in nanodollars.
pub(crate) const DOLLAR: i64 = 100 * CENT;
/// 2026-11-24T00:00:00Z.
const BEGIN: Timestamp = Timestamp::from_secs(1_795_478_400);

pub(crate) struct Stage {
    pub(crate) node: Arc<Node>,
    pub(crate) provider: Arc<SimProvider>,
    pub(crate) auditor: Arc<Auditor>,
    pub(crate) clock: Arc<SimClock>,
}

/// Is the auditor to watch?
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watched {
    Yes,
    /// The provider lies, and the auditor would say so.
    No,
}

struct Blind;

impl Observer for Blind {
    fn arrived(&self, _: AttemptId, _: &ModelName, _: Bill) {}
    fn billed(&self, _: AttemptId, _: Bill) {}
    fn ended(&self, _: AttemptId, _: Ending) {}
}

impl Stage {
    /// One provider `alpha` with one model `gpt-5-mini`; `chat` leads there.
    pub(crate) async fn set(
        tariff: Tariff,
        temper: Temper,
        plans: Vec<BudgetPlan>,
        watched: Watched,
        adjust: impl FnOnce(&mut Settings),
    ) -> Self {
        let clock = Arc::new(SimClock::new(BEGIN));
        clock.begin_life();
        let auditor = Arc::new(Auditor::new(Arc::clone(&clock), Arc::new(EventLog::default())));
        let models = BTreeMap::from([("gpt-5-mini".to_owned(), Model { tariff, bytes_per_token: 4 })]);
        let site = SiteProvider { name: "alpha".to_owned(), kind: ProviderKind::OpenAi, models: models.clone() };
        let observer: Arc<dyn Observer> = match watched {
            Watched::Yes => Arc::clone(&auditor) as Arc<dyn Observer>,
            Watched::No => Arc::new(Blind),
        };
        let provider = Arc::new(SimProvider::new("alpha", 1, BillingRules::OpenAi, models, temper, observer));
        let mut settings = site::settings(&[site], Budgets::none());
        adjust(&mut settings);
        let parts = NodeParts {
            settings,
            plans,
            providers: vec![Arc::clone(&provider)],
            keys: vec![SiteKey { name: "app", team: Some("red"), users: UserClaims::Any }],
            clock: Arc::clone(&clock),
            auditor: (watched == Watched::Yes).then(|| Arc::clone(&auditor)),
            disk: SimDisk::new(1),
            seed: 1,
        };
        let node = Arc::new(Node::start(parts).await.expect("a node"));
        Self { node, provider, auditor, clock }
    }

    /// All these at once; what each got.
    pub(crate) async fn visits(&self, visits: Vec<Visit>) -> Vec<Got> {
        let mut clients = JoinSet::new();
        for visit in visits {
            let gateway = Arc::clone(&self.node.gateway);
            clients.spawn(async move {
                let mut got = Vec::new();
                workload::visit(&gateway, &visit, |one| got.push(one)).await;
                got
            });
        }
        clients.join_all().await.into_iter().flatten().collect()
    }

    /// Nothing is under way, nothing held, and the auditor has found nothing. Returns what was billed.
    pub(crate) async fn settled(&self) -> i64 {
        assert_eq!(self.node.quiet(Duration::from_secs(1_000)).await, 0, "journeys that do not end");
        let now = self.clock.now();
        self.auditor.quiet(&self.node.balances(now));
        assert_eq!(self.auditor.violations(), Vec::<String>::new());
        self.provider.totals().nano
    }

    /// What the ledger has charged to a budget, over all subjects.
    pub(crate) fn spent(&self, budget: &str) -> i64 {
        let balances = self.node.balances(self.clock.now());
        balances.iter().filter(|balance| *balance.account.budget == *budget).map(|balance| balance.spent.value()).sum()
    }
}

/// A request for `chat` by a user.
pub(crate) fn ask(user: &str, text: usize, cap: Option<u64>) -> Ask {
    Ask {
        key: "secret-app".to_owned(),
        user: Some(user.to_owned()),
        env: None,
        model: "chat".to_owned(),
        cap,
        choices: 0,
        stream: false,
        text,
    }
}

pub(crate) fn patient(ask: Ask) -> Visit {
    Visit { ask, manners: Manners::Patient, seed: 1 }
}
