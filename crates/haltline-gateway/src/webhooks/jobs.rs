//! Jobs that have ended tell the webhook that their client named. What they say is theirs
//! (`jobs/notify.rs`). Each key's messages are signed with a secret of its own, so that no client can
//! make messages that another one believes.

use super::{Hook, HookError, Hooks, letter, signature};
use crate::auth::Presented;
use crate::gateway::Gateway;
use crate::jobs::{JobNote, JobNotifier};
use crate::problem::Problem;
use crate::settings::Secret;
use haltline_ports::BoxFuture;
use haltline_types::{Code, Name};
use std::sync::{Arc, Weak};

/// Who signs, and how far messages may go, is in the settings in force.
struct Postman {
    gateway: Weak<Gateway>,
    hooks: Hooks,
}

impl Postman {
    fn hook(&self, url: &str, key: Option<&Name>) -> Option<Hook> {
        let gateway = self.gateway.upgrade()?;
        let live = gateway.live.load();
        let jobs = &live.settings.jobs;
        Some(Hook {
            url: url.to_owned(),
            secrets: match (&jobs.webhook_secret, key) {
                (Some(secret), Some(key)) => vec![signature::derive(secret, key)?],
                _ => Vec::new(),
            },
            allow_private: jobs.allow_private_webhooks,
        })
    }
}

impl JobNotifier for Postman {
    fn check(&self, url: &str) -> Result<(), String> {
        let hook = self.hook(url, None).ok_or("the gateway is going")?;
        self.hooks.check(&hook).map_err(|error| error.to_string())
    }

    fn notify(&self, note: JobNote) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let hook = self
                .hook(&note.url, Some(&note.owner.key))
                .ok_or("the gateway is going, or its webhook secret cannot sign")?;
            let mut message =
                self.hooks.draft(Some(note.owner), &hook, note.kind, &note.job).map_err(|error| error.to_string())?;
            // The same news have the same id, and are one message.
            message.id = format!("{}{}", letter::PREFIX, note.id);
            self.hooks.post(vec![message], Vec::new()).await.map_err(|error: HookError| error.to_string())
        })
    }
}

impl Gateway {
    /// The secret that signs messages to the webhooks of a key's jobs.
    ///
    /// # Errors
    /// When the key may not be used; `not_found` when these messages are not signed.
    pub fn job_webhook_secret(&self, presented: &Presented) -> Result<Secret, Problem> {
        let key = self.backend_key(presented)?;
        let live = self.live.load();
        let configured = live.settings.jobs.webhook_secret.as_ref();
        configured.and_then(|configured| signature::derive(configured, &key.name)).ok_or_else(|| {
            let message = "Messages to webhooks of jobs are not signed here: the operator sets [jobs] webhook_secret.";
            Problem::new(Code::NotFound, message)
        })
    }

    /// Has jobs that have ended tell their webhooks. To be called once, before jobs are taken up.
    pub fn tell_webhooks_of_jobs(self: &Arc<Self>) {
        self.set_job_notifier(Arc::new(Postman { gateway: Arc::downgrade(self), hooks: self.hooks.clone() }));
    }
}
