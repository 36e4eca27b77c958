//! What a request says about the response cache: `x-haltline-cache` and `x-haltline-cache-tags`.
//! Reads; decides nothing.

use crate::settings::CachePer;
use haltline_types::parse_duration;
use std::time::Duration;

/// Tags of one request, at most.
pub const TAGS_MAX: usize = 16;
/// The longest tag, in bytes.
pub const TAG_BYTES_MAX: usize = 128;

/// Whether the cache is to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CacheMode {
    /// The request does not say: the operator's rule decides.
    #[default]
    Unsaid,
    /// An answer that is kept will do, and a new one may be kept.
    On,
    /// Neither.
    Off,
    /// A new answer, to be kept in place of an old one.
    Refresh,
    /// An answer that is kept, or none.
    OnlyIfCached,
}

/// What a request says of it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CacheAsk {
    /// Whether it is to be used.
    pub mode: CacheMode,
    /// Nothing older than this, and nothing to be kept for longer.
    pub ttl: Option<Duration>,
    /// Shared with fewer than the operator would let share it.
    pub per: Option<CachePer>,
    /// By what the answer can be invalidated; sorted, each once.
    pub tags: Vec<String>,
}

impl CacheAsk {
    /// Reads both headers.
    ///
    /// # Errors
    /// A sentence that says what to write.
    pub fn read(directives: Option<&str>, tags: Option<&str>) -> Result<Self, String> {
        let mut ask = Self::default();
        for part in directives.unwrap_or_default().split([',', ';']).map(str::trim).filter(|part| !part.is_empty()) {
            ask.directive(part)?;
        }
        // Whoever says for how long, or with whom, says that it is wanted.
        if ask.mode == CacheMode::Unsaid && (ask.ttl.is_some() || ask.per.is_some()) {
            ask.mode = CacheMode::On;
        }
        if let Some(tags) = tags {
            ask.tags = checked_tags(tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()), TAGS_MAX)
                .map_err(|why| format!("x-haltline-cache-tags: {why}"))?;
        }
        Ok(ask)
    }

    fn directive(&mut self, part: &str) -> Result<(), String> {
        const ALLOWED: &str = "on, off, refresh, only-if-cached, ttl=SECONDS, per=user|tenant";
        let said = part.to_ascii_lowercase();
        let mode = match said.as_str() {
            "on" | "true" => CacheMode::On,
            "off" | "false" | "no-store" => CacheMode::Off,
            "refresh" | "no-cache" => CacheMode::Refresh,
            "only-if-cached" => CacheMode::OnlyIfCached,
            "per=user" => return self.narrow(CachePer::User),
            "per=tenant" => return self.narrow(CachePer::Tenant),
            _ => {
                let Some(ttl) = said.strip_prefix("ttl=").or_else(|| said.strip_prefix("max-age=")) else {
                    return Err(format!("x-haltline-cache: `{part}` is not understood; it takes {ALLOWED}."));
                };
                let ttl = seconds(ttl).ok_or_else(|| {
                    format!("x-haltline-cache: `{part}` is not a time; write ttl=600 for seconds, or ttl=10m.")
                })?;
                if ttl.is_zero() {
                    return Err("x-haltline-cache: a ttl of nothing keeps nothing; write `off`.".to_owned());
                }
                return set(&mut self.ttl, ttl, "ttl");
            }
        };
        if self.mode != CacheMode::Unsaid && self.mode != mode {
            return Err(format!(
                "x-haltline-cache: `{part}` contradicts what stands before it; write one of {ALLOWED}."
            ));
        }
        self.mode = mode;
        Ok(())
    }

    fn narrow(&mut self, per: CachePer) -> Result<(), String> {
        set(&mut self.per, per, "per")
    }
}

fn set<T>(place: &mut Option<T>, value: T, name: &str) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("x-haltline-cache: `{name}` stands there twice.")),
    }
}

fn seconds(text: &str) -> Option<Duration> {
    text.parse::<u64>().ok().map(Duration::from_secs).or_else(|| parse_duration(text).ok())
}

/// Tags that may be used, sorted, each once.
///
/// # Errors
/// Which one may not, and why.
pub(crate) fn checked_tags<'a>(tags: impl Iterator<Item = &'a str>, most: usize) -> Result<Vec<String>, String> {
    let mut checked: Vec<String> = Vec::new();
    for tag in tags {
        if tag.is_empty() || tag.len() > TAG_BYTES_MAX {
            return Err(format!("a tag has 1 to {TAG_BYTES_MAX} bytes."));
        }
        if let Some(bad) = tag.chars().find(|c| c.is_control() || *c == ',') {
            return Err(format!("a tag has no {bad:?}; write letters, digits, and signs such as `-`, `_`, `:`, `/`."));
        }
        if !checked.iter().any(|known| known == tag) {
            if checked.len() == most {
                return Err(format!("at most {most} tags."));
            }
            checked.push(tag.to_owned());
        }
    }
    checked.sort();
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives() {
        let read = |text| CacheAsk::read(Some(text), None);
        let on = CacheAsk { mode: CacheMode::On, ..CacheAsk::default() };
        assert_eq!(read("on"), Ok(on.clone()));
        assert_eq!(read("ttl=600"), Ok(CacheAsk { ttl: Some(Duration::from_secs(600)), ..on.clone() }));
        assert_eq!(read("On, TTL=10m"), read("on;ttl=600"));
        assert_eq!(read("per=user"), Ok(CacheAsk { per: Some(CachePer::User), ..on }));
        assert_eq!(read("refresh").map(|ask| ask.mode), Ok(CacheMode::Refresh));
        assert_eq!(read("only-if-cached").map(|ask| ask.mode), Ok(CacheMode::OnlyIfCached));
        assert_eq!(CacheAsk::read(None, None), Ok(CacheAsk::default()));
        for bad in ["maybe", "on, off", "ttl=", "ttl=-1", "ttl=0", "ttl=1, ttl=2", "per=everyone", "per=world"] {
            let said = read(bad).expect_err(bad);
            assert!(said.starts_with("x-haltline-cache: "), "{said}");
        }
    }

    #[test]
    fn tags_are_bounded_in_number_and_length() {
        let read = |text: &str| CacheAsk::read(None, Some(text)).map(|ask| ask.tags);
        assert_eq!(read(" page:/b, a ,a,,"), Ok(vec!["a".to_owned(), "page:/b".to_owned()]));
        assert_eq!(CacheAsk::read(None, Some("a")).map(|ask| ask.mode), Ok(CacheMode::Unsaid));
        let many = |number: usize| (0..number).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        assert!(read(&many(TAGS_MAX)).is_ok());
        assert!(read(&many(TAGS_MAX + 1)).expect_err("too many").contains("at most 16"));
        assert!(read(&"x".repeat(TAG_BYTES_MAX)).is_ok());
        assert!(read(&"x".repeat(TAG_BYTES_MAX + 1)).is_err());
        assert!(read("a\u{7}b").is_err());
    }
}
