//! Identify: who is calling, and for whom may it speak?

use crate::auth::{Identity, Presented};
use crate::gateway::Gateway;
use crate::incoming::{Claims, Incoming};
use crate::problem::Problem;
use haltline_ports::{KeyRecord, Owner, RouteGroup, UserClaims};
use haltline_types::{Code, Name, Subjects};
use std::sync::Arc;

/// A caller whose key was checked.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) key: Arc<KeyRecord>,
    /// The user, as far as the key allows the claim; none is an account of its own.
    pub(crate) user: Option<Name>,
    pub(crate) session: Option<Name>,
    pub(crate) tags: Vec<(Name, Name)>,
}

/// Checks the credential and the claims made in headers.
pub(crate) fn identify(gateway: &Gateway, presented: &Presented, claims: &Claims) -> Result<Caller, Problem> {
    with_claims(prove(gateway, presented)?, claims)
}

/// The caller of a request, whether it presents a credential or is made on behalf of somebody.
pub(crate) fn caller(gateway: &Gateway, incoming: &Incoming) -> Result<Caller, Problem> {
    match &incoming.on_behalf {
        Some(identity) => {
            let key = check_record(gateway, Arc::clone(&identity.key))?;
            // A job is made on the routes of jobs, and is a request of another kind when it runs.
            check_route(&key, incoming.surface.routes())?;
            with_claims(identity.clone(), &incoming.claims)
        }
        None => identify(gateway, &incoming.presented, &incoming.claims),
    }
}

/// Whose things a request is about.
pub(crate) fn owner_of(gateway: &Gateway, incoming: &Incoming) -> Result<Owner, Problem> {
    caller(gateway, incoming).map(|caller| caller.owner())
}

/// The same of a request without a body.
pub(crate) fn identified_owner(gateway: &Gateway, presented: &Presented, claims: &Claims) -> Result<Owner, Problem> {
    identify(gateway, presented, claims).map(|caller| caller.owner())
}

fn with_claims(identity: Identity, claims: &Claims) -> Result<Caller, Problem> {
    let Identity { key, user, tags: proved } = identity;
    let is_proved = user.is_some();
    let user = match (&key.users, &claims.user) {
        _ if is_proved => user,
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
    let mut tags = proved;
    for (name, value) in &claims.tags {
        if !tags.iter().any(|(known, _)| known == name) {
            tags.push((name.clone(), value.clone()));
        }
    }
    tags.sort();
    Ok(Caller { user, session: claims.session.as_deref().map(Name::new), tags, key })
}

/// What a credential proves, if it may be used now.
pub(crate) fn prove(gateway: &Gateway, presented: &Presented) -> Result<Identity, Problem> {
    let Some(secret) = presented.text() else {
        return Err(Problem::new(
            Code::AuthMissing,
            "Send an API key: `Authorization: Bearer hl-live-…`. `haltline key create NAME` makes one.",
        ));
    };
    let hash = gateway.keys.hash(secret);
    let Some(key) = KeyRecord::find(&*gateway.keys, &hash, gateway.clock.now()) else {
        return Err(Problem::new(
            Code::KeyInvalid,
            "This gateway does not know the key. Is it one of Haltline's (hl-live-…), and complete?",
        ));
    };
    let key = check_record(gateway, key)?;
    check_place(gateway, &key, presented)?;
    Ok(Identity::of_key(key))
}

/// May the key be used on these routes and from there? Notes when it was.
pub(crate) fn check_place(gateway: &Gateway, key: &KeyRecord, presented: &Presented) -> Result<(), Problem> {
    gateway.key_uses.note(&key.name, gateway.clock.now(), presented.from);
    if let Some(route) = presented.route {
        check_route(key, route)?;
    }
    if key.rules.allows_address(presented.from) {
        return Ok(());
    }
    // Not which networks it may come from: whoever has stolen a key must not learn where to go.
    let message = format!("The key \"{}\" may not be used from this address.", key.name);
    Err(Problem::new(Code::AddressNotAllowed, message))
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
    if key.frozen {
        return Err(Problem::new(
            Code::KeyFrozen,
            format!("The key \"{}\" is frozen; an operator can thaw it.", key.name),
        ));
    }
    if key.expires.is_some_and(|at| gateway.clock.now() >= at) {
        return Err(Problem::new(
            Code::KeyExpired,
            format!("The key \"{}\" has expired; ask for a new one.", key.name),
        ));
    }
    Ok(key)
}

impl Caller {
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
