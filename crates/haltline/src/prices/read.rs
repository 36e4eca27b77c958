//! Reads a price list: what `prices/build.py` writes, or an operator in the same form. A list is
//! taken whole or not at all, and everything that is wrong with it is said at once.

use super::days::midnight;
use super::{Catalogue, Listed, Status};
use haltline_policy::price::{Change, Multiplier, Price, PriceError, Rates, ToolFees, When};
use haltline_types::{MoneyError, NanoUsd, PicoUsdPerToken, Tokens};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use toml::Spanned;

/// Above this a factor is a mistake.
const FACTOR_MAX: u32 = 10;

/// Why a list cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogueError {
    /// It is not in the form of a list; and where, in bytes.
    Shape(String, Option<Range<usize>>),
    /// Models that are wrong, each with the place of its name.
    Models(Vec<ModelError>),
    /// There is no such list.
    Absent,
}

/// What is wrong with one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelError {
    /// Its name.
    pub model: String,
    /// Where its fields begin, in bytes.
    pub span: Range<usize>,
    /// What is wrong.
    pub why: Wrong,
}

/// What can be wrong with a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A number is not an amount.
    Number(MoneyError),
    /// The price is not fit to hold money by.
    Price(PriceError),
    /// A day, hours, a factor or a limit cannot be understood.
    Field(String),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(why) => why.fmt(f),
            Self::Price(why) => why.fmt(f),
            Self::Field(why) => f.write_str(why),
        }
    }
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(why, _) => write!(f, "not a price list: {}", why.trim_end()),
            Self::Models(models) => {
                let each = models.iter().map(|wrong| format!("{}: {}", wrong.model, wrong.why));
                write!(f, "{}", each.collect::<Vec<_>>().join("; "))
            }
            Self::Absent => write!(f, "there is no such list"),
        }
    }
}

impl std::error::Error for CatalogueError {}

