//! The parts of the bench as processes: what the mock sends reaches the client whole through the
//! limit, and a gateway that cannot be started is reported.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Output, Stdio};

const BENCH: &str = env!("CARGO_BIN_EXE_haltline-bench");

struct Running {
    child: Child,
    address: String,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(BENCH).args(arguments).stdout(Stdio::piped()).spawn().expect("a part starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("ready ").expect("ready").to_owned();
        Self { child, address }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn load(address: &str, more: &[&str]) -> Value {
    let output = Command::new(BENCH)
        .args(["load", "--address", address, "--seconds", "1"])
        .args(more)
        .output()
        .expect("load runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("json")
}

#[test]
fn everything_the_mock_sends_passes_the_limit() {
    let mock = Running::start(&["mock"]);
    let limit = Running::start(&["limit", "--upstream", &mock.address]);
    for address in [&mock.address, &limit.address] {
        let plain = load(address, &["--at-once", "4"]);
        assert!(plain["requests"].as_u64() > Some(10), "{plain}");
        let streams = load(address, &["--at-once", "4", "--stream"]);
        // Role, fifty tokens, finish reason, usage, [DONE].
        let expected = streams["requests"].as_u64().map(|count| count * 54);
        assert!(expected > Some(0) && streams["chunks"].as_u64() == expected, "{streams}");
        let open = load(address, &["--mode", "open", "--rate", "50", "--prompt-bytes", "100000"]);
        assert!((40..=60).contains(&open["requests"].as_u64().expect("count")), "{open}");
    }
}

#[test]
fn a_limit_without_an_upstream_is_an_error_of_the_load() {
    let gone = Running::start(&["mock"]);
    let limit = Running::start(&["limit", "--upstream", &gone.address]);
    drop(gone);
    let output = Command::new(BENCH).args(["load", "--address", &limit.address, "--seconds", "1"]).output();
    let output = output.expect("load runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("502"), "{output:?}");
}

fn run_with(script: &str) -> Output {
    let folder = tempfile::tempdir().expect("folder");
    let stub = folder.path().join("haltline");
    std::fs::write(&stub, format!("#!/bin/sh\n{script}\n")).expect("write");
    std::fs::set_permissions(&stub, std::fs::Permissions::from_mode(0o755)).expect("mode");
    Command::new(BENCH).args(["run", "--quick", "--gateway-bin"]).arg(&stub).output().expect("run")
}

#[test]
fn a_gateway_that_cannot_be_started_is_reported_with_its_words() {
    let refused = run_with("echo 'the store is locked' >&2; exit 5");
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("the store is locked"), "{refused:?}");

    let ended =
        run_with(r#"if [ "$1" = key ]; then echo '{"secret":"hl-live-x"}'; else echo 'bad line 3'; exit 2; fi"#);
    assert!(!ended.status.success());
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("bad line 3") && !said.contains("hl-live-x"), "{said}");
}
