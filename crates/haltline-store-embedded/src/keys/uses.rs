//! When keys were last used: `key-uses.json`. Nothing depends on it: what cannot be read is forgotten.

use crate::disk::Disk;
use haltline_ports::{KeyUse, KeysError};
use haltline_types::{Name, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const NAME: &str = "key-uses.json";

#[derive(Serialize, Deserialize)]
struct UseForm {
    at_ms: i64,
    from: Option<String>,
}

/// The last use of each key.
#[derive(Default)]
pub(super) struct Uses(Mutex<BTreeMap<Name, KeyUse>>);

impl Uses {
    pub(super) fn read(disk: &dyn Disk) -> Self {
        let bytes = disk.read_all(NAME).unwrap_or_default();
        let forms: BTreeMap<String, UseForm> = serde_json::from_slice(&bytes).unwrap_or_default();
        let uses = forms
            .into_iter()
            .map(|(name, form)| (Name::from(name), KeyUse { at: Timestamp::from_millis(form.at_ms), from: form.from }));
        Self(Mutex::new(uses.collect()))
    }

    pub(super) fn of(&self, name: &Name) -> Option<KeyUse> {
        self.0.lock().get(name).cloned()
    }

    /// Takes later uses, and drops those of keys that are no more.
    pub(super) fn note(&self, disk: &dyn Disk, uses: Vec<(Name, KeyUse)>, known: &[Name]) -> Result<(), KeysError> {
        let mut kept = self.0.lock();
        for (name, used) in uses {
            if kept.get(&name).is_none_or(|before| before.at <= used.at) {
                kept.insert(name, used);
            }
        }
        kept.retain(|name, _| known.contains(name));
        let forms: BTreeMap<&str, UseForm> = kept
            .iter()
            .map(|(name, used)| (name.as_str(), UseForm { at_ms: used.at.as_millis(), from: used.from.clone() }))
            .collect();
        let failed = |why: String| KeysError::Store(format!("when keys were used could not be written: {why}"));
        let bytes = serde_json::to_vec(&forms).map_err(|error| failed(error.to_string()))?;
        disk.replace(NAME, &bytes).map_err(|error| failed(error.to_string()))
    }
}
