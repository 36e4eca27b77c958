//! The two commands that run a gateway: `serve` and `demo`.

use crate::cli::{CliError, DemoArgs, DemoWhat, Global, ServeArgs, Ui};
use crate::config::{self, Paint, Secrets};
use crate::demo::{self, Demo};
use crate::prices::remote::Fetching;
use crate::serve;
use haltline_gateway::settings::SimulatedSettings;
use std::io::IsTerminal;
use std::time::{Duration, Instant};
use tracing_subscriber::EnvFilter;

/// `haltline serve`.
///
/// # Errors
/// What hindered the start, or a clean end.
pub fn serve(global: &Global, args: &ServeArgs, ui: &mut Ui<'_>) -> Result<(), CliError> {
    log(global);
    let env = |name: &str| std::env::var(name).ok();
    let found = config::find(global.config.as_deref(), &env)?;
    let loaded = config::load_fetching(&found, &env, Secrets::Needed, Fetching::Now)?;
    if loaded.warnings.counts().1 > 0 {
        ui.note(&loaded.warnings.to_text(Paint::None));
    }
    run(serve::serve(found, loaded, args.listen))
}

/// `haltline demo`.
///
/// # Errors
/// What hindered it.
pub fn demo(global: &Global, args: &DemoArgs, ui: &mut Ui<'_>) -> Result<(), CliError> {
    match args.what {
        None => {
            log(global);
            run(play(args, ui))
        }
        Some(DemoWhat::Runaway { seconds }) => {
            ui.note(&format!("a storm of retries for {seconds} s against a budget of $1.00 …"));
            let report = run(demo::runaway(Duration::from_secs(seconds)))?;
            ui.text(&report.to_string())?;
            match report.over().get() {
                0 => Ok(()),
                _ => Err(CliError::failed("the limit was crossed: the promise is broken; please report this run")),
            }
        }
    }
}

async fn play(args: &DemoArgs, ui: &mut Ui<'_>) -> anyhow::Result<()> {
    let began = Instant::now();
    let demo = Demo::start(args.listen.unwrap_or(demo::LISTEN), demo::settings(SimulatedSettings::default())?).await?;
    let banner = demo.banner();
    ui.text(banner.trim_end()).map_err(|error| anyhow::anyhow!("{error}"))?;
    ui.note(&format!("Ready in {} ms. Ctrl-C ends it.", began.elapsed().as_millis()));
    wait_for_the_end().await?;
    demo.instance.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}

async fn wait_for_the_end() -> anyhow::Result<()> {
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = term.recv() => {}
    }
    Ok(())
}

fn run<T>(work: impl Future<Output = anyhow::Result<T>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::failed(format!("no runtime: {error}")))?;
    runtime.block_on(work).map_err(|error| CliError::failed(format!("{error:#}")))
}

/// Logs go to stderr: text on a terminal, JSON lines elsewhere. `HALTLINE_LOG` chooses what.
fn log(global: &Global) {
    let usual = if global.quiet { "error" } else { "warn" };
    let filter = EnvFilter::try_from_env("HALTLINE_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let set = if std::io::stderr().is_terminal() { builder.try_init() } else { builder.json().try_init() };
    if let Err(error) = set {
        eprintln!("the log could not be set up: {error}");
    }
}
