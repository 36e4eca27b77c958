//! Identify: who is calling, and for whom may it speak?

use crate::auth::note::IdentityNote;
use crate::auth::{Identity, OfBrowser, Presented, browser};
use crate::gateway::Gateway;
use crate::incoming::{Claims, Incoming};
use crate::problem::Problem;
use haltline_ports::{KeyRecord, Keys, Owner, RouteGroup, UserClaims};
use haltline_types::{Code, Name, Subjects, Timestamp};
use std::sync::Arc;

/// A caller whose key was checked.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) key: Arc<KeyRecord>,
    /// The user, as far as the key allows the claim; none is an account of its own.
    pub(crate) user: Option<Name>,
    pub(crate) session: Option<Name>,
    pub(crate) tags: Vec<(Name, Name)>,
    /// What of it the credential itself has proved, where it names its user.
    pub(crate) proved: Option<Proved>,
}

/// What a credential says of its user.
#[derive(Clone, Debug)]
pub(crate) struct Proved {
    user: Name,
    tags: Vec<(Name, Name)>,
    browser: Option<OfBrowser>,
}

/// Checks the credential and the claims made in headers.
pub(crate) fn identify(gateway: &Gateway, presented: &Presented, claims: &Claims) -> Result<Caller, Problem> {
    with_claims(prove(gateway, presented)?, claims)
}

/// The caller of a request, whether it presents a credential or is made on behalf of somebody.
pub(crate) fn caller(gateway: &Gateway, incoming: &Incoming) -> Result<Caller, Problem> {
    let caller = match &incoming.on_behalf {
        Some(identity) => {
            check_record(gateway, Arc::clone(&identity.key))?;
            with_claims(identity.clone(), &incoming.claims)?
        }
        None => identify(gateway, &incoming.presented, &incoming.claims)?,
    };
    // Whatever the address was: what is asked for decides. A job is made on the routes of jobs, and is a request of
    // another kind when it runs.
    check_route(&caller.key, incoming.surface.routes())?;
    Ok(caller)
}

/// Whose things a request without a body is about.
pub(crate) fn identified_owner(gateway: &Gateway, presented: &Presented, claims: &Claims) -> Result<Owner, Problem> {
    identify(gateway, presented, claims).map(|caller| caller.owner())
}

fn with_claims(identity: Identity, claims: &Claims) -> Result<Caller, Problem> {
    let Identity { key, user, tags: proved_tags, browser, issued: _ } = identity;
    let proved = user.map(|user| Proved { user, tags: proved_tags.clone(), browser });
    let user = match (&key.users, &claims.user) {
        _ if proved.is_some() => proved.as_ref().map(|proved| proved.user.clone()),
        (UserClaims::None, _) => Some(key.name.clone()),
        (UserClaims::Any, Some(user)) => Some(Name::new(user)),
        (UserClaims::Listed(users), Some(user)) => {
            let known = users.iter().find(|known| ***known == **user).cloned();
            Some(known.ok_or_else(|| {
                Problem::new(
                    Code::InvalidRequest,
                    format!("The key \"{}\" may not speak for the user `{user}`; the operator lists its users with `haltline key create --users`.", key.name),
                )
                .about("x-haltline-user")
            })?)
        }
        (UserClaims::Listed(_) | UserClaims::Any, None) => None,
    };
    let mut tags = proved_tags;
    for (name, value) in &claims.tags {
        if !tags.iter().any(|(known, _)| known == name) {
            tags.push((name.clone(), value.clone()));
        }
    }
    tags.sort();
    Ok(Caller { user, session: claims.session.as_deref().map(Name::new), tags, proved, key })
}

/// What a credential proves, if it may be used now.
pub(crate) fn prove(gateway: &Gateway, presented: &Presented) -> Result<Identity, Problem> {
    let Some(secret) = presented.text() else {
        return Err(Problem::new(
            Code::AuthMissing,
            "Send an API key: `Authorization: Bearer hl-live-…`. `haltline key create NAME` makes one.",
        ));
    };
    if secret.starts_with(browser::ACCESS) {
        let identity = gateway.prove_browser(presented, secret)?;
        // The networks of a key are where its backend stands; browsers are elsewhere.
        if let Some(route) = presented.route {
            check_route(&identity.key, route)?;
        }
        return Ok(identity);
    }
    let now = gateway.clock.now();
    if haltline_jwt::looks_like_a_token(secret) {
        return gateway.live.load().issuers.prove(secret, now, &gateway.metrics);
    }
    let identity = of_key(gateway.keys.as_ref(), secret, now)?;
    check_place(gateway, &identity.key, presented)?;
    Ok(identity)
}

