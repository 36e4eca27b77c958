//! `haltline sign-ins …`: browsers that are signed in.

use super::admin::{IfAbsent, configuration, connect};
use super::args::{Global, SignInsCommand};
use super::block_on;
use super::exit::CliError;
use super::ui::Ui;
use haltline_http::admin::dto::RevokeSignIns;

pub(super) fn run(
    command: &SignInsCommand,
    global: &Global,
    ui: &mut Ui<'_>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(), CliError> {
    let (_, loaded) = configuration(global, env)?;
    match command {
        SignInsCommand::List(ask) => {
            let (key, user) = (ask.key.as_deref(), ask.user.as_deref());
            let all = block_on(async { connect(&loaded, IfAbsent::Refuse, env)?.sign_ins(key, user).await })?;
            let headers = ["id", "user", "key", "page", "models", "budget", "granted", "used", "ends", "entered"];
            ui.list(&headers, &all, |one| {
                let origin = one.origin.clone().unwrap_or_default();
                let budget = one.budget.as_ref().map(|budget| format!("${budget}")).unwrap_or_default();
                let models = one.models.join(",");
                let names = [one.id.clone(), one.user.clone(), one.key.clone(), origin, models, budget];
                let times = [one.created.clone(), one.used.clone(), one.ends.clone()];
                names.into_iter().chain(times).chain([if one.entered { "yes" } else { "no" }.to_owned()]).collect()
            })
        }
        SignInsCommand::Revoke(what) => {
            let order = RevokeSignIns {
                user: what.user.clone(),
                key: what.key.clone(),
                id: what.id.clone(),
                all: what.all,
                stop: what.stop,
            };
            let said = block_on(async { connect(&loaded, IfAbsent::Refuse, env)?.revoke_sign_ins(&order).await })?;
            ui.said(&said)
        }
    }
}
