//! What a world is made of, drawn from its seed: providers and their tempers, budgets and their
//! changes, clients, deaths, steps of the clock.

use crate::budgets::{BudgetPlan, WindowPlan};
use crate::chance::Chance;
use crate::provider::{Honesty, Model, Script, Tariff, Temper};
use crate::site::{SiteKey, SiteProvider};
use crate::workload::{Ask, Manners, Visit};
use haltline_gateway::settings::{Deadlines, HeadroomSettings, OnDisconnect, ProviderKind, StreamSettings};
use haltline_ledger::OnFull;
use haltline_ports::UserClaims;
use haltline_store_embedded::{Crash, DiskFault};
use haltline_types::{Name, Scope, Timestamp, Tokens, Unit};
use std::collections::BTreeMap;
use std::time::Duration;

/// 2026-11-24T00:00:00Z: worlds begin before it, so that midnight passes in many.
const MIDNIGHT: i64 = 1_795_478_400_000;
const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// Everything that is decided beforehand.
pub(crate) struct WorldPlan {
    pub(crate) begin: Timestamp,
    pub(crate) providers: Vec<SiteProvider>,
    pub(crate) tempers: Vec<Temper>,
    pub(crate) keys: Vec<SiteKey>,
    pub(crate) budgets: Vec<BudgetPlan>,
    pub(crate) rebudgets: Vec<(Duration, Vec<BudgetPlan>)>,
    pub(crate) visits: Vec<(Duration, Visit)>,
    pub(crate) deaths: Vec<Death>,
    pub(crate) steps: Vec<(Duration, i64)>,
    pub(crate) tick: Duration,
    pub(crate) deadlines: Deadlines,
    pub(crate) streams: StreamSettings,
    pub(crate) headroom: HeadroomSettings,
}

