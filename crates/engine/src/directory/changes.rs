//! Every change to tenants, keys, operators and limits: stored first, then visible to the next request, on every node.
//!
//! Changes of one tenant happen one after the other, so that none overwrites what another has just written (a rotation
//! must not undo a revocation). Where several nodes serve, each change also says what it replaces, and is made again of
//! what another node wrote in between. A change that was begun must be carried to its end: callers run it in a task that a
//! leaving client does not cancel.

use std::{collections::BTreeMap, sync::Arc};

use insula_model::{
    Error, ErrorKind, Key, KeyId, Limits, Name, Result, Role, Subject, Tenant, TenantId, TenantScope, TenantState, Timestamp,
};
use insula_store::{ErasureReceipt, OperatorKey};
use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard};

use super::{
    Directory, KeyEntry, KeyText, TenantEntry,
    entries::OperatorEntry,
    key_text::{KeyKind, PresentedKey},
    register::Register,
    reread::renew_budgets,
};
use crate::accounts::Accounts;

/// How many keys a tenant can have, revoked ones included: they stay, so that old usage keeps its names.
const KEYS_PER_TENANT_MAX: usize = 10_000;

/// What a new key is to be.
#[derive(Debug, Clone)]
pub(crate) struct KeyOrder {
    pub(crate) name: Name,
    pub(crate) role: Role,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) limits: Limits,
}

/// The right to make the next change; the change after it waits until this is dropped.
#[must_use]
pub(crate) struct Turn {
    _held: OwnedMutexGuard<()>,
    /// Of a tenant: what it inherits from does not change meanwhile.
    _steady: Option<OwnedRwLockReadGuard<()>>,
}

/// How often a change is tried while other nodes keep changing the same thing.
const TRIES_MAX: usize = 3;

impl Directory {
    /// Stores a new tenant and lets it in, with the budgets that it inherits.
    pub(crate) async fn create_tenant(&self, record: Tenant, accounts: &Accounts) -> Result<Arc<TenantEntry>> {
        let _steady = self.catalogue_changing.read().await;
        let budgets = self.store.create_tenant(&record).await?;
        let (subject, tag) = (Subject::Tenant(record.id), self.hasher.request_tag(record.id));
        let entry = self.inheriting(TenantEntry::new(record, Limits::default(), tag));
        let show = |register: &mut Register, entry: TenantEntry| {
            renew_budgets(accounts, subject, budgets);
            register.put_tenant(entry)
        };
        Ok(self.publish_entry(entry, show).await)
    }

    /// Replaces a tenant's record by what `change` makes of it; its version goes up by one. With another plan or segment it has
    /// other budgets.
    pub(crate) async fn change_tenant(
        &self,
        id: TenantId,
        accounts: &Accounts,
        change: impl Fn(&Tenant) -> Result<Tenant> + Send,
    ) -> Result<Arc<TenantEntry>> {
        let (_turn, now) = self.turn(id).await?;
        for _ in 0..TRIES_MAX {
            let current = self.current_tenant(&now).await?;
            let record = Tenant { version: current.version + 1, ..change(&current)? };
            if let Some(budgets) = replaced(self.store.control().update_tenant(&record, current.version).await)? {
                let entry = self.inheriting(TenantEntry::new(record, now.own_limits, now.request_tag));
                let show = |register: &mut Register, entry: TenantEntry| {
                    renew_budgets(accounts, Subject::Tenant(id), budgets);
                    register.put_tenant(now.with_record(entry.record))
                };
                return Ok(self.publish_entry(entry, show).await);
            }
        }
        Err(overtaken())
    }

    /// Erases a tenant: denied to everyone first, on every node, then destroyed in the store, then forgotten. When the
    /// store fails on the way the tenant stays denied, and the same call again goes on where it stopped.
    pub(crate) async fn erase_tenant(&self, scope: &TenantScope) -> Result<ErasureReceipt> {
        let id = scope.tenant();
        let _turn = self.wait_for_turn(id).await?;
        let now = self.tenant(id).ok_or_else(Error::not_found)?;
        if self.following.is_some() {
            self.store.begin_erasure(scope, self.clock.now()).await?;
        }
        let denied = || Tenant { state: TenantState::Erasing, ..now.record.clone() };
        self.publish(|| drop(self.register.write().put_tenant(now.with_record(denied())))).await;
        let receipt = self.store.erase_tenant(scope, self.clock.now()).await?;
        self.publish(|| self.register.write().remove_tenant(id)).await;
        Ok(receipt)
    }

    /// Makes and stores a key. The text is returned here and nowhere else.
    pub(crate) async fn add_key(&self, tenant: TenantId, order: KeyOrder) -> Result<(Arc<KeyEntry>, KeyText)> {
        let _turn = self.turn(tenant).await?;
        self.make_key(tenant, order).await
    }

