//! API keys: `keys.json`, written whole and durably on every change, and the pepper that makes
//! their hashes useless to whoever reads only that file. Read on every request: kept in memory.

pub(crate) mod file;
mod uses;

use crate::disk::Disk;
use crate::error::OpenError;
use haltline_ports::{KeyRecord, KeyUse, Keys, KeysError};
use haltline_types::{Name, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::RwLock;
use sha2::Sha256;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// The file of the pepper in the data directory: 32 bytes, for its owner only.
const PEPPER: &str = "pepper";

/// The keys of an embedded store.
pub(crate) struct EmbeddedKeys {
    disk: Arc<dyn Disk>,
    keyed: Hmac<Sha256>,
    uses: uses::Uses,
    known: RwLock<Known>,
}

#[derive(Clone, Default)]
struct Known {
    by_name: BTreeMap<Name, Arc<KeyRecord>>,
    by_hash: HashMap<[u8; 32], Arc<KeyRecord>>,
    /// By the hash of the secret before this one; whether that works yet is a question of time.
    by_old: HashMap<[u8; 32], Arc<KeyRecord>>,
    /// Names of removed keys, and since when. What is kept for a key's users goes by its name.
    used: BTreeMap<Name, Timestamp>,
}

impl EmbeddedKeys {
    /// Reads the keys; makes the pepper where there is none, from `pepper` or from the system.
    pub(crate) fn open(disk: Arc<dyn Disk>, pepper: Option<[u8; 32]>) -> Result<Self, OpenError> {
        let names = disk.list().map_err(OpenError::io("reading the data directory"))?;
        let has = |wanted: &str| names.iter().any(|name| name == wanted);
        let file::Kept { records, used } =
            if has(file::NAME) { file::read(disk.as_ref())? } else { file::Kept::default() };
        let pepper = if has(PEPPER) {
            let bytes = disk.read_all(PEPPER).map_err(OpenError::io("reading the pepper"))?;
            <[u8; 32]>::try_from(bytes).map_err(|_| OpenError::corrupt(PEPPER, 0, "it is not 32 bytes long"))?
        } else if records.is_empty() && used.is_empty() {
            let fresh = match pepper {
                Some(given) => given,
                None => random()?,
            };
            disk.replace(PEPPER, &fresh).map_err(OpenError::io("writing the pepper"))?;
            fresh
        } else {
            let why = "the file is missing, and without it no key can be recognised; restore it from a backup, \
                       or remove keys.json and make the keys again";
            return Err(OpenError::corrupt(PEPPER, 0, why));
        };
        let mut known = Known { used, ..Known::default() };
        for record in records {
            known.put(record);
        }
        let keyed = Hmac::new_from_slice(&pepper).map_err(|_| OpenError::corrupt(PEPPER, 0, "it cannot be used"))?;
        let uses = uses::Uses::read(disk.as_ref());
        Ok(Self { disk, keyed, uses, known: RwLock::new(known) })
    }

    /// Makes a change durable before anybody sees it.
    fn change(&self, make: impl FnOnce(&mut Known) -> Result<(), KeysError>) -> Result<(), KeysError> {
        let mut known = self.known.write();
        let mut next = known.clone();
        make(&mut next)?;
        file::write(next.by_name.values(), &next.used)
            .map_err(std::io::Error::from)
            .and_then(|bytes| self.disk.replace(file::NAME, &bytes))
            .map_err(|error| {
                let why = "nothing was changed. Check the space on the disk";
                KeysError::Store(format!("the keys could not be written: {error}; {why}"))
            })?;
        *known = next;
        Ok(())
    }
}

impl Keys for EmbeddedKeys {
    fn hash(&self, secret: &str) -> [u8; 32] {
        let mut keyed = self.keyed.clone();
        keyed.update(secret.as_bytes());
        keyed.finalize().into_bytes().into()
    }

    /// What a table gives away by its timing are bits of the hash, which nobody can steer who does not
    /// know the pepper. That the hash is the wanted one is compared in constant time all the same, so
    /// that this stays true of any table.
    fn find(&self, hash: &[u8; 32]) -> Option<Arc<KeyRecord>> {
        self.known.read().by_hash.get(hash).filter(|key| key.hash.ct_eq(hash).into()).cloned()
    }

    fn find_old(&self, hash: &[u8; 32]) -> Option<Arc<KeyRecord>> {
        let is_wanted = |key: &&Arc<KeyRecord>| key.old.as_ref().is_some_and(|old| old.hash.ct_eq(hash).into());
        self.known.read().by_old.get(hash).filter(is_wanted).cloned()
    }

    fn list(&self) -> Vec<Arc<KeyRecord>> {
        self.known.read().by_name.values().cloned().collect()
    }

    fn add(&self, record: KeyRecord) -> Result<(), KeysError> {
        self.change(|known| {
            if known.by_name.contains_key(&record.name) {
                return Err(KeysError::Exists(record.name));
            }
            if let Some(removed) = known.used.get(&record.name) {
                return Err(KeysError::Used(record.name, *removed));
            }
            known.put(record);
            Ok(())
        })
    }

    fn replace(&self, record: KeyRecord) -> Result<(), KeysError> {
        self.change(|known| {
            known.take(&record.name)?;
            known.put(record);
            Ok(())
        })
    }

    fn remove(&self, name: &Name, now: Timestamp) -> Result<(), KeysError> {
        self.change(|known| {
            known.take(name)?;
            known.used.insert(name.clone(), now);
            Ok(())
        })
    }

    fn last_use(&self, name: &Name) -> Option<KeyUse> {
        self.uses.of(name)
    }

    fn note_uses(&self, uses: Vec<(Name, KeyUse)>) -> Result<(), KeysError> {
        let known: Vec<Name> = self.known.read().by_name.keys().cloned().collect();
        self.uses.note(self.disk.as_ref(), uses, &known)
    }
}

impl Known {
    fn put(&mut self, record: KeyRecord) {
        let record = Arc::new(record);
        self.by_hash.insert(record.hash, Arc::clone(&record));
        if let Some(old) = &record.old {
            self.by_old.insert(old.hash, Arc::clone(&record));
        }
        self.by_name.insert(record.name.clone(), record);
    }

    fn take(&mut self, name: &Name) -> Result<(), KeysError> {
        let old = self.by_name.remove(name).ok_or_else(|| KeysError::Unknown(name.clone()))?;
        self.by_hash.remove(&old.hash);
        if let Some(older) = &old.old {
            self.by_old.remove(&older.hash);
        }
        Ok(())
    }
}

fn random() -> Result<[u8; 32], OpenError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| OpenError::Io {
        doing: "asking the system for randomness".into(),
        error: std::io::Error::other(error.to_string()),
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Crash, DiskFault, SimDisk};
    use haltline_ports::{KeyRules, OldSecret, RouteGroup, UserClaims};

    fn key(name: &str, hash: [u8; 32]) -> KeyRecord {
        KeyRecord {
            name: name.into(),
            hash,
            hint: "hl-live-ab".into(),
            team: Some("red".into()),
            tier: None,
            users: UserClaims::Listed(vec!["alice".into()]),
            models: vec!["chat".into()],
            created: Timestamp::from_millis(5),
            expires: Some(Timestamp::from_millis(9)),
            frozen: true,
            old: Some(OldSecret { hash: [9; 32], hint: "hl-live-cd".into(), until: Timestamp::from_millis(7) }),
            description: "the shop".into(),
            created_by: Some("ann".into()),
            rules: KeyRules {
                budgets: vec!["$5/day warn".parse().expect("a budget")],
                limits: vec!["10/10s".parse().expect("a limit"), "3 at once".parse().expect("a limit")],
                routes: vec![RouteGroup::Chat, RouteGroup::Jobs],
                networks: vec!["10.0.0.0/8".parse().expect("a network")],
            },
        }
    }

    #[test]
    fn an_old_secret_is_found_apart_and_only_until_it_ends() {
        let keys = open(&SimDisk::new(1), [1; 32]).expect("open");
        keys.add(key("one", [1; 32])).expect("add");
        assert!(keys.find(&[9; 32]).is_none());
        assert!(keys.find_old(&[9; 32]).is_some());
        assert!(KeyRecord::find(&keys, &[9; 32], Timestamp::from_millis(6)).is_some());
        assert!(KeyRecord::find(&keys, &[9; 32], Timestamp::from_millis(7)).is_none());
        assert!(KeyRecord::find(&keys, &[1; 32], Timestamp::from_millis(7)).is_some());
        keys.replace(KeyRecord { old: None, ..key("one", [2; 32]) }).expect("replace");
        assert!(keys.find_old(&[9; 32]).is_none());
    }

    #[test]
    fn when_keys_were_used_survives_and_goes_with_the_key() {
        let disk = SimDisk::new(1);
        let keys = open(&disk, [1; 32]).expect("open");
        keys.add(key("one", [1; 32])).expect("add");
        let used = KeyUse { at: Timestamp::from_secs(5), from: Some("10.0.0.0/24".into()) };
        keys.note_uses(vec![("one".into(), used.clone()), ("gone".into(), used.clone())]).expect("noted");
        drop(keys);
        let disk = disk.restart(Crash::PowerLoss);
        let keys = open(&disk, [1; 32]).expect("open");
        assert_eq!(keys.last_use(&"one".into()), Some(used.clone()));
        assert_eq!(keys.last_use(&"gone".into()), None);
        // Nothing depends on it, so that what cannot be read stops nobody.
        disk.replace("key-uses.json", b"{").expect("written");
        assert_eq!(open(&disk, [1; 32]).expect("open").last_use(&"one".into()), None);
    }

    #[test]
    fn keys_of_an_older_file_have_no_rules() {
        let disk = SimDisk::new(1);
        open(&disk, [1; 32]).expect("open");
        let file = r#"{"version":1,"keys":[{"name":"one","hash":"HASH","hint":"h","team":null,"tier":null,
            "users":"any","models":[],"created_ms":5,"expires_ms":null,"frozen":false}]}"#;
        disk.replace(file::NAME, file.replace("HASH", &"07".repeat(32)).as_bytes()).expect("written");
        let keys = open(&disk, [1; 32]).expect("open");
        let found = keys.find(&[7; 32]).expect("found");
        assert_eq!((&found.rules, &found.old), (&KeyRules::default(), &None));
    }

    fn open(disk: &SimDisk, pepper: [u8; 32]) -> Result<EmbeddedKeys, OpenError> {
        EmbeddedKeys::open(Arc::new(disk.clone()), Some(pepper))
    }

    #[test]
    fn keys_survive_power_loss_and_the_first_pepper_stays() {
        let disk = SimDisk::new(1);
        let keys = open(&disk, [1; 32]).expect("open");
        let hash = keys.hash("secret");
        keys.add(key("one", hash)).expect("add");
        let disk = disk.restart(Crash::PowerLoss);
        let keys = open(&disk, [2; 32]).expect("open");
        assert_eq!(keys.hash("secret"), hash);
        assert_eq!(keys.find(&hash).as_deref(), Some(&key("one", hash)));
        assert!(matches!(keys.add(key("one", hash)), Err(KeysError::Exists(_))));
    }

    #[test]
    fn the_hash_is_hmac_sha256() {
        let keys = open(&SimDisk::new(1), [0x0b; 32]).expect("open");
        // Computed by another implementation.
        let expected = "198a607eb44bfbc69903a0f1cf2bbdc5ba0aa3f3d9ae3c1c7a3b1696a0b68cf7";
        assert_eq!(file::to_hex(&keys.hash("Hi There")), expected);
        assert_ne!(keys.hash("Hi There"), keys.hash("Hi there"));
    }

    #[test]
    fn a_replaced_key_is_found_by_its_new_hash_only() {
        let keys = open(&SimDisk::new(1), [1; 32]).expect("open");
        keys.add(key("one", [1; 32])).expect("add");
        keys.replace(key("one", [2; 32])).expect("replace");
        assert!(keys.find(&[1; 32]).is_none());
        assert!(keys.find(&[2; 32]).is_some());
        keys.remove(&"one".into(), Timestamp::from_secs(1)).expect("remove");
        assert!(matches!(keys.remove(&"one".into(), Timestamp::from_secs(2)), Err(KeysError::Unknown(_))));
        assert!(keys.list().is_empty());
    }

    #[test]
    fn the_name_of_a_removed_key_is_never_given_again() {
        let disk = SimDisk::new(1);
        let keys = open(&disk, [1; 32]).expect("open");
        keys.add(key("one", [1; 32])).expect("add");
        keys.remove(&"one".into(), Timestamp::from_secs(7)).expect("remove");
        drop(keys);
        let keys = open(&disk.restart(Crash::PowerLoss), [1; 32]).expect("open");
        assert!(keys.list().is_empty());
        let refused = keys.add(key("one", [2; 32])).expect_err("used");
        assert!(matches!(&refused, KeysError::Used(name, at) if &**name == "one" && *at == Timestamp::from_secs(7)));
        assert!(refused.to_string().contains("choose another name"), "{refused}");
        keys.add(key("two", [2; 32])).expect("another name");
    }

    #[test]
    fn a_change_that_cannot_be_written_does_not_happen() {
        let disk = SimDisk::new(1);
        let keys = open(&disk, [1; 32]).expect("open");
        disk.inject(DiskFault::WriteNoSpace(0));
        assert!(matches!(keys.add(key("one", [1; 32])), Err(KeysError::Store(_))));
        assert!(keys.list().is_empty());
    }

    #[test]
    fn a_lost_pepper_is_not_made_anew_under_existing_keys() {
        let disk = SimDisk::new(1);
        open(&disk, [1; 32]).expect("open").add(key("one", [1; 32])).expect("add");
        disk.remove(PEPPER).expect("remove");
        assert!(matches!(open(&disk, [2; 32]), Err(OpenError::Corrupt { .. })));
    }
}
