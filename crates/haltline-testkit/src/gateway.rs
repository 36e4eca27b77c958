//! The real gateway as a child process: started with a configuration in a directory of its own,
//! stopped by signals to its own process id only, its output kept and shown when a test fails.

use crate::http_client::Call;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::time::sleep;

/// The environment variable that names the binary.
pub const BINARY_VARIABLE: &str = "HALTLINE_BIN";

/// How a gateway is started.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// The binary.
    pub binary: PathBuf,
    /// Variables added to its environment.
    pub environment: Vec<(String, String)>,
    /// The longest wait until it is ready.
    pub ready_within: Duration,
}

impl GatewayOptions {
    /// The binary named by `HALTLINE_BIN`, else `haltline` beside the running test's build.
    ///
    /// # Errors
    /// When there is none; the error says how to get one.
    pub fn find() -> io::Result<Self> {
        Ok(Self { binary: find_binary()?, environment: Vec::new(), ready_within: Duration::from_secs(10) })
    }
}

/// An address that is free at this moment, and stays so: below the ports that the system gives to
/// whoever asks for any, as every connection of a test does. A restart has to come back at it.
fn free_address() -> io::Result<SocketAddr> {
    const FIRST: u32 = 12_000;
    const PORTS: u32 = 18_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..PORTS {
        let number = std::process::id().wrapping_mul(131).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + number % PORTS).unwrap_or(0);
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return listener.local_addr();
        }
    }
    Err(io::Error::other("no port is free"))
}

/// A running gateway with a directory of its own. Dropping it kills the process and removes the
/// directory.
#[derive(Debug)]
pub struct Gateway {
    options: GatewayOptions,
    directory: TempDir,
    address: SocketAddr,
    child: Option<Child>,
}

impl Gateway {
    /// Starts a gateway and waits until `/readyz` says 200. In the configuration `{listen}`
    /// becomes the address to listen on and `{dir}` the gateway's directory.
    ///
    /// # Errors
    /// When there is no binary, it ends, or it is not ready in time; with its output.
    pub async fn start(config: &str) -> io::Result<Self> {
        Self::start_with(GatewayOptions::find()?, config).await
    }

    /// The same with options.
    ///
    /// # Errors
    /// As for `start`.
    pub async fn start_with(options: GatewayOptions, config: &str) -> io::Result<Self> {
        let mut gateway = Self::prepare(options, config)?;
        gateway.serve().await?;
        Ok(gateway)
    }

