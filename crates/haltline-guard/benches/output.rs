//! What the output guard costs: a piece of text of the size of a token, a large text, and a filter's
//! memory. The text is the project's own documents.
//!
//! `cargo bench -p haltline-guard --bench output` prints a table. A number after `--` is the most
//! nanoseconds that a piece may cost with the default rules; above it the command fails.

use haltline_guard::output::{
    Action, ArgumentsFilter, Channel, Filter, OutputOptions, OutputRules, Phrase, PiiKind, PiiOptions, RuleSet,
    SecretOptions,
};
use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const ROUNDS: u32 = 20;
/// Pieces of a stream: short, so that some round of it is spared by whatever else the machine does.
const STREAM: usize = 2_000;
/// Bytes of a piece, about a token.
const PIECE: usize = 4;
/// Bytes of a large text.
const LARGE: usize = 16_384;

fn main() -> ExitCode {
    let bound = std::env::args().skip(1).find_map(|word| word.parse::<f64>().ok());
    let text = documents();
    let large = pieces(&text, LARGE);
    let pieces = pieces(&text, PIECE);
    println!("{} bytes of text in {} pieces\n", text.len(), pieces.len());
    println!("| rules | compiled in, ms | ns a piece | MB/s, whole |\n|---|---:|---:|---:|");
    let mut too_dear = false;
    for (name, options) in options() {
        let began = Instant::now();
        let Ok(rules) = OutputRules::new(&options) else { return ExitCode::FAILURE };
        let compiled = began.elapsed().as_secs_f64() * 1e3;
        let times = pieces.chunks(STREAM).map(|pieces| fastest(|| streamed(&rules, pieces)).as_secs_f64());
        let piece = times.sum::<f64>() * 1e9 / pieces.len() as f64;
        let times = large.iter().map(|text| fastest(|| rules.whole(Channel::Text, text).hits.len()).as_secs_f64());
        let whole = text.len() as f64 / 1e6 / times.sum::<f64>();
        println!("| {name} | {compiled:.1} | {piece:.1} | {whole:.0} |");
        too_dear |= name == "default" && bound.is_some_and(|bound| piece > bound);
    }
    let rules = OutputRules::new(&OutputOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    let json: Vec<String> = pieces.iter().map(|piece| piece.replace(['"', '\\'], " ").replace('\n', "\\n")).collect();
    let times = json.chunks(STREAM).map(|pieces| fastest(|| called(&rules, pieces)).as_secs_f64());
    let arguments = times.sum::<f64>() * 1e9 / json.len() as f64;
    println!("| default, arguments of tools | | {arguments:.1} | |");
    println!("\na filter: {} bytes; of arguments: {} bytes", size_of::<Filter>(), size_of::<ArgumentsFilter>());
    if too_dear { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn streamed(rules: &OutputRules, pieces: &[&str]) -> usize {
    let mut filter = rules.filter(Channel::Text);
    let (mut out, mut hits) = (String::new(), Vec::new());
    for piece in pieces {
        out.clear();
        black_box(filter.push(rules, piece, &mut out, &mut hits));
    }
    filter.finish(rules, &mut out, &mut hits);
    hits.len()
}

fn called(rules: &OutputRules, pieces: &[String]) -> usize {
    let mut filter = rules.arguments();
    let (mut out, mut hits) = (String::new(), Vec::new());
    filter.push(rules, "{\"a\":\"", &mut out, &mut hits);
    for piece in pieces {
        out.clear();
        black_box(filter.push(rules, piece, &mut out, &mut hits));
    }
    hits.len()
}

/// The least time: whatever else the machine does can only add to it.
fn fastest(mut work: impl FnMut() -> usize) -> Duration {
    let round = |_| {
        let began = Instant::now();
        black_box(work());
        began.elapsed()
    };
    (0..ROUNDS).map(round).min().unwrap_or_default()
}

fn options() -> Vec<(&'static str, OutputOptions)> {
    let phrases = ["project bluebird", "takeover of acme"].map(str::to_owned).to_vec();
    let phrases = vec![Phrase { id: "codename".to_owned(), any: phrases, action: Action::Cut }];
    let set = |rules| SecretOptions { rules, ..SecretOptions::default() };
    let pii = PiiOptions { kinds: PiiKind::ALL.to_vec(), ..PiiOptions::default() };
    vec![
        ("none", OutputOptions { secrets: set(RuleSet::None), ..OutputOptions::default() }),
        ("default", OutputOptions::default()),
        ("all", OutputOptions { secrets: set(RuleSet::All), ..OutputOptions::default() }),
        ("default and phrases", OutputOptions { phrases, ..OutputOptions::default() }),
        ("default and personal data", OutputOptions { pii, ..OutputOptions::default() }),
    ]
}

fn pieces(text: &str, size: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = (size..rest.len()).find(|&at| rest.is_char_boundary(at)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(at);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

fn documents() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let names = [
        "README.md",
        "ARCHITECTURE.md",
        "STYLE.md",
        "docs/glossary.md",
        "docs/promise.md",
        "docs/life-of-a-request.md",
    ];
    let text: String = names.iter().filter_map(|name| std::fs::read_to_string(root.join(name)).ok()).collect();
    text.repeat(1_000_000_usize.div_ceil(text.len().max(1)))
}
