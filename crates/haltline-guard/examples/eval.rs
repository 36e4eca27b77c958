//! For whoever works on rules: tries a rules file on a corpus without compiling again, and prints what
//! was missed. `haltline guard eval` is what operators use.
//!
//! `cargo run -p haltline-guard --example eval -- RULES CORPUS [miss|fp|flagfp [SOURCE]]`

use haltline_guard::input::{Allow, Reach, Ruleset, Threshold};
use std::collections::BTreeMap;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rules = std::fs::read_to_string(&arguments[0]).expect("rules");
    let rules = Ruleset::parse(&rules).unwrap_or_else(|error| panic!("{error}"));
    let corpus = std::fs::read_to_string(&arguments[1]).expect("corpus");
    let show = arguments.get(2).map_or("", String::as_str);
    let source_wanted = arguments.get(3);
    let mut sources: BTreeMap<(i64, String), [u32; 3]> = BTreeMap::new();
    let mut hits: BTreeMap<String, [u32; 4]> = BTreeMap::new();
    let began = std::time::Instant::now();
    let mut bytes = 0;
    for line in corpus.lines() {
        let row: serde_json::Value = serde_json::from_str(line).expect("a row");
        let text = row["text"].as_str().expect("text");
        bytes += text.len();
        let label = row["label"].as_i64().unwrap_or(0);
        let source = format!(
            "{} {}",
            row["source"].as_str().unwrap_or(""),
            if row["kind"].as_str().is_some_and(|kind| kind.starts_with("obf")) {
                row["kind"].as_str().unwrap_or("")
            } else {
                ""
            }
        );
        let found = rules.scan(text, &Allow::none());
        let reach = found.reach(Threshold::default());
        let counts = sources.entry((label, source.clone())).or_default();
        counts[0] += 1;
        counts[1] += u32::from(reach >= Reach::Flag);
        counts[2] += u32::from(reach == Reach::Block);
        for id in found.rules() {
            let hit = hits.entry(id.to_owned()).or_default();
            hit[if label == 1 { 0 } else { 1 }] += 1;
            if found.findings.len() == 1 {
                hit[if label == 1 { 2 } else { 3 }] += 1;
            }
        }
        let wanted = match show {
            "miss" => label == 1 && reach < Reach::Block,
            "fp" => label == 0 && reach == Reach::Block,
            "flagfp" => label == 0 && reach >= Reach::Flag,
            _ => false,
        };
        if wanted && source_wanted.is_none_or(|wanted| source.contains(wanted.as_str())) {
            let what: Vec<String> = found
                .findings
                .iter()
                .map(|finding| {
                    let text = finding.span.clone().and_then(|span| text.get(span)).unwrap_or("?");
                    format!(
                        "{}({},{}{}) {text:?}",
                        finding.rule,
                        finding.points,
                        finding.view.word(),
                        if finding.quoted { ",quoted" } else { "" }
                    )
                })
                .collect();
            println!(
                "[{source}] {} {:?}\n    {}",
                found.points,
                text.chars().take(400).collect::<String>(),
                what.join("\n    ")
            );
        }
    }
    let took = began.elapsed();
    let mut sums = [[0_u32; 3]; 2];
    for ((label, source), counts) in &sources {
        println!(
            "{label} {source:50} n={:5} flag={:.4} block={:.4}",
            counts[0],
            f64::from(counts[1]) / f64::from(counts[0]),
            f64::from(counts[2]) / f64::from(counts[0])
        );
        for (sum, count) in sums[usize::from(*label == 1)].iter_mut().zip(counts) {
            *sum += count;
        }
    }
    for (label, counts) in sums.iter().enumerate() {
        println!(
            "TOTAL {label} n={} flag={:.4} block={:.4} ({})",
            counts[0],
            f64::from(counts[1]) / f64::from(counts[0]),
            f64::from(counts[2]) / f64::from(counts[0]),
            counts[2]
        );
    }
    for (id, [tp, fp, only_tp, only_fp]) in &hits {
        println!("  {id:10} tp={tp:4} fp={fp:3} alone tp={only_tp:4} fp={only_fp:3}");
    }
    println!(
        "{} patterns, {:.1} s, {:.0} us/KB",
        rules.patterns(),
        took.as_secs_f64(),
        took.as_secs_f64() * 1e6 / (bytes as f64 / 1024.0)
    );
}
