//! `haltline budget set`: the limit lives in the configuration, so that is what is changed, with
//! its comments kept; then a running gateway is told to read it again. What would not load is not
//! written.

use super::admin::{IfAbsent, connect};
use super::args::{BudgetSet, Global};
use super::block_on;
use super::exit::{CliError, Exit};
use super::ui::{Format, Ui};
use crate::config::{Found, Secrets, StoreSettings, find, load_found};
use haltline_types::Amount;
use serde_json::json;
use std::fs;
use std::io::Write;
use std::path::Path;
use toml_edit::{DocumentMut, Item, Value};

pub(super) fn run(
    args: &BudgetSet,
    global: &Global,
    ui: &mut Ui<'_>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(), CliError> {
    let limit: Amount = args.limit.parse().map_err(CliError::usage)?;
    let found = find(global.config.as_deref(), env)?;
    let Some(path) = found.path.clone() else {
        let error = CliError::usage("there is no configuration, so there is nothing to change");
        return Err(error.help("write one with `haltline init`"));
    };
    let changed = Found { text: with_limit(&found.text, &args.name, &args.limit)?, ..found.clone() };
    let loaded = load_found(&changed, env, Secrets::Ignored)?;
    if args.dry_run {
        return show(&path, &found.text, &changed.text, ui);
    }
    write_whole(&path, &changed.text)
        .map_err(|error| CliError::failed(format!("{} cannot be written: {error}", path.display())))?;
    let said = format!("The limit of {} is {limit} in {}.", args.name, path.display());
    // A store that nobody runs on is left alone: the next start reads the file.
    let is_there = matches!(&loaded.store, StoreSettings::File(dir) if dir.exists());
    let reloaded = if is_there || env("HALTLINE_ADMIN_URL").is_some() {
        block_on(async { connect(&loaded, IfAbsent::Refuse, env)?.reload().await })
    } else {
        Ok(None)
    };
    match reloaded {
        Ok(Some(message)) => ui.said(&format!("{said} The gateway says: {message}")),
        Ok(None) => ui.said(&format!("{said} No gateway runs here; it holds from the next start on.")),
        Err(error) => {
            Err(CliError { message: format!("{said} But the gateway did not take it: {}", error.message), ..error })
        }
    }
}

/// The text with another limit, everything else as it stands.
fn with_limit(text: &str, name: &str, limit: &str) -> Result<String, CliError> {
    let mut document: DocumentMut = text.parse().map_err(|error| CliError::usage(format!("not TOML: {error}")))?;
    let budgets = document.get_mut("budgets");
    let mut names = Vec::new();
    let mut tables: Vec<&mut dyn toml_edit::TableLike> = match budgets {
        Some(Item::ArrayOfTables(tables)) => {
            tables.iter_mut().map(|table| table as &mut dyn toml_edit::TableLike).collect()
        }
        Some(Item::Value(Value::Array(items))) => items
            .iter_mut()
            .filter_map(Value::as_inline_table_mut)
            .map(|table| table as &mut dyn toml_edit::TableLike)
            .collect(),
        _ => Vec::new(),
    };
    for table in &mut tables {
        let found = table.get("name").and_then(Item::as_str).unwrap_or_default().to_owned();
        if found == name
            && let Some(Item::Value(old)) = table.get_mut("limit")
        {
            let decor = old.decor().clone();
            *old = Value::from(limit);
            *old.decor_mut() = decor;
            return Ok(document.to_string());
        }
        names.push(found);
    }
    let error = CliError::new(Exit::NotFound, format!("the configuration has no budget named `{name}`"));
    Err(match names.as_slice() {
        [] => error.help("it has no [[budgets]]"),
        names => error.help(format!("there are: {}", names.join(", "))),
    })
}

/// The lines that differ: as a limit is one value, they are one stretch.
fn show(path: &Path, old: &str, new: &str, ui: &mut Ui<'_>) -> Result<(), CliError> {
    let (before, after): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same_head = before.iter().zip(&after).take_while(|(one, other)| one == other).count();
    let rest = before.len().min(after.len()) - same_head;
    let same_tail =
        before.iter().rev().zip(after.iter().rev()).take_while(|(one, other)| one == other).count().min(rest);
    let removed = &before[same_head..before.len() - same_tail];
    let added = &after[same_head..after.len() - same_tail];
    if ui.format == Format::Json {
        let line = same_head + 1;
        return ui
            .json(&json!({ "file": path.display().to_string(), "line": line, "removed": removed, "added": added }));
    }
    let mut text = format!("--- {0}\n+++ {0}\n@@ line {1} @@\n", path.display(), same_head + 1);
    removed.iter().for_each(|line| text.push_str(&format!("-{line}\n")));
    added.iter().for_each(|line| text.push_str(&format!("+{line}\n")));
    ui.text(&text)
}

/// Writes beside the file and renames, so that nobody ever reads half of it; permissions stay.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let target = fs::canonicalize(path)?;
    let mut name = target.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.new", std::process::id()));
    let beside = target.with_file_name(name);
    let written = (|| {
        let mut file = fs::File::create_new(&beside)?;
        file.set_permissions(fs::metadata(&target)?.permissions())?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &target)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "# mine\n[[budgets]]\nname = \"a\"\nlimit = \"$1\"   # one\n\n[[budgets]]\nname = \"b\"\nlimit = \"$2\"\n";

    #[test]
    fn only_the_limit_changes_and_comments_stay() {
        let changed = with_limit(TEXT, "a", "$9").map_err(|error| error.message).expect("changed");
        assert_eq!(changed, TEXT.replace("\"$1\"", "\"$9\""));
        let inline = "budgets = [{ name = \"a\", limit = \"$1\", window = \"day\" }]\n";
        let changed = with_limit(inline, "a", "$9").map_err(|error| error.message).expect("changed");
        assert_eq!(changed, inline.replace("$1", "$9"));
    }

    #[test]
    fn a_budget_that_is_not_there_is_named() {
        let error = with_limit(TEXT, "c", "$9").expect_err("absent");
        assert_eq!((error.exit, error.help.as_deref()), (Exit::NotFound, Some("there are: a, b")));
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("haltline.toml");
        fs::write(&path, "old").expect("written");
        write_whole(&path, "new").expect("replaced");
        assert_eq!(fs::read_to_string(&path).expect("read"), "new");
        assert_eq!(fs::read_dir(dir.path()).expect("list").count(), 1);
    }
}
