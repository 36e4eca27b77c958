//! `haltline dlq …`: what failed for good. A retry says first what it may cost, and asks a person
//! where that is more than was agreed to.

use super::admin::{Admin, IfAbsent, configuration, connect};
use super::args::{DlqCommand, DlqDiscard, DlqRetry, Global};
use super::block_on;
use super::exit::{CliError, Exit};
use super::ui::{Format, Ui};
use super::when::{Direction, now, when};
use haltline_http::admin::dto::{DeadLetter, OpenedDeadLetter};
use haltline_types::{NanoUsd, Timestamp};
use std::io::{IsTerminal, Write};

/// A single retry that may cost no more than this needs no question.
const UNASKED: NanoUsd = NanoUsd::new(NanoUsd::DOLLAR.get() / 10);

pub(super) fn run(
    command: &DlqCommand,
    global: &Global,
    ui: &mut Ui<'_>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(), CliError> {
    let (_, loaded) = configuration(global, env)?;
    let admin = connect(&loaded, IfAbsent::Refuse, env)?;
    match command {
        DlqCommand::List(args) => {
            let letters = block_on(admin.dead_letters(args.all))?;
            list(&letters, ui)
        }
        DlqCommand::Show(args) => {
            let opened = block_on(admin.dead_letter(&args.id))?;
            show(&opened, ui)
        }
        DlqCommand::Retry(args) => retry(&*admin, args, ui, &mut ask),
        DlqCommand::Discard(args) => discard(&*admin, args, ui),
    }
}

fn list(letters: &[DeadLetter], ui: &mut Ui<'_>) -> Result<(), CliError> {
    let headers =
        ["id", "at", "kind", "key", "model", "class", "code", "attempts", "cost", "retry up to", "retried as"];
    ui.list(&headers, letters, |letter| {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let cells = vec![
            letter.id.clone(),
            letter.at.clone(),
            letter.kind.clone(),
            or_dash(&letter.key),
            or_dash(&letter.model),
            letter.class.clone(),
            letter.code.clone(),
            letter.attempts_made.to_string(),
            dollars(Some(&letter.cost)),
            dollars(letter.ceiling.as_deref()),
            or_dash(&letter.retried_as),
        ];
        cells.iter().map(|cell| clean(cell).replace('\n', " ")).collect()
    })
}

fn show(opened: &OpenedDeadLetter, ui: &mut Ui<'_>) -> Result<(), CliError> {
    if ui.format == Format::Json {
        return ui.json(opened);
    }
    let letter = &opened.letter;
    let whose = match (&letter.key, &letter.user) {
        (Some(key), Some(user)) if key != user => format!("key {key}, user {user}"),
        (Some(key), _) => format!("key {key}"),
        (None, _) => "the gateway's own".to_owned(),
    };
    let mut text = format!(
        "{}: the {} {} of {whose}, failed for good at {}\n  {} ({}): {}\n  to {}{}\n",
        letter.id,
        letter.kind,
        letter.about,
        letter.at,
        letter.code,
        letter.class,
        letter.message,
        letter.endpoint,
        letter.model.as_ref().map(|model| format!(", model {model}")).unwrap_or_default(),
    );
    for attempt in &opened.attempts {
        let fault = attempt.fault.as_deref().unwrap_or("-");
        let endpoint = attempt.endpoint.as_deref().unwrap_or("not sent");
        let cost = dollars(attempt.cost.as_deref());
        text.push_str(&format!("  {} {} {endpoint}: {fault}, {cost}\n", attempt.started_at, attempt.request_id));
    }
    text.push_str(&format!("  cost so far: {}\n", dollars(Some(&letter.cost))));
    match (&letter.retried_as, &opened.retry_ceiling, &opened.not_retryable) {
        (Some(job), _, _) => text.push_str(&format!("  sent again as {job}\n")),
        (None, Some(ceiling), _) => {
            text.push_str(&format!("  a retry is one attempt and may cost up to {}\n", dollars(Some(ceiling))));
        }
        (None, None, why) => {
            text.push_str(&format!("  cannot be sent again: {}\n", why.as_deref().unwrap_or("no reason given")));
        }
    }
    text.push_str(&format!("  {} bytes to be sent:\n{}\n", opened.body_bytes, opened.body));
    ui.text(&clean(&text))
}

