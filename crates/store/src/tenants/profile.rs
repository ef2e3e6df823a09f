//! What a tenant says of itself.

use insula_model::{Result, Timestamp};

use super::TenantStore;
use crate::query::{args, rec};

/// A tenant's profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileRow {
    /// When it came to say what it does.
    pub changed_at: Timestamp,
    /// What it says, sealed for (`profile`, `profile`, nothing): there is one.
    pub sealed_profile: Vec<u8>,
}
rec!(ProfileRow { changed_at, sealed_profile });

impl TenantStore {
    /// Keeps the profile in the place of the one before.
    pub async fn keep_profile(&self, row: &ProfileRow) -> Result<()> {
        let keep = "INSERT INTO profile (id, changed_at, sealed_profile) VALUES (1, $1, $2) \
                    ON CONFLICT (id) DO UPDATE SET changed_at = excluded.changed_at, sealed_profile = excluded.sealed_profile";
        let mut tx = self.home.db().write().await?;
        tx.exec(keep, args![row.changed_at, row.sealed_profile]).await?;
        tx.commit().await
    }

    /// The profile; absent where there is none.
    pub async fn profile(&self) -> Result<Option<ProfileRow>> {
        let find = "SELECT changed_at, sealed_profile FROM profile WHERE id = 1";
        self.home.db().read().await?.optional(find, &[]).await
    }

    /// Forgets the profile, if there is one.
    pub async fn forget_profile(&self) -> Result<()> {
        let mut tx = self.home.db().write().await?;
        tx.exec("DELETE FROM profile WHERE id = 1", &[]).await?;
        tx.commit().await
    }
}