/// What an API key proves.
pub(crate) fn of_key(keys: &dyn Keys, secret: &str, now: Timestamp) -> Result<Identity, Problem> {
    let Some(key) = KeyRecord::find(keys, &keys.hash(secret), now) else {
        return Err(Problem::new(
            Code::KeyInvalid,
            "This gateway does not know the key. Is it one of Haltline's (hl-live-…), and complete?",
        ));
    };
    usable(key, now).map(Identity::of_key)
}

/// May the key be used on these routes and from there? Notes when it was.
pub(crate) fn check_place(gateway: &Gateway, key: &KeyRecord, presented: &Presented) -> Result<(), Problem> {
    gateway.key_uses.note(&key.name, gateway.clock.now(), presented.from);
    // First, and not which networks it may come from: whoever has stolen a key must not learn what it is good for.
    if !key.rules.allows_address(presented.from) {
        let message = format!("The key \"{}\" may not be used from this address.", key.name);
        return Err(Problem::new(Code::AddressNotAllowed, message));
    }
    presented.route.map_or(Ok(()), |route| check_route(key, route))
}

fn check_route(key: &KeyRecord, route: RouteGroup) -> Result<(), Problem> {
    if key.rules.allows_route(route) {
        return Ok(());
    }
    let words: Vec<&str> = key.rules.routes.iter().map(|route| route.word()).collect();
    let message =
        format!("The key \"{}\" may not use the `{route}` routes; it may use {}.", key.name, words.join(", "));
    Err(Problem::new(Code::RouteNotAllowed, message))
}

/// A key that is known, if it may be used now.
pub(crate) fn check_record(gateway: &Gateway, key: Arc<KeyRecord>) -> Result<Arc<KeyRecord>, Problem> {
    usable(key, gateway.clock.now())
}

fn usable(key: Arc<KeyRecord>, now: Timestamp) -> Result<Arc<KeyRecord>, Problem> {
    if key.frozen {
        return Err(Problem::new(
            Code::KeyFrozen,
            format!("The key \"{}\" is frozen; an operator can thaw it.", key.name),
        ));
    }
    if key.expires.is_some_and(|at| now >= at) {
        return Err(Problem::new(
            Code::KeyExpired,
            format!("The key \"{}\" has expired; ask for a new one.", key.name),
        ));
    }
    Ok(key)
}

impl Caller {
    /// Does a credential of one user ask, a browser's or of an identity provider, or was it one that began this?
    pub(crate) fn is_of_user(&self) -> bool {
        self.proved.is_some()
    }

    /// What its credential has proved, for work that nobody presents it for again.
    pub(crate) fn identity(&self) -> Identity {
        let key = Arc::clone(&self.key);
        match &self.proved {
            Some(Proved { user, tags, browser }) => {
                let (user, tags, browser) = (Some(user.clone()), tags.clone(), browser.clone());
                Identity { key, user, tags, browser, issued: None }
            }
            None => Identity::of_key(key),
        }
    }

    /// What must be written down of it beside its key's name, for work that outlives its request.
    pub(crate) fn note(&self) -> Option<IdentityNote> {
        let proved = self.proved.as_ref()?;
        Some(IdentityNote::of(&self.key, &proved.user, &proved.tags, proved.browser.as_ref()))
    }

    /// As it is known to what is kept for it: by the key, and by the user that a header names. A
    /// body's `user` is not there when the answer is asked for again.
    pub(crate) fn owner(&self) -> Owner {
        Owner { key: self.key.name.clone(), user: self.user.clone() }
    }

    /// What is known of whom the request is for before it was understood.
    pub(crate) fn subjects(&self) -> Subjects {
        Subjects {
            team: self.key.team.clone(),
            tier: self.key.tier.clone(),
            key: Some(self.key.name.clone()),
            user: self.user.clone(),
            session: self.session.clone(),
            tags: self.tags.clone(),
            browser_token: self
                .proved
                .as_ref()
                .and_then(|proved| proved.browser.as_ref()?.counted.as_deref())
                .map(Name::new),
            ..Subjects::default()
        }
    }

    /// Takes the conversation that the body names where no header did: `useChat`'s chat, Claude
    /// Code's session, a metadata field.
    pub(crate) fn or_session_of_body(mut self, session: Option<String>) -> Self {
        let fits = |session: &String| !session.is_empty() && session.len() <= 256;
        self.session = self.session.or_else(|| session.filter(fits).map(|session| Name::new(&session)));
        self
    }

    /// Takes the body's `user` field where no header named one: a fallback that counts only as far
    /// as the key allows, and is otherwise ignored because applications put anything there.
    pub(crate) fn or_user_of_body(mut self, user: Option<&str>) -> Self {
        if let (None, Some(user)) = (&self.user, user.filter(|user| !user.is_empty() && user.len() <= 256)) {
            self.user = match &self.key.users {
                UserClaims::Any => Some(Name::new(user)),
                UserClaims::Listed(users) => users.iter().find(|known| &***known == user).cloned(),
                UserClaims::None => None,
            };
        }
        self
    }
}
