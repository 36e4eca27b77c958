//! Hot reload: the configuration is read again; a bad one changes nothing.

use super::{guards, providers};
use crate::tls::{self, Tls, TlsSettings};
use haltline_gateway::Gateway;
use haltline_gateway::settings::Settings;
use haltline_ports::Clock;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Mutex;

/// What was read again: all that a reload can change.
#[derive(Clone, Debug)]
pub struct Again {
    /// What the line is told to do.
    pub settings: Settings,
    /// TLS of the listener.
    pub tls: Option<TlsSettings>,
}

/// Reads the configuration again; the error is for people and may have many lines.
pub type Reread = Arc<dyn Fn() -> Result<Again, String> + Send + Sync>;

/// Does reloads, one at a time.
#[derive(Clone)]
pub struct Reloader {
    gateway: Arc<Gateway>,
    clock: Arc<dyn Clock>,
    tls: Option<Tls>,
    reread: Option<Reread>,
    /// That the last reload has read, besides the configuration.
    files: Arc<parking_lot::Mutex<Option<Vec<PathBuf>>>>,
    turn: Arc<Mutex<()>>,
}

impl Reloader {
    pub(crate) fn new(gateway: Arc<Gateway>, clock: Arc<dyn Clock>, tls: Option<Tls>, reread: Option<Reread>) -> Self {
        Self { gateway, clock, tls, reread, files: Arc::default(), turn: Arc::default() }
    }

    /// Reads the configuration and puts it in force.
    ///
    /// # Errors
    /// Why the old configuration stays in force.
    pub async fn reload(&self) -> Result<String, String> {
        let Some(reread) = self.reread.clone() else {
            return Err("there is no configuration file to read again".to_owned());
        };
        let _turn = self.turn.lock().await;
        let again = tokio::task::spawn_blocking(move || reread()).await.map_err(|error| error.to_string())??;
        // All that can fail comes before the first change: it is in force as a whole or not at all.
        let ready = again.tls.as_ref().map(tls::prepare).transpose().map_err(|fault| fault.to_string())?;
        let built = providers::build(&again.settings, &self.clock).map_err(|error| format!("{error:#}"))?;
        let guards = guards::build(&again.settings, &self.clock).map_err(|error| format!("{error:#}"))?;
        self.gateway.reconfigure(again.settings, built.upstreams, guards).await.map_err(|error| error.to_string())?;
        *self.files.lock() = Some(again.tls.map(|tls| tls.files).unwrap_or_default());
        let later = match (&self.tls, ready) {
            (Some(tls), Some(ready)) => {
                tls.replace(ready);
                ""
            }
            (None, None) => "",
            (Some(_), None) | (None, Some(_)) => "; [server.tls] comes or goes at the next start only",
        };
        Ok(format!("the new configuration is in force{later}"))
    }

    /// The files besides the configuration that the last good reload has read; `None` when nothing
    /// was reloaded since the last call.
    #[must_use]
    pub fn new_files(&self) -> Option<Vec<PathBuf>> {
        self.files.lock().take()
    }
}
