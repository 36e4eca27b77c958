//! The gateway of a run: its configuration with everything on, its key, its process.

use crate::client::Target;
use crate::process::Process;
use anyhow::{Context, bail, ensure};
use serde_json::Value;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// A gateway that runs with everything on.
pub(crate) struct Gateway {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
}

/// Key, three budgets, rate limit, durable hold, record; limits that are never reached.
fn config(listen: SocketAddr, upstream: SocketAddr, directory: &Path, keep_streams_for: Option<&str>) -> String {
    let streams = keep_streams_for.map_or_else(String::new, |text| format!("[streams]\nkeep_for = \"{text}\"\n"));
    format!(
        r#"[server]
listen = "{listen}"

[store]
url = "file:{directory}"

[providers.mock]
kind = "openai-compatible"
base_url = "http://{upstream}/v1"

[models.chat]
targets = ["mock/m"]

[prices."mock/m"]
input = "0.25"
output = "2"

[[budgets]]
name = "company-day"
scope = "global"
limit = "$1000000"
window = "day"

[[budgets]]
name = "key-day"
scope = "key"
limit = "$1000000"
window = "day"

[[budgets]]
name = "user-hour"
scope = "user"
limit = "$1000000"
window = "hour"

[[rate_limits]]
scope = "user"
limit = 1000000000
per = "10s"

{streams}"#,
        directory = directory.join("data").display()
    )
}

/// The binary given, else `haltline` beside this one.
pub(crate) fn find(given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let path = match given {
        // Commands run in the run's own directory.
        Some(path) => std::path::absolute(path)?,
        None => std::env::current_exe()?.with_file_name("haltline"),
    };
    ensure!(
        path.is_file(),
        "no gateway at {}: build it with `cargo build --release -p haltline`, or give --gateway-bin; \
         --against-limit compares the limit with itself",
        path.display()
    );
    Ok(path)
}

/// Writes the configuration, makes a key, starts the gateway and waits until it is ready.
pub(crate) async fn start(
    binary: &Path,
    upstream: SocketAddr,
    directory: &Path,
    keep_streams_for: Option<&str>,
) -> anyhow::Result<Gateway> {
    // Free at this moment; the configuration names it.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let file = directory.join("haltline.toml");
    fs::write(&file, config(address, upstream, directory, keep_streams_for))?;
    let key = create_key(binary, &file, directory)?;
    let log_path = directory.join("gateway.log");
    let log = File::create(&log_path)?;
    let child = Command::new(binary)
        .arg("serve")
        .arg("-c")
        .arg(&file)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let mut process = Process::new(child);
    let probe = Target::new(address, None)?;
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let asked = timeout(Duration::from_secs(1), probe.get("/readyz")).await;
        if matches!(asked, Ok(Ok(()))) {
            return Ok(Gateway { process, address, key });
        }
        let ended = process.check();
        if ended.is_err() || Instant::now() >= until {
            let log = fs::read_to_string(&log_path).unwrap_or_default();
            ended.with_context(|| format!("the gateway is not ready; it said:\n{log}"))?;
            bail!("the gateway is not ready after 10 s; it said:\n{log}");
        }
        sleep(Duration::from_millis(10)).await;
    }
}

fn create_key(binary: &Path, file: &Path, directory: &Path) -> anyhow::Result<String> {
    let output = Command::new(binary)
        .args(["key", "create", "bench", "--format", "json", "-c"])
        .arg(file)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let secret =
        serde_json::from_str::<Value>(&printed).ok().and_then(|value| Some(value["secret"].as_str()?.to_owned()));
    match secret {
        Some(secret) if output.status.success() => Ok(secret),
        // What was printed may hold a secret: only what went to the other stream is shown.
        _ => bail!("`key create` ended with {}:\n{}", output.status, String::from_utf8_lossy(&output.stderr)),
    }
}
