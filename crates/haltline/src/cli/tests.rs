//! The command line as its users meet it: parsing, exit codes, output, a store of its own, and a
//! gateway on the other side of a socket.

mod gateway;
mod guard;
mod local;
mod parsing;
mod plan;
mod prices;
mod remote;
mod trace;

use super::{Cli, CliError, DemoArgs, Exit, Global, ServeArgs, Ui, Wiring, run};
use clap::Parser;
use std::path::Path;

const WIRING: Wiring = Wiring { serve, demo };

fn serve(_: &Global, args: &ServeArgs, ui: &mut Ui<'_>) -> Result<(), CliError> {
    ui.text(&format!("serve {:?}", args.listen))
}

fn demo(_: &Global, args: &DemoArgs, ui: &mut Ui<'_>) -> Result<(), CliError> {
    ui.text(&format!("demo {:?}", args.what))
}

/// What a command did.
#[derive(Debug)]
struct Did {
    exit: Exit,
    out: String,
    err: String,
}

/// Who reads the output.
#[derive(Clone, Copy)]
enum Reader {
    Person,
    Program,
}

fn haltline(reader: Reader, env: &dyn Fn(&str) -> Option<String>, words: &[&str]) -> Did {
    let cli = Cli::try_parse_from(std::iter::once("haltline").chain(words.iter().copied())).expect("a command line");
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut ui = Ui::new(&mut out, &mut err, &cli.global, matches!(reader, Reader::Person), false);
    let exit = run(&cli, &WIRING, &mut ui, env);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Did { exit, out: text(out), err: text(err) }
}

fn no_env(_: &str) -> Option<String> {
    None
}

/// A folder with a configuration whose store is in the same folder.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let text = "[store]\nurl = \"file:data\"\n[providers.openai]\nkind = \"openai\"\napi_key = \"${OPENAI_API_KEY}\"\n\
                # the line\n[[budgets]]\nname = \"day\"\nscope = \"global\"\nlimit = \"$10\"\nwindow = \"day\"\n";
    std::fs::write(config(dir.path()), text).expect("written");
    dir
}

fn config(dir: &Path) -> String {
    dir.join("haltline.toml").display().to_string()
}
