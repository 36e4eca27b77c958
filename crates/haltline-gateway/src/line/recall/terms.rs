//! On what terms a request uses the response cache: whether at all, under which key, shared with
//! whom, and for how long. Not a stage: the deciding half of `recall`.

use super::Bypassed;
use crate::cache::{CacheKey, CacheMode, Parts, Tenant, marks_of};
use crate::line::accept::Request;
use crate::settings::{CachePer, CacheSettings};
use haltline_guard::output::OutputRules;
use haltline_policy::cache::Mark;
use haltline_types::Name;
use haltline_wire::client::ClientRequest;
use haltline_wire::normal::normal_form;
use std::time::Duration;

/// The terms.
pub(super) struct Terms {
    pub(super) mode: CacheMode,
    pub(super) key: CacheKey,
    /// What can invalidate the answer.
    pub(super) marks: Vec<Mark>,
    pub(super) ttl: Duration,
    /// Zero where no old answer may stand in.
    pub(super) stale_for: Duration,
}

impl Terms {
    /// `None` where nobody has asked for the cache.
    pub(super) fn of(
        settings: &CacheSettings,
        rules: &OutputRules,
        request: &Request,
        is_elsewhere: bool,
    ) -> Result<Option<Self>, Bypassed> {
        let ask = &request.cache;
        let is_covered = settings.covers(&request.model);
        let mode = match ask.mode {
            CacheMode::Unsaid if is_covered => CacheMode::On,
            CacheMode::Unsaid => return Ok(None),
            CacheMode::Off => return Err(Bypassed),
            mode if is_covered || settings.by_header => mode,
            _ => return Err(Bypassed),
        };
        if is_elsewhere || settings.bytes_max == 0 {
            return Err(Bypassed);
        }
        // A request may share with fewer, never with more.
        let widest = settings.per.unwrap_or(usual(request));
        let per = ask.per.map_or(widest, |per| per.max(widest));
        let nobody = Name::new("");
        let subjects = &request.subjects;
        let tenant = Tenant::sharing(per, subjects.team.as_ref(), subjects.key.as_ref().unwrap_or(&nobody));
        Ok(Some(Self {
            mode,
            key: key(request, per, &tenant, rules),
            marks: marks_of(&tenant, &ask.tags),
            ttl: ask.ttl.map_or(settings.ttl, |ttl| ttl.min(settings.ttl)),
            stale_for: if settings.stale_on_failure { settings.stale_for } else { Duration::ZERO },
        }))
    }
}

/// Among whom answers are shared where the operator says nothing. Whoever can ask whether an answer
/// is kept learns whether somebody else has asked: users of one key must not learn that of each
/// other.
const fn usual(request: &Request) -> CachePer {
    if request.speaks_for_several { CachePer::User } else { CachePer::Tenant }
}

/// What makes two requests the same: whom the answer is shared with, the way and the form in which
/// it is given, everything that decides about it, and where it may be asked for. Which endpoints
/// those are is a part of it: a key that may not use a model does not get its answers, and a model
/// that leads elsewhere after a change of the configuration is another one.
fn key(request: &Request, per: CachePer, tenant: &Tenant, rules: &OutputRules) -> CacheKey {
    let mut parts = Parts::new("haltline cache 1");
    // What other rules let pass is not given again.
    if !rules.is_empty() {
        parts.add(b"screened");
        parts.add(rules.version().as_bytes());
    }
    parts.tenant(tenant);
    let user = request.subjects.user.as_deref();
    match per {
        CachePer::User => {
            parts.add(b"user");
            parts.add_optional(user);
        }
        CachePer::Tenant | CachePer::Everyone => parts.add(b"shared"),
    }
    // A response that is to be kept under its id belongs to one owner.
    if let ClientRequest::Responses(asked) = &*request.asked
        && asked.store() != Some(false)
    {
        parts.add(b"kept for");
        parts.add_optional(request.subjects.key.as_deref());
        parts.add_optional(user);
    }
    let address = request.address();
    parts.add(format!("{:?}", request.surface()).as_bytes());
    parts.add(&[
        u8::from(request.asked.stream()),
        u8::from(request.asked.stream() && request.asked.usage_wanted()),
        u8::from(address.leave_hosted_tools_out),
    ]);
    parts.add(request.model.as_bytes());
    for model in request.routing.models().iter().take(1) {
        for target in &model.targets {
            parts.add(target.endpoint.provider.as_bytes());
            parts.add(target.endpoint.model.as_bytes());
        }
    }
    let mut headers: Vec<(&str, &[u8])> =
        request.pass_headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    headers.sort_unstable();
    for (name, value) in headers {
        parts.add(name.as_bytes());
        parts.add(value);
    }
    let mut normal = Vec::new();
    normal_form(request.asked.dialect(), request.body(), &mut normal);
    parts.add(&normal);
    CacheKey(parts.end())
}
