//! `haltline cache …`.

use super::admin::{IfAbsent, configuration, connect};
use super::args::{CacheCommand, Global};
use super::block_on;
use super::exit::CliError;
use super::ui::Ui;
use haltline_http::admin::dto::CachePurgeOrder;

pub(super) fn run(
    command: &CacheCommand,
    global: &Global,
    ui: &mut Ui<'_>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(), CliError> {
    let (_, loaded) = configuration(global, env)?;
    match command {
        CacheCommand::Stats => {
            let standing = block_on(async { connect(&loaded, IfAbsent::Refuse, env)?.cache_stats().await })?;
            let headers = ["entries", "bytes", "bytes max", "hits", "misses", "bypassed", "stale"];
            ui.list(&headers, &[standing], |standing| {
                let sizes = [standing.entries, standing.bytes, standing.bytes_max].map(|number| number.to_string());
                let counts = [standing.hits, standing.misses, standing.bypassed, standing.stale];
                sizes.into_iter().chain(counts.map(|number| number.to_string())).collect()
            })
        }
        CacheCommand::Purge(what) => {
            let order = CachePurgeOrder { tag: what.tag.clone(), key: what.key.clone(), all: what.all };
            let said = block_on(async { connect(&loaded, IfAbsent::Refuse, env)?.purge_cache(&order).await })?;
            ui.said(&said)
        }
    }
}
