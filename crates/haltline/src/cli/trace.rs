//! `haltline trace`: what happened to a request, a trace or a session, step by step. How it is
//! drawn is in `trace/draw.rs`, what an id means in `trace/find.rs`.

mod draw;
mod find;

pub(super) use draw::{Glyphs, Style};
pub(super) use find::find;

use super::admin::{IfAbsent, configuration, connect};
use super::args::Global;
use super::block_on;
use super::exit::CliError;
use super::ui::{Format, Ui};
use clap::Args;
use haltline_http::timeline::Timeline;

/// `haltline trace`.
#[derive(Clone, Debug, Args)]
pub struct TraceArgs {
    /// A request (req_…, the `x-request-id` of its answer), a trace id, or a session
    pub id: String,
    /// Of a trace or session: only this key's requests
    #[arg(long)]
    pub key: Option<String>,
    /// Of a trace or session: only this user's requests
    #[arg(long)]
    pub user: Option<String>,
}

pub(super) fn run(
    args: &TraceArgs,
    global: &Global,
    ui: &mut Ui<'_>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(), CliError> {
    let (_, loaded) = configuration(global, env)?;
    let found = block_on(async {
        let admin = connect(&loaded, IfAbsent::Refuse, env)?;
        find(admin.as_ref(), &args.id, args.key.as_deref(), args.user.as_deref()).await
    })?;
    match ui.format {
        Format::Json => found.iter().try_for_each(|timeline| ui.json(timeline)),
        Format::Csv => csv(&found, ui),
        Format::Table => {
            let style = Style { paint: ui.out_paint, glyphs: Glyphs::of(env) };
            ui.text(&draw::draw(&found, style))
        }
    }
}

/// One line a step.
fn csv(found: &[Timeline], ui: &mut Ui<'_>) -> Result<(), CliError> {
    let headers = ["request", "at us", "step", "attempt", "endpoint", "took us", "cost usd", "text"];
    let steps = found.iter().flat_map(|timeline| timeline.steps.iter().map(move |step| (&timeline.id, step)));
    let rows: Vec<_> = steps.collect();
    ui.list(&headers, &rows, |(id, step)| {
        let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        vec![
            (*id).clone(),
            step.at_us.to_string(),
            step.step.clone(),
            number(step.attempt.map(u64::from)),
            step.endpoint.clone().unwrap_or_default(),
            number(step.took_us),
            step.cost.clone().unwrap_or_default(),
            step.text.clone(),
        ]
    })
}
