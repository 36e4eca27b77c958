//! `haltline budget …`, but for `set`, which edits the configuration.

use super::admin::{IfAbsent, configuration, connect};
use super::args::{BudgetAdjust, BudgetAssert, BudgetCommand, BudgetOverride, Global};
use super::block_on;
use super::budget_set;
use super::exit::{CliError, Exit};
use super::ui::Ui;
use super::when::{Direction, now, when};
use crate::config::Loaded;
use haltline_http::admin::dto::{Account, HistoryLine, NewAdjustment, NewOverride};
use haltline_types::Amount;

type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

pub(super) fn run(command: &BudgetCommand, global: &Global, ui: &mut Ui<'_>, env: Env<'_>) -> Result<(), CliError> {
    if let BudgetCommand::Set(args) = command {
        return budget_set::run(args, global, ui, env);
    }
    let (_, loaded) = configuration(global, env)?;
    match command {
        BudgetCommand::List(args) => {
            let mut accounts = accounts(&loaded, env)?;
            if let Some(name) = &args.name {
                known(&loaded, name)?;
                accounts.retain(|account| account.budget == *name);
            }
            list(&accounts, ui)
        }
        BudgetCommand::Override(args) => limit_override(args, &loaded, ui, env),
        BudgetCommand::Adjust(args) => adjust(args, &loaded, ui, env),
        BudgetCommand::History(args) => {
            known(&loaded, &args.name)?;
            let lines = block_on(async { connect(&loaded, IfAbsent::Refuse, env)?.history(&args.name).await })?;
            history(&lines, ui)
        }
        BudgetCommand::Assert(args) => assert(args, &loaded, ui, env),
        BudgetCommand::Set(_) => Ok(()),
    }
}

/// Reads `80%`, `99.5%` or `80` as thousandths.
pub(super) fn per_mille(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is not a share; write one like 80%");
    let (whole, tenth) =
        text.trim().trim_end_matches('%').split_once('.').unwrap_or((text.trim().trim_end_matches('%'), "0"));
    let digit: i64 = if tenth.len() == 1 { tenth.parse().map_err(|_| wrong())? } else { return Err(wrong()) };
    let whole: i64 = whole.parse().map_err(|_| wrong())?;
    if !(0..=1000).contains(&whole) || digit < 0 {
        return Err(wrong());
    }
    Ok(whole * 10 + digit)
}

fn accounts(loaded: &Loaded, env: Env<'_>) -> Result<Vec<Account>, CliError> {
    block_on(async { connect(loaded, IfAbsent::Refuse, env)?.accounts().await })
}

fn known(loaded: &Loaded, name: &str) -> Result<(), CliError> {
    if loaded.settings.budgets.find(name).is_some() {
        return Ok(());
    }
    let names: Vec<&str> = loaded.settings.budgets.iter().map(|budget| budget.name.as_str()).collect();
    let error = CliError::new(Exit::NotFound, format!("there is no budget named `{name}`"));
    Err(error.help(format!("there are: {}", names.join(", "))))
}

fn limit_override(args: &BudgetOverride, loaded: &Loaded, ui: &mut Ui<'_>, env: Env<'_>) -> Result<(), CliError> {
    known(loaded, &args.name)?;
    let limit: Amount = args.limit.parse().map_err(CliError::usage)?;
    let wanted = NewOverride {
        budget: args.name.clone(),
        subject: args.subject.clone(),
        limit: limit.to_string(),
        until: when(&args.until, now(), Direction::Future)?.to_string(),
        by: who(args.by.as_ref(), env),
        reason: args.reason.clone(),
    };
    if args.dry_run {
        return ui.said(&format!(
            "Would make the limit of {} {limit} until {}, by {}: {}.",
            wanted.budget, wanted.until, wanted.by, wanted.reason
        ));
    }
    let said = block_on(async { connect(loaded, IfAbsent::Refuse, env)?.limit_override(&wanted).await })?;
    ui.said(&said)
}

