//! Browser sign-ins: a backend exchanges its API key for tokens of one user's browser, which calls
//! the gateway itself from then on. Here: who is signed in, and what an access token proves. The
//! cookie, its headers and cross-origin rules are the surface's matter.
//!
//! A sign-in is a document and stands in memory; what is written is written before it is told, and
//! what is revoked is gone from memory before it is gone from the disk.

mod enter;
mod grant;
mod make;
mod register;
mod revoke;
mod settings;
mod tokens;

pub use enter::{Entered, SignedIn};
pub use make::{BROWSER_BUDGET, MadeSignIn, NewSignIn};
pub use revoke::{Revoked, ShownSignIn, SignInsOf};
pub use settings::{BrowserSettings, SameSite};
pub(crate) use tokens::ACCESS;

use super::{Identity, Presented};
use crate::gateway::Gateway;
use crate::problem::Problem;
use grant::{BrowserTokens, SignIn};
use haltline_ports::{DocumentQuery, Documents, DocumentsError, Shelf};
use haltline_types::{Code, Timestamp};
use parking_lot::{Mutex, RwLock};
use register::Register;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokens::Hash;

/// Documents that are read at once.
const PAGE: usize = 500;
/// Between two sweeps.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// All sign-ins.
pub(crate) struct SignIns {
    documents: Arc<dyn Documents>,
    register: RwLock<Register>,
    /// Are those of an earlier process back?
    are_read: AtomicBool,
    is_reading: AtomicBool,
    swept: Mutex<Timestamp>,
}

impl SignIns {
    pub(crate) fn new(documents: Arc<dyn Documents>) -> Self {
        Self {
            documents,
            register: RwLock::default(),
            are_read: AtomicBool::new(false),
            is_reading: AtomicBool::new(false),
            swept: Mutex::default(),
        }
    }

    /// Reads what earlier processes have written. Gives how many there are.
    async fn read_back(&self, now: Timestamp) -> Result<usize, DocumentsError> {
        let mut query = DocumentQuery::of(Shelf::SignIn, PAGE);
        let mut all = Vec::new();
        loop {
            let page = self.documents.list(query.clone(), now).await?;
            let is_last = page.len() < PAGE;
            query.after = page.last().map(|document| document.id.clone());
            for document in &page {
                match SignIn::read(document) {
                    Some(signed) => all.push(Arc::new(signed)),
                    None => tracing::error!(id = document.id, "a browser sign-in cannot be read, and is over"),
                }
            }
            if is_last {
                break;
            }
        }
        all.sort_by_key(|signed| signed.grant.created);
        let mut register = self.register.write();
        for signed in &all {
            register.enter(signed);
        }
        self.are_read.store(true, Ordering::Release);
        Ok(register.len())
    }

    fn find(&self, hash: &Hash, now: Timestamp) -> Option<Arc<SignIn>> {
        let register = self.register.read();
        let (signed, until) = register.by_access(hash)?;
        (now < *until).then(|| Arc::clone(signed))
    }

    /// Takes other tokens for a sign-in; `false` where it is over.
    fn take(&self, signed: &Arc<SignIn>, tokens: BrowserTokens, gone: &[Hash]) -> bool {
        let mut register = self.register.write();
        if !register.has(signed) {
            return false;
        }
        *signed.tokens.lock() = tokens;
        register.drop_access(gone);
        register.find_by_tokens(signed);
        true
    }

    /// Until those of an earlier process are back, nobody can say who is signed in.
    fn must_be_read(&self) -> Result<(), Problem> {
        if self.are_read.load(Ordering::Acquire) {
            return Ok(());
        }
        let message = "Who is signed in cannot be read at present. Try again in a moment.";
        Err(Problem::new(Code::StoreUnavailable, message))
    }
}

impl Gateway {
    /// What an access token proves. Whatever is wrong with it, the answer is the same.
    pub(crate) fn prove_browser(&self, presented: &Presented, token: &str) -> Result<Identity, Problem> {
        if self.live.load().settings.auth.browser.is_none() {
            return Err(not_valid());
        }
        let hash = self.keys.hash(token);
        let Some(signed) = self.sign_ins.find(&hash, self.clock.now()) else {
            self.sign_ins.must_be_read()?;
            return Err(not_valid());
        };
        let key = self.key_behind(&signed)?;
        if let (Some(granted), Some(origin)) = (&signed.grant.origin, &presented.origin)
            && granted != origin
        {
            return Err(Problem::new(Code::Csrf, "This browser token is another page's."));
        }
        let key = signed.narrow(&key).ok_or_else(not_valid)?;
        let (user, tags) = (Some(signed.user.clone()), signed.tags.clone());
        Ok(Identity { key, user, tags, browser: Some(signed.mark()), issued: None })
    }

