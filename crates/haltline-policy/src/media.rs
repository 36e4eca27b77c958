//! The most tokens that an image, a page or a recording can take, by the providers' own formulas.
//!
//! Pure arithmetic over sizes; reading a size from a medium's bytes is the dialects' affair. What
//! is not known (a size behind an address, a family of models) counts as the dearest it can be.
//! Sources: OpenAI's guide "Images and vision", Anthropic's page "Vision", Google's pages "Image
//! understanding" and "Media resolution", Mistral's and xAI's pages on vision, as of 2026-11.

use crate::vendor::Vendor;
use haltline_types::Tokens;

/// An image's size in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pixels {
    /// From left to right.
    pub width: u32,
    /// From top to bottom.
    pub height: u32,
}

impl Pixels {
    fn sides(self) -> (u64, u64) {
        let (a, b) = (u64::from(self.width.max(1)), u64::from(self.height.max(1)));
        (a.min(b), a.max(b))
    }

    /// How many squares of this side cover it.
    fn squares(self, side: u64) -> u64 {
        let (short, long) = self.sides();
        short.div_ceil(side).saturating_mul(long.div_ceil(side))
    }
}

/// How closely a client asks an image to be looked at (OpenAI's `detail`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Detail {
    /// `low`.
    Low,
    /// `high`.
    High,
    /// `auto`, `original`, anything else, or not said.
    #[default]
    Unsaid,
}

/// How a family of models turns images into tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ImageRule {
    /// OpenAI: fitted into 2,048 by 2,048, then to a short side of 768, then cut into tiles of 512.
    OpenAiTiles {
        /// For the image.
        base: u64,
        /// For each tile.
        tile: u64,
    },
    /// OpenAI: patches of 32 by 32, up to a cap, times a factor in hundredths.
    OpenAiPatches {
        /// Patches at most, when `high` is asked for.
        high: u64,
        /// Patches at most otherwise.
        original: u64,
        /// Tokens for a hundred patches.
        per_hundred: u64,
    },
    /// OpenAI, but a model that no row names: the dearest of all rows.
    OpenAiUnknown,
    /// Anthropic: patches of 28 by 28 (or width times height by 750, its older form), up to a cap.
    Anthropic {
        /// Tokens at most.
        cap: u64,
    },
    /// Gemini up to 2.5: tiles of 768 at most and 256 at least, 258 tokens each.
    GeminiTiles,
    /// Gemini from 3: a constant by media resolution, 2,240 at most.
    GeminiResolution,
    /// Mistral: patches of 16 by 16 within 1,024, or of 28 by 28 within 1,540, and a token a row.
    Mistral,
    /// xAI: tiles of 448 with 256 tokens each, six and one more at most.
    Xai,
    /// Any server: the finest patches known are of 14 by 14, and some enlarge small images.
    Unknown,
}

const MEGAPATCHES: u64 = 30_000;
const UNKNOWN_LEAST: u64 = 8_192;
const UNKNOWN_MOST: u64 = 48_600;
const GEMINI_TILE: u64 = 258;

/// OpenAI's small models after gpt-5.1: the largest factor that a small model ever had.
const OPENAI_SMALL: ImageRule = patches(2_500, MEGAPATCHES, 246);

/// Families of OpenAI's models, the first prefix that fits stands. Factors are those published;
/// from gpt-5.2 on 1.2 is published, and the larger 1.62 of its elders is kept as a margin.
const OPENAI: [(&str, ImageRule); 22] = [
    ("gpt-4.1-mini", patches(1_536, 1_536, 162)),
    ("gpt-4.1-nano", patches(1_536, 1_536, 246)),
    ("gpt-4.1", tiles(85, 170)),
    ("gpt-4o-mini", tiles(2_833, 5_667)),
    ("gpt-4o", tiles(85, 170)),
    ("gpt-4.5", tiles(85, 170)),
    ("gpt-4-turbo", tiles(85, 170)),
    ("gpt-4-vision", tiles(85, 170)),
    ("gpt-4-1106-vision", tiles(85, 170)),
    ("chatgpt-4o", tiles(85, 170)),
    ("o4-mini", patches(1_536, 1_536, 172)),
    ("o1", tiles(75, 150)),
    ("o3", tiles(75, 150)),
    ("computer-use-preview", tiles(65, 129)),
    ("gpt-5-mini", patches(1_536, 1_536, 162)),
    ("gpt-5-nano", patches(1_536, 1_536, 246)),
    ("gpt-5-codex-mini", patches(1_536, 1_536, 172)),
    ("gpt-5.1-codex-mini", patches(1_536, 1_536, 172)),
    ("gpt-5.1", tiles(70, 140)),
    ("gpt-5-", tiles(70, 140)),
    ("gpt-5.", patches(2_500, MEGAPATCHES, 162)),
    ("gpt-6", patches(2_500, MEGAPATCHES, 162)),
];