    /// Writes the configuration and starts nothing yet, so that commands can run before `serve`.
    ///
    /// # Errors
    /// When the directory or the configuration cannot be written.
    pub fn prepare(options: GatewayOptions, config: &str) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("haltline-test-").tempdir()?;
        let address = free_address()?;
        let gateway = Self { options, directory, address, child: None };
        gateway.write_config(config)?;
        Ok(gateway)
    }

    /// Replaces the configuration file; a running gateway reads it on SIGHUP or when it restarts.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_config(&self, config: &str) -> io::Result<()> {
        let directory = self.directory.path().to_string_lossy();
        let text = config.replace("{listen}", &self.address.to_string()).replace("{dir}", &directory);
        fs::write(self.config_path(), text)
    }

    /// Starts the process and waits until it is ready.
    ///
    /// # Errors
    /// As for `start`, and when it runs already.
    pub async fn serve(&mut self) -> io::Result<()> {
        if self.child.is_some() {
            return Err(io::Error::other("the gateway runs already"));
        }
        let log = File::options().create(true).append(true).open(self.log_path())?;
        let child = self.command(&["serve"]).stdout(log.try_clone()?).stderr(log).stdin(Stdio::null()).spawn()?;
        self.child = Some(child);
        let until = Instant::now() + self.options.ready_within;
        loop {
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                self.child = None;
                return Err(io::Error::other(format!("the gateway ended with {status}:\n{}", self.log())));
            }
            for origin in [Some(self.origin()), self.operators()].into_iter().flatten() {
                let asked = Call::get(format!("{origin}/readyz")).limit(Duration::from_secs(1)).send().await;
                if asked.is_ok_and(|answer| answer.status.is_success()) {
                    return Ok(());
                }
            }
            if Instant::now() >= until {
                let log = self.log();
                self.kill9()?;
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("the gateway is not ready:\n{log}")));
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Runs the binary with these arguments and this gateway's configuration (`-c FILE` at the
    /// end) in its directory, and waits for it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn command_line(&self, arguments: &[&str]) -> io::Result<Output> {
        self.command(arguments).stdin(Stdio::null()).output()
    }

    /// Runs `haltline key create` with these arguments and gives the secret.
    ///
    /// # Errors
    /// When the command fails or prints no JSON with `secret`; with its output.
    pub fn create_key(&self, arguments: &[&str]) -> io::Result<String> {
        let mut all = vec!["key", "create"];
        all.extend_from_slice(arguments);
        all.extend_from_slice(&["--format", "json"]);
        let output = self.command_line(&all)?;
        let found = serde_json::from_slice::<serde_json::Value>(&output.stdout)
            .ok()
            .and_then(|value| Some(value.get("secret")?.as_str()?.to_owned()));
        match found {
            Some(secret) if output.status.success() => Ok(secret),
            _ => Err(io::Error::other(format!(
                "`key create` ended with {}:\n{}{}",
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            ))),
        }
    }

    /// Kills the process as `kill -9` does, and waits for its end.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill9(&mut self) -> io::Result<ExitStatus> {
        let mut child = self.child.take().ok_or_else(|| io::Error::other("the gateway does not run"))?;
        child.kill()?;
        child.wait()
    }

    /// Asks the process to end (SIGTERM) and waits for that, at most for `limit`.
    ///
    /// # Errors
    /// When it does not run, or still runs after `limit` (it is left running).
    pub async fn term(&mut self, limit: Duration) -> io::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                self.child = None;
                return Ok(status);
            }
            if Instant::now() >= until {
                return Err(io::ErrorKind::TimedOut.into());
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Asks the process to read its configuration again (SIGHUP).
    ///
    /// # Errors
    /// When it does not run.
    pub fn hup(&self) -> io::Result<()> {
        self.signal(Signal::HUP)
    }

    /// Kills the process if it runs, and starts it again over the same directory and address.
    ///
    /// # Errors
    /// As for `serve`.
    pub async fn restart(&mut self) -> io::Result<()> {
        if self.child.is_some() {
            self.kill9()?;
        }
        self.serve().await
    }

    /// The process id, `None` when it does not run.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens, without a scheme.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the command line finds it, if it keeps its data in `{dir}/data` and this process wrote
    /// that down.
    fn operators(&self) -> Option<String> {
        let text = fs::read(self.directory.path().join("data/admin.json")).ok()?;
        let file: serde_json::Value = serde_json::from_slice(&text).ok()?;
        (file.get("pid")?.as_u64() == self.pid().map(u64::from)).then_some(())?;
        Some(file.get("url")?.as_str()?.to_owned())
    }

    /// The directory of its configuration, data and output.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Everything the process has printed, over all restarts.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        // The child is not waited for yet, so its id cannot belong to another process.
        let pid = self.pid().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("the gateway does not run"))?;
        Ok(kill_process(pid, signal)?)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.options.binary);
        command.args(arguments).arg("-c").arg(self.config_path()).current_dir(self.directory.path());
        command.envs(self.options.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn config_path(&self) -> PathBuf {
        self.directory.path().join("haltline.toml")
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("gateway.log")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only when it has ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- output of the gateway ---\n{}--- end of the output ---", self.log());
        }
    }
}

fn find_binary() -> io::Result<PathBuf> {
    if let Some(named) = std::env::var_os(BINARY_VARIABLE) {
        // Commands run in the gateway's own directory.
        return std::path::absolute(named);
    }
    let test = std::env::current_exe()?;
    // TARGET/PROFILE/deps/test-hash -> TARGET/PROFILE/haltline
    let beside = test.ancestors().skip(1).take(2).map(|folder| folder.join("haltline")).find(|path| path.is_file());
    beside.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("no `haltline` binary: build it with `cargo build -p haltline`, or name one in {BINARY_VARIABLE}"),
        )
    })
}