fn adjust(args: &BudgetAdjust, loaded: &Loaded, ui: &mut Ui<'_>, env: Env<'_>) -> Result<(), CliError> {
    known(loaded, &args.name)?;
    let delta: Amount = args.delta.parse().map_err(CliError::usage)?;
    let wanted = NewAdjustment {
        budget: args.name.clone(),
        subject: args.subject.clone(),
        delta: delta.to_string(),
        by: who(args.by.as_ref(), env),
        reason: args.reason.clone(),
    };
    if args.dry_run {
        return ui.said(&format!(
            "Would add {delta} to what {} has spent, by {}: {}.",
            wanted.budget, wanted.by, wanted.reason
        ));
    }
    let said = block_on(async { connect(loaded, IfAbsent::Refuse, env)?.adjust(&wanted).await })?;
    ui.said(&said)
}

fn assert(args: &BudgetAssert, loaded: &Loaded, ui: &mut Ui<'_>, env: Env<'_>) -> Result<(), CliError> {
    known(loaded, &args.name)?;
    let concerned = |account: &Account| {
        account.budget == args.name && args.subject.as_ref().is_none_or(|subject| account.subject == *subject)
    };
    let fullest = accounts(loaded, env)?.into_iter().filter(concerned).max_by_key(|account| account.used_per_mille);
    // An account without an entry in its window has spent nothing.
    let Some(account) = fullest else { return ui.said(&format!("{}: nothing spent.", args.name)) };
    let whose = if account.subject.is_empty() { String::new() } else { format!(" of {}", account.subject) };
    let said = format!(
        "{}{whose}: {} of {} ({} spent, {} held)",
        account.budget,
        percent(account.used_per_mille),
        account.limit,
        account.spent,
        account.held
    );
    if account.used_per_mille < args.below {
        return ui.said(&said);
    }
    Err(CliError::new(Exit::OverBudget, format!("{said}, not below {}", percent(args.below))))
}

fn list(accounts: &[Account], ui: &mut Ui<'_>) -> Result<(), CliError> {
    let headers = ["budget", "scope", "subject", "spent", "held", "limit", "used", "resets at"];
    ui.list(&headers, accounts, |account| {
        vec![
            account.budget.clone(),
            account.scope.clone(),
            if account.subject.is_empty() { "-".to_owned() } else { account.subject.clone() },
            account.spent.clone(),
            account.held.clone(),
            account.limit.clone(),
            percent(account.used_per_mille),
            account.resets_at.clone().unwrap_or_else(|| "rolling".to_owned()),
        ]
    })
}

fn history(lines: &[HistoryLine], ui: &mut Ui<'_>) -> Result<(), CliError> {
    let headers = ["at", "what", "subject", "amount", "until", "by", "reason"];
    ui.list(&headers, lines, |line| {
        let dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        vec![
            line.at.clone(),
            line.what.clone(),
            dash(&line.subject),
            line.amount.clone(),
            line.until.clone().unwrap_or_else(|| "-".to_owned()),
            line.by.clone(),
            line.reason.clone(),
        ]
    })
}

fn percent(per_mille: i64) -> String {
    match per_mille % 10 {
        0 => format!("{} %", per_mille / 10),
        tenth => format!("{}.{} %", per_mille / 10, tenth.abs()),
    }
}

/// Who is written into the journal: whoever is named, else the user of this machine.
fn who(named: Option<&String>, env: Env<'_>) -> String {
    let user = || env("USER").or_else(|| env("LOGNAME")).filter(|user| !user.is_empty());
    named.cloned().or_else(user).unwrap_or_else(|| "operator".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_shown() {
        for (text, thousandths) in [("80%", 800), ("99.5%", 995), ("80", 800), ("100%", 1000)] {
            assert_eq!(per_mille(text), Ok(thousandths));
        }
        for bad in ["", "%", "-1%", "80.55%", "x", "2000%"] {
            assert!(per_mille(bad).is_err(), "{bad}");
        }
        assert_eq!((percent(995), percent(1000)), ("99.5 %".to_owned(), "100 %".to_owned()));
    }
}
