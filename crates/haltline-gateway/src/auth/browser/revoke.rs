//! Ending sign-ins: by user, by key, or all, at once. And showing who is signed in.

use super::grant::SignIn;
use super::unwritten;
use crate::auth::Presented;
use crate::gateway::Gateway;
use crate::problem::Problem;
use haltline_ports::{Document, DocumentsError, Owner, Shelf};
use haltline_types::{Code, Name, NanoUsd, Timestamp};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// Sign-ins that are shown at once, at most.
const SHOWN_MAX: usize = 500;

/// Whose sign-ins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignInsOf {
    /// Of this key only.
    pub key: Option<Name>,
    /// Of this user only.
    pub user: Option<Name>,
    /// This one only.
    pub id: Option<String>,
}

/// What was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Sign-ins that were ended.
    pub sign_ins: usize,
    /// Answers under way that were stopped and jobs that were cancelled, of whoever was signed in.
    pub stopped: usize,
}

/// A sign-in as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownSignIn {
    /// `sgn_…`.
    pub id: String,
    /// Whose key granted it.
    pub key: Name,
    /// For whom.
    pub user: Name,
    /// Models that it is narrowed to.
    pub models: Vec<String>,
    /// The page that it is for.
    pub origin: Option<String>,
    /// Its own budget.
    pub budget: Option<NanoUsd>,
    /// When it was granted.
    pub created: Timestamp,
    /// When it was granted, exchanged or refreshed last.
    pub used: Timestamp,
    /// When it ends.
    pub ends: Timestamp,
    /// Has a browser exchanged the code?
    pub is_entered: bool,
}

impl SignInsOf {
    /// Is it one of these?
    #[must_use]
    pub fn has(&self, shown: &ShownSignIn) -> bool {
        self.concerns(&shown.id, &shown.key, &shown.user)
    }

    fn has_signed(&self, signed: &SignIn) -> bool {
        self.concerns(&signed.grant.id, &signed.grant.key, &signed.grant.user)
    }

    fn concerns(&self, id: &str, key: &str, user: &str) -> bool {
        self.key.as_ref().is_none_or(|named| **named == *key)
            && self.user.as_ref().is_none_or(|named| **named == *user)
            && self.id.as_ref().is_none_or(|named| *named == *id)
    }
}

/// As the audit log names them.
impl fmt::Display for SignInsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [("user", self.user.as_deref()), ("key", self.key.as_deref()), ("id", self.id.as_deref())];
        let named: Vec<String> =
            named.into_iter().filter_map(|(what, name)| name.map(|name| format!("{what} {name}"))).collect();
        if named.is_empty() { f.write_str("all") } else { f.write_str(&named.join(", ")) }
    }
}

impl ShownSignIn {
    /// As it stands in the store; `None` where that is not ours.
    #[must_use]
    pub fn read(document: &Document) -> Option<Self> {
        SignIn::read(document).map(|signed| shown(&signed))
    }
}

impl Gateway {
    /// Ends sign-ins. No token of theirs is good when this begins to wait. `stop`: also what their
    /// users have under way with the same key, jobs included.
    ///
    /// # Errors
    /// When they cannot be ended on the disk too: a restart would bring them back.
    pub async fn revoke_sign_ins(self: &Arc<Self>, whose: &SignInsOf, stop: bool) -> Result<Revoked, Problem> {
        self.sign_ins.must_be_read()?;
        let (gateway, whose) = (Arc::clone(self), whose.clone());
        let task = self.journeys.spawn(async move {
            let ended = gateway.sign_ins.register.read().those(|signed| whose.has_signed(signed));
            let done = gateway.end_sign_ins(&ended).await;
            let stopped = if stop { gateway.stop_of(&ended).await } else { 0 };
            done.map(|()| Revoked { sign_ins: ended.len(), stopped }).map_err(|error| {
                unwritten(&error);
                let message = "They are signed out now, but that is not written down: a restart would bring them back. Do it again.";
                Problem::new(Code::StoreUnavailable, message)
            })
        });
        task.await
            .unwrap_or_else(|_| Err(Problem::new(Code::Internal, "Not everybody may be signed out. Do it again.")))
    }