/// Text that clients and providers wrote, without what a terminal would obey.
fn clean(text: &str) -> String {
    let harmless = |c: char| match c {
        '\n' | '\t' => c,
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(harmless).collect()
}

fn retry(
    admin: &dyn Admin,
    args: &DlqRetry,
    ui: &mut Ui<'_>,
    ask: &mut dyn FnMut(&str) -> Result<bool, CliError>,
) -> Result<(), CliError> {
    let limit = match &args.yes_below {
        None => UNASKED,
        Some(text) => {
            text.trim_start_matches('$').parse().map_err(|error| CliError::usage(format!("--yes-below: {error}")))?
        }
    };
    let ids: Vec<String> = match &args.id {
        Some(id) => vec![id.clone()],
        None => block_on(admin.dead_letters(false))?.into_iter().map(|letter| letter.id).collect(),
    };
    let mut wanted: Vec<(String, NanoUsd)> = Vec::new();
    let mut sum = NanoUsd::ZERO;
    for id in ids {
        let opened = block_on(admin.dead_letter(&id))?;
        let ceiling: Option<NanoUsd> = opened.retry_ceiling.as_deref().and_then(|ceiling| ceiling.parse().ok());
        let Some(ceiling) = ceiling.filter(|_| opened.letter.retried_as.is_none()) else {
            let why = opened.letter.retried_as.map(|job| format!("it was sent again already, as {job}"));
            let why = why.or(opened.not_retryable).unwrap_or_else(|| "what it may cost is not known".to_owned());
            if args.all {
                ui.note(&format!("{id} is left out: {why}"));
                continue;
            }
            return Err(CliError::failed(format!("{id} cannot be sent again: {why}")));
        };
        sum = sum
            .checked_add(ceiling)
            .ok_or_else(|| CliError::failed("what all of them may cost is more than can be counted"))?;
        wanted.push((id, ceiling));
    }
    let what = match wanted.as_slice() {
        [] => return ui.said("There is nothing to send again."),
        [(id, ceiling)] => format!("{id} is sent again once, which may cost up to {ceiling}."),
        many => format!("Each of these {} is sent again once, which may cost up to {sum} in all.", many.len()),
    };
    if args.dry_run {
        return ui.said(&format!("Would send {} again. {what}", count(wanted.len())));
    }
    let is_agreed = args.yes || sum <= limit && (wanted.len() == 1 || args.yes_below.is_some());
    if !is_agreed && !ask(&what)? {
        return Err(CliError::new(Exit::Interrupted, "nothing was sent again"));
    }
    let mut left = 0;
    for (id, ceiling) in &wanted {
        match block_on(admin.retry_dead_letter(id, *ceiling)) {
            Ok(job) => ui.said(&format!("Sent {id} again as {job}, for up to {ceiling} in all."))?,
            // One that cannot be sent must not keep the others.
            Err(error) if args.all && error.exit != Exit::NotReachable => {
                left += 1;
                ui.note(&format!("{id} was not sent again: {error}"));
            }
            Err(error) => return Err(error),
        }
    }
    if left > 0 {
        return Err(CliError::failed(format!("{} could not be sent again", count(left))));
    }
    Ok(())
}

fn discard(admin: &dyn Admin, args: &DlqDiscard, ui: &mut Ui<'_>) -> Result<(), CliError> {
    let before = match &args.older_than {
        None => None,
        Some(text) => Some(when(text, now(), Direction::Past)?),
    };
    let ids: Vec<String> = match &args.id {
        Some(id) => vec![id.clone()],
        None => block_on(admin.dead_letters(true))?
            .into_iter()
            .filter(|letter| before.is_none_or(|before| failed_at(letter).is_some_and(|at| at < before)))
            .map(|letter| letter.id)
            .collect(),
    };
    if args.dry_run {
        return ui.said(&format!("Would discard {}.", count(ids.len())));
    }
    for id in &ids {
        block_on(admin.discard_dead_letter(id))?;
    }
    ui.said(&format!("Discarded {}.", count(ids.len())))
}

fn failed_at(letter: &DeadLetter) -> Option<Timestamp> {
    let at = letter.at.parse::<jiff::Timestamp>().ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

fn count(letters: usize) -> String {
    if letters == 1 { "1 dead letter".to_owned() } else { format!("{letters} dead letters") }
}

fn dollars(decimal: Option<&str>) -> String {
    let money = decimal.and_then(|decimal| decimal.parse::<NanoUsd>().ok());
    money.map_or_else(|| "-".to_owned(), |money| money.to_string())
}

/// Asks whoever sits there.
fn ask(what: &str) -> Result<bool, CliError> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(CliError::usage(format!("{what} That needs a word of agreement, and nobody is there to ask"))
            .help("add --yes, or --yes-below with an amount"));
    }
    let mut err = std::io::stderr();
    let asked = write!(err, "{what} Go on? [y/N] ").and_then(|()| err.flush());
    asked.map_err(|error| CliError::failed(error.to_string()))?;
    let mut line = String::new();
    stdin.read_line(&mut line).map_err(|error| CliError::failed(error.to_string()))?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
