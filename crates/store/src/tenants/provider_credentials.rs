//! A tenant's own credentials at providers. Which of them counts is in the tenant's record; what it does not name is on its way in, or
//! was left behind.

use insula_model::{CredentialId, Result, Timestamp};

use crate::query::{Tx, args, rec};

/// A stored credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderCredentialRow {
    /// Which.
    pub credential: CredentialId,
    /// The configured name of the provider that it is for.
    pub provider: String,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// Its secret, sealed for (`provider_credentials`, `secret`, its id).
    pub sealed_secret: Vec<u8>,
}
rec!(ProviderCredentialRow { credential, provider, stored_at, sealed_secret });

/// Stores a credential beside those that there are.
pub(super) async fn put(tx: &mut Tx, row: &ProviderCredentialRow) -> Result<()> {
    tx.exec(
        "INSERT INTO provider_credentials (credential, provider, stored_at, sealed_secret) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (credential) DO NOTHING",
        args![row.credential, row.provider, row.stored_at, row.sealed_secret],
    )
    .await?;
    Ok(())
}

/// One credential.
pub(super) async fn find(tx: &mut Tx, credential: CredentialId) -> Result<Option<ProviderCredentialRow>> {
    let find = "SELECT credential, provider, stored_at, sealed_secret FROM provider_credentials WHERE credential = $1";
    tx.optional(find, args![credential]).await
}

/// Forgets a credential, and those of its provider that were stored before `left_before` and are not `kept`.
pub(super) async fn forget(
    tx: &mut Tx,
    forgotten: Option<CredentialId>,
    provider: &str,
    kept: Option<CredentialId>,
    left_before: Timestamp,
) -> Result<()> {
    tx.exec(
        "DELETE FROM provider_credentials WHERE credential = $1 \
         OR provider = $2 AND stored_at < $4 AND (credential <> $3 OR $3 IS NULL)",
        args![forgotten, provider.to_owned(), kept, left_before],
    )
    .await?;
    Ok(())
}
