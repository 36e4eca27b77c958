//! Administrators: `admins.json`, written whole and durably on every change. Their secrets are hashed
//! with the pepper of the keys, under a name of their own, so that no API key is an administrator's.

use crate::disk::Disk;
use crate::error::OpenError;
use crate::keys::file::{from_hex, to_hex};
use crate::store::EmbeddedStore;
use haltline_ports::{AdminRecord, Admins, AdminsError, Keys, Role};
use haltline_types::{Name, Timestamp};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use subtle::ConstantTimeEq;

const NAME: &str = "admins.json";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct AdminsFile {
    version: u32,
    admins: Vec<AdminForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AdminForm {
    name: String,
    hash: String,
    hint: String,
    role: String,
    created_ms: i64,
    expires_ms: Option<i64>,
}

type Known = BTreeMap<Name, Arc<AdminRecord>>;

/// The administrators of an embedded store.
pub(crate) struct EmbeddedAdmins {
    disk: Arc<dyn Disk>,
    known: RwLock<Known>,
}

impl EmbeddedAdmins {
    pub(crate) fn open(disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        let names = disk.list().map_err(OpenError::io("reading the data directory"))?;
        let mut known = Known::new();
        if names.iter().any(|name| name == NAME) {
            let bytes = disk.read_all(NAME).map_err(OpenError::io(format!("reading {NAME}")))?;
            let damaged = |why: String| OpenError::corrupt(NAME, 0, why);
            let file: AdminsFile = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
            if file.version > VERSION {
                return Err(OpenError::Newer { file: NAME.to_owned(), found: file.version, known: VERSION });
            }
            for form in file.admins {
                let record = form.record().map_err(damaged)?;
                known.insert(record.name.clone(), Arc::new(record));
            }
        }
        Ok(Self { disk, known: RwLock::new(known) })
    }

    fn find(&self, hash: &[u8; 32]) -> Option<Arc<AdminRecord>> {
        // There are few, and none is told from another by how long this takes.
        let known = self.known.read();
        known
            .values()
            .fold(None, |found, admin| if admin.hash.ct_eq(hash).into() { Some(admin) } else { found })
            .cloned()
    }

    fn change(&self, make: impl FnOnce(&mut Known) -> Result<(), AdminsError>) -> Result<(), AdminsError> {
        let mut known = self.known.write();
        let mut next = known.clone();
        make(&mut next)?;
        let admins = next.values().map(|record| AdminForm::of(record)).collect();
        serde_json::to_vec_pretty(&AdminsFile { version: VERSION, admins })
            .map_err(std::io::Error::from)
            .and_then(|bytes| self.disk.replace(NAME, &bytes))
            .map_err(|error| {
                let why = "nothing was changed. Check the space on the disk";
                AdminsError::Store(format!("the administrators could not be written: {error}; {why}"))
            })?;
        *known = next;
        Ok(())
    }
}

impl AdminForm {
    fn of(record: &AdminRecord) -> Self {
        Self {
            name: record.name.to_string(),
            hash: to_hex(&record.hash),
            hint: record.hint.clone(),
            role: record.role.word().to_owned(),
            created_ms: record.created.as_millis(),
            expires_ms: record.expires.map(Timestamp::as_millis),
        }
    }

    fn record(self) -> Result<AdminRecord, String> {
        let hash = from_hex(&self.hash)
            .ok_or_else(|| format!("the hash of the administrator `{}` is not 64 digits", self.name))?;
        Ok(AdminRecord {
            role: self.role.parse::<Role>()?,
            name: self.name.into(),
            hash,
            hint: self.hint,
            created: Timestamp::from_millis(self.created_ms),
            expires: self.expires_ms.map(Timestamp::from_millis),
        })
    }
}

impl Admins for EmbeddedStore {
    fn admin_hash(&self, secret: &str) -> [u8; 32] {
        self.shared().keys.hash(&format!("administrator\n{secret}"))
    }

    fn find_admin(&self, hash: &[u8; 32]) -> Option<Arc<AdminRecord>> {
        self.shared().admins.find(hash)
    }

    fn list_admins(&self) -> Vec<Arc<AdminRecord>> {
        self.shared().admins.known.read().values().cloned().collect()
    }

    fn add_admin(&self, record: AdminRecord) -> Result<(), AdminsError> {
        self.shared().admins.change(|known| {
            if known.contains_key(&record.name) {
                return Err(AdminsError::Exists(record.name));
            }
            known.insert(record.name.clone(), Arc::new(record));
            Ok(())
        })
    }

    fn replace_admin(&self, record: AdminRecord) -> Result<(), AdminsError> {
        self.shared().admins.change(|known| {
            let place = known.get_mut(&record.name).ok_or_else(|| AdminsError::Unknown(record.name.clone()))?;
            *place = Arc::new(record);
            Ok(())
        })
    }

    fn remove_admin(&self, name: &Name) -> Result<(), AdminsError> {
        self.shared()
            .admins
            .change(|known| known.remove(name).map(drop).ok_or_else(|| AdminsError::Unknown(name.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Crash, DiskFault, SimDisk};

    fn admin(name: &str, hash: [u8; 32]) -> AdminRecord {
        AdminRecord {
            name: name.into(),
            hash,
            hint: "hl-admin-ab".into(),
            role: Role::Operator,
            created: Timestamp::from_secs(1),
            expires: Some(Timestamp::from_secs(9)),
        }
    }

    #[test]
    fn administrators_survive_and_are_found_by_their_hash_only() {
        let disk = SimDisk::new(1);
        let admins = EmbeddedAdmins::open(Arc::new(disk.clone())).expect("open");
        admins
            .change(|known| {
                known.insert("ann".into(), Arc::new(admin("ann", [1; 32])));
                Ok(())
            })
            .expect("written");
        let disk = disk.restart(Crash::PowerLoss);
        let admins = EmbeddedAdmins::open(Arc::new(disk.clone())).expect("open");
        assert_eq!(admins.find(&[1; 32]).as_deref(), Some(&admin("ann", [1; 32])));
        assert!(admins.find(&[2; 32]).is_none());
        disk.inject(DiskFault::WriteNoSpace(0));
        assert!(matches!(
            admins.change(|known| {
                known.clear();
                Ok(())
            }),
            Err(AdminsError::Store(_))
        ));
        assert!(admins.find(&[1; 32]).is_some(), "what was not written did not happen");
    }
}
