//! Tenants' keys.

use insula_model::{Error, ErrorKind, Key, KeyId, Result, TenantId};

use super::{Control, tenants::refuse_gone};
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

    /// One key of a tenant.
    pub async fn key(&self, tenant: TenantId, key: KeyId) -> Result<Option<Key>> {
        let find = "SELECT id, tenant, name, role, hash, tags, created_at, expires_at, revoked_at FROM keys \
                    WHERE id = $1 AND tenant = $2";
        self.db.read().await?.optional(find, args![key, tenant]).await
    }

    /// Adds a key.
    pub async fn insert_key(&self, key: &Key) -> Result<()> {
        let mut tx = self.db.write().await?;
        refuse_gone(&mut tx, Some(key.tenant)).await?;
        tx.exec(
            "INSERT INTO keys (id, tenant, name, role, hash, tags, created_at, expires_at, revoked_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            args![key.id, key.tenant, key.name, key.role, key.hash, key.tags, key.created_at, key.expires_at, key.revoked_at,],
        )
        .await?;
        cluster::note(&mut tx, Some(key.tenant)).await?;
        tx.commit().await
    }

    /// Sets a key's name, expiry and revocation, where they still are as in `replaced`; the rest never changes.
    /// `PreconditionFailed` where somebody else has meanwhile changed one of them, `NotFound` where its tenant has no such key.
    pub async fn update_key(&self, key: &Key, replaced: &Key) -> Result<()> {
        struct Known {
            id: KeyId,
        }
        rec!(Known { id });

        let mut tx = self.db.write().await?;
        let changed = tx
            .exec(
                "UPDATE keys SET name = $3, expires_at = $4, revoked_at = $5 WHERE id = $1 AND tenant = $2 AND name = $6 \
                 AND expires_at IS NOT DISTINCT FROM $7 AND revoked_at IS NOT DISTINCT FROM $8",
                args![
                    key.id,
                    key.tenant,
                    key.name,
                    key.expires_at,
                    key.revoked_at,
                    replaced.name,
                    replaced.expires_at,
                    replaced.revoked_at,
                ],
            )
            .await?;
        if changed == 0 {
            let find = "SELECT id FROM keys WHERE id = $1 AND tenant = $2";
            let known: Known = tx.one(find, args![key.id, key.tenant]).await?;
            let message = format!("the key {} was changed meanwhile; read it again", known.id);
            return Err(Error::new(ErrorKind::PreconditionFailed, message));
        }
        cluster::note(&mut tx, Some(key.tenant)).await?;
        tx.commit().await
    }
}
