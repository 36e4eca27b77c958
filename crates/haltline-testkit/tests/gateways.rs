//! The gateway's life as a child process, with the fake provider's binary in its place where the
//! real one is not needed: what is tested is the starting, waiting, killing and reporting.

use haltline_testkit::{GatewayOptions, TestGateway};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

/// A script that stands for the gateway's binary.
fn stub(folder: &tempfile::TempDir, script: &str) -> GatewayOptions {
    let path: PathBuf = folder.path().join("stub.sh");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("write");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("mode");
    GatewayOptions { binary: path, environment: Vec::new(), ready_within: Duration::from_secs(10) }
}

/// Answers every path like a gateway that is ready, on the port of its configuration.
fn ready_stub(folder: &tempfile::TempDir) -> GatewayOptions {
    let provider = env!("CARGO_BIN_EXE_fake-provider");
    let script = format!(
        r#"if [ "$1" = key ]; then echo '{{"secret":"hl-live-x","name":"'$3'"}}'; exit 0; fi
echo "started in $PWD"
port=$(sed -n 's/^listen = "127.0.0.1:\([0-9]*\)"/\1/p' "$3")
exec "{provider}" --port "$port""#
    );
    stub(folder, &script)
}

const CONFIG: &str = "[server]\nlisten = \"{listen}\"\n[store]\nurl = \"file:{dir}/data\"\n";

#[tokio::test]
async fn it_starts_is_killed_and_comes_back_at_the_same_address() {
    let folder = tempfile::tempdir().expect("folder");
    let mut gateway = TestGateway::start_with(ready_stub(&folder), CONFIG).await.expect("start");
    let (origin, pid) = (gateway.origin(), gateway.pid().expect("runs"));
    let config = fs::read_to_string(gateway.directory().join("haltline.toml")).expect("config");
    assert!(config.contains(&format!("listen = \"{}\"", origin.trim_start_matches("http://"))), "{config}");
    assert!(config.contains(&format!("file:{}/data", gateway.directory().display())), "{config}");
    assert_eq!(gateway.create_key(&["bench"]).expect("key"), "hl-live-x");
    let status = gateway.kill9().expect("kill");
    assert!(!status.success());
    assert_eq!(gateway.pid(), None);
    gateway.restart().await.expect("restart");
    assert_eq!(gateway.origin(), origin);
    assert_ne!(gateway.pid(), Some(pid));
    assert_eq!(gateway.log().matches("started in").count(), 2);
    let ended = gateway.term(Duration::from_secs(10)).await.expect("term");
    assert!(!ended.success(), "the stand-in dies of the signal");
}

#[tokio::test]
async fn one_that_ends_or_is_never_ready_is_reported_with_its_output() {
    let folder = tempfile::tempdir().expect("folder");
    let ended = TestGateway::start_with(stub(&folder, "echo 'no such key'; exit 2"), CONFIG).await.expect_err("ends");
    assert!(ended.to_string().contains("no such key"), "{ended}");
    assert!(ended.to_string().contains("exit status: 2"), "{ended}");
    let mut silent = stub(&folder, "echo waiting; exec tail -f /dev/null");
    silent.ready_within = Duration::from_millis(300);
    let late = TestGateway::start_with(silent, CONFIG).await.expect_err("late");
    assert_eq!(late.kind(), std::io::ErrorKind::TimedOut);
    assert!(late.to_string().contains("waiting"), "{late}");
}
