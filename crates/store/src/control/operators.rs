//! Operators' keys.

use insula_model::{Error, KeyId, Name, Result, Timestamp};

use super::Control;
use crate::{
    cluster,
    query::{args, rec},
};

/// An operator's key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorKey {
    /// Its id.
    pub id: KeyId,
    /// Its name for people.
    pub name: Name,
    /// Keyed hash of the secret.
    pub hash: [u8; 32],
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

rec!(OperatorKey { id, name, hash, created_at, revoked_at });

impl Control {
    /// All operator keys, revoked ones included, oldest first.
    pub async fn operator_keys(&self) -> Result<Vec<OperatorKey>> {
        let keys = "SELECT id, name, hash, created_at, revoked_at FROM operator_keys ORDER BY id";
        self.db.read().await?.all(keys, &[]).await
    }

    /// Adds an operator key.
    pub async fn insert_operator_key(&self, key: &OperatorKey) -> Result<()> {
        let mut tx = self.db.write().await?;
        tx.exec(
            "INSERT INTO operator_keys (id, name, hash, created_at, revoked_at) VALUES ($1, $2, $3, $4, $5)",
            args![key.id, key.name, key.hash, key.created_at, key.revoked_at],
        )
        .await?;
        cluster::note(&mut tx, None).await?;
        tx.commit().await
    }

    /// Revokes an operator key; one that is revoked keeps its first date. `NotFound` where there is none.
    pub async fn revoke_operator_key(&self, id: KeyId, at: Timestamp) -> Result<()> {
        let mut tx = self.db.write().await?;
        let revoke = "UPDATE operator_keys SET revoked_at = COALESCE(revoked_at, $2) WHERE id = $1";
        if tx.exec(revoke, args![id, at]).await? == 0 {
            return Err(Error::not_found());
        }
        cluster::note(&mut tx, None).await?;
        tx.commit().await
    }
}
