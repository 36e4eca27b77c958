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
            assert!(one > 0.93, "{one}");
        }
        assert!(most <= 128, "{most}");
    }
}

/// Letters and digits that look like chance.
fn chance(length: usize, letters: &[u8], seed: u64) -> String {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        letters[usize::try_from(state >> 33).unwrap() % letters.len()] as char
    };
    (0..length).map(|_| next()).collect()
}

const ALNUM: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const HEX: &[u8] = b"0123456789abcdef";

#[test]
fn forms_that_vendors_describe_are_found() {
    let rules = rules(RuleSet::Default);
    let token = |parts: &[&str], length: usize, letters: &[u8]| parts.concat() + &chance(length, letters, 7);
    let base64 = |lines: usize, width: usize, end: &str| {
        (0..lines).map(|line| chance(width, ALNUM, line as u64 + 3) + end).collect::<String>()
    };
    let pem = |label: &str, body: &str| format!("-----{} {label}-----{body}-----{} {label}-----", "BEGIN", "END");
    let jwt = |header: usize| {
        let (claims, signature) = (chance(90, ALNUM, 1), chance(43, ALNUM, 2));
        ["ey", "J", &chance(header, ALNUM, 9), ".ey", "J", &claims, ".", &signature].concat()
    };
    let cases: Vec<(&str, String, &str)> = vec![
        ("doppler", token(&["dp", ".st.dev_1."], 43, ALNUM), ""),
        ("doppler", token(&["dp", ".st."], 43, ALNUM), ""),
        ("openai_project", token(&["sk", "-admin-"], 120, ALNUM), ""),
        ("gitlab", token(&["gl", "pat-"], 27, ALNUM) + ".01." + &chance(9, HEX, 4), ""),
        ("google_oauth", token(&["ya", "29.c."], 120, ALNUM), ""),
        ("slack_token", ["xox", "e.xox", "p-1-", &chance(140, ALNUM, 3)].concat(), "xoxe."),
        ("supabase", token(&["sb", "_secret_"], 31, ALNUM), ""),
        ("atlassian", token(&["ATA", "TT3"], 180, ALNUM) + "=" + &chance(8, b"0123456789ABCDEF", 2), ""),
        ("private_key", pem("PRIVATE KEY", &format!("\n{}", base64(1, 64, "\n"))), ""),
        ("private_key", pem("RSA PRIVATE KEY", &format!("\\n{}", base64(9, 64, "\\n"))), ""),
        ("private_key", pem("EC PRIVATE KEY", &format!(" {}", base64(3, 64, " "))), ""),
        ("private_key", pem("OPENSSH PRIVATE KEY", &format!("\r\n{}AAAA==\r\n", base64(5, 70, "\r\n"))), ""),
        ("private_key", pem("ENCRYPTED PRIVATE KEY", &format!("\n    {}", base64(5, 64, "\n    "))), ""),
        ("private_key", pem("PRIVATE KEY", &format!("\\n\" +\n  \"{}", base64(5, 64, "\\n\" +\n  \""))), ""),
        (
            "private_key",
            pem(
                "RSA PRIVATE KEY",
                &format!(
                    "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0123456789ABCDEF0123456789ABCDEF\n\n{}",
                    base64(20, 64, "\n")
                ),
            ),
            "",
        ),
        (
            "private_key",
            pem(
                "PGP PRIVATE KEY BLOCK",
                &format!(
                    "\nVersion: GnuPG v2.0.22 (GNU/Linux)\nComment: a comment (of somebody) that goes on!\n\n{}=aBcD\n",
                    base64(20, 64, "\n")
                ),
            ),
            "",
        ),
        ("jwt", jwt(33), ""),
        ("jwt", jwt(95), ""),
        ("github", token(&["gh", "s_"], 36, ALNUM), ""),
        ("stripe", token(&["rk", "_live_"], 99, ALNUM), ""),
    ];
    for (rule, secret, before) in &cases {
        for (left, right) in
            [("Here: ", ". Good?"), ("x=\"", "\""), ("\\n", "\\n"), ("（", "）"), ("?a%3D", "&b"), ("", "")]
        {
            let text = format!("{left}{secret}{right}");
            let wanted = format!("{left}{before}[REDACTED:{rule}]{right}");
            let screened = rules.whole(Channel::Text, &text);
            assert_eq!(screened.text.as_deref(), Some(wanted.as_str()), "{text}");
            for seed in 1..4 {
                let streamed = stream(&rules, Channel::Text, tokens(&text, seed));
                assert_eq!((streamed.text.as_str(), &streamed.hits), (wanted.as_str(), &screened.hits));
                assert!(streamed.held <= 128, "{rule}: {}", streamed.held);
            }
        }
    }
}