    /// A backend ends sign-ins of its own key: a user's, or all of them.
    ///
    /// # Errors
    /// When the key may not be used, and as `revoke_sign_ins`.
    pub async fn revoke_own_sign_ins(
        self: &Arc<Self>,
        presented: &Presented,
        user: Option<&str>,
    ) -> Result<Revoked, Problem> {
        let key = self.backend_key(presented)?;
        let whose = SignInsOf { key: Some(key.name.clone()), user: user.map(Name::new), id: None };
        self.revoke_sign_ins(&whose, false).await
    }

    /// Who is signed in, by key, user and age; those after the one of this id.
    ///
    /// # Errors
    /// When that is not known yet.
    pub fn sign_ins(&self, whose: &SignInsOf, after: Option<&str>, limit: usize) -> Result<Vec<ShownSignIn>, Problem> {
        self.sign_ins.must_be_read()?;
        let mut all = self.sign_ins.register.read().those(|signed| whose.has_signed(signed));
        all.sort_by(|a, b| a.grant.id.cmp(&b.grant.id));
        let rest = all.iter().filter(|signed| after.is_none_or(|after| signed.grant.id.as_str() > after));
        Ok(rest.take(limit.min(SHOWN_MAX)).map(|signed| shown(signed)).collect())
    }

    /// Drops sign-ins from memory, then from the disk.
    pub(super) async fn end_sign_ins(&self, ended: &[Arc<SignIn>]) -> Result<(), DocumentsError> {
        {
            let mut register = self.sign_ins.register.write();
            for signed in ended {
                register.remove(&signed.grant.id);
            }
        }
        let ids = ended.iter().map(|signed| signed.grant.id.clone()).collect();
        self.sign_ins.documents.remove(Shelf::SignIn, ids).await.map(|_| ())
    }

    /// Ends those of a key that was removed, or of a user that is forgotten.
    pub(crate) async fn end_sign_ins_of(&self, key: Option<&Name>, user: Option<&Name>) {
        let whose = SignInsOf { key: key.cloned(), user: user.cloned(), id: None };
        let ended = self.sign_ins.register.read().those(|signed| whose.has_signed(signed));
        if let Err(error) = self.end_sign_ins(&ended).await {
            tracing::error!(%error, "browser sign-ins are ended, but stay on the disk until they expire there");
        }
    }

    async fn stop_of(&self, ended: &[Arc<SignIn>]) -> usize {
        let owners: BTreeSet<Owner> = ended.iter().map(|signed| signed.grant.owner()).collect();
        let mut stopped = 0;
        // Jobs first: one whose answer is stopped would be tried again.
        for owner in &owners {
            match self.cancel_jobs_of_key(&owner.key, owner.user.as_ref()).await {
                Ok(jobs) => stopped += jobs,
                Err(problem) => {
                    tracing::error!(why = problem.message, "not all jobs of who was signed out are cancelled");
                }
            }
        }
        let running = self.registry.all_of(|_, asked| owners.contains(&asked.owner));
        running.iter().for_each(|live| live.stop());
        stopped + running.len()
    }
}

fn shown(signed: &SignIn) -> ShownSignIn {
    let (grant, tokens) = (&signed.grant, signed.tokens.lock());
    let Owner { key, .. } = grant.owner();
    ShownSignIn {
        id: grant.id.clone(),
        key,
        user: signed.user.clone(),
        models: grant.models.clone(),
        origin: grant.origin.clone().or_else(|| tokens.page.clone()),
        budget: grant.budget.map(NanoUsd::new),
        created: Timestamp::from_millis(grant.created),
        used: Timestamp::from_millis(tokens.used),
        ends: grant.ends_at(),
        is_entered: tokens.refresh.is_some(),
    }
}
