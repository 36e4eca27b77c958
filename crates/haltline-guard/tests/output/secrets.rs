//! Fake secrets of every rule, and what only looks like one.

use crate::corpus::{characters, ordinary, rules, secrets, stream, texts, tokens};
use haltline_guard::output::{Channel, RuleSet, secret_rules};
use std::collections::BTreeMap;
use std::time::Instant;

#[test]
fn every_fake_secret_is_replaced_and_all_else_stays() {
    let Some(vectors) = secrets() else { return };
    let rules = rules(RuleSet::All);
    let mut wrong = Vec::new();
    for vector in &vectors {
        let screened = rules.whole(Channel::Text, &vector.text);
        let text = screened.text.unwrap_or_else(|| vector.text.clone());
        let core = &vector.core[..vector.core.len().min(14)];
        let right = !text.contains(core)
            && text.starts_with(&vector.before)
            && text.ends_with(&vector.after)
            && screened.hits.iter().any(|hit| *hit.rule == *vector.rule);
        if !right {
            wrong.push(format!("{} {}: {text}", vector.id, vector.rule));
        }
    }
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), vectors.len());
    for rule in secret_rules() {
        assert!(vectors.iter().any(|vector| vector.rule == rule.id), "no vector for {}", rule.id);
    }
}

#[test]
fn look_alikes_pass_as_they_are() {
    let Some(rows) = texts("secrets_lookalikes.jsonl") else { return };
    let rules = rules(RuleSet::All);
    for (text, kind, _) in rows {
        let screened = rules.whole(Channel::Text, &text);
        assert_eq!((screened.text, screened.hits), (None, Vec::new()), "{kind}: {text}");
    }
}

#[test]
fn the_result_is_the_same_however_a_secret_is_cut() {
    let Some(vectors) = secrets() else { return };
    let rules = rules(RuleSet::All);
    let mut held = 0;
    for vector in &vectors {
        let text = &vector.text;
        let whole = rules.whole(Channel::Text, text);
        let wanted = (whole.text.clone().unwrap_or_else(|| text.clone()), whole.hits);
        let mut check = |what: &str, pieces: Vec<&str>| {
            let streamed = stream(&rules, Channel::Text, pieces);
            held = held.max(streamed.held);
            assert_eq!((streamed.text, streamed.hits), wanted, "{} {}: {what}", vector.id, vector.rule);
        };
        for at in (0..=text.len()).filter(|&at| text.is_char_boundary(at)) {
            check(&format!("cut at {at}"), vec![&text[..at], &text[at..]]);
        }
        check("one character at a time", characters(text).collect());
        for seed in 1..20 {
            check("tokens", tokens(text, seed));
        }
    }
    println!("at most {held} bytes held");
    assert!(held <= 128, "{held}");
}

#[test]
fn ordinary_text_hardly_waits() {
    let Some(texts) = ordinary() else { return };
    for set in [RuleSet::Default, RuleSet::All] {
        let rules = rules(set);
        let (mut chunks, mut delayed, mut withheld, mut held, mut runs, mut most) =
            (0_u32, 0_u32, 0_u32, 0_usize, 0_u32, 0);
        let (mut bytes, mut run) = (0, 0);
        let mut hits: BTreeMap<String, u32> = BTreeMap::new();
        let mut lengths: BTreeMap<u32, u32> = BTreeMap::new();
        let began = Instant::now();
        for (seed, text) in texts.iter().enumerate() {
            let mut filter = rules.filter(Channel::Text);
            let (mut out, mut found) = (String::new(), Vec::new());
            for piece in tokens(text, seed as u64) {
                let before = out.len();
                filter.push(&rules, piece, &mut out, &mut found);
                chunks += 1;
                bytes += piece.len();
                held += filter.held();
                most = most.max(filter.held());
                delayed += u32::from(filter.held() > 0);
                if out.len() == before {
                    withheld += 1;
                    run += 1;
                } else if run > 0 {
                    *lengths.entry(run).or_default() += 1;
                    runs += 1;
                    run = 0;
                }
            }
            filter.finish(&rules, &mut out, &mut found);
            for hit in found {
                *hits.entry(hit.rule.to_string()).or_default() += 1;
            }
        }
        let share = |count: u32| 100.0 * f64::from(count) / f64::from(chunks);
        let one = f64::from(lengths.get(&1).copied().unwrap_or(0)) / f64::from(runs);
        println!(
            "{set:?}: {chunks} pieces, {bytes} bytes in {:?}; {:.2} % wholly withheld ({:.1} % of them for one piece, at \
             most {:?}), {:.2} % leave something held, mean {:.3} bytes, at most {most}; hits {hits:?}",
            began.elapsed(),
            share(withheld),
            100.0 * one,
            lengths.keys().max(),
            share(delayed),
            held as f64 / f64::from(chunks),
        );
        if set == RuleSet::Default {
            assert!(share(withheld) <= 3.0, "{}", share(withheld));
            assert!(one > 0.95, "{one}");
        }
        assert!(most <= 128, "{most}");
    }
}
