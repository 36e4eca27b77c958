//! `haltline admin …` and `haltline audit …`.

use super::admin::{AuditAsk, IfAbsent, configuration, connect};
use super::args::{AdminCommand, AuditCommand, AuditList, Global};
use super::block_on;
use super::exit::{CliError, Exit};
use super::ui::{Format, Ui};
use super::when::{Direction, now, when};
use haltline_http::admin::dto::{AuditEntry, MadeAdmin, NewAdmin};

pub(super) fn run(
    command: &AdminCommand,
    global: &Global,
    ui: &mut Ui<'_>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(), CliError> {
    let (_, loaded) = configuration(global, env)?;
    match command {
        AdminCommand::Create(args) => {
            let expires = match &args.expires {
                None => None,
                Some(text) => Some(when(text, now(), Direction::Future)?.to_string()),
            };
            let wanted = NewAdmin { name: args.name.clone(), role: args.role.clone(), expires };
            let made = block_on(async { connect(&loaded, IfAbsent::Make, env)?.create_admin(&wanted).await })?;
            secret(&made, ui)
        }
        AdminCommand::List => {
            let admins = block_on(async { connect(&loaded, IfAbsent::Refuse, env)?.admins().await })?;
            ui.list(&["name", "role", "secret", "created", "expires"], &admins, |admin| {
                let expires = admin.expires.clone().unwrap_or_else(|| "-".to_owned());
                vec![admin.name.clone(), admin.role.clone(), admin.hint.clone(), admin.created.clone(), expires]
            })
        }
        AdminCommand::Rotate(args) => {
            let made = block_on(async { connect(&loaded, IfAbsent::Refuse, env)?.rotate_admin(&args.name).await })?;
            secret(&made, ui)
        }
        AdminCommand::Rm(args) => {
            block_on(async { connect(&loaded, IfAbsent::Refuse, env)?.remove_admin(&args.name).await })?;
            ui.said(&format!("Removed the administrator {}.", args.name))
        }
    }
}

pub(super) fn audit(
    command: &AuditCommand,
    global: &Global,
    ui: &mut Ui<'_>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(), CliError> {
    let (_, loaded) = configuration(global, env)?;
    let ask = |args: &AuditList| -> Result<Vec<AuditEntry>, CliError> {
        let since = match &args.since {
            None => None,
            Some(text) => Some(when(text, now(), Direction::Past)?),
        };
        let ask = AuditAsk { since, by: args.by.clone(), what: args.what.clone() };
        block_on(async { connect(&loaded, IfAbsent::Refuse, env)?.audit(&ask).await })
    };
    match command {
        AuditCommand::List(args) => {
            let acts = ask(args)?;
            ui.list(&["number", "at", "by", "from", "what", "on", "outcome", "detail"], &acts, |act| {
                vec![
                    act.number.to_string(),
                    act.at.clone(),
                    act.by.clone(),
                    act.from.clone().unwrap_or_else(|| "-".to_owned()),
                    act.what.clone(),
                    act.on.clone(),
                    act.outcome.clone(),
                    act.detail.clone(),
                ]
            })
        }
        AuditCommand::Export(args) => ask(args)?.iter().try_for_each(|act| ui.json(act)),
        AuditCommand::Verify => {
            let report = block_on(async { connect(&loaded, IfAbsent::Refuse, env)?.verify_audit().await })?;
            if let Some(wrong) = &report.wrong {
                let message = format!("the audit log is not what was written: {wrong}");
                return Err(CliError::new(Exit::Failed, message)
                    .help("keep a copy of audit.log and audit.head, and compare with an export that was made before"));
            }
            if ui.format == Format::Json {
                return ui.json(&report);
            }
            let note = "note the seal elsewhere, and a log that is written anew can be told";
            ui.text(&format!(
                "{} entries, all sealed. The last seal is {} ({note}).\n",
                report.entries, report.last_seal
            ))
        }
    }
}

fn secret(made: &MadeAdmin, ui: &mut Ui<'_>) -> Result<(), CliError> {
    if ui.format == Format::Json {
        return ui.json(made);
    }
    ui.text(&format!("{}\n", made.secret))?;
    ui.note("This is the only time that the secret is shown; only its keyed hash is kept.\n");
    Ok(())
}
