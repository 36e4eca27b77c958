//! What a browser does by itself: exchange its code, refresh, look, and leave. Each refresh token is
//! used once. The one before it gives, for a moment, the same successor, because two tabs may refresh
//! at once; anything else that names a sign-in and is not its token means that two have it, and ends
//! it.

use super::grant::{ACCESS_MAX, BEFORE_MAX, BrowserTokens, HexHash, SignIn, Timed};
use super::tokens::{ACCESS, CODE, Refresh};
use super::{BrowserSettings, no_chance, not_valid, unwritten};
use crate::auth::secret::new_secret;
use crate::gateway::Gateway;
use crate::problem::Problem;
use haltline_types::{Code, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// What a browser gets.
#[derive(Clone)]
pub struct Entered {
    /// `hl-web-…`.
    pub token: String,
    /// When it ends.
    pub expires: Timestamp,
    /// `hl-refresh-…`: for the cookie only.
    pub refresh: String,
    /// How long the cookie is good.
    pub refresh_for: Duration,
    /// What the page repeats in a header when it uses the cookie.
    pub csrf: String,
    /// When the sign-in ends, however often it is refreshed.
    pub ends: Timestamp,
    /// Who is signed in.
    pub user: String,
}

/// What a page learns of its cookie.
#[derive(Clone)]
pub struct SignedIn {
    /// Who is signed in.
    pub user: String,
    /// What the page repeats in a header when it uses the cookie.
    pub csrf: String,
    /// When the sign-in ends, however often it is refreshed.
    pub ends: Timestamp,
}

impl Gateway {
    /// Exchanges a code for a sign-in with a refresh token.
    ///
    /// # Errors
    /// When the code is not good, or another page's; when it cannot be written down.
    pub async fn enter(self: &Arc<Self>, code: &str, origin: &str) -> Result<Entered, Problem> {
        let rules = self.browser_settings()?;
        self.sign_ins.must_be_read()?;
        if !code.starts_with(CODE) {
            return Err(not_valid());
        }
        let hash = self.keys.hash(code);
        let signed = self.sign_ins.register.read().by_code(&hash).ok_or_else(not_valid)?;
        must_be_page(&signed, None, origin)?;
        let (gateway, origin) = (Arc::clone(self), origin.to_owned());
        let task = self.journeys.spawn(async move { gateway.exchange(&rules, &signed, origin).await });
        task.await.unwrap_or_else(|_| Err(lost()))
    }

    async fn exchange(
        &self,
        rules: &BrowserSettings,
        signed: &Arc<SignIn>,
        origin: String,
    ) -> Result<Entered, Problem> {
        let _turn = signed.turn.lock().await;
        self.key_behind(signed)?;
        let now = self.clock.now();
        let mut tokens = self.tokens_of(signed)?;
        if tokens.code_is_used {
            tracing::warn!(sign_in = signed.grant.id, "a code was exchanged twice; the sign-in is ended");
            self.end_or_log(signed).await;
            return Err(not_valid());
        }
        if tokens.code.is_none_or(|code| now.as_millis() >= code.at) {
            return Err(not_valid());
        }
        let refresh = Refresh::first().map_err(|error| no_chance(&error))?;
        tokens.code_is_used = true;
        tokens.page = Some(origin);
        tokens.handle = Some(HexHash(refresh.handle_hash(&*self.keys)));
        self.give(rules, signed, tokens, refresh, now).await
    }

    /// A new access token for a refresh token, and the refresh token's successor.
    ///
    /// # Errors
    /// `csrf` when the page does not prove that it is the one; when the token is not good. One that
    /// was used before ends its sign-in.
    pub async fn refresh_sign_in(
        self: &Arc<Self>,
        cookies: &[String],
        csrf: &str,
        origin: &str,
    ) -> Result<Entered, Problem> {
        let rules = self.browser_settings()?;
        self.sign_ins.must_be_read()?;
        let refresh = self.meant(cookies, csrf)?.ok_or_else(not_valid)?;
        let signed = self.by_refresh(&refresh).ok_or_else(not_valid)?;
        let page = signed.tokens.lock().page.clone();
        must_be_page(&signed, page.as_deref(), origin)?;
        let gateway = Arc::clone(self);
        let task = self.journeys.spawn(async move { gateway.rotate(&rules, &signed, refresh).await });
        task.await.unwrap_or_else(|_| Err(lost()))
    }

    async fn rotate(
        &self,
        rules: &BrowserSettings,
        signed: &Arc<SignIn>,
        refresh: Refresh,
    ) -> Result<Entered, Problem> {
        let _turn = signed.turn.lock().await;
        self.key_behind(signed)?;
        let now = self.clock.now();
        let mut tokens = self.tokens_of(signed)?;
        if now >= signed.grant.refresh_until(&tokens, rules.idle_for) {
            self.end_or_log(signed).await;
            return Err(not_valid());
        }
        let grace = rules.grace.max(Duration::from_millis(1));
        tokens.before.retain(|used| now.since(Timestamp::from_millis(used.at)) < grace);
        let hash = self.keys.hash(refresh.text());
        if tokens.refresh == Some(HexHash(hash)) {
            tokens.before.push(Timed { hash, at: now.as_millis() });
            let too_many = tokens.before.len().saturating_sub(BEFORE_MAX);
            tokens.before.drain(..too_many);
            let next = refresh.next(&*self.keys);
            return self.give(rules, signed, tokens, next, now).await;
        }
        let is_of_a_moment_ago = tokens.before.iter().any(|used| used.hash == hash);
        match self.newest_after(refresh, &tokens).filter(|_| is_of_a_moment_ago) {
            Some(newest) => self.give(rules, signed, tokens, newest, now).await,
            None => {
                tracing::warn!(
                    sign_in = signed.grant.id,
                    user = signed.grant.user,
                    "a refresh token was used twice: two have it, so the sign-in is ended"
                );
                self.end_or_log(signed).await;
                Err(not_valid())
            }
        }
    }

    /// The good token that was derived from this one.
    fn newest_after(&self, refresh: Refresh, tokens: &BrowserTokens) -> Option<Refresh> {
        let mut newest = refresh;
        for _ in 0..BEFORE_MAX {
            newest = newest.next(&*self.keys);
            if tokens.refresh == Some(HexHash(self.keys.hash(newest.text()))) {
                return Some(newest);
            }
        }
        None
    }

    /// Writes down that `refresh` is the good token now, with a new access token beside those that
    /// are.
    async fn give(
        &self,
        rules: &BrowserSettings,
        signed: &Arc<SignIn>,
        mut tokens: BrowserTokens,
        refresh: Refresh,
        now: Timestamp,
    ) -> Result<Entered, Problem> {
        let grant = &signed.grant;
        let token = new_secret(ACCESS).map_err(|error| no_chance(&error))?;
        let expires = grant.access_until(now);
        let (good, over): (Vec<Timed>, Vec<Timed>) =
            tokens.access.iter().partition(|access| now.as_millis() < access.at);
        let too_many = (good.len() + 1).saturating_sub(ACCESS_MAX);
        let gone = over.iter().chain(good.iter().take(too_many)).map(|access| access.hash).collect::<Vec<_>>();
        tokens.access = good.into_iter().skip(too_many).collect();
        tokens.access.push(Timed { hash: self.keys.hash(&token), at: expires.as_millis() });
        tokens.refresh = Some(HexHash(self.keys.hash(refresh.text())));
        tokens.used = now.as_millis();
        let document = signed.document(&tokens, rules.idle_for, now);
        self.sign_ins.documents.put(vec![document]).await.map_err(|error| unwritten(&error))?;
        let until = grant.refresh_until(&tokens, rules.idle_for);
        if !self.sign_ins.take(signed, tokens, &gone) {
            // Revoked meanwhile, and what was written came after.
            self.end_or_log(signed).await;
            return Err(not_valid());
        }
        Ok(Entered {
            token,
            expires,
            csrf: refresh.csrf(&*self.keys),
            refresh: refresh.text().to_owned(),
            refresh_for: until.since(now),
            ends: grant.ends_at(),
            user: grant.user.clone(),
        })
    }

    /// Who is signed in by a cookie. Uses nothing up.
    ///
    /// # Errors
    /// When nobody is.
    pub fn signed_in(&self, cookies: &[String], origin: &str) -> Result<SignedIn, Problem> {
        let rules = self.browser_settings()?;
        self.sign_ins.must_be_read()?;
        let now = self.clock.now();
        for refresh in cookies.iter().filter_map(|cookie| Refresh::parse(cookie)) {
            let Some(signed) = self.by_refresh(&refresh) else { continue };
            let tokens = signed.tokens.lock().clone();
            let hash = self.keys.hash(refresh.text());
            let is_known = tokens.refresh == Some(HexHash(hash)) || tokens.before.iter().any(|used| used.hash == hash);
            if !is_known || now >= signed.grant.refresh_until(&tokens, rules.idle_for) {
                continue;
            }
            must_be_page(&signed, tokens.page.as_deref(), origin)?;
            self.key_behind(&signed)?;
            let (user, csrf) = (signed.grant.user.clone(), refresh.csrf(&*self.keys));
            return Ok(SignedIn { user, csrf, ends: signed.grant.ends_at() });
        }
        Err(not_valid())
    }

    /// Ends the sign-in of a cookie, if there is one.
    ///
    /// # Errors
    /// `csrf` when the page does not prove that it is the one; when it cannot be ended for good.
    pub async fn leave(self: &Arc<Self>, cookies: &[String], csrf: &str, origin: &str) -> Result<(), Problem> {
        self.browser_settings()?;
        self.sign_ins.must_be_read()?;
        let Some(refresh) = self.meant(cookies, csrf)? else { return Ok(()) };
        let Some(signed) = self.by_refresh(&refresh) else { return Ok(()) };
        let page = signed.tokens.lock().page.clone();
        must_be_page(&signed, page.as_deref(), origin)?;
        self.end_sign_ins(&[signed]).await.map_err(|error| unwritten(&error))
    }

    /// Among cookies of one name, which another page of the domain may have set, the one that the
    /// page's header goes with. `None` where there is no cookie.
    fn meant(&self, cookies: &[String], csrf: &str) -> Result<Option<Refresh>, Problem> {
        let mut refresh = cookies.iter().filter_map(|cookie| Refresh::parse(cookie)).peekable();
        if refresh.peek().is_none() {
            return Ok(None);
        }
        let goes_with =
            |refresh: &Refresh| -> bool { refresh.csrf(&*self.keys).as_bytes().ct_eq(csrf.as_bytes()).into() };
        refresh.find(goes_with).map(Some).ok_or_else(|| {
            let message = "Repeat the `csrf` of the last answer in the header `x-haltline-csrf`; GET /v1/auth/session gives it again.";
            Problem::new(Code::Csrf, message)
        })
    }

    fn by_refresh(&self, refresh: &Refresh) -> Option<Arc<SignIn>> {
        let handle = refresh.handle_hash(&*self.keys);
        self.sign_ins.register.read().by_handle(&handle)
    }

    /// Its tokens as they stand, if it is still there.
    fn tokens_of(&self, signed: &SignIn) -> Result<BrowserTokens, Problem> {
        let is_there = self.sign_ins.register.read().has(signed);
        if is_there { Ok(signed.tokens.lock().clone()) } else { Err(not_valid()) }
    }

    async fn end_or_log(&self, signed: &Arc<SignIn>) {
        if let Err(error) = self.end_sign_ins(std::slice::from_ref(signed)).await {
            tracing::error!(%error, sign_in = signed.grant.id, "a browser sign-in is ended, but not on the disk");
        }
    }
}

/// Is it this page's sign-in?
fn must_be_page(signed: &SignIn, page: Option<&str>, origin: &str) -> Result<(), Problem> {
    let granted = signed.grant.origin.as_deref().or(page);
    if granted.is_none_or(|granted| granted == origin) {
        return Ok(());
    }
    Err(Problem::new(Code::Csrf, "This sign-in is another page's."))
}

fn lost() -> Problem {
    Problem::new(Code::Internal, "The gateway failed in the middle of this. Sign in again if it does not work.")
}