/// How a life ends before its time.
#[derive(Clone, Debug)]
pub(crate) struct Death {
    pub(crate) trigger: Trigger,
    pub(crate) crash: Crash,
    /// Until the next life.
    pub(crate) pause: Duration,
    /// What the wall clock does meanwhile; back at most.
    pub(crate) step_millis: i64,
    /// Does the next life begin with other budgets?
    pub(crate) rebudgets: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Trigger {
    After(Duration),
    Disk(DiskFault),
}

impl WorldPlan {
    pub(crate) fn draw(seed: u64) -> Self {
        let chance = &mut Chance::of(seed, "world");
        let minutes = chance.within(4..45);
        let length = minutes * 60_000;
        let before_midnight = i64::try_from(chance.within(0..2 * length)).unwrap_or(0);
        let keys = vec![
            SiteKey { name: "app", team: Some("red"), users: UserClaims::Any },
            SiteKey { name: "batch", team: Some("blue"), users: UserClaims::None },
            SiteKey { name: "lab", team: None, users: UserClaims::Listed(vec![Name::new("alice"), Name::new("bob")]) },
        ];
        let providers = providers(&mut Chance::of(seed, "providers"));
        let room = Room::of(seed);
        let mut budgets = budgets(&mut Chance::of(seed, "budgets"), room);
        let mut rebudgets = rebudgets(&mut Chance::of(seed, "rebudgets"), room, &budgets, length);
        if KEYS_WITH_BUDGETS.contains(&(seed % 16)) {
            of_some_keys(&mut Chance::of(seed, "some-keys"), room, &mut budgets, &mut rebudgets);
        }
        Self {
            begin: Timestamp::from_millis(MIDNIGHT - before_midnight),
            tempers: providers.iter().map(|provider| temper(&mut Chance::of(seed, &provider.name))).collect(),
            visits: visits(&mut Chance::of(seed, "visits"), &keys, length),
            deaths: deaths(&mut Chance::of(seed, "deaths"), length),
            steps: steps(&mut Chance::of(seed, "steps"), length),
            tick: chance.millis(1_000..20_000),
            deadlines: Deadlines {
                first_token: chance.millis(2_000..30_000),
                idle: chance.millis(2_000..30_000),
                total: chance.millis(20_000..300_000),
            },
            streams: StreamSettings {
                on_disconnect: if chance.per_mille(600) {
                    OnDisconnect::Continue
                } else {
                    OnDisconnect::Cancel { grace: chance.millis(0..3_000) }
                },
                heartbeat: chance.millis(1_000..10_000),
                ..StreamSettings::default()
            },
            headroom: HeadroomSettings {
                wait: chance.millis(0..8_000),
                min_output_tokens: Tokens::new(chance.within(1..40)),
                default_output_tokens: Tokens::new(chance.within(20..200)),
            },
            providers,
            keys,
            budgets,
            rebudgets,
        }
    }
}

fn providers(chance: &mut Chance) -> Vec<SiteProvider> {
    let mut model = || {
        let input = chance.within(500_000..10_000_000);
        let tariff = Tariff { input, cached: input / chance.within(2..11), output: input * chance.within(2..9) };
        Model { tariff, bytes_per_token: chance.within(1..5) }
    };
    let provider = |name: &str, kind, models| SiteProvider { name: name.to_owned(), kind, models };
    let alpha = BTreeMap::from([("gpt-5-mini".to_owned(), model()), ("gpt-5-nano".to_owned(), model())]);
    let beta = BTreeMap::from([("llama-4".to_owned(), model())]);
    vec![provider("alpha", ProviderKind::OpenAi, alpha), provider("beta", ProviderKind::OpenAiCompatible, beta)]
}

fn temper(chance: &mut Chance) -> Temper {
    let wait = chance.within(1..20);
    let scripts = [
        Script::LimitsRate(None),
        Script::LimitsRate(Some(Duration::from_secs(wait))),
        Script::IsOverloaded,
        Script::Rejects,
        Script::FailsBefore,
        Script::FailsAfterInput,
        Script::FailsAfterOutput,
        Script::RefusesConnection,
        Script::DropsConnection,
        Script::StallsBefore,
        Script::StallsInside,
        Script::Truncates,
        Script::BreaksInside,
        Script::ErrorInside,
        Script::OmitsUsage,
        Script::Crawls,
    ];
    let roughness = chance.within(0..60);
    let latency = chance.within(20..3_000);
    let longest = chance.within(2..90);
    Temper {
        latency_ms: latency..latency * 2,
        token_ms: 0..chance.within(1..300),
        output: 1..longest + 1,
        cached_per_mille: chance.within(0..900),
        extra: chance.within(1..17),
        faults: scripts.into_iter().map(|script| (script, chance.within(0..roughness + 1))).collect(),
        greedy_per_mille: chance.within(0..1_000),
        running_reports_per_mille: chance.within(0..600),
        honesty: Honesty::Honest,
    }
}

/// How large budgets are, beside what a request may cost.
#[derive(Clone, Copy)]
enum Room {
    /// A few requests or a few hundred: budgets refuse, and nearly each hold is synced by itself.
    Narrow,
    /// Many thousand requests: most holds fit the lease of a mark, and a power loss takes them.
    Wide,
}

impl Room {
    /// By the number itself and not by chance, so that the seeds that are kept stay what they were.
    fn of(seed: u64) -> Self {
        if matches!(seed % 8, 2 | 4) { Self::Wide } else { Self::Narrow }
    }

