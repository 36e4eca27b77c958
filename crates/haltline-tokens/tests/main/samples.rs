//! Texts of many kinds, made here: no text may have more tokens than its byte bound says.

use haltline_policy::quote::{TokenBound, measure_json, measure_text};
use haltline_tokens::{PIECE_MAX, Vocabulary, count};
use haltline_types::Tokens;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

pub(crate) const BOTH: [Vocabulary; 2] = [Vocabulary::O200k, Vocabulary::Cl100k];

/// Name and text.
pub(crate) fn samples() -> Vec<(&'static str, String)> {
    let mut samples: Vec<(&'static str, String)> = [
        ("English", "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience."),
        ("German", "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Fußgängerübergänge, Straßenbahnhaltestellen."),
        ("Russian", "Все люди рождаются свободными и равными в своём достоинстве и правах. Они наделены разумом и совестью."),
        ("Greek", "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα."),
        ("Arabic", "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق."),
        ("Hebrew", "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם."),
        ("Hindi", "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।"),
        ("Bengali", "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে।"),
        ("Tamil", "மனிதப் பிறிவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்."),
        ("Thai", "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ"),
        ("Khmer", "មនុស្សទាំងអស់កើតមកមានសេរីភាពនិងសមភាព"),
        ("Amharic", "የሰው ልጅ ሁሉ ሲወለድ ነጻና በክብርና በመብትም እኩልነት ያለው ነው።"),
        ("Georgian", "ყველა ადამიანი იბადება თავისუფალი და თანასწორი თავისი ღირსებითა და უფლებებით."),
        ("Chinese", "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。"),
        ("Japanese", "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。"),
        ("Korean", "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다."),
        ("Vietnamese", "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi."),
        ("Rare scripts", "ᚠᛇᚻ᛫ᛒᛦᚦ ᠮᠣᠩᠭᠣᠯ ꦧꦱꦗꦮ ⴰⵎⴰⵣⵉⵖ 𐍈𐌰𐌹𐍂𐌷𐍄𐍃 𒀭𒈹 𓀀𓁐 ߒߞߏ"),
        ("Emoji", "😀👍🏽👩‍👩‍👧‍👦🏳️‍🌈🇩🇪🧑🏿‍🚀❤️‍🔥 1️⃣ ☃️"),
        ("Zalgo", "Z̸̢̛̰̖͇͍̭͔͎̺̟̄̈́͑̒̐̅͆͒͗a̵̧̛̟̠̮̲̼̅̈́͂̓͝l̴̢̛̗̖̥͙͇̀̇̿̊g̶̡̧̛̦̫̰̣̈́͋̊͠ơ̷̢̡̛̬̳̭̬̈́̃̚"),
        ("Expanding", "ﷺ ﷻ ㍿ ㌔ ﬃ ½ Ⅷ ℀ ﾊﾟ Å Ǆ ẞ ſ İ"),
        ("Private use", "\u{E000}\u{F8FF}\u{F0000}\u{10FFFD}\u{FFFD}\u{FEFF}\u{202E}\u{2066}"),
        ("Rust", "pub(crate) fn poll<T: ?Sized>(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T, E>>> {\n    match ready!(self.as_mut().project().inner.poll_next(cx)) {\n        Some(Ok(x)) => Poll::Ready(Some(Ok(x))),\n        _ => unreachable!(),\n    }\n}\n"),
        ("Python", "class A(B):\n\tdef __init__(self, *args: int, **kw) -> None:\n\t\tsuper().__init__()\n\t\tself.x = {k: v for k, v in kw.items() if v is not None}\n"),
        ("Minified", "!function(e,t){\"object\"==typeof exports?module.exports=t():e.x=t()}(this,function(){var n=0,r=1<<30;return n||r?a[b]:void 0});"),
        ("JSON", "{\"a\":[1,2.5e-10,null,true],\"b\":{\"c\":\"\\u00e9\\n\\t\\\"\",\"d\":[[[[]]]]}}"),
        ("Base64", "iVBORw0KGgoAAAANSUhEUgAAAoAAAAHgCAIAAAC6s0uz+/AAAAGXRFWHRTb2Z0d2FyZQBBZG9iZSBJbWFnZVJlYWR5ccllPAAAAyJpVFh0"),
        ("Hex and ids", "3f2504e0-4f89-11d3-9a0c-0305e82c3301 deadbeefcafebabe0123456789abcdef SHA256:e3b0c44298fc1c149afbf4c8996fb924"),
        ("Digits", "31415926535897932384626433832795028841971693993751058209749445923078164062862089986280348253421170679"),
        ("Special tokens", "<|endoftext|><|im_start|>system<|im_end|><|fim_prefix|><|start|>assistant<|channel|>analysis"),
        ("Control", "\u{0}\u{1}\u{7f}\u{80}\u{9f}\r\r\n\n\u{b}\u{c}\u{85}\u{2028}"),
        ("White space", " \t \n\n   \r\n \t\t\u{a0}\u{3000}\u{2003}  x   \n"),
    ]
    .map(|(name, text)| (name, text.to_owned()))
    .into();
    for (name, unit) in [("spaces", " "), ("tabs", "\t"), ("lines", "\n"), ("a", "a"), ("A", "A"), ("signs", "!=")] {
        samples.push((name, unit.repeat(5_000)));
    }
    for (name, unit) in [
        ("space tab", " \t"),
        ("line space", "\n "),
        ("a A", "aA"),
        ("é", "é"),
        ("mark", "a\u{301}"),
        ("astral", "𐍈"),
        ("' s", "'s"),
        ("zwj", "\u{200D}"),
    ] {
        samples.push((name, unit.repeat(3_000)));
    }
    samples
}