/// Anthropic's models that look at 1,568 tokens at most; later ones at 4,784.
const ANTHROPIC_STANDARD: [&str; 9] = [
    "claude-3",
    "claude-opus-4-0",
    "claude-opus-4-1",
    "claude-opus-4-2",
    "claude-opus-4-5",
    "claude-opus-4-6",
    "claude-sonnet-4",
    "claude-haiku-4",
    "claude-haiku-3",
];

const fn tiles(base: u64, tile: u64) -> ImageRule {
    ImageRule::OpenAiTiles { base, tile }
}

const fn patches(high: u64, original: u64, per_hundred: u64) -> ImageRule {
    ImageRule::OpenAiPatches { high, original, per_hundred }
}

/// The rule of a model, by its upstream name.
#[must_use]
pub fn image_rule(vendor: Vendor, model: &str) -> ImageRule {
    match vendor {
        Vendor::OpenAi if model == "gpt-5" => tiles(70, 140),
        Vendor::OpenAi if is_late_and_small(model) => OPENAI_SMALL,
        Vendor::OpenAi => OPENAI
            .iter()
            .find(|(prefix, _)| model.starts_with(prefix))
            .map_or(ImageRule::OpenAiUnknown, |(_, rule)| *rule),
        Vendor::Anthropic => {
            // Bedrock and Vertex write a prefix before the name, or a date after it.
            let name = model.find("claude").and_then(|at| model.get(at..)).unwrap_or(model);
            // 1,568 in patches; the older form of the formula allowed about 1,600.
            let standard = ANTHROPIC_STANDARD.iter().any(|prefix| name.starts_with(prefix));
            ImageRule::Anthropic { cap: if standard { 1_600 } else { 4_784 } }
        }
        Vendor::Google => {
            let old = ["gemini-1", "gemini-2", "gemini-pro-vision"];
            let name = model.rsplit('/').next().unwrap_or(model);
            if old.iter().any(|prefix| name.starts_with(prefix)) {
                ImageRule::GeminiTiles
            } else if name.starts_with("gemini-3") || name.starts_with("gemini-4") {
                ImageRule::GeminiResolution
            } else {
                ImageRule::Unknown
            }
        }
        Vendor::Mistral => ImageRule::Mistral,
        Vendor::Xai => ImageRule::Xai,
        Vendor::DeepSeek | Vendor::Other => ImageRule::Unknown,
    }
}

fn is_late_and_small(model: &str) -> bool {
    let late = model.starts_with("gpt-6") || model.starts_with("gpt-5.") && !model.starts_with("gpt-5.1");
    late && (model.contains("mini") || model.contains("nano"))
}

/// The most that one image can take; `size` is `None` when it cannot be known.
#[must_use]
pub fn image_tokens(rule: ImageRule, size: Option<Pixels>, detail: Detail) -> Tokens {
    Tokens::new(match rule {
        ImageRule::OpenAiTiles { base, .. } if detail == Detail::Low => base,
        ImageRule::OpenAiTiles { base, tile } => base + tile * size.map_or(8, openai_tiles),
        ImageRule::OpenAiPatches { high, original, per_hundred } => {
            // What `low` means for these models is not published: it counts like `high`.
            let cap = if detail == Detail::Unsaid { original } else { high };
            (size.map_or(cap, |size| size.squares(32).min(cap)) * per_hundred).div_ceil(100)
        }
        ImageRule::OpenAiUnknown => {
            let rules = OPENAI.iter().map(|(_, rule)| *rule).chain([OPENAI_SMALL]);
            let dearest = rules.map(|rule| image_tokens(rule, size, Detail::Unsaid).get()).max();
            dearest.unwrap_or(UNKNOWN_MOST)
        }
        ImageRule::Anthropic { cap } => size.map_or(cap, |size| {
            let (short, long) = size.sides();
            let older = short.saturating_mul(long).div_ceil(750);
            size.squares(28).max(older).min(cap)
        }),
        ImageRule::GeminiTiles => GEMINI_TILE * size.map_or(GEMINI_TILES_MOST, gemini_tiles),
        ImageRule::GeminiResolution => 2_240,
        ImageRule::Mistral => size.map_or(MISTRAL_MOST, mistral),
        ImageRule::Xai => 256 * size.map_or(7, |size| size.squares(448).min(6) + 1),
        ImageRule::Unknown => size.map_or(UNKNOWN_MOST, |size| size.squares(14).clamp(UNKNOWN_LEAST, UNKNOWN_MOST)),
    })
}

