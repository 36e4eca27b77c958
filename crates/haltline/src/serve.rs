//! `haltline serve`: from a configuration to a running gateway, and from a signal to its end.

mod core_dumps;
mod signals;
mod watch;

use crate::config::{self, Found, Loaded, Paint, Secrets, StoreSettings};
use crate::prices::remote::Fetching;
use crate::run::{Again, Instance, Plan, Reread, StorePlace};
use haltline_gateway::TakenUp;
use haltline_http::ServerBounds;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// Serves until a signal says stop. Prints where it listens to stderr, then only what goes wrong.
///
/// # Errors
/// What hindered the start, or a clean end.
pub async fn serve(found: Found, loaded: Loaded, listen: Option<SocketAddr>) -> anyhow::Result<()> {
    let began = Instant::now();
    let place = match &loaded.store {
        StoreSettings::File(path) => StorePlace::Directory(path.clone()),
        StoreSettings::Memory => StorePlace::Memory,
    };
    let kept = match &place {
        StorePlace::Directory(path) => format!("file:{}", path.display()),
        StorePlace::Memory => "memory: nothing is kept".to_owned(),
    };
    if let Some(listen) =
        listen.filter(|listen| !listen.ip().to_canonical().is_loopback() && loaded.server.tls.is_none())
    {
        eprintln!("warning: {listen} is beyond this machine, without TLS; see [server.tls]");
    }
    core_dumps::set(loaded.server.core_dumps);
    let files = loaded.server.tls.as_ref().map(|tls| tls.files.clone()).unwrap_or_default();
    let (path, drain) = (found.path.clone(), loaded.server.drain);
    let plan = Plan {
        listen: listen.unwrap_or(loaded.server.listen),
        tls: loaded.server.tls.clone(),
        bounds: ServerBounds {
            per_address: loaded.server.connections_per_address,
            trusted_proxies: loaded.server.trusted_proxies.clone().into(),
            ..ServerBounds::default()
        },
        store: place,
        encryption: loaded.encryption,
        keep_streams: loaded.streams_keep_for,
        settings: loaded.settings,
        reread: path.is_some().then(|| reread(found)),
    };
    let signals = signals::Signals::install()?;
    let instance = Instance::start(plan).await?;
    let url = instance.url();
    eprintln!("haltline {}", env!("CARGO_PKG_VERSION"));
    eprintln!("  API        {url}/v1      OPENAI_BASE_URL");
    eprintln!("             {url}         ANTHROPIC_BASE_URL");
    eprintln!("  Store      {kept}");
    eprintln!("  Metrics    {url}/metrics");
    if instance.gateway.keys().list().is_empty() {
        eprintln!("  Keys       none yet: haltline key create NAME");
    }
    if instance.recovered > 0 {
        eprintln!(
            "  Recovered  {} requests were under way when the last process ended; their ceilings are charged",
            instance.recovered
        );
    }
    let TakenUp { ended, going_on } = instance.taken_up;
    if ended + going_on > 0 {
        eprintln!("  Streams    {going_on} that were cut go on, {ended} end with an error that says so");
    }
    eprintln!("Ready in {} ms.", began.elapsed().as_millis());
    let watcher = path.as_deref().map(|path| watch::Watcher::start(path, files)).transpose()?;
    run(&instance, signals, watcher).await;
    eprintln!("draining: {} requests under way, at most {} s", instance.gateway.in_flight(), drain.as_secs());
    let cut = instance.shutdown(drain).await?;
    if cut > 0 {
        eprintln!(
            "{cut} requests were cut; what they may have cost is charged, and streams go on at the next start where they can"
        );
    }
    Ok(())
}

/// Reloads until it is time to stop.
async fn run(instance: &Instance, mut signals: signals::Signals, mut watcher: Option<watch::Watcher>) {
    loop {
        let changed = async {
            match &mut watcher {
                Some(watcher) => watcher.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            signal = signals.next() => match signal {
                signals::Signal::Stop => return,
                signals::Signal::Reload => {}
            },
            () = changed => {}
        }
        match instance.reloader.reload().await {
            Ok(said) => {
                eprintln!("reload: {said}");
                if let (Some(watcher), Some(files)) = (&mut watcher, instance.reloader.new_files()) {
                    watcher.follow(files);
                }
            }
            Err(why) => eprintln!("{why}\nreload: the old configuration stays in force"),
        }
    }
}

/// Reads the same file again, and only what a reload can change: not where to listen or keep things.
fn reread(found: Found) -> Reread {
    Arc::new(move || {
        let env = |name: &str| std::env::var(name).ok();
        let again = config::find(found.path.as_deref(), &env).map_err(|problems| problems.to_text(Paint::None))?;
        let loaded = config::load_fetching(&again, &env, Secrets::Needed, Fetching::Now)
            .map_err(|problems| problems.to_text(Paint::None))?;
        if loaded.warnings.counts().1 > 0 {
            eprintln!("{}", loaded.warnings.to_text(Paint::None).trim_end());
        }
        Ok(Again { settings: loaded.settings, tls: loaded.server.tls })
    })
}