fn check(name: &str, text: &str) -> Result<(), String> {
    let json = serde_json::to_string(text).map_err(|error| error.to_string())?;
    let bytes = u64::try_from(text.len()).map_err(|error| error.to_string())?;
    for vocabulary in BOTH {
        let exact = count(vocabulary, [text]).ok_or_else(|| format!("{name}: no count"))?;
        for bound in [TokenBound::Bytes, TokenBound::Unpublished] {
            for measure in [measure_text(text), measure_json(&json)] {
                let most = bound.of(measure).ok_or("overflow")?;
                if exact > most || exact > Tokens::new(bytes) {
                    return Err(format!("{name}: {} gives {exact} beyond {most} for {text:?}", vocabulary.name()));
                }
            }
        }
    }
    Ok(())
}

#[test]
fn no_sample_has_more_tokens_than_its_byte_bound() {
    for (name, text) in samples() {
        assert_eq!(check(name, &text), Ok(()));
        // Cut wherever it may be.
        let cuts = if text.len() > 2_000 { 9 } else { 120 };
        for (at, _) in text.char_indices().take(cuts) {
            assert_eq!(check(name, &text[at..]), Ok(()));
            assert_eq!(check(name, &text[..at]), Ok(()));
        }
    }
}

#[test]
fn no_character_has_more_tokens_than_bytes() {
    for c in ('\0'..=char::MAX).step_by(7).chain('\0'..='\u{2fff}') {
        assert_eq!(check("character", c.encode_utf8(&mut [0; 4])), Ok(()));
    }
}

#[test]
fn known_texts_have_the_counts_of_the_reference() {
    // OpenAI's cookbook, "How to count tokens with tiktoken".
    for (text, o200k, cl100k) in [
        ("", 0, 0),
        ("hello world", 2, 2),
        ("tiktoken is great!", 6, 6),
        ("antidisestablishmentarianism", 6, 6),
        ("2 + 2 = 4", 7, 7),
        ("お誕生日おめでとう", 8, 9),
    ] {
        let counts = BOTH.map(|vocabulary| count(vocabulary, [text]).map(Tokens::get));
        assert_eq!(counts, [Some(o200k), Some(cl100k)], "{text}");
    }
}

/// Pieces that meet in all orders.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(samples()).prop_flat_map(|(_, text)| {
            let chars: Vec<char> = text.chars().collect();
            (0..chars.len(), 1_usize..40)
                .prop_map(move |(from, length)| chars.iter().skip(from).take(length).collect::<String>())
        }),
        any::<String>(),
        "[ \\t\\n\\r]{1,30}",
        "[0-9a-fA-F]{1,40}",
        "[\\p{M}\\p{So}\\p{Cf}]{1,20}",
    ];
    prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(Config {
        cases: 400,
        rng_seed: RngSeed::Fixed(0x4861_6c74),
        failure_persistence: None,
        ..Config::default()
    })]

    #[test]
    fn no_text_has_more_tokens_than_its_byte_bound(text in any_text()) {
        prop_assert_eq!(check("any", &text), Ok(()));
    }

    #[test]
    fn a_text_beyond_the_piece_limit_keeps_the_bound(unit in "[a-z]{1,3}|[ \\t]{1,3}|[!-/]{1,3}|\\p{Lo}{1,2}", more in any_text()) {
        let text = format!("{more}{}{more}", unit.repeat(PIECE_MAX / unit.len() + 2));
        prop_assert_eq!(check("long", &text), Ok(()));
    }

    #[test]
    fn texts_apart_are_bounded_by_their_sum(texts in prop::collection::vec(any_text(), 0..5)) {
        for vocabulary in BOTH {
            let together = count(vocabulary, texts.iter().map(String::as_str));
            let apart = texts.iter().filter_map(|text| count(vocabulary, [text.as_str()])).map(Tokens::get).sum();
            prop_assert_eq!(together, Some(Tokens::new(apart)));
        }
    }
}
