//! Tenants' keys.

use insula_model::{Error, Key, Result, TenantId};

use super::Control;
use crate::{
    cluster,
    query::{args, rec},
};

rec!(Key { id, tenant, name, role, hash, tags, created_at, expires_at, revoked_at });

impl Control {
    /// All keys of all tenants, revoked ones included, oldest first.
    pub async fn keys(&self) -> Result<Vec<Key>> {
        let keys = "SELECT id, tenant, name, role, hash, tags, created_at, expires_at, revoked_at FROM keys ORDER BY id";
        self.db.read().await?.all(keys, &[]).await
    }

    /// All keys of one tenant, revoked ones included, oldest first.
    pub async fn keys_of(&self, tenant: TenantId) -> Result<Vec<Key>> {
        let keys = "SELECT id, tenant, name, role, hash, tags, created_at, expires_at, revoked_at FROM keys \
                    WHERE tenant = $1 ORDER BY id";
        self.db.read().await?.all(keys, args![tenant]).await
    }

    /// Adds a key.
    pub async fn insert_key(&self, key: &Key) -> Result<()> {
        let mut tx = self.db.write().await?;
        tx.exec(
            "INSERT INTO keys (id, tenant, name, role, hash, tags, created_at, expires_at, revoked_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            args![key.id, key.tenant, key.name, key.role, key.hash, key.tags, key.created_at, key.expires_at, key.revoked_at,],
        )
        .await?;
        cluster::note(&mut tx, Some(key.tenant)).await?;
        tx.commit().await
    }

    /// Sets a key's name, expiry and revocation; the rest never changes. `NotFound` where its tenant has no such key.
    pub async fn update_key(&self, key: &Key) -> Result<()> {
        let mut tx = self.db.write().await?;
        let changed = tx
            .exec(
                "UPDATE keys SET name = $3, expires_at = $4, revoked_at = $5 WHERE id = $1 AND tenant = $2",
                args![key.id, key.tenant, key.name, key.expires_at, key.revoked_at],
            )
            .await?;
        if changed == 0 {
            return Err(Error::not_found());
        }
        cluster::note(&mut tx, Some(key.tenant)).await?;
        tx.commit().await
    }
}
