//! `haltline key …`.

use super::admin::{IfAbsent, configuration, connect};
use super::args::{Global, KeyCommand, KeyCreate};
use super::block_on;
use super::exit::CliError;
use super::ui::{Format, Ui};
use super::when::{Direction, now, when};
use haltline_http::admin::dto::{Key, MadeKey, NewKey};
use haltline_ports::UserClaims;

pub(super) fn run(
    command: &KeyCommand,
    global: &Global,
    ui: &mut Ui<'_>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(), CliError> {
    let (_, loaded) = configuration(global, env)?;
    match command {
        KeyCommand::Create(args) => {
            let wanted = new_key(args, &loaded.users)?;
            if args.dry_run {
                return ui.said(&format!(
                    "Would make the key {} (users: {}).",
                    wanted.name,
                    wanted.users.as_deref().unwrap_or("none")
                ));
            }
            let made = block_on(async { connect(&loaded, IfAbsent::Make, env)?.create_key(&wanted).await })?;
            show_secret(&made, ui)
        }
        KeyCommand::List => {
            let keys = block_on(async { connect(&loaded, IfAbsent::Refuse, env)?.keys().await })?;
            list(&keys, ui)
        }
        KeyCommand::Rotate(args) if args.dry_run => {
            ui.said(&format!("Would give {} a new secret; the old one would end at once.", args.name))
        }
        KeyCommand::Rotate(args) => {
            let made = block_on(async { connect(&loaded, IfAbsent::Refuse, env)?.rotate_key(&args.name).await })?;
            show_secret(&made, ui)
        }
        KeyCommand::Freeze(args) => {
            let what = if args.undo { "on again" } else { "off" };
            if args.dry_run {
                return ui.said(&format!("Would switch {} {what}.", args.name));
            }
            let frozen = !args.undo;
            block_on(async { connect(&loaded, IfAbsent::Refuse, env)?.freeze_key(&args.name, frozen).await })?;
            ui.said(&format!("Switched {} {what}.", args.name))
        }
        KeyCommand::Rm(args) if args.dry_run => ui.said(&format!("Would remove the key {}.", args.name)),
        KeyCommand::Rm(args) => {
            block_on(async { connect(&loaded, IfAbsent::Refuse, env)?.remove_key(&args.name).await })?;
            ui.said(&format!("Removed the key {}. Its name is not given to another key.", args.name))
        }
    }
}

fn new_key(args: &KeyCreate, default: &UserClaims) -> Result<NewKey, CliError> {
    let expires = match &args.expires {
        None => None,
        Some(text) => Some(when(text, now(), Direction::Future)?.to_string()),
    };
    let users = args.users.clone().unwrap_or_else(|| match default {
        UserClaims::None => "none".to_owned(),
        UserClaims::Any => "any".to_owned(),
        UserClaims::Listed(users) => users.iter().map(|user| &**user).collect::<Vec<_>>().join(","),
    });
    Ok(NewKey {
        name: args.name.clone(),
        team: args.team.clone(),
        tier: args.tier.clone(),
        users: Some(users),
        models: args.models.clone(),
        expires,
    })
}

fn show_secret(made: &MadeKey, ui: &mut Ui<'_>) -> Result<(), CliError> {
    if ui.format == Format::Json {
        return ui.json(made);
    }
    ui.text(&format!("{}\n", made.secret))?;
    ui.note("This is the only time that the secret is shown; only its keyed hash is kept.\n");
    Ok(())
}

fn list(keys: &[Key], ui: &mut Ui<'_>) -> Result<(), CliError> {
    let headers = ["name", "secret", "team", "tier", "users", "models", "created", "expires", "state"];
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    ui.list(&headers, keys, |key| {
        let models = if key.models.is_empty() { "all".to_owned() } else { key.models.join(",") };
        let state = if key.frozen { "frozen" } else { "active" };
        vec![
            key.name.clone(),
            key.hint.clone(),
            or_dash(&key.team),
            or_dash(&key.tier),
            key.users.clone(),
            models,
            key.created.clone(),
            or_dash(&key.expires),
            state.to_owned(),
        ]
    })
}
