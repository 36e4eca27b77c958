//! Child processes of a run, and what the kernel says about them: CPU time and memory. Linux only.

use anyhow::{Context, bail};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A child process, killed by its own id when it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    pub(crate) fn new(child: Child) -> Self {
        Self { child }
    }

    /// Starts this binary with a subcommand that prints `ready ADDRESS`.
    pub(crate) fn start_own(arguments: &[&str]) -> anyhow::Result<(Self, SocketAddr)> {
        let own = std::env::current_exe()?;
        let child = Command::new(own).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut process = Self::new(child);
        let stdout = process.child.stdout.take().context("the child's output is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix("ready ").with_context(|| format!("`{arguments:?}` said `{line}`"))?;
        Ok((process, address.parse()?))
    }

    /// Fails when the process has ended.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("process {} ended with {status}", self.child.id()),
        }
    }

    /// CPU time so far, user and system, all threads, in steps of 10 ms.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let path = format!("/proc/{}/stat", self.child.id());
        parse_cpu(&std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?)
    }

    /// Resident memory in KiB.
    pub(crate) fn resident_kib(&self) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        parse_resident(&std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Linux counts these fields in hundredths of a second on every architecture that matters.
const TICK: Duration = Duration::from_millis(10);

fn parse_cpu(stat: &str) -> anyhow::Result<Duration> {
    // The name in parentheses may hold blanks; user and system time are the 12th and 13th field after it.
    let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
    let mut times = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
    let user = times.next().context("no user time")??;
    let system = times.next().context("no system time")??;
    Ok(TICK * user.saturating_add(system))
}

fn parse_resident(status: &str) -> anyhow::Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_user_plus_system_whatever_the_name() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 100 0 0 0 150 25 7 8 20 0 4 0 100 1000 200";
        assert_eq!(parse_cpu(stat).expect("stat"), Duration::from_millis(1750));
        assert!(parse_cpu("42 (x) S").is_err());
    }

    #[test]
    fn resident_memory_is_found() {
        assert_eq!(parse_resident("Name:\tx\nVmRSS:\t   12345 kB\nThreads:\t2\n").expect("status"), 12345);
        assert!(parse_resident("Name:\tx\n").is_err());
    }

    #[test]
    fn this_process_can_be_read() {
        let child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat");
        let process = Process::new(child);
        assert!(process.cpu().is_ok());
        assert!(process.resident_kib().expect("memory") > 0);
    }
}