    /// The key that a sign-in stands on, as it is now. A browser learns nothing of it but whether it
    /// works.
    fn key_behind(&self, signed: &SignIn) -> Result<Arc<haltline_ports::KeyRecord>, Problem> {
        let key = haltline_ports::KeyRecord::find(&*self.keys, &signed.grant.key_hash, self.clock.now());
        let key = key.ok_or_else(not_valid)?;
        if key.frozen {
            let message = "The app's access is switched off at present. Its operator can switch it on again.";
            return Err(Problem::new(Code::KeyFrozen, message));
        }
        if key.expires.is_some_and(|at| self.clock.now() >= at) {
            return Err(not_valid());
        }
        Ok(key)
    }

    /// The rules of sign-ins, where there are any.
    fn browser_settings(&self) -> Result<BrowserSettings, Problem> {
        self.live.load().settings.auth.browser.clone().ok_or_else(|| {
            let message = "Browsers cannot sign in here: the operator has to write [auth.browser] first.";
            Problem::new(Code::NotFound, message)
        })
    }

    /// The rules of sign-ins in force; none where browsers cannot sign in.
    #[must_use]
    pub fn browser(&self) -> Option<BrowserSettings> {
        self.live.load().settings.auth.browser.clone()
    }

    /// Looks at the rules of sign-ins, without a copy; none where browsers cannot sign in.
    pub fn with_browser_rules<T>(&self, look: impl FnOnce(Option<&BrowserSettings>) -> T) -> T {
        look(self.live.load().settings.auth.browser.as_ref())
    }

    /// What tells the cookies of pages apart that share a gateway: eight hexadecimal digits.
    #[must_use]
    pub fn mark_of_page(&self, origin: &str) -> String {
        let hash = self.keys.hash(&format!("page:{origin}"));
        hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads back who was signed in when the last process ended. What cannot be read is tried again
    /// by `tick`.
    pub(crate) async fn read_sign_ins_back(&self) {
        if self.sign_ins.is_reading.swap(true, Ordering::AcqRel) {
            return;
        }
        match self.sign_ins.read_back(self.clock.now()).await {
            Ok(0) => {}
            Ok(sign_ins) => tracing::info!(sign_ins, "browsers are signed in since the last process"),
            Err(error) => tracing::error!(%error, "who is signed in cannot be read; it is tried again"),
        }
        self.sign_ins.is_reading.store(false, Ordering::Release);
    }

    /// Drops what is over, from time to time.
    pub(crate) fn tick_sign_ins(self: &Arc<Self>, now: Timestamp) {
        if !self.sign_ins.are_read.load(Ordering::Acquire) {
            let gateway = Arc::clone(self);
            self.journeys.spawn(async move { gateway.read_sign_ins_back().await });
            return;
        }
        {
            let mut swept = self.sign_ins.swept.lock();
            if now.since(*swept) < SWEEP_EVERY {
                return;
            }
            *swept = now;
        }
        let idle_for = self.live.load().settings.auth.browser.as_ref().map_or(Duration::MAX, |rules| rules.idle_for);
        let is_over = |signed: &SignIn| signed.is_over(idle_for, now) || !signed.has_key(&*self.keys, now);
        let over = self.sign_ins.register.read().those(is_over);
        if over.is_empty() {
            return;
        }
        let gateway = Arc::clone(self);
        self.journeys.spawn(async move {
            if let Err(error) = gateway.end_sign_ins(&over).await {
                tracing::warn!(%error, "browser sign-ins that are over stay on the disk until they expire there");
            }
        });
    }
}

/// What concerns all users of a key, or its backend.
pub(crate) fn only_backends() -> Problem {
    let message = "This is for backends: present the API key itself, not a token of one of its users.";
    Problem::new(Code::NotForBrowsers, message)
}

/// Whatever is wrong with a browser token.
fn not_valid() -> Problem {
    let message = "This browser token is not good, or no longer. Refresh it, or sign in again.";
    Problem::new(Code::KeyInvalid, message)
}

fn unwritten(error: &DocumentsError) -> Problem {
    tracing::error!(%error, "a browser sign-in cannot be written");
    Problem::new(Code::StoreUnavailable, "The sign-in cannot be written down at present. Try again in a moment.")
}

fn no_chance(error: &std::io::Error) -> Problem {
    tracing::error!(%error, "the system has no randomness");
    Problem::new(Code::Internal, "The gateway cannot make a token at present.")
}
