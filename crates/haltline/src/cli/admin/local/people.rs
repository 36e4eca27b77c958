//! Keys and administrators of a store that no gateway has open: each change is in the audit log, and a key's
//! budgets are in force before the key is.

use super::{Local, fresh_secret, keys_error};
use crate::cli::exit::{CliError, Exit};
use crate::cli::when::now;
use haltline_http::admin::dto::{Key, MadeAdmin, MadeKey, NewAdmin, NewKey};
use haltline_http::admin::{admin_dto, admin_record, key_dto, key_record, local_act, new_secret, secret_hint};
use haltline_ports::{AdminRecord, Admins, AdminsError, Book, KeyRecord, Keys, KeysError, budgets_with_keys};
use haltline_types::Name;
use std::sync::Arc;

/// Whom the audit log names for a command on the store itself.
const LOCAL: &str = "local";

impl Local {
    /// Does something that the audit log must have.
    pub(super) async fn acting<T>(
        &self,
        what: (&str, &str),
        act: impl Future<Output = Result<(T, String), CliError>>,
    ) -> Result<T, CliError> {
        let done = local_act(&*self.store, what, now, act).await;
        done.map_err(|error| CliError::failed(error.to_string()))?
    }

    pub(super) fn all_keys(&self) -> Vec<Key> {
        self.store.list().iter().map(|key| self.dto(key)).collect()
    }

    pub(super) fn one_key(&self, name: &str) -> Result<Key, CliError> {
        self.known(name).map(|key| self.dto(&key))
    }

    pub(super) async fn make_key(&self, wanted: &NewKey) -> Result<MadeKey, CliError> {
        let secret = fresh_secret()?;
        let hash = Keys::hash(&*self.store, &secret);
        let record = key_record(wanted, &secret, hash, &Name::new(LOCAL), now()).map_err(CliError::usage)?;
        let key = self.dto(&record);
        let act = async {
            self.in_force(&record.name, Some(&record)).await?;
            self.store.add(record).map_err(|error| keys_error(&error))?;
            Ok(((), key.hint.clone()))
        };
        self.acting(("key.create", &wanted.name), act).await?;
        Ok(MadeKey { secret, key })
    }

    pub(super) async fn change_key(
        &self,
        what: &str,
        name: &str,
        with: impl FnOnce(KeyRecord) -> Result<KeyRecord, String>,
    ) -> Result<Key, CliError> {
        let act = async {
            let record = with(KeyRecord::clone(&*self.known(name)?)).map_err(CliError::usage)?;
            self.in_force(&record.name, Some(&record)).await?;
            let key = self.dto(&record);
            self.store.replace(record).map_err(|error| keys_error(&error))?;
            let detail = serde_json::to_string(&key).unwrap_or_default();
            Ok((key, detail))
        };
        self.acting((what, name), act).await
    }

    pub(super) async fn drop_key(&self, name: &str) -> Result<(), CliError> {
        let act = async {
            self.store.remove(&Name::new(name), now()).map_err(|error| keys_error(&error))?;
            self.in_force(&Name::new(name), None).await?;
            Ok(((), String::new()))
        };
        self.acting(("key.remove", name), act).await
    }

    pub(super) async fn make_admin(&self, wanted: &NewAdmin) -> Result<MadeAdmin, CliError> {
        let secret = admin_secret()?;
        let hash = self.store.admin_hash(&secret);
        let record = admin_record(wanted, &secret, hash, now()).map_err(CliError::usage)?;
        let admin = admin_dto(&record);
        let act = async {
            self.store.add_admin(record).map_err(|error| admins_error(&error))?;
            Ok(((), format!("role {}", wanted.role)))
        };
        self.acting(("admin.create", &wanted.name), act).await?;
        Ok(MadeAdmin { secret, admin })
    }

    pub(super) async fn change_admin(&self, name: &str) -> Result<MadeAdmin, CliError> {
        let secret = admin_secret()?;
        let act = async {
            let known = self.store.list_admins().into_iter().find(|admin| *admin.name == *name);
            let known = known.ok_or_else(|| admins_error(&AdminsError::Unknown(Name::new(name))))?;
            let hash = self.store.admin_hash(&secret);
            let record = AdminRecord { hash, hint: secret_hint(&secret), ..AdminRecord::clone(&known) };
            let admin = admin_dto(&record);
            self.store.replace_admin(record).map_err(|error| admins_error(&error))?;
            Ok((admin, secret_hint(&secret)))
        };
        let admin = self.acting(("admin.rotate", name), act).await?;
        Ok(MadeAdmin { secret, admin })
    }

    pub(super) async fn drop_admin(&self, name: &str) -> Result<(), CliError> {
        let act = async {
            self.store.remove_admin(&Name::new(name)).map_err(|error| admins_error(&error))?;
            Ok(((), String::new()))
        };
        self.acting(("admin.remove", name), act).await
    }

    /// The budgets of all keys, with this one as it will be.
    async fn in_force(&self, name: &Name, wanted: Option<&KeyRecord>) -> Result<(), CliError> {
        let keys: Vec<Arc<KeyRecord>> = self.store.list();
        let others = keys.iter().map(AsRef::as_ref).filter(|key| key.name != *name);
        let budgets = budgets_with_keys(&self.budgets, others.chain(wanted)).map_err(CliError::usage)?;
        let done = self.store.rebudget(budgets, now()).await;
        done.map_err(|error| CliError::failed(format!("the key's budgets cannot be in force: {error}")))
    }

    fn known(&self, name: &str) -> Result<Arc<KeyRecord>, CliError> {
        let known = self.store.list().into_iter().find(|key| &*key.name == name);
        known.ok_or_else(|| keys_error(&KeysError::Unknown(Name::new(name))))
    }

    fn dto(&self, key: &KeyRecord) -> Key {
        key_dto(key, self.store.last_use(&key.name).as_ref(), now())
    }
}

fn admin_secret() -> Result<String, CliError> {
    new_secret("hl-admin-").map_err(|error| CliError::failed(error.to_string()))
}

fn admins_error(error: &AdminsError) -> CliError {
    let exit = if matches!(error, AdminsError::Store(_)) { Exit::Failed } else { Exit::NotFound };
    CliError::new(exit, error.to_string())
}
