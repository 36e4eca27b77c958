//! How far above the bill the bounds are: writes `docs/reference/tightness.md` when asked to.

use crate::samples::{BOTH, samples};
use crate::{groundtruth, ratio, recorded};
use haltline_policy::quote::{TokenBound, measure_text};
use haltline_tokens::count;
use haltline_types::Tokens;
use std::fmt::Write as _;
use std::path::Path;

/// The recordings are not part of the repository, so the page is written by hand:
/// `cargo test -p haltline-tokens --test main -- --ignored writes_the_page`.
#[test]
#[ignore = "writes a page from recordings that are not part of the repository"]
fn writes_the_page() {
    let mut page = String::from(
        "# How tight the bounds are\n\n<!-- written by the ignored test `writes_the_page` of haltline-tokens; do not edit -->\n\n\
         A bound must never be below the bill; the nearer it is, the more of a budget can be used at the same time. \
         All numbers are bound divided by what was counted or billed.\n",
    );
    bills(&mut page);
    claude(&mut page);
    texts(&mut page);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/tightness.md");
    std::fs::write(path, page).expect("a page");
}

fn bills(page: &mut String) {
    let all = recorded::recorded();
    assert!(!all.is_empty(), "there are no recordings");
    page.push_str(
        "\n## Recorded requests\n\nInput tokens as billed. The requests are short, so the framing weighs heavily in stage one; \
         those with images are left out.\n\n\
         | provider, API | requests | stage one, lowest | stage one, all together | stage two, lowest | stage two, all together |\n|---|---|---|---|---|---|\n",
    );
    let mut names: Vec<(String, String)> = all.iter().map(|case| (case.provider.clone(), case.api.clone())).collect();
    names.sort();
    names.dedup();
    for (provider, api) in names {
        let of: Vec<_> =
            all.iter().filter(|case| case.provider == provider && case.api == api && case.images == 0).collect();
        let sum = |pairs: &[(u64, u64)]| pairs.iter().fold((0, 0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
        let lowest = |pairs: &[(u64, u64)]| {
            pairs
                .iter()
                .min_by_key(|(bound, billed)| bound * 1000 / billed.max(&1))
                .map_or_else(String::new, |pair| ratio(pair.0, pair.1))
        };
        let one: Vec<(u64, u64)> = of.iter().map(|case| (case.bytes, case.billed)).collect();
        let two: Vec<(u64, u64)> = of.iter().filter_map(|case| Some((case.exact?, case.billed))).collect();
        if one.is_empty() {
            continue;
        }
        let (one_sum, two_sum) = (sum(&one), sum(&two));
        let together = if two.is_empty() { String::new() } else { ratio(two_sum.0, two_sum.1) };
        let row = writeln!(
            page,
            "| {provider}, {api} | {} | {} | {} | {} | {together} |",
            one.len(),
            lowest(&one),
            ratio(one_sum.0, one_sum.1),
            lowest(&two)
        );
        assert!(row.is_ok());
    }
}

fn claude(page: &mut String) {
    page.push_str(
        "\n## Claude Haiku 4.5\n\nCounts by the provider, without framing. The bound is 1.25 for an ASCII byte and 1.5 for any other.\n\n\
         | kind of text | samples | lowest | together | highest |\n|---|---|---|---|---|\n",
    );
    for row in groundtruth::rows() {
        page.push_str(&row);
        page.push('\n');
    }
}

fn texts(page: &mut String) {
    page.push_str(
        "\n## Public vocabularies\n\nThe byte bound over the exact count, which stage two uses.\n\n| text | o200k_base | cl100k_base |\n|---|---|---|\n",
    );
    for (name, text) in samples() {
        let bound = TokenBound::Bytes.of(measure_text(&text)).map_or(0, Tokens::get);
        let [o200k, cl100k] = BOTH.map(|vocabulary| {
            count(vocabulary, [text.as_str()]).map_or_else(String::new, |exact| ratio(bound, exact.get()))
        });
        assert!(writeln!(page, "| {name} | {o200k} | {cl100k} |").is_ok());
    }
}
