//! The place where jobs meet webhooks: what is told, to whom. Signing, sending and repeating are
//! somebody else's.

use haltline_ports::{BoxFuture, Owner};
use serde_json::Value;

/// What became of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct JobNote {
    /// Unique; the same when the same news is told again.
    pub id: String,
    /// `job.completed`, `job.failed`.
    pub kind: &'static str,
    /// Whose job it was.
    pub owner: Owner,
    /// Where to.
    pub url: String,
    /// The job, as `GET /v1/jobs/{id}` shows it.
    pub job: Value,
}

/// Who carries the news.
pub trait JobNotifier: Send + Sync {
    /// May this address be called?
    ///
    /// # Errors
    /// Why not, in words for the client.
    fn check(&self, url: &str) -> Result<(), String>;

    /// Takes the news over. When the future is done with `Ok`, they survive a restart.
    fn notify(&self, note: JobNote) -> BoxFuture<'_, Result<(), String>>;
}