    /// Makes a key that follows another: `plan` sees the old key and says what the new one is to be and from when on
    /// the old one is refused. The new key is stored first; a failure between the two leaves the old one as it was.
    pub(crate) async fn rotate_key(
        &self,
        tenant: TenantId,
        old: KeyId,
        plan: impl Fn(&KeyEntry) -> Result<(KeyOrder, Timestamp)> + Send,
    ) -> Result<(Arc<KeyEntry>, KeyText)> {
        let _turn = self.turn(tenant).await?;
        let now = self.key(old).ok_or_else(Error::not_found)?;
        let mut current = self.current_key(&now).await?;
        let (order, mut old_expires_at) = plan(&KeyEntry::new(current.clone(), now.limits))?;
        let made = self.make_key(tenant, order).await?;
        for _ in 0..TRIES_MAX {
            if self.store_key(&now, &current, Key { expires_at: Some(old_expires_at), ..current.clone() }).await?.is_some() {
                return Ok(made);
            }
            current = self.current_key(&now).await?;
            match plan(&KeyEntry::new(current.clone(), now.limits)) {
                Ok((_, expires_at)) => old_expires_at = expires_at,
                Err(error) => {
                    // Revoked on another node meanwhile: what is revoked has no successor.
                    self.withdraw(&made.0).await?;
                    return Err(error);
                }
            }
        }
        self.withdraw(&made.0).await?;
        Err(overtaken())
    }

