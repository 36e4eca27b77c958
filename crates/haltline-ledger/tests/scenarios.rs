//! The scenario files, played on the pure ledger.

use haltline_ledger::scenario::{Plain, play};

fn check(file: &str) {
    match play(file, Plain::default) {
        Ok(count) => assert!(count > 0, "the file has no scenarios"),
        Err(failures) => {
            let shown: Vec<_> = failures.iter().map(ToString::to_string).collect();
            panic!("\n{}", shown.join("\n"));
        }
    }
}

macro_rules! tables {
    ($($name:ident $file:literal)*) => {
        $(#[test] fn $name() { check(include_str!(concat!("../scenarios/", $file))); })*

        #[test]
        fn no_file_is_left_out() {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
            let files = std::fs::read_dir(folder).expect("the folder of scenarios");
            let mut found: Vec<_> = files.map(|file| file.expect("a file").file_name().into_string().expect("a name")).collect();
            found.sort();
            assert_eq!(found, [$($file),*]);
        }
    };
}

tables! {
    corrections "corrections.table"
    holds "holds.table"
    outcomes "outcomes.table"
    power_loss "power-loss.table"
    rebudget "rebudget.table"
    refusals "refusals.table"
    rolling "rolling.table"
    some_subjects "some-subjects.table"
    windows "windows.table"
}

#[test]
fn a_row_that_does_not_come_out_fails() {
    let start = "scenario s\nbudget day limit=$1 window=day\nat 2026-11-24T10:00:00Z\n";
    for (rows, why) in [
        ("hold a usd=2 -> ok", "it was refused"),
        ("hold a usd=1 -> refused held", "it was given"),
        ("hold a usd=2 -> refused spent", "it is `too-large`"),
        ("hold a usd=2 -> refused too-large fits=$2", "fits: Some($1.00)"),
        ("hold a usd=2 -> refused too-large fitz=$1", "`fitz=` means nothing"),
        ("hold a usd=1 -> ok\nbalance day held=$0.50", "held is $1.00"),
        ("hold a usd=1 -> ok\nsettle a usd=2 -> ok", "it is `overran`"),
        ("settle a usd=2 -> ok", "no hold is open"),
        ("hold a usd=1", "the outcome is missing"),
        ("hodl a usd=1 -> ok", "`hodl` is not a step"),
        ("balance dya held=$0", "there is no budget"),
    ] {
        let failures = play(&format!("{start}{rows}\n"), Plain::default).expect_err(rows);
        assert!(failures[0].why.contains(why), "{rows}: {}", failures[0].why);
    }
}
