//! Jobs that have ended tell the webhook that their client named. What they say is theirs
//! (`jobs/notify.rs`).

use super::{Hook, HookError, Hooks, letter};
use crate::gateway::Gateway;
use crate::jobs::{JobNote, JobNotifier};
use haltline_ports::BoxFuture;
use std::sync::{Arc, Weak};

/// Who signs, and how far messages may go, is in the settings in force.
struct Postman {
    gateway: Weak<Gateway>,
    hooks: Hooks,
}

impl Postman {
    fn hook(&self, url: &str) -> Option<Hook> {
        let gateway = self.gateway.upgrade()?;
        let live = gateway.live.load();
        let jobs = &live.settings.jobs;
        Some(Hook {
            url: url.to_owned(),
            secrets: jobs.webhook_secret.clone().into_iter().collect(),
            allow_private: jobs.allow_private_webhooks,
        })
    }
}

impl JobNotifier for Postman {
    fn check(&self, url: &str) -> Result<(), String> {
        let hook = self.hook(url).ok_or("the gateway is going")?;
        self.hooks.check(&hook).map_err(|error| error.to_string())
    }

    fn notify(&self, note: JobNote) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let hook = self.hook(&note.url).ok_or("the gateway is going")?;
            let mut message =
                self.hooks.draft(Some(note.owner), &hook, note.kind, &note.job).map_err(|error| error.to_string())?;
            // The same news have the same id, and are one message.
            message.id = format!("{}{}", letter::PREFIX, note.id);
            self.hooks.post(vec![message], Vec::new()).await.map_err(|error: HookError| error.to_string())
        })
    }
}

impl Gateway {
    /// Has jobs that have ended tell their webhooks. To be called once, before jobs are taken up.
    pub fn tell_webhooks_of_jobs(self: &Arc<Self>) {
        self.set_job_notifier(Arc::new(Postman { gateway: Arc::downgrade(self), hooks: self.hooks.clone() }));
    }
}