impl From<MoneyError> for Wrong {
    fn from(why: MoneyError) -> Self {
        Self::Number(why)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    catalogue: Head,
    models: BTreeMap<String, Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    provider: String,
    as_of: String,
    #[serde(default)]
    lists: Vec<String>,
    #[serde(default)]
    states_cost: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    max_input: u64,
    max_output: u64,
    settle: Vec<Row>,
    #[serde(default)]
    ceiling: Vec<Row>,
    #[serde(default)]
    changes: Vec<Other>,
    #[serde(default)]
    fees: Fees,
    regional: Option<String>,
    retires: Option<String>,
    #[serde(default)]
    status: Word,
    #[serde(default)]
    doubt: Vec<String>,
    #[serde(default)]
    sources: Vec<String>,
    verified: Option<String>,
    page: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    over: u64,
    input: String,
    cached_input: Option<String>,
    cache_write: Option<String>,
    cache_write_long: Option<String>,
    media: Option<String>,
    output: String,
    request_fee: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Other {
    from: Option<String>,
    until: Option<String>,
    hours: Option<String>,
    settle: Vec<Row>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Fees {
    web_search: Option<String>,
    file_search: Option<String>,
    maps: Option<String>,
    code_session: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum Word {
    Agree,
    Disagree,
    #[default]
    Single,
}

/// Reads a list.
///
/// # Errors
/// Everything that is wrong with its models, or the first thing that is wrong with its form.
pub fn read(text: &str) -> Result<Catalogue, CatalogueError> {
    let file: File =
        toml::from_str(text).map_err(|error| CatalogueError::Shape(error.message().to_owned(), error.span()))?;
    if midnight(&file.catalogue.as_of).is_none() {
        let why = format!("`as_of = \"{}\"` is not a day; write it like 2026-11-23", file.catalogue.as_of);
        return Err(CatalogueError::Shape(why, None));
    }
    let (mut models, mut wrong) = (BTreeMap::new(), Vec::new());
    for (model, entry) in file.models {
        let span = entry.span();
        match entry.into_inner().read(file.catalogue.states_cost) {
            Ok(listed) => {
                models.insert(model, listed);
            }
            Err(why) => wrong.push(ModelError { model, span, why }),
        }
    }
    if !wrong.is_empty() {
        wrong.sort_by_key(|wrong| wrong.span.start);
        return Err(CatalogueError::Models(wrong));
    }
    let Head { provider, as_of, lists, .. } = file.catalogue;
    Ok(Catalogue { provider, as_of, lists, models })
}

/// `1.1` as 11/10. `None` when it is below 1 or above 10: nothing becomes cheaper by a region.
#[must_use]
pub fn factor(text: &str) -> Option<Multiplier> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let denominator = 10_u32.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let numerator: u32 = format!("{whole}{fraction}").parse().ok()?;
    let is_plausible = numerator >= denominator && numerator <= denominator.checked_mul(FACTOR_MAX)?;
    let plain = if numerator == denominator { Multiplier::ONE } else { Multiplier { numerator, denominator } };
    is_plausible.then_some(plain)
}

impl Entry {
    fn read(self, states_cost: bool) -> Result<Listed, Wrong> {
        if self.max_input == 0 {
            return Err(Wrong::Field("`max_input` is the longest prompt that the model takes, and not 0".to_owned()));
        }
        let price = Price {
            settle: rows(&self.settle)?,
            ceiling: rows(&self.ceiling)?,
            changes: self.changes.iter().map(Other::read).collect::<Result<_, _>>()?,
            max_input: Some(Tokens::new(self.max_input)),
            max_output: Some(Tokens::new(self.max_output)),
            fees: self.fees.read()?,
            states_cost,
            free: false,
        };
        price.check().map_err(Wrong::Price)?;
        let regional = self.regional.as_deref().map(|text| {
            factor(text).ok_or_else(|| Wrong::Field(format!("`regional = \"{text}\"` is not a factor of 1 to 10")))
        });
        for day in self.retires.iter().chain(&self.verified) {
            known_day(day)?;
        }
        Ok(Listed {
            price,
            regional: regional.transpose()?,
            retires: self.retires,
            status: match self.status {
                Word::Agree => Status::Agree,
                Word::Disagree => Status::Disagree,
                Word::Single => Status::Single,
            },
            doubt: self.doubt,
            sources: self.sources,
            verified: self.verified,
            page: self.page,
        })
    }
}

impl Row {
    fn read(&self) -> Result<Rates, Wrong> {
        let rate = |text: &String| PicoUsdPerToken::from_usd_per_million(text);
        Ok(Rates {
            over_prompt_tokens: Tokens::new(self.over),
            input: rate(&self.input)?,
            cached_input: self.cached_input.as_ref().map(rate).transpose()?,
            cache_write: self.cache_write.as_ref().map(rate).transpose()?,
            cache_write_long: self.cache_write_long.as_ref().map(rate).transpose()?,
            media: self.media.as_ref().map(rate).transpose()?,
            output: rate(&self.output)?,
            request_fee: self.request_fee.as_ref().map_or(Ok(NanoUsd::ZERO), |fee| fee.parse())?,
        })
    }
}

impl Other {
    fn read(&self) -> Result<Change, Wrong> {
        let day = |text: &Option<String>| text.as_deref().map(known_day).transpose();
        let when = match (&self.hours, &self.from, &self.until) {
            (Some(hours), None, None) => known_hours(hours)?,
            (None, from, until) => When::Days { from: day(from)?, until: day(until)? },
            (Some(_), ..) => {
                return Err(Wrong::Field("a change has either days (`from`, `until`) or `hours`".to_owned()));
            }
        };
        Ok(Change { when, settle: rows(&self.settle)? })
    }
}

impl Fees {
    fn read(&self) -> Result<ToolFees, Wrong> {
        let fee = |text: &Option<String>| text.as_ref().map(|text| text.parse::<NanoUsd>()).transpose();
        Ok(ToolFees {
            web_search: fee(&self.web_search)?,
            file_search: fee(&self.file_search)?,
            maps: fee(&self.maps)?,
            code_session: fee(&self.code_session)?,
        })
    }
}

fn rows(rows: &[Row]) -> Result<Vec<Rates>, Wrong> {
    rows.iter().map(Row::read).collect()
}

fn known_day(text: &str) -> Result<haltline_types::Timestamp, Wrong> {
    midnight(text).ok_or_else(|| Wrong::Field(format!("`{text}` is not a day; write it like 2026-11-23")))
}

/// `01:00-04:00`.
fn known_hours(text: &str) -> Result<When, Wrong> {
    let minute = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour <= 24 && minute < 60).then_some(hour * 60 + minute)
    };
    let both = text.split_once('-').and_then(|(from, until)| Some((minute(from)?, minute(until)?)));
    let hours = both.map(|(from, until)| When::Hours { from, until });
    hours.ok_or_else(|| Wrong::Field(format!("`hours = \"{text}\"` is not like 01:00-04:00")))
}
