//! The operator's routes, with what the API document says of each.

use super::dto::{
    Account, AdminDto, AllowedRule, AuditEntry, AuditReport, CachePurgeOrder, CacheStanding, ChangedKey, DeadLetter,
    DecideCase, HistoryLine, Key, LeakedKey, LeakedReport, MadeAdmin, MadeKey, NewAdjustment, NewAdmin, NewKey,
    NewOverride, OpenedDeadLetter, Retried, RetryDeadLetter, ReviewCase, RevokeSignIns, RotatedKey, Said, SignIn,
    SpendLine,
};
use super::{
    admins, audit, budgets, cache, dead_letters, keys, leaked, review, sign_ins, spend, system, timelines, users,
};
use crate::openapi::{Answer, Entry, Operation, Parameter, Security, list, one};
use crate::timeline::{Timeline, Timelines};
use axum::routing::{delete, get, post};
use haltline_ports::Role;

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
                operation("get", "listKeys", "Keys, without their secrets").needs(Role::Viewer).answers(list::<Key>()),
                operation("post", "createKey", "Makes a key; the secret is shown this once")
                    .needs(Role::Owner)
                    .acts("key.create")
                    .takes(one::<NewKey>())
                    .answers(Answer::json(201, "The key and its secret", one::<MadeKey>())),
            ],
        ),
        Entry::new(
            "/keys/{name}",
            get(keys::show).patch(keys::set).delete(keys::remove),
            [
                operation("get", "showKey", "A key, and when it was last used")
                    .needs(Role::Viewer)
                    .with(NAME)
                    .answers(Answer::json(200, "The key", one::<Key>())),
                operation("patch", "changeKey", "Other rules for a key; what is not named stays")
                    .needs(Role::Owner)
                    .acts("key.set")
                    .with(NAME)
                    .takes(one::<ChangedKey>())
                    .answers(Answer::json(200, "The key", one::<Key>())),
                operation("delete", "removeKey", "Removes a key for good")
                    .needs(Role::Owner)
                    .acts("key.remove")
                    .with(NAME)
                    .answers(Answer::empty(204, "It is gone")),
            ],
        ),
        Entry::new(
            "/keys/leaked",
            post(leaked::report),
            [operation(
                "post",
                "reportLeakedKeys",
                "Which keys these secrets are, what was done with them, and what now",
            )
            .needs(Role::Operator)
            .acts("key.leaked")
            .takes(one::<LeakedReport>())
            .answers(list::<LeakedKey>())],
        ),
        Entry::new(
            "/keys/{name}/rotate",
            post(keys::rotate),
            [operation("post", "rotateKey", "Gives a key a new secret")
                .needs(Role::Operator)
                .acts("key.rotate")
                .with(NAME)
                .takes(one::<RotatedKey>())
                .answers(Answer::json(200, "The key and its new secret", one::<MadeKey>()))],
        ),
        Entry::new(
            "/keys/{name}/freeze",
            post(keys::freeze),
            [operation("post", "freezeKey", "Switches a key off")
                .needs(Role::Operator)
                .acts("key.freeze")
                .with(NAME)
                .answers(Answer::json(200, "The key", one::<Key>()))],
        ),
        Entry::new(
            "/keys/{name}/unfreeze",
            post(keys::unfreeze),
            [operation("post", "unfreezeKey", "Switches a key on again")
                .needs(Role::Operator)
                .acts("key.thaw")
                .with(NAME)
                .answers(Answer::json(200, "The key", one::<Key>()))],
        ),
        Entry::new(
            "/budgets",
            get(budgets::list),
            [operation("get", "listBudgets", "Accounts of all budgets, as they stand")
                .needs(Role::Viewer)
                .answers(list::<Account>())],
        ),
        Entry::new(
            "/budgets/override",
            post(budgets::limit_override),
            [operation("post", "overrideBudget", "Another limit for a time; audited")
                .needs(Role::Operator)
                .acts("budget.override")
                .takes(one::<NewOverride>())
                .answers(Answer::json(200, "What was done", one::<Said>()))],
        ),
        Entry::new(
            "/budgets/adjust",
            post(budgets::adjust),
            [operation("post", "adjustBudget", "Corrects what an account has spent; audited")
                .needs(Role::Operator)
                .acts("budget.adjust")
                .takes(one::<NewAdjustment>())
                .answers(Answer::json(200, "What was done", one::<Said>()))],
        ),
        Entry::new(
            "/budgets/{name}/history",
            get(budgets::history),
            [operation("get", "budgetHistory", "Overrides and corrections of a budget")
                .needs(Role::Viewer)
                .with(NAME)
                .answers(list::<HistoryLine>())],
        ),
        Entry::new(
            "/spend",
            get(spend::show),
            [operation("get", "spend", "What was spent, grouped")
                .needs(Role::Viewer)
                .with(Parameter::query("by", "key, team, user, model, provider, tag, day; several by commas.", false))
                .with(Parameter::query("since", "From, RFC 3339.", false))
                .with(Parameter::query("until", "To, RFC 3339.", false))
                .answers(list::<SpendLine>())],
        ),
        Entry::new(
            "/generation",
            get(spend::generation),
            [operation("get", "anyGeneration", "The record of any request")
                .needs(Role::Viewer)
                .with(Parameter::query("id", "The request's id.", true))
                .answers(Answer::json(200, "The record", crate::openapi::any_object()))],
        ),
        Entry::new(
            "/cache",
            get(cache::stats),
            [operation("get", "cacheStats", "How the response cache stands")
                .needs(Role::Viewer)
                .answers(Answer::json(200, "How it stands", one::<CacheStanding>()))],
        ),
        Entry::new(
            "/cache/purge",
            post(cache::purge),
            [operation("post", "purgeCache", "Answers with a tag, of a key, or all of them are not given again")
                .needs(Role::Operator)
                .acts("cache.purge")
                .takes(one::<CachePurgeOrder>())
                .answers(Answer::json(200, "What was done", one::<Said>()))],
        ),
        Entry::new(
            "/requests/{id}/timeline",
            get(timelines::of_request),
            [operation("get", "anyRequestTimeline", "What happened to any request, step by step")
                .needs(Role::Viewer)
                .with(Parameter::path("id", "The request's id."))
                .answers(Answer::json(200, "The timeline", one::<Timeline>()))],
        ),
        Entry::new(
            "/sessions/{id}/timeline",
            get(timelines::of_session),
            [paged("anySessionTimeline", "What happened to the requests of a session")
                .needs(Role::Viewer)
                .with(Parameter::path("id", "The session."))],
        ),
        Entry::new(
            "/traces/{id}",
            get(timelines::of_trace),
            [paged("traceTimeline", "What happened to the requests of a trace")
                .needs(Role::Viewer)
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
            .needs(Role::Owner)
            .acts("stream.reveal")
            .with(Parameter::path("id", "The request's id."))
            .with(Parameter::query("after", "The number of the last event that is known.", false))
            .answers(Answer::text("application/x-ndjson", "A page of it"))],
        ),
        Entry::new(
            "/dead-letters",
            get(dead_letters::list),
            [operation("get", "listDeadLetters", "What failed for good, the oldest first")
                .needs(Role::Viewer)
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
                    .needs(Role::Operator)
                    .with(LETTER)
                    .answers(Answer::json(200, "The letter", one::<OpenedDeadLetter>())),
                operation("delete", "discardDeadLetter", "Removes one for good")
                    .needs(Role::Operator)
                    .acts("dead-letter.discard")
                    .with(LETTER)
                    .answers(Answer::empty(204, "It is gone")),
            ],
        ),
        Entry::new(
            "/dead-letters/{id}/retry",
            post(dead_letters::retry),
            [operation("post", "retryDeadLetter", "Sends one again, as a new job of the same owner")
                .needs(Role::Operator)
                .acts("dead-letter.retry")
                .with(LETTER)
                .takes(one::<RetryDeadLetter>())
                .answers(Answer::json(202, "The job that repeats it", one::<Retried>()))],
        ),
        Entry::new(
            "/review",
            get(review::list),
            [operation("get", "listCases", "What guards found, for people to look at; the latest first")
                .needs(Role::Viewer)
                .with(Parameter::query("state", "open, allowed_once, passed, rule_allowed or confirmed.", false))
                .with(Parameter::query("limit", "50 unless said.", false))
                .answers(list::<ReviewCase>())],
        ),
        Entry::new(
            "/review/rules",
            get(review::rules),
            [operation("get", "listAllowedRules", "Rules that decisions have switched off")
                .needs(Role::Viewer)
                .answers(list::<AllowedRule>())],
        ),
        Entry::new(
            "/review/rules/{rule}",
            delete(review::restore_rule),
            [operation("delete", "restoreRule", "Switches a rule on again")
                .needs(Role::Operator)
                .acts("review.restore")
                .with(Parameter::path("rule", "The rule."))
                .with(Parameter::query("key", "For this key; else what is off for everybody.", false))
                .answers(Answer::empty(204, "It is on"))],
        ),
        Entry::new(
            "/review/{id}",
            get(review::show),
            [operation("get", "showCase", "One case, without the text itself")
                .needs(Role::Viewer)
                .with(CASE)
                .answers(Answer::json(200, "The case", one::<ReviewCase>()))],
        ),
        Entry::new(
            "/review/{id}/reveal",
            post(review::reveal),
            [operation("post", "revealCase", "One case with the text as it was, where it was kept; audited")
                .needs(Role::Owner)
                .acts("review.reveal")
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
            .needs(Role::Operator)
            .acts("review.decide")
            .with(CASE)
            .takes(one::<DecideCase>())
            .answers(Answer::json(200, "The case", one::<ReviewCase>()))],
        ),
        Entry::new(
            "/sign-ins",
            get(sign_ins::list),
            [operation("get", "listSignIns", "Browsers that are signed in")
                .needs(Role::Viewer)
                .with(Parameter::query("key", "Only this key's.", false))
                .with(Parameter::query("user", "Only this user's.", false))
                .with(Parameter::query("after", "The last id of the page before.", false))
                .with(Parameter::query("limit", "1 to 500; 100 unless said.", false))
                .answers(list::<SignIn>())],
        ),
        Entry::new(
            "/sign-ins/revoke",
            post(sign_ins::revoke),
            [operation("post", "revokeSignIns", "Signs browsers out: a user's, a key's, one, or all")
                .needs(Role::Operator)
                .acts("sign-in.revoke")
                .takes(one::<RevokeSignIns>())
                .answers(Answer::json(200, "What was done", one::<Said>()))],
        ),
        Entry::new(
            "/users/{user}/forget",
            post(users::forget),
            [operation(
                "post",
                "forgetUser",
                "Removes all that is kept of a user besides the bill: sessions, kept answers, jobs",
            )
            .needs(Role::Owner)
            .acts("user.forget")
            .with(Parameter::path("user", "The user."))
            .answers(Answer::json(200, "What was removed", one::<Said>()))],
        ),
        Entry::new(
            "/admins",
            get(admins::list).post(admins::create),
            [
                operation("get", "listAdmins", "Administrators, without their secrets")
                    .needs(Role::Viewer)
                    .answers(list::<AdminDto>()),
                operation("post", "createAdmin", "Makes an administrator; the secret is shown this once")
                    .needs(Role::Owner)
                    .acts("admin.create")
                    .takes(one::<NewAdmin>())
                    .answers(Answer::json(201, "The administrator and the secret", one::<MadeAdmin>())),
            ],
        ),
        Entry::new(
            "/admins/{name}",
            delete(admins::remove),
            [operation("delete", "removeAdmin", "Removes an administrator")
                .needs(Role::Owner)
                .acts("admin.remove")
                .with(NAME)
                .answers(Answer::empty(204, "It is gone"))],
        ),
        Entry::new(
            "/admins/{name}/rotate",
            post(admins::rotate),
            [operation("post", "rotateAdmin", "Gives an administrator a new secret; the old one ends at once")
                .needs(Role::Owner)
                .acts("admin.rotate")
                .with(NAME)
                .answers(Answer::json(200, "The administrator and the new secret", one::<MadeAdmin>()))],
        ),
        Entry::new(
            "/audit",
            get(audit::list),
            [operation("get", "audit", "What administrators did, the oldest first")
                .needs(Role::Operator)
                .with(Parameter::query("since", "From, RFC 3339.", false))
                .with(Parameter::query("by", "Only this administrator's.", false))
                .with(Parameter::query("what", "Only this kind, or all that begin so: `key.`.", false))
                .with(Parameter::query("after", "The last number of the page before.", false))
                .with(Parameter::query("limit", "1 to 500; 100 unless said.", false))
                .answers(list::<AuditEntry>())],
        ),
        Entry::new(
            "/audit/verify",
            get(audit::verify),
            [operation("get", "verifyAudit", "Adds up the audit log's seals again")
                .needs(Role::Operator)
                .answers(Answer::json(200, "What was found", one::<AuditReport>()))],
        ),
        Entry::new(
            "/store/verify",
            get(system::verify),
            [operation("get", "verifyStore", "Checks the store").needs(Role::Operator).answers(Answer::json(
                200,
                "What was found",
                one::<Said>(),
            ))],
        ),
        Entry::new(
            "/reload",
            post(system::reload),
            [operation("post", "reload", "Reads the configuration again")
                .needs(Role::Owner)
                .acts("config.reload")
                .answers(Answer::json(200, "What was done", one::<Said>()))],
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
