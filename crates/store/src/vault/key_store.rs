//! The key store: every tenant's wrapped key, in a file of its own.

use std::{path::PathBuf, sync::Arc};

use hashlink::LruCache;
use insula_model::{Error, Random, Result, TenantId, Timestamp};
use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::{
    RootKey, TenantSeals,
    derive::Key,
    seal::{bind, open, seal},
};
use crate::{
    control::stopped,
    query::{Db, Rec, Row, args, rec, waiting},
    sqlite,
};

/// How many tenants' subkeys are kept at hand; about 200 bytes each, and rebuilt in some tens of microseconds.
const SEALS_CACHED_MAX: usize = 16_384;

/// The version that new keys get.
const FIRST_VERSION: u8 = 1;

/// All tenants' keys.
pub(crate) struct KeyStore {
    db: Db,
    wrapping: Key,
    cached: Mutex<LruCache<TenantId, Arc<TenantSeals>>>,
    /// Held while a key is brought into the cache and while one is destroyed, so that no destroyed key comes back.
    changing: tokio::sync::Mutex<()>,
}

struct Wrapped {
    version: u64,
    wrapped: Vec<u8>,
}
rec!(Wrapped { version, wrapped });

/// A tenant whose key was destroyed.
pub(crate) struct Destroyed {
    /// Who.
    pub(crate) tenant: TenantId,
    /// When.
    pub(crate) destroyed_at: Timestamp,
}
rec!(Destroyed { tenant, destroyed_at });

impl KeyStore {
    /// Opens the key store in `file`, making it when absent. Refused when another root key wrapped what it holds.
    pub(crate) async fn open(file: PathBuf, root: &RootKey) -> Result<Self> {
        Self::over(waiting(move || sqlite::open_keys(&file)).await?, root).await
    }

    /// The key store in `db`. Refused when another root key wrapped what it holds.
    pub(crate) async fn over(db: Db, root: &RootKey) -> Result<Self> {
        check_root(&db, root).await?;
        Ok(Self {
            db,
            wrapping: root.subkey(&["wrap"]),
            cached: Mutex::new(LruCache::new(SEALS_CACHED_MAX)),
            changing: tokio::sync::Mutex::default(),
        })
    }

    /// A tenant's subkeys. `NotFound` where it has no key: it never existed, or its key was destroyed.
    pub(crate) async fn seals(&self, tenant: TenantId) -> Result<Arc<TenantSeals>> {
        // The hot path: an uncontended lock and a lookup.
        if let Some(seals) = self.cached.lock().get(&tenant) {
            return Ok(seals.clone());
        }
        let _changing = self.changing.lock().await;
        let find = "SELECT version, wrapped FROM tenant_keys WHERE tenant = $1";
        let wrapped: Wrapped = self.db.read().await?.one(find, args![tenant]).await?;
        let version = u8::try_from(wrapped.version).map_err(Error::internal)?;
        let plain = Zeroizing::new(open(&self.wrapping, version, &place(tenant, version), &wrapped.wrapped)?);
        let key = Key::new(plain.as_slice().try_into().map_err(Error::internal)?);
        let seals = Arc::new(TenantSeals::new(tenant, version, &key));
        self.cached.lock().insert(tenant, seals.clone());
        Ok(seals)
    }

    /// Makes a tenant's key, unless it has one; on return it is durable. A destroyed key is never made anew.
    pub(crate) async fn create(&self, tenant: TenantId, random: &dyn Random) -> Result<()> {
        let mut key = Key::default();
        random.fill(key.as_mut_slice());
        let wrapped = seal(&self.wrapping, FIRST_VERSION, &place(tenant, FIRST_VERSION), key.as_slice(), random);
        let mut tx = self.db.write().await?;
        tx.exec(
            "INSERT INTO tenant_keys (tenant, version, wrapped) SELECT $1, $2, $3 \
             WHERE NOT EXISTS (SELECT 1 FROM destroyed_keys WHERE tenant = $1) ON CONFLICT (tenant) DO NOTHING",
            args![tenant, u64::from(FIRST_VERSION), wrapped],
        )
        .await?;
        tx.commit().await
    }

    /// Destroys a tenant's key: its row is overwritten, its page in the write-ahead log dropped, its cached subkeys wiped once
    /// their last user is gone. The first date of destruction stays.
    pub(crate) async fn destroy(&self, tenant: TenantId, now: Timestamp) -> Result<()> {
        let _changing = self.changing.lock().await;
        let mut tx = self.db.write().await?;
        let note = "INSERT INTO destroyed_keys (tenant, destroyed_at) VALUES ($1, $2) ON CONFLICT (tenant) DO NOTHING";
        tx.exec(note, args![tenant, now]).await?;
        tx.exec("DELETE FROM tenant_keys WHERE tenant = $1", args![tenant]).await?;
        tx.commit().await?;
        self.cached.lock().remove(&tenant);
        self.db.forget_deleted().await
    }

    /// Forgets a tenant's cached subkeys: they are read again from what is stored, if anything still is.
    pub(crate) async fn forget(&self, tenant: TenantId) {
        // Whoever is just bringing them into the cache is waited for, so that nothing from before this call stays.
        let _changing = self.changing.lock().await;
        self.cached.lock().remove(&tenant);
    }

    /// Removes the key of a tenant that never came to be.
    pub(crate) async fn discard(&self, tenant: TenantId) -> Result<()> {
        let _changing = self.changing.lock().await;
        let mut tx = self.db.write().await?;
        tx.exec("DELETE FROM tenant_keys WHERE tenant = $1", args![tenant]).await?;
        tx.commit().await?;
        self.cached.lock().remove(&tenant);
        Ok(())
    }

    /// All tenants whose keys were destroyed here.
    pub(crate) async fn destroyed(&self) -> Result<Vec<Destroyed>> {
        self.db.read().await?.all("SELECT tenant, destroyed_at FROM destroyed_keys ORDER BY tenant", &[]).await
    }

    /// Whether a tenant has a key.
    pub(crate) async fn holds(&self, tenant: TenantId) -> Result<bool> {
        let find = "SELECT version, wrapped FROM tenant_keys WHERE tenant = $1";
        Ok(self.db.read().await?.optional::<Wrapped>(find, args![tenant]).await?.is_some())
    }

    /// Closes the file and forgets the cached subkeys.
    pub(crate) async fn close(&self) -> Result<()> {
        self.cached.lock().clear();
        self.db.close(stopped).await
    }
}

/// Where a wrapped key belongs.
fn place(tenant: TenantId, version: u8) -> Vec<u8> {
    bind(version, &[b"tenant key", tenant.as_bytes()])
}

/// Remembers the root key's fingerprint, and refuses another root key.
async fn check_root(db: &Db, root: &RootKey) -> Result<()> {
    struct Known([u8; 32]);
    impl Rec for Known {
        fn read(row: &Row<'_>) -> Result<Self> {
            row.get("fingerprint").map(Known)
        }
    }

    let fingerprint: [u8; 32] = *root.subkey(&["fingerprint"]);
    let mut tx = db.write().await?;
    match tx.optional::<Known>("SELECT fingerprint FROM root WHERE id = 1", &[]).await? {
        Some(Known(known)) if known == fingerprint => Ok(()),
        Some(_) => Err(Error::invalid(
            "the root key is not the one that this data was sealed with; put the original root key back (a new file is made \
             where none is found)",
        )),
        None => {
            tx.exec("INSERT INTO root (id, fingerprint) VALUES (1, $1)", args![fingerprint]).await?;
            tx.commit().await
        }
    }
}