/// Tiles after both fits. Both only shrink, and here they round up.
fn openai_tiles(size: Pixels) -> u64 {
    let (short, long) = fit_long(size.sides(), 2_048);
    let (short, long) = if short > 768 { (768, (long * 768).div_ceil(short)) } else { (short, long) };
    short.div_ceil(512) * long.div_ceil(512)
}

/// 24 is the most within 3,072 by 3,072: a side of 384 or less gives tiles of 256, 12 by 2.
const GEMINI_TILES_MOST: u64 = 24;

fn gemini_tiles(size: Pixels) -> u64 {
    let (short, long) = fit_long(size.sides(), 3_072);
    if long <= 384 {
        return 1;
    }
    let side = (short * 2 / 3).clamp(256, 768);
    short.div_ceil(side) * long.div_ceil(side)
}

/// 64 by 64 patches and a break or end after each row.
const MISTRAL_MOST: u64 = 64 * 65;

fn mistral(size: Pixels) -> u64 {
    let count = |most: u64, patch: u64| {
        let (short, long) = fit_long(size.sides(), most);
        short.div_ceil(patch) * (long.div_ceil(patch) + 1)
    };
    let across = |most: u64, patch: u64| {
        let (short, long) = fit_long(size.sides(), most);
        long.div_ceil(patch) * (short.div_ceil(patch) + 1)
    };
    [count(1_024, 16), across(1_024, 16), count(1_540, 28), across(1_540, 28)]
        .into_iter()
        .fold(0, u64::max)
        .min(MISTRAL_MOST)
}

/// Shrunk so that the long side is at most `most`; the other rounded up.
fn fit_long((short, long): (u64, u64), most: u64) -> (u64, u64) {
    if long <= most { (short, long) } else { ((short * most).div_ceil(long), most) }
}

/// Text on a page of a document, at most. A page may hold more: this is an assumption.
pub const PAGE_TEXT: Tokens = Tokens::new(8_192);
/// Added to each page by OpenAI.
const PAGE_FRAMING: Tokens = Tokens::new(16);

/// Pages of a document that the provider takes at most; `None` where only the context bounds them.
/// Pages cannot be bounded by the bytes of a PDF: they are packed, and one may stand many times.
#[must_use]
pub const fn pages_max(vendor: Vendor) -> Option<u32> {
    match vendor {
        Vendor::Anthropic => Some(600),
        Vendor::Google => Some(1_000),
        Vendor::OpenAi | Vendor::Mistral | Vendor::Xai | Vendor::DeepSeek | Vendor::Other => None,
    }
}

/// The most that a document of so many pages takes: each is an image and its text. `None` when it
/// does not fit. A document whose pages cannot be counted is bounded by the model's context only.
#[must_use]
pub fn document_tokens(rule: ImageRule, pages: u32) -> Option<Tokens> {
    image_tokens(rule, None, Detail::High)
        .checked_add(PAGE_TEXT)?
        .checked_add(PAGE_FRAMING)?
        .checked_mul(u64::from(pages))
}

/// The most that a recording of so many milliseconds takes; `None` where the provider does not say.
/// Gemini: 32 tokens a second. OpenAI: one for 100 ms of a user's, for 50 ms of a model's.
#[must_use]
pub fn audio_tokens(vendor: Vendor, millis: u64) -> Option<Tokens> {
    let per_second: u64 = match vendor {
        Vendor::Google => 32,
        Vendor::OpenAi => 20,
        Vendor::Anthropic | Vendor::Mistral | Vendor::Xai | Vendor::DeepSeek | Vendor::Other => return None,
    };
    Some(Tokens::new(millis.checked_mul(per_second)?.div_ceil(1_000)))
}