#[test]
fn what_is_long_is_found_though_it_cannot_be_held() {
    let rules = rules(RuleSet::Default);
    let screened = |text: &str| {
        let streamed = stream(&rules, Channel::Text, tokens(text, 5));
        assert_eq!(streamed.text, rules.whole(Channel::Text, text).text.unwrap_or_else(|| text.to_owned()));
        assert!(streamed.held <= 128, "{}", streamed.held);
        streamed.text
    };
    let (password, claims) = (chance(300, ALNUM, 5), chance(200, ALNUM, 6));
    assert_eq!(
        screened(&format!("https://me:{password}@example.org/")),
        "https://me:[REDACTED:url_password]@example.org/"
    );
    let header = chance(500, ALNUM, 8);
    let out = screened(&format!("a {}{header}.{}{claims}.{} b", "eyJ", "eyJ", chance(43, ALNUM, 2)));
    assert!(out.starts_with(&format!("a eyJ{}", &header[..390])) && out.ends_with("[REDACTED:jwt] b"), "{out}");
    // A private key that is cut off: what follows is text again.
    let lines: String = (0..4).map(|line| chance(64, ALNUM, line + 3) + "\n").collect();
    let text = format!(
        "-----{} PRIVATE KEY-----\n{lines}\nand so on, which is not a part of it. It was never mine to tell.",
        "BEGIN"
    );
    let out = screened(&text);
    assert!(
        out.starts_with("[REDACTED:private_key]")
            && out.ends_with("and so on, which is not a part of it. It was never mine to tell."),
        "{out}"
    );
}

#[test]
fn what_speaks_of_keys_passes_as_it_is() {
    let rules = rules(RuleSet::All);
    let (begin, end) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----");
    for text in [
        format!("It begins with {begin} and ends with {end}, between them are lines of base64."),
        format!("{begin}\n...\n{end}"),
        format!("{begin}\nYOUR KEY HERE\n{end}"),
        format!("{begin}{end}"),
        "https://example.org:8080/path?a=b@c".to_owned(),
        "see http://[::1]:3000/ and ws://localhost:9000".to_owned(),
        "postgres://user:${PASSWORD}@db/x, redis://:password@cache:6379".to_owned(),
        "sk-proj-your-project-key-goes-here-0123456789abcdefghij".to_owned(),
        "Authorization: Basic <credentials>".to_owned(),
        format!("data:image/png;base64,{}", chance(900, ALNUM, 4)),
        format!("{}-{}", chance(8, HEX, 1), chance(32, HEX, 2)),
        format!("commit {}", chance(40, HEX, 2)),
        "password: correct horse battery staple is a phrase".to_owned(),
    ] {
        let screened = rules.whole(Channel::Text, &text);
        assert_eq!((screened.text, screened.hits), (None, Vec::new()), "{text}");
    }
}

/// The first part of a Discord token is the bot's id, and part of what is replaced.
#[test]
fn a_discord_token_is_replaced_from_its_beginning() {
    let rules = rules(RuleSet::Default);
    let secret = ["MT", "A5dK7nQ2xL9pR4sV6tY8wZ3b.G1h2J3.", &chance(38, ALNUM, 5)].concat();
    for (left, right) in [("", ""), ("Bot ", "."), ("x=\"", "\"")] {
        let text = format!("{left}{secret}{right}");
        let wanted = format!("{left}[REDACTED:discord_bot]{right}");
        for at in 1..text.len() {
            assert_eq!(stream(&rules, Channel::Text, [&text[..at], &text[at..]]).text, wanted, "{at}");
        }
        assert_eq!(stream(&rules, Channel::Text, characters(&text)).text, wanted);
    }
    // What begins like a word leaves with it.
    let text = format!("a Mypaq{}", &secret[5..]);
    let wanted = "a Mypaq[REDACTED:discord_bot]";
    assert_eq!(stream(&rules, Channel::Text, characters(&text)).text, wanted);
    assert_eq!(rules.whole(Channel::Text, &text).text.as_deref(), Some(wanted));
}