    fn times(self) -> i64 {
        match self {
            Self::Narrow => 1,
            Self::Wide => 500,
        }
    }
}

/// One budget of money for all is always there, and the one for retries.
fn budgets(chance: &mut Chance, room: Room) -> Vec<BudgetPlan> {
    let mut budgets = vec![
        BudgetPlan::retries(10),
        BudgetPlan::money("all-day", Scope::global(), dollars(chance, 100..3_000) * room.times(), WindowPlan::DAY),
    ];
    for place in 0..chance.within(1..6) {
        budgets.push(money(chance, room, &format!("money-{place}")));
    }
    if chance.per_mille(500) {
        let scope = scope(&["user"]);
        let limit = i64::try_from(chance.within(2_000..40_000)).unwrap_or(0) * room.times();
        let window = WindowPlan::Rolling { seconds: i64::try_from(chance.within(60..1_800)).unwrap_or(60) };
        budgets.push(BudgetPlan {
            name: "tokens".into(),
            scope,
            limit,
            unit: Unit::Tokens,
            window,
            on_full: OnFull::Refuse,
            listed: None,
        });
    }
    if chance.per_mille(500) {
        let limit = i64::try_from(chance.within(5..80)).unwrap_or(5) * room.times();
        let scope = scope(&["team"]);
        budgets.push(BudgetPlan {
            name: "requests".into(),
            scope,
            limit,
            unit: Unit::Requests,
            window: WindowPlan::HOUR,
            on_full: OnFull::Refuse,
            listed: None,
        });
    }
    budgets
}

fn money(chance: &mut Chance, room: Room, name: &str) -> BudgetPlan {
    const SCOPES: [&[&str]; 9] = [
        &["global"],
        &["user"],
        &["key"],
        &["team"],
        &["model"],
        &["user", "model"],
        &["tag:env"],
        &["provider"],
        &["endpoint", "team"],
    ];
    let scope = chance.pick(&SCOPES).map_or(Scope::global(), |words| scope(words));
    let rolling = i64::try_from(chance.within(60..2_400)).unwrap_or(60);
    let windows = [
        WindowPlan::Aligned { seconds: 60, offset_minutes: 0 },
        WindowPlan::HOUR,
        WindowPlan::DAY,
        WindowPlan::Aligned { seconds: 3_600, offset_minutes: 330 },
        WindowPlan::Aligned { seconds: 86_400, offset_minutes: 330 },
        WindowPlan::Rolling { seconds: rolling },
    ];
    let window = chance.pick(&windows).copied().unwrap_or(WindowPlan::DAY);
    let mut plan = BudgetPlan::money(name, scope, dollars(chance, 5..1_000) * room.times(), window);
    if chance.per_mille(100) {
        plan.on_full = OnFull::Warn;
    }
    plan
}

/// So many tenths of a cent, in nanodollars.
fn dollars(chance: &mut Chance, mills: std::ops::Range<u64>) -> i64 {
    i64::try_from(chance.within(mills)).unwrap_or(1) * 1_000_000
}

fn scope(words: &[&str]) -> Scope {
    Scope::parse(words.iter().copied()).unwrap_or_default()
}

/// Other limits, other budgets, other scopes under the same name.
fn rebudgets(chance: &mut Chance, room: Room, first: &[BudgetPlan], length: u64) -> Vec<(Duration, Vec<BudgetPlan>)> {
    let mut changes = Vec::new();
    let mut current = first.to_vec();
    for number in 0..chance.within(0..5) {
        for plan in current.iter_mut().filter(|plan| plan.unit != Unit::Retries) {
            if chance.per_mille(500) {
                let percent = i64::try_from(chance.within(20..300)).unwrap_or(100);
                plan.limit = (plan.limit * percent / 100).max(1);
            }
        }
        match chance.within(0..4) {
            0 => current.push(money(chance, room, &format!("later-{number}"))),
            1 => {
                let money: Vec<usize> = (2..current.len()).filter(|place| current[*place].unit == Unit::Usd).collect();
                if let Some(place) = chance.pick(&money) {
                    current.remove(*place);
                }
            }
            2 => {
                if let Some(last) = current.iter_mut().skip(2).rfind(|plan| plan.unit == Unit::Usd) {
                    *last = money(chance, room, &last.name.clone());
                }
            }
            _ => {}
        }
        changes.push((chance.millis(0..length), current.clone()));
    }
    changes.sort_by_key(|(at, _)| *at);
    changes
}

/// In such worlds some keys have budgets of their own. By the number itself and not by chance, so that the
/// seeds that are kept stay what they were.
const KEYS_WITH_BUDGETS: [u64; 7] = [0, 3, 4, 7, 10, 13, 14];

/// Budgets of some keys, of others after each change.
fn of_some_keys(
    chance: &mut Chance,
    room: Room,
    first: &mut Vec<BudgetPlan>,
    rebudgets: &mut [(Duration, Vec<BudgetPlan>)],
) {
    let windows = [WindowPlan::HOUR, WindowPlan::DAY, WindowPlan::Rolling { seconds: 900 }];
    let window = chance.pick(&windows).copied().unwrap_or(WindowPlan::DAY);
    let plan = |chance: &mut Chance| {
        let mut listed = BTreeMap::new();
        for key in ["app", "batch", "lab"] {
            if chance.per_mille(500) {
                listed.insert(key.to_owned(), dollars(chance, 5..400) * room.times());
            }
        }
        let largest = listed.values().copied().max().unwrap_or(1_000_000);
        BudgetPlan { listed: Some(listed), ..BudgetPlan::money("key/window", scope(&["key"]), largest, window) }
    };
    first.push(plan(chance));
    for (_, plans) in rebudgets {
        if chance.per_mille(900) {
            plans.push(plan(chance));
        }
    }
}

fn visits(chance: &mut Chance, keys: &[SiteKey], length: u64) -> Vec<(Duration, Visit)> {
    let count = chance.within(20..160);
    // Some worlds are busy at one moment, some all the time.
    let hurry = chance.within(1..12);
    let mut visits: Vec<(Duration, Visit)> = (0..count)
        .filter_map(|_| {
            let key = chance.pick(keys)?;
            let user = match key.users {
                UserClaims::None => None,
                UserClaims::Any => chance.pick(&USERS).filter(|_| chance.per_mille(900)),
                UserClaims::Listed(_) => chance.pick(&USERS[..2]),
            };
            let models = ["chat", "chat", "alpha/gpt-5-mini", "gpt-5-nano", "beta/llama-4"];
            let ask = Ask {
                key: key.secret(),
                user: user.map(|user| (*user).to_owned()),
                env: [None, Some("prod"), Some("test")][usize::try_from(chance.within(0..3)).unwrap_or(0)],
                model: (*chance.pick(&models)?).to_owned(),
                cap: chance.per_mille(600).then(|| chance.within(1..160)),
                choices: if chance.per_mille(150) { chance.within(1..4) } else { 0 },
                stream: chance.per_mille(500),
                text: usize::try_from(chance.within(1..600)).unwrap_or(1),
            };
            let at = chance.millis(0..length / hurry);
            Some((at, Visit { ask, manners: manners(chance), seed: chance.bits() }))
        })
        .collect();
    visits.sort_by_key(|(at, _)| *at);
    visits
}

fn manners(chance: &mut Chance) -> Manners {
    match chance.within(0..10) {
        0 => Manners::Slow(chance.millis(10..4_000)),
        1 => Manners::Leaves(u32::try_from(chance.within(1..8)).unwrap_or(1)),
        2 => Manners::Hurried(chance.millis(1..4_000)),
        3 | 4 => {
            Manners::Naive { times: u32::try_from(chance.within(1..12)).unwrap_or(1), pause: chance.millis(0..3_000) }
        }
        5 | 6 => Manners::Library { times: 2 },
        _ => Manners::Patient,
    }
}

fn deaths(chance: &mut Chance, length: u64) -> Vec<Death> {
    (0..chance.within(0..5))
        .map(|_| {
            let operation = chance.within(0..400);
            let trigger = match chance.within(0..6) {
                0 | 1 => Trigger::Disk(DiskFault::DiesAt(operation)),
                2 => Trigger::Disk(DiskFault::WriteNoSpace(operation)),
                3 => Trigger::Disk(DiskFault::SyncBroken(operation / 4)),
                _ => Trigger::After(chance.millis(0..length / 2)),
            };
            Death {
                trigger,
                crash: match chance.within(0..4) {
                    0 | 1 => Crash::Kill,
                    2 => Crash::PowerLoss,
                    _ => Crash::PowerLossToSync,
                },
                pause: chance.millis(0..120_000),
                step_millis: if chance.per_mille(200) {
                    -i64::try_from(chance.within(0..90_000)).unwrap_or(0)
                } else {
                    0
                },
                rebudgets: chance.per_mille(200),
            }
        })
        .collect()
}

fn steps(chance: &mut Chance, length: u64) -> Vec<(Duration, i64)> {
    let mut steps: Vec<(Duration, i64)> = (0..chance.within(0..3))
        .map(|_| {
            let far = i64::try_from(chance.within(0..7_200_000)).unwrap_or(0);
            (chance.millis(0..length), if chance.per_mille(500) { far } else { -far })
        })
        .collect();
    steps.sort_by_key(|(at, _)| *at);
    steps
}
