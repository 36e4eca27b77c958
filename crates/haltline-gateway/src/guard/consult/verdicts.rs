//! Verdicts on texts that were asked about a moment ago. Kept by a keyed hash of the text, for
//! each tenant apart, so that nobody learns what others have asked. Mended texts and errors are not
//! kept.

use super::Asker;
use crate::guard::settings::ServiceSettings;
use haltline_policy::lru::Lru;
use haltline_ports::{GuardAsk, GuardOpinion, Keys, Speaker};
use haltline_types::Timestamp;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Room for all verdicts, in bytes: some ten thousand.
const BYTES_MAX: usize = 1 << 20;
/// What an entry takes besides its categories.
const ENTRY_BYTES: usize = 96;

/// All verdicts.
pub(crate) struct Verdicts(Mutex<Lru<[u8; 32], (Timestamp, GuardOpinion)>>);

impl Default for Verdicts {
    fn default() -> Self {
        Self(Mutex::new(Lru::new(BYTES_MAX)))
    }
}

impl Verdicts {
    /// What a question goes by. Says nothing of the text to whoever does not know the store's pepper.
    pub(super) fn key(
        &self,
        keys: &dyn Keys,
        service: &ServiceSettings,
        asker: &Asker,
        ask: &GuardAsk,
    ) -> Option<[u8; 32]> {
        if service.remember_for.is_zero() {
            return None;
        }
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(bytes);
        };
        part(service.name.as_bytes());
        // Another configuration may think otherwise.
        let options = format!("{:?}", (service.kind, &service.base_url, &service.options, &service.model));
        part(options.as_bytes());
        part(ask.direction.word().as_bytes());
        let subjects = &asker.subjects;
        part(subjects.team.as_deref().unwrap_or_default().as_bytes());
        // A key without a team is a tenant of its own.
        let key = if subjects.team.is_some() { None } else { subjects.key.as_deref() };
        part(key.unwrap_or_default().as_bytes());
        for text in &ask.texts {
            part(speaker(text.speaker).as_bytes());
            part(text.text.as_bytes());
        }
        let digest = hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
            text.push_str(&format!("{byte:02x}"));
            text
        });
        // The prefix keeps it apart from the hashes of keys, which are made with the same pepper.
        Some(keys.hash(&format!("guard verdict:{digest}")))
    }

    pub(super) fn get(&self, key: Option<[u8; 32]>, now: Timestamp, for_so_long: Duration) -> Option<GuardOpinion> {
        let key = key?;
        let mut all = self.0.lock();
        let (at, opinion) = all.get(&key)?.clone();
        if now.since(at) < for_so_long {
            return Some(opinion);
        }
        all.remove(&key);
        None
    }

    pub(super) fn put(&self, key: Option<[u8; 32]>, opinion: &GuardOpinion, now: Timestamp, for_so_long: Duration) {
        let Some(key) = key.filter(|_| !for_so_long.is_zero()) else { return };
        let bytes = match opinion {
            GuardOpinion::Masks { .. } => return,
            GuardOpinion::Passed => ENTRY_BYTES,
            GuardOpinion::Objects(categories) => ENTRY_BYTES + categories.iter().map(String::len).sum::<usize>(),
        };
        self.0.lock().put(key, (now, opinion.clone()), bytes);
    }
}

const fn speaker(speaker: Speaker) -> &'static str {
    match speaker {
        Speaker::System => "system",
        Speaker::User => "user",
        Speaker::Assistant => "assistant",
        Speaker::Tool => "tool",
        Speaker::Document => "document",
    }
}
