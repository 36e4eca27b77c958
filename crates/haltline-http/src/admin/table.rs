//! The operator's routes, with what the API document says of each.

use super::dto::{
    Account, AllowedRule, CachePurgeOrder, CacheStanding, DeadLetter, DecideCase, HistoryLine, Key, MadeKey,
    NewAdjustment, NewKey, NewOverride, OpenedDeadLetter, Retried, RetryDeadLetter, ReviewCase, Said, SpendLine,
};
use super::{budgets, cache, dead_letters, keys, review, spend, system, timelines, users};
use crate::openapi::{Answer, Entry, Operation, Parameter, Security, list, one};
use crate::timeline::{Timeline, Timelines};
use axum::routing::{delete, get, post};

const NAME: Parameter = Parameter::path("name", "The name.");

const CASE: Parameter = Parameter::path("id", "The case: grd_…");

const LETTER: Parameter = Parameter::path("id", "The letter.");

/// All of them, below `/admin/v1`.
pub(crate) fn entries() -> Vec<Entry> {
    vec![
        Entry::new(
            "/keys",
            get(keys::list).post(keys::create),
            [
                operation("get", "listKeys", "Keys, without their secrets").answers(list::<Key>()),
                operation("post", "createKey", "Makes a key; the secret is shown this once")
                    .takes(one::<NewKey>())
                    .answers(Answer::json(201, "The key and its secret", one::<MadeKey>())),
            ],
        ),
        Entry::new(
            "/keys/{name}",
            delete(keys::remove),
            [operation("delete", "removeKey", "Removes a key for good")
                .with(NAME)
                .answers(Answer::empty(204, "It is gone"))],
        ),
        Entry::new(
            "/keys/{name}/rotate",
            post(keys::rotate),
            [operation("post", "rotateKey", "Gives a key a new secret").with(NAME).answers(Answer::json(
                200,
                "The key and its new secret",
                one::<MadeKey>(),
            ))],
        ),
        Entry::new(
            "/keys/{name}/freeze",
            post(keys::freeze),
            [operation("post", "freezeKey", "Switches a key off").with(NAME).answers(Answer::json(
                200,
                "The key",
                one::<Key>(),
            ))],
        ),
        Entry::new(
            "/keys/{name}/unfreeze",
            post(keys::unfreeze),
            [operation("post", "unfreezeKey", "Switches a key on again").with(NAME).answers(Answer::json(
                200,
                "The key",
                one::<Key>(),
            ))],
        ),
        Entry::new(
            "/budgets",
            get(budgets::list),
            [operation("get", "listBudgets", "Accounts of all budgets, as they stand").answers(list::<Account>())],
        ),
        Entry::new(
            "/budgets/override",
            post(budgets::limit_override),
            [operation("post", "overrideBudget", "Another limit for a time; audited")
                .takes(one::<NewOverride>())
                .answers(Answer::json(200, "What was done", one::<Said>()))],
        ),
        Entry::new(
            "/budgets/adjust",
            post(budgets::adjust),
            [operation("post", "adjustBudget", "Corrects what an account has spent; audited")
                .takes(one::<NewAdjustment>())
                .answers(Answer::json(200, "What was done", one::<Said>()))],
        ),
        Entry::new(
            "/budgets/{name}/history",
            get(budgets::history),
            [operation("get", "budgetHistory", "Overrides and corrections of a budget")
                .with(NAME)
                .answers(list::<HistoryLine>())],
        ),
        Entry::new(
            "/spend",
            get(spend::show),
            [operation("get", "spend", "What was spent, grouped")
                .with(Parameter::query("by", "key, team, user, model, provider, tag, day; several by commas.", false))
                .with(Parameter::query("since", "From, RFC 3339.", false))
                .with(Parameter::query("until", "To, RFC 3339.", false))
                .answers(list::<SpendLine>())],
        ),
        Entry::new(
            "/generation",
            get(spend::generation),
            [operation("get", "anyGeneration", "The record of any request")
                .with(Parameter::query("id", "The request's id.", true))
                .answers(Answer::json(200, "The record", crate::openapi::any_object()))],
        ),
        Entry::new(
            "/cache",
            get(cache::stats),
            [operation("get", "cacheStats", "How the response cache stands").answers(Answer::json(
                200,
                "How it stands",
                one::<CacheStanding>(),
            ))],
        ),
        Entry::new(
            "/cache/purge",
            post(cache::purge),
            [operation("post", "purgeCache", "Answers with a tag, of a key, or all of them are not given again")
                .takes(one::<CachePurgeOrder>())
                .answers(Answer::json(200, "What was done", one::<Said>()))],
        ),
        Entry::new(
            "/requests/{id}/timeline",
            get(timelines::of_request),
            [operation("get", "anyRequestTimeline", "What happened to any request, step by step")
                .with(Parameter::path("id", "The request's id."))
                .answers(Answer::json(200, "The timeline", one::<Timeline>()))],
        ),
        Entry::new(
            "/sessions/{id}/timeline",
            get(timelines::of_session),
            [paged("anySessionTimeline", "What happened to the requests of a session")
                .with(Parameter::path("id", "The session."))],
        ),
        Entry::new(
            "/traces/{id}",
            get(timelines::of_trace),
            [paged("traceTimeline", "What happened to the requests of a trace")
                .with(Parameter::path("id", "The trace id, 32 hexadecimal digits."))],
        ),
        Entry::new(
            "/streams/{id}",
            get(timelines::stream),
            [operation(
                "get",
                "anyStream",
                "A stream as it was kept: a line about it, then one for each batch of events",
            )
            .with(Parameter::path("id", "The request's id."))
            .with(Parameter::query("after", "The number of the last event that is known.", false))
            .answers(Answer::text("application/x-ndjson", "A page of it"))],
        ),
        Entry::new(
            "/dead-letters",
            get(dead_letters::list),
            [operation("get", "listDeadLetters", "What failed for good, the oldest first")
                .with(Parameter::query("all", "true: those that were sent again, too.", false))
                .with(Parameter::query("after", "The last id of the page before.", false))
                .with(Parameter::query("limit", "1 to 200; 50 unless said.", false))
                .answers(list::<DeadLetter>())],
        ),
        Entry::new(
            "/dead-letters/{id}",
            get(dead_letters::show).delete(dead_letters::discard),
            [
                operation("get", "showDeadLetter", "One of them, with what was tried and what a retry may cost")
                    .with(LETTER)
                    .answers(Answer::json(200, "The letter", one::<OpenedDeadLetter>())),
                operation("delete", "discardDeadLetter", "Removes one for good")
                    .with(LETTER)
                    .answers(Answer::empty(204, "It is gone")),
            ],
        ),
        Entry::new(
            "/dead-letters/{id}/retry",
            post(dead_letters::retry),
            [operation("post", "retryDeadLetter", "Sends one again, as a new job of the same owner")
                .with(LETTER)
                .takes(one::<RetryDeadLetter>())
                .answers(Answer::json(202, "The job that repeats it", one::<Retried>()))],
        ),
        Entry::new(
            "/review",
            get(review::list),
            [operation("get", "listCases", "What guards found, for people to look at; the latest first")
                .with(Parameter::query("state", "open, allowed_once, passed, rule_allowed or confirmed.", false))
                .with(Parameter::query("limit", "50 unless said.", false))
                .answers(list::<ReviewCase>())],
        ),
        Entry::new(
            "/review/rules",
            get(review::rules),
            [operation("get", "listAllowedRules", "Rules that decisions have switched off")
                .answers(list::<AllowedRule>())],
        ),
        Entry::new(
            "/review/rules/{rule}",
            delete(review::restore_rule),
            [operation("delete", "restoreRule", "Switches a rule on again")
                .with(Parameter::path("rule", "The rule."))
                .with(Parameter::query("key", "For this key; else what is off for everybody.", false))
                .answers(Answer::empty(204, "It is on"))],
        ),
        Entry::new(
            "/review/{id}",
            get(review::show),
            [operation("get", "showCase", "One case, without the text itself").with(CASE).answers(Answer::json(
                200,
                "The case",
                one::<ReviewCase>(),
            ))],
        ),
        Entry::new(
            "/review/{id}/reveal",
            post(review::reveal),
            [operation("post", "revealCase", "One case with the text as it was, where it was kept; audited")
                .with(CASE)
                .answers(Answer::json(200, "The case", one::<ReviewCase>()))],
        ),
        Entry::new(
            "/review/{id}/decide",
            post(review::decide),
            [operation(
                "post",
                "decideCase",
                "Lets the text pass once, switches its rules off, or says that the guard was right",
            )
            .with(CASE)
            .takes(one::<DecideCase>())
            .answers(Answer::json(200, "The case", one::<ReviewCase>()))],
        ),
        Entry::new(
            "/users/{user}/forget",
            post(users::forget),
            [operation(
                "post",
                "forgetUser",
                "Removes all that is kept of a user besides the bill: sessions, kept answers, jobs",
            )
            .with(Parameter::path("user", "The user."))
            .answers(Answer::json(200, "What was removed", one::<Said>()))],
        ),
        Entry::new(
            "/store/verify",
            get(system::verify),
            [operation("get", "verifyStore", "Checks the store").answers(Answer::json(
                200,
                "What was found",
                one::<Said>(),
            ))],
        ),
        Entry::new(
            "/reload",
            post(system::reload),
            [operation("post", "reload", "Reads the configuration again").answers(Answer::json(
                200,
                "What was done",
                one::<Said>(),
            ))],
        ),
    ]
}

fn paged(id: &'static str, summary: &'static str) -> Operation {
    operation("get", id, summary)
        .with(Parameter::query("key", "Only this key's.", false))
        .with(Parameter::query("user", "Only this user's.", false))
        .with(Parameter::query("after", "The last request of the page before.", false))
        .with(Parameter::query("limit", "1 to 200; 50 unless said.", false))
        .with(Parameter::query("order", "asc, the oldest first, unless desc is said.", false))
        .answers(Answer::json(200, "The timelines", one::<Timelines>()))
}

fn operation(method: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(method, id, summary, "Admin", Security::Operator)
}
