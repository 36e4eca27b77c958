//! `[auth.browser]` after it was read: who may sign in from where, and for how long.

use haltline_types::NanoUsd;
use std::time::Duration;

/// When a browser sends the cookie along with requests of other sites' pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SameSite {
    /// Never.
    #[default]
    Strict,
    /// Only when it goes there itself; never with what scripts ask for.
    Lax,
    /// Always: for an app under another domain than the gateway's.
    None,
}

impl SameSite {
    /// The cookie's attribute.
    #[must_use]
    pub const fn attribute(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Lax => "Lax",
            Self::None => "None",
        }
    }
}

/// Rules of browser sign-ins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserSettings {
    /// Pages that may call the gateway, exactly: `https://app.example.com`.
    pub origins: Vec<String>,
    /// Of the refresh cookie.
    pub same_site: SameSite,
    /// The longest life of an access token, and its usual one.
    pub expires_in: Duration,
    /// The longest life of a sign-in, and its usual one.
    pub session_for: Duration,
    /// A sign-in ends that was not refreshed for so long.
    pub idle_for: Duration,
    /// For so long after a refresh token was used, using it again gives the same successor: two
    /// tabs that refresh at once. After that it ends the sign-in.
    pub grace: Duration,
    /// The most that may be granted to one sign-in as its own budget.
    pub budget_max: NanoUsd,
    /// Sign-ins at once.
    pub sign_ins_max: usize,
    /// Sign-ins of one key at once.
    pub sign_ins_per_key: usize,
    /// May the cookie be one for plain http where the gateway is asked for at a loopback address?
    /// For development.
    pub insecure_cookies_on_loopback: bool,
}

impl Default for BrowserSettings {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            same_site: SameSite::Strict,
            expires_in: Duration::from_secs(15 * 60),
            session_for: Duration::from_secs(8 * 3600),
            idle_for: Duration::from_secs(2 * 3600),
            grace: Duration::from_secs(10),
            budget_max: NanoUsd::new(100 * NanoUsd::DOLLAR.get()),
            sign_ins_max: 50_000,
            sign_ins_per_key: 25_000,
            insecure_cookies_on_loopback: false,
        }
    }
}
