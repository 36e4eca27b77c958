//! Tokens of media: published examples, and what must hold for every size.

use crate::fixed;
use haltline_policy::media::{
    Detail, ImageRule, PAGE_TEXT, Pixels, audio_tokens, document_tokens, image_rule, image_tokens, pages_max,
};
use haltline_policy::vendor::Vendor;
use haltline_types::Tokens;
use proptest::prelude::*;

fn tokens(vendor: Vendor, model: &str, width: u32, height: u32, detail: Detail) -> u64 {
    image_tokens(image_rule(vendor, model), Some(Pixels { width, height }), detail).get()
}

fn unknown(vendor: Vendor, model: &str) -> u64 {
    image_tokens(image_rule(vendor, model), None, Detail::Unsaid).get()
}

#[test]
fn published_examples_come_out_as_published() {
    use Vendor::{Anthropic, Google, OpenAi};
    let cases = [
        // OpenAI's guide.
        (OpenAi, "gpt-4o-2024-08-06", 1024, 1024, Detail::High, 765),
        (OpenAi, "gpt-4o", 2048, 4096, Detail::High, 1105),
        (OpenAi, "gpt-4o", 4096, 8192, Detail::Low, 85),
        (OpenAi, "gpt-4o-mini", 1024, 1024, Detail::Unsaid, 25_501),
        (OpenAi, "gpt-5", 1024, 1024, Detail::High, 630),
        (OpenAi, "o3-2025-04-16", 1024, 1024, Detail::High, 675),
        (OpenAi, "gpt-4.1-mini", 1024, 1024, Detail::High, 1659),
        (OpenAi, "gpt-5.4", 4096, 4096, Detail::High, 4050),
        (OpenAi, "gpt-5.4-nano", 320, 320, Detail::Unsaid, 246),
        // Anthropic's table: 200x200, 1000x1000, 1092x1092; the older formula is the dearer one.
        (Anthropic, "claude-sonnet-4-6", 200, 200, Detail::Unsaid, 64),
        (Anthropic, "claude-sonnet-4-6", 1000, 1000, Detail::Unsaid, 1334),
        (Anthropic, "claude-sonnet-4-6", 8000, 8000, Detail::Unsaid, 1600),
        (Anthropic, "claude-opus-4-7", 8000, 8000, Detail::Unsaid, 4784),
        // Google's example of 960x540: a crop unit of 360 gives 3 by 2.
        (Google, "gemini-2.5-flash", 960, 540, Detail::Unsaid, 6 * 258),
        (Google, "gemini-2.0-flash", 384, 384, Detail::Unsaid, 258),
        (Google, "gemini-3.1-pro", 10, 10, Detail::Unsaid, 2240),
    ];
    for (vendor, model, width, height, detail, expected) in cases {
        assert_eq!(tokens(vendor, model, width, height, detail), expected, "{model} {width}x{height} {detail:?}");
    }
}

#[test]
fn what_is_not_known_counts_as_the_dearest() {
    use Vendor::{Anthropic, Google, Mistral, OpenAi, Other, Xai};
    assert_eq!(unknown(OpenAi, "gpt-4o"), 85 + 8 * 170);
    assert_eq!(image_rule(OpenAi, "gpt-7"), ImageRule::OpenAiUnknown);
    assert_eq!(unknown(OpenAi, "gpt-7"), 73_800);
    assert_eq!(tokens(OpenAi, "gpt-7", 64, 64, Detail::Low), 2_833 + 5_667, "the dearest row for small images");
    assert_eq!((unknown(Anthropic, "claude-3-haiku"), unknown(Anthropic, "claude-fable-5")), (1_600, 4_784));
    assert_eq!(unknown(Anthropic, "us.anthropic.claude-sonnet-4-5-20250929-v1:0"), 1_600);
    assert_eq!(unknown(Google, "models/gemini-2.5-pro"), 24 * 258);
    assert_eq!(unknown(Google, "learnlm"), 48_600);
    assert_eq!((unknown(Mistral, "pixtral-12b"), unknown(Xai, "grok-4")), (4_160, 1_792));
    assert_eq!((unknown(Other, "llava"), tokens(Other, "llava", 10, 10, Detail::Low)), (48_600, 8_192));
}

#[test]
fn pages_and_seconds() {
    let rule = image_rule(Vendor::OpenAi, "gpt-4o");
    let page = 85 + 8 * 170 + PAGE_TEXT.get() + 16;
    assert_eq!(document_tokens(rule, 3), Some(Tokens::new(3 * page)));
    assert_eq!((pages_max(Vendor::Anthropic), pages_max(Vendor::OpenAi)), (Some(600), None));
    assert_eq!(audio_tokens(Vendor::Google, 1_001), Some(Tokens::new(33)));
    assert_eq!(audio_tokens(Vendor::OpenAi, 60_000), Some(Tokens::new(1_200)));
    assert_eq!(audio_tokens(Vendor::Anthropic, 1), None);
    assert_eq!(audio_tokens(Vendor::Google, u64::MAX), None);
}

fn any_rule() -> impl Strategy<Value = ImageRule> {
    prop::sample::select(vec![
        image_rule(Vendor::OpenAi, "gpt-4o"),
        image_rule(Vendor::OpenAi, "gpt-4o-mini"),
        image_rule(Vendor::OpenAi, "gpt-5.2"),
        image_rule(Vendor::OpenAi, "o4-mini"),
        image_rule(Vendor::OpenAi, "gpt-7"),
        image_rule(Vendor::Anthropic, "claude-sonnet-4"),
        image_rule(Vendor::Anthropic, "claude-opus-5"),
        image_rule(Vendor::Google, "gemini-2.5-pro"),
        image_rule(Vendor::Google, "gemini-3-pro"),
        image_rule(Vendor::Mistral, "x"),
        image_rule(Vendor::Xai, "x"),
        image_rule(Vendor::Other, "x"),
    ])
}

fn any_side() -> impl Strategy<Value = u32> {
    prop_oneof![0_u32..100, 0_u32..6_000, any::<u32>()]
}

proptest! {
    #![proptest_config(fixed(20_000))]

    #[test]
    fn a_known_size_is_never_dearer_than_an_unknown_one(rule in any_rule(), width in any_side(), height in any_side()) {
        for detail in [Detail::Low, Detail::High, Detail::Unsaid] {
            let size = Some(Pixels { width, height });
            let known = image_tokens(rule, size, detail);
            prop_assert!(known <= image_tokens(rule, None, detail));
            prop_assert!(known > Tokens::ZERO);
            let turned = Some(Pixels { width: height, height: width });
            prop_assert_eq!(known, image_tokens(rule, turned, detail));
            prop_assert!(known <= image_tokens(rule, size, Detail::Unsaid));
        }
    }
}
