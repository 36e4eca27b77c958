//! `haltline key …`.

mod leaked;
mod show;

use super::admin::{IfAbsent, configuration, connect};
use super::args::{Global, KeyCommand, KeyCreate, KeyRulesArgs};
use super::block_on;
use super::exit::CliError;
use super::ui::Ui;
use super::when::{Direction, now, when};
use haltline_http::admin::dto::{ChangedKey, NewKey, RotatedKey};
use haltline_ports::UserClaims;

pub(super) fn run(
    command: &KeyCommand,
    global: &Global,
    ui: &mut Ui<'_>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(), CliError> {
    let (_, loaded) = configuration(global, env)?;
    let store = |absent| connect(&loaded, absent, env);
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
            let made = block_on(async { store(IfAbsent::Make)?.create_key(&wanted).await })?;
            show::secret(&made, ui)
        }
        KeyCommand::List => {
            let keys = block_on(async { store(IfAbsent::Refuse)?.keys().await })?;
            show::list(&keys, ui)
        }
        KeyCommand::Show(args) => {
            let key = block_on(async { store(IfAbsent::Refuse)?.key(&args.name).await })?;
            show::one(&key, ui)
        }
        KeyCommand::Set(args) => {
            let wanted = changed_key(&args.rules)?;
            if args.dry_run {
                return ui.said(&format!("Would change the key {}.", args.name));
            }
            let key = block_on(async { store(IfAbsent::Refuse)?.set_key(&args.name, &wanted).await })?;
            show::one(&key, ui)
        }
        KeyCommand::Rotate(args) if args.dry_run => ui.said(&match args.overlap.as_str() {
            "0" => format!("Would give {} a new secret; the old one would end at once.", args.name),
            overlap => format!("Would give {} a new secret; the old one would work for {overlap} yet.", args.name),
        }),
        KeyCommand::Rotate(args) => {
            let wanted = RotatedKey { overlap: Some(args.overlap.clone()) };
            let made = block_on(async { store(IfAbsent::Refuse)?.rotate_key(&args.name, &wanted).await })?;
            show::secret(&made, ui)
        }
        KeyCommand::Freeze(args) => freeze(&args.name, !args.undo, args.dry_run, ui, store),
        KeyCommand::Thaw(args) => freeze(&args.name, false, args.dry_run, ui, store),
        KeyCommand::Rm(args) if args.dry_run => ui.said(&format!("Would remove the key {}.", args.name)),
        KeyCommand::Rm(args) => {
            block_on(async { store(IfAbsent::Refuse)?.remove_key(&args.name).await })?;
            ui.said(&format!("Removed the key {}. Its name is not given to another key.", args.name))
        }
        KeyCommand::Leaked(args) => {
            let report = leaked::read(args)?;
            let found = block_on(async { store(IfAbsent::Refuse)?.leaked_keys(&report).await })?;
            leaked::show(&found, ui)
        }
    }
}

fn freeze(
    name: &str,
    frozen: bool,
    dry_run: bool,
    ui: &mut Ui<'_>,
    store: impl Fn(IfAbsent) -> Result<Box<dyn super::admin::Admin>, CliError>,
) -> Result<(), CliError> {
    let what = if frozen { "off" } else { "on again" };
    if dry_run {
        return ui.said(&format!("Would switch {name} {what}."));
    }
    block_on(async { store(IfAbsent::Refuse)?.freeze_key(name, frozen).await })?;
    ui.said(&format!("Switched {name} {what}."))
}

fn new_key(args: &KeyCreate, default: &UserClaims) -> Result<NewKey, CliError> {
    let rules = changed_key(&args.rules)?;
    let users = rules.users.unwrap_or_else(|| match default {
        UserClaims::None => "none".to_owned(),
        UserClaims::Any => "any".to_owned(),
        UserClaims::Listed(users) => users.iter().map(|user| &**user).collect::<Vec<_>>().join(","),
    });
    Ok(NewKey {
        name: args.name.clone(),
        team: args.team.clone(),
        tier: args.tier.clone(),
        users: Some(users),
        models: rules.models.unwrap_or_default(),
        expires: rules.expires.filter(|text| text != "never"),
        description: rules.description.unwrap_or_default(),
        budgets: rules.budgets.unwrap_or_default(),
        limits: rules.limits.unwrap_or_default(),
        routes: rules.routes.unwrap_or_default(),
        from: rules.from.unwrap_or_default(),
    })
}

fn changed_key(args: &KeyRulesArgs) -> Result<ChangedKey, CliError> {
    // An empty text takes the rule away.
    let list = |values: &Option<Vec<String>>| {
        values.as_ref().map(|values| values.iter().filter(|value| !value.is_empty()).cloned().collect())
    };
    let expires = match args.expires.as_deref() {
        None => None,
        Some("never") => Some("never".to_owned()),
        Some(text) => Some(when(text, now(), Direction::Future)?.to_string()),
    };
    Ok(ChangedKey {
        users: args.users.clone(),
        models: list(&args.models),
        expires,
        description: args.description.clone(),
        budgets: list(&args.budgets),
        limits: list(&args.limits),
        routes: list(&args.routes),
        from: list(&args.from),
    })
}
