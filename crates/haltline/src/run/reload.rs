//! Hot reload: the configuration is read again; a bad one changes nothing.

use super::{guards, providers};
use haltline_gateway::Gateway;
use haltline_gateway::settings::Settings;
use haltline_ports::Clock;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Reads the configuration again; the error is for people and may have many lines.
pub type Reread = Arc<dyn Fn() -> Result<Settings, String> + Send + Sync>;

/// Does reloads, one at a time.
#[derive(Clone)]
pub struct Reloader {
    gateway: Arc<Gateway>,
    clock: Arc<dyn Clock>,
    reread: Option<Reread>,
    turn: Arc<Mutex<()>>,
}

impl Reloader {
    pub(crate) fn new(gateway: Arc<Gateway>, clock: Arc<dyn Clock>, reread: Option<Reread>) -> Self {
        Self { gateway, clock, reread, turn: Arc::default() }
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
        let settings = tokio::task::spawn_blocking(move || reread()).await.map_err(|error| error.to_string())??;
        let built = providers::build(&settings, &self.clock).map_err(|error| format!("{error:#}"))?;
        let guards = guards::build(&settings, &self.clock).map_err(|error| format!("{error:#}"))?;
        self.gateway.reconfigure(settings, built.upstreams, guards).await.map_err(|error| error.to_string())?;
        Ok("the new configuration is in force".to_owned())
    }
}
