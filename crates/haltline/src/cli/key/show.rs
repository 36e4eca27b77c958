//! How keys are shown.

use crate::cli::exit::CliError;
use crate::cli::ui::{Format, Ui};
use haltline_http::admin::dto::{Key, MadeKey};

pub(super) fn secret(made: &MadeKey, ui: &mut Ui<'_>) -> Result<(), CliError> {
    if ui.format == Format::Json {
        return ui.json(made);
    }
    ui.text(&format!("{}\n", made.secret))?;
    ui.note("This is the only time that the secret is shown; only its keyed hash is kept.\n");
    Ok(())
}

pub(super) fn list(keys: &[Key], ui: &mut Ui<'_>) -> Result<(), CliError> {
    let headers = ["name", "secret", "team", "tier", "users", "models", "created", "expires", "last used", "state"];
    ui.list(&headers, keys, |key| {
        vec![
            key.name.clone(),
            hints(key),
            or_dash(key.team.as_ref()),
            or_dash(key.tier.as_ref()),
            key.users.clone(),
            or_all(&key.models),
            key.created.clone(),
            or_dash(key.expires.as_ref()),
            or_dash(key.last_used.as_ref()),
            state(key).to_owned(),
        ]
    })
}

pub(super) fn one(key: &Key, ui: &mut Ui<'_>) -> Result<(), CliError> {
    if ui.format == Format::Json {
        return ui.json(key);
    }
    let old = key.old_until.as_ref().map(|until| format!(" (the old one works until {until})")).unwrap_or_default();
    let used = match (&key.last_used, &key.last_from) {
        (None, _) => "not known".to_owned(),
        (Some(at), None) => at.clone(),
        (Some(at), Some(from)) => format!("{at} from {from}"),
    };
    let lines = [
        ("name", key.name.clone()),
        ("description", or_dash(Some(&key.description).filter(|text| !text.is_empty()))),
        ("state", state(key).to_owned()),
        ("secret", format!("{}{old}", hints(key))),
        ("team", or_dash(key.team.as_ref())),
        ("tier", or_dash(key.tier.as_ref())),
        ("users", key.users.clone()),
        ("models", or_all(&key.models)),
        ("routes", or_all(&key.routes)),
        ("from", if key.from.is_empty() { "anywhere".to_owned() } else { key.from.join(", ") }),
        ("budgets", or_none(&key.budgets)),
        ("limits", or_none(&key.limits)),
        ("created", key.created.clone() + &key.created_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default()),
        ("expires", or_dash(key.expires.as_ref())),
        ("last used", used),
    ];
    let text: String = lines.iter().map(|(name, value)| format!("{name:<12} {value}\n")).collect();
    ui.text(&text)
}

fn hints(key: &Key) -> String {
    match &key.old_hint {
        Some(old) => format!("{}, {old}", key.hint),
        None => key.hint.clone(),
    }
}

fn state(key: &Key) -> &'static str {
    if key.frozen { "frozen" } else { "active" }
}

fn or_dash(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| "-".to_owned())
}

fn or_all(values: &[String]) -> String {
    if values.is_empty() { "all".to_owned() } else { values.join(",") }
}

fn or_none(values: &[String]) -> String {
    if values.is_empty() { "none of its own".to_owned() } else { values.join(", ") }
}
