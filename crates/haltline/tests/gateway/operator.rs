//! What an operator does with the command line, against a running gateway and without one.

use crate::setup::{Setup, ask};
use haltline_testkit::FakeConfig;
use serde_json::Value;

const MODEL: &str = "[models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = 100\n[[budgets]]\nname = \"day\"\nscope = \"global\"\nlimit = \"$0.001\"\nwindow = \"day\"\n";

fn run(setup: &Setup, arguments: &[&str]) -> (i32, String, String) {
    let output = setup.gateway.command_line(arguments).expect("run");
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_lets_work_go_on_and_stands_in_the_history() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    assert_eq!(setup.post(&ask("one")).send().await.expect("answer").status, 402);
    let (exit, _, said) =
        run(&setup, &["budget", "override", "day", "--limit", "$1", "--until", "2h", "--reason", "launch"]);
    assert_eq!(exit, 0, "{said}");
    assert_eq!(setup.post(&ask("two")).send().await.expect("answer").status, 200);
    let (exit, history, said) = run(&setup, &["budget", "history", "day", "--format", "json"]);
    assert_eq!(exit, 0, "{said}");
    assert!(history.contains("launch") && history.contains("override"), "{history}");
    let (exit, _, _) = run(&setup, &["budget", "assert", "day", "--below", "100%"]);
    assert_eq!(exit, 0);
    let (exit, _, _) = run(&setup, &["budget", "assert", "day", "--below", "0%"]);
    assert_eq!(exit, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn spend_is_the_bill_with_and_without_a_running_gateway() {
    let mut setup = Setup::start(FakeConfig::default(), &MODEL.replace("$0.001", "$1")).await;
    for number in 0..5 {
        let user = format!("user-{}", number % 2);
        assert_eq!(
            setup.post(&ask("hello")).header("x-haltline-user", &user).send().await.expect("answer").status,
            200
        );
    }
    let bill = setup.provider.bill().total.to_decimal();
    for running in [true, false] {
        if !running {
            setup.gateway.term(std::time::Duration::from_secs(20)).await.expect("ended");
        }
        let (exit, total, said) = run(&setup, &["spend", "--format", "json"]);
        assert_eq!(exit, 0, "{said}");
        let total: Value = serde_json::from_str(total.trim()).expect(&total);
        assert_eq!(total["cost"], bill, "running: {running}");
        let (_, rows, _) = run(&setup, &["spend", "--by", "user", "--format", "json"]);
        assert_eq!(rows.lines().count(), 2, "{rows}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_shows_every_error_at_once_and_the_worst_case() {
    let setup = Setup::start(FakeConfig::default(), MODEL).await;
    let (exit, said, _) = run(&setup, &["check"]);
    assert_eq!(exit, 0, "{said}");
    let bad = setup.config("[models.chat]\ntargets = [\"fake/m\"]\nmax_outptu_tokens = 1\n[[budgets]]\nname = \"day\"\nscope = \"globl\"\nlimit = \"50 apples\"\nwindow = \"day\"\n");
    setup.gateway.write_config(&bad).expect("write");
    let (exit, out, err) = run(&setup, &["check"]);
    assert_eq!(exit, 2);
    let said = out + &err;
    for part in ["max_output_tokens", "globl", "50 apples"] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
}