    async fn make_key(&self, tenant: TenantId, order: KeyOrder) -> Result<(Arc<KeyEntry>, KeyText)> {
        if self.keys_after(tenant, None, KEYS_PER_TENANT_MAX).len() == KEYS_PER_TENANT_MAX {
            let message = format!("a tenant has at most {KEYS_PER_TENANT_MAX} keys, revoked ones included");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        let text = KeyText::generate(KeyKind::Tenant, self.ids.key(), &*self.random);
        let record = Key {
            id: text.id(),
            tenant,
            name: order.name,
            role: order.role,
            hash: self.hash_of(&text)?,
            tags: order.tags,
            created_at: self.clock.now(),
            expires_at: order.expires_at,
            revoked_at: None,
        };
        self.store.control().insert_key(&record).await?;
        if order.limits != Limits::default() {
            // Before the key can be used, or it would be unlimited for a moment.
            self.store.control().put_limits(&Subject::Key(tenant, record.id), &order.limits).await?;
        }
        Ok((self.publish_entry(KeyEntry::new(record, order.limits), Register::put_key).await, text))
    }

    /// Replaces a key's record by what `change` makes of it.
    pub(crate) async fn change_key(
        &self,
        tenant: TenantId,
        key: KeyId,
        change: impl Fn(&Key) -> Result<Key> + Send,
    ) -> Result<Arc<KeyEntry>> {
        let _turn = self.turn(tenant).await?;
        let now = self.key(key).ok_or_else(Error::not_found)?;
        for _ in 0..TRIES_MAX {
            let current = self.current_key(&now).await?;
            let record = change(&current)?;
            if let Some(entry) = self.store_key(&now, &current, record).await? {
                return Ok(entry);
            }
        }
        Err(overtaken())
    }

    /// Stores a key's record in place of `replaced`; nothing when another node replaced that first.
    async fn store_key(&self, now: &KeyEntry, replaced_record: &Key, record: Key) -> Result<Option<Arc<KeyEntry>>> {
        if replaced(self.store.control().update_key(&record, replaced_record).await)?.is_none() {
            return Ok(None);
        }
        let show = |register: &mut Register, entry: KeyEntry| register.put_key(now.with_record(entry.record));
        Ok(Some(self.publish_entry(KeyEntry::new(record, now.limits), show).await))
    }

    /// Revokes a key whose text nobody was told.
    async fn withdraw(&self, made: &KeyEntry) -> Result<()> {
        let record = Key { revoked_at: Some(self.clock.now()), ..made.record.clone() };
        self.store_key(made, &made.record, record).await.map(drop)
    }

    /// A tenant's record as it is stored: another node may have changed it a moment ago.
    async fn current_tenant(&self, now: &TenantEntry) -> Result<Tenant> {
        if self.following.is_none() {
            return Ok(now.record.clone());
        }
        self.store.control().tenant(now.record.id).await?.ok_or_else(Error::not_found)
    }

    /// The same of a key.
    async fn current_key(&self, now: &KeyEntry) -> Result<Key> {
        if self.following.is_none() {
            return Ok(now.record.clone());
        }
        self.store.control().key(now.record.tenant, now.record.id).await?.ok_or_else(Error::not_found)
    }

    /// Replaces the limits of a tenant or a key.
    pub(crate) async fn set_limits(&self, subject: Subject, limits: Limits) -> Result<()> {
        let (tenant, key) = match subject {
            Subject::Key(tenant, id) => (tenant, Some(self.key(id).ok_or_else(Error::not_found)?)),
            Subject::Tenant(tenant) => (tenant, None),
            Subject::Platform | Subject::EndUser(..) => return Err(Error::internal("only tenants and keys have limits")),
        };
        let (_turn, entry) = self.turn(tenant).await?;
        self.store.control().put_limits(&subject, &limits).await?;
        self.publish(|| {
            let mut register = self.register.write();
            match key {
                Some(key) => drop(register.put_key(key.with_limits(limits))),
                None => drop(register.put_tenant(entry.with_limits(limits))),
            }
        })
        .await;
        Ok(())
    }

    /// Makes and stores an operator key. The text is returned here and nowhere else. For a process that holds the data
    /// directory, and so needs no operator to allow it.
    pub async fn add_operator_key(&self, name: Name) -> Result<KeyText> {
        self.make_operator_key(name).await.map(|(_, text)| text)
    }

    /// The same with the record.
    pub(crate) async fn make_operator_key(&self, name: Name) -> Result<(OperatorKey, KeyText)> {
        let text = KeyText::generate(KeyKind::Operator, self.ids.key(), &*self.random);
        let (id, hash) = (text.id(), self.hash_of(&text)?);
        let record = OperatorKey { id, name, hash, created_at: self.clock.now(), revoked_at: None };
        self.store.control().insert_operator_key(&record).await?;
        self.publish(|| self.register.write().put_operator(OperatorEntry { id, hash, local: false })).await;
        Ok((record, text))
    }

    /// All stored operator keys, revoked ones included.
    pub async fn operator_keys(&self) -> Result<Vec<OperatorKey>> {
        self.store.control().operator_keys().await
    }

    /// Revokes an operator key; the next request with it is refused.
    pub async fn revoke_operator_key(&self, id: KeyId) -> Result<()> {
        self.store.control().revoke_operator_key(id, self.clock.now()).await?;
        self.publish(|| self.register.write().remove_operator(id)).await;
        Ok(())
    }

    /// A new operator's key text that nothing knows yet, for [`Directory::install_local_operator`].
    pub fn new_local_operator(&self) -> KeyText {
        KeyText::generate(KeyKind::Operator, self.ids.key(), &*self.random)
    }

    /// Lets in the operator key `text` for as long as this process lives; it is stored nowhere. For a command that runs
    /// beside the server and shares its data directory.
    pub fn install_local_operator(&self, text: &KeyText) -> Result<()> {
        let entry = OperatorEntry { id: text.id(), hash: self.hash_of(text)?, local: true };
        self.register.write().put_operator(entry);
        Ok(())
    }

    /// Waits until no other change of this tenant is under way, and answers the tenant as it then is. The turn is held
    /// until it is dropped. A tenant that is being erased takes no more changes.
    pub(crate) async fn turn(&self, tenant: TenantId) -> Result<(Turn, Arc<TenantEntry>)> {
        let turn = self.wait_for_turn(tenant).await?;
        let entry = self.tenant(tenant).filter(|entry| entry.record.state != TenantState::Erasing);
        Ok((turn, entry.ok_or_else(Error::not_found)?))
    }

    async fn wait_for_turn(&self, tenant: TenantId) -> Result<Turn> {
        let entry = self.tenant(tenant).ok_or_else(Error::not_found)?;
        let held = Arc::clone(&entry.changing).lock_owned().await;
        Ok(Turn { _held: held, _steady: Some(Arc::clone(&self.catalogue_changing).read_owned().await) })
    }

    /// The same for what belongs to no tenant.
    pub(crate) async fn platform_turn(&self) -> Turn {
        Turn { _held: Arc::clone(&self.platform_changing).lock_owned().await, _steady: None }
    }

    /// Lets a change count that is stored: at once, by `show`, where this process serves alone; among several nodes once each
    /// of them has read it again, this one included.
    pub(crate) async fn publish(&self, show: impl FnOnce() + Send) {
        match &self.following {
            None => show(),
            Some(following) => following.seen_everywhere().await,
        }
    }

    /// The same, answering what was stored as an entry.
    async fn publish_entry<E: Send>(&self, entry: E, show: impl FnOnce(&mut Register, E) -> Arc<E> + Send) -> Arc<E> {
        match &self.following {
            None => show(&mut self.register.write(), entry),
            Some(following) => {
                following.seen_everywhere().await;
                Arc::new(entry)
            }
        }
    }

    fn hash_of(&self, text: &KeyText) -> Result<[u8; 32]> {
        let parsed = PresentedKey::parse(text.expose()).ok_or_else(|| Error::internal("a key text does not parse"))?;
        Ok(self.hasher.key(parsed.id, parsed.secret))
    }
}

/// What came of a change that took the place of what it was made of; nothing when another node was faster.
fn replaced<T>(stored: Result<T>) -> Result<Option<T>> {
    match stored {
        Err(error) if *error.kind() == ErrorKind::PreconditionFailed => Ok(None),
        stored => stored.map(Some),
    }
}

/// Others were faster every time.
fn overtaken() -> Error {
    Error::new(ErrorKind::Conflict, "others are changing the same thing at this moment; ask again")
}
