//! What may be asked of one tenant's own data.

use std::sync::Arc;

use insula_model::{Clock, CredentialId, Error, RequestId, Result, TenantId, Timestamp};

use super::{
    Home, IdempotencyRow, ProviderCredentialRow, RequestRow, ResponseRow, ResponsesMax, blobs::Blobs, idempotency,
    provider_credentials, requests, responses,
};
use crate::{cluster::register::Register, fold::Fold, query::Tx, vectors::Vectors};

/// One tenant's own data. Its file stays open while this lives. Once the tenant is erased, every call answers `NotFound`.
///
/// What a request just wrote is still on its way through the journal; each call first brings this tenant's into its file.
#[derive(Clone)]
pub struct TenantStore {
    pub(crate) tenant: TenantId,
    pub(crate) home: Home,
    pub(crate) blobs: Blobs,
    pub(crate) arriving: Arriving,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) vectors: Arc<Vectors>,
}

impl TenantStore {
    /// One request.
    pub async fn request(&self, id: RequestId) -> Result<Option<RequestRow>> {
        self.arriving.bring(self.tenant).await?;
        let mut tx = self.home.db().read().await?;
        let found = requests::find(&mut tx, id).await?;
        answered(tx, found.is_none()).await.map(|()| found)
    }

    /// At most `limit` requests that began before `before`, the newest first.
    pub async fn requests(&self, before: Option<RequestId>, limit: u32) -> Result<Vec<RequestRow>> {
        self.arriving.bring(self.tenant).await?;
        let mut tx = self.home.db().read().await?;
        let found = requests::list(&mut tx, before, limit).await?;
        answered(tx, found.is_empty()).await.map(|()| found)
    }

    /// What is known under an `Idempotency-Key`, if it is still honoured.
    pub async fn idempotency(&self, key_hash: &[u8; 32]) -> Result<Option<IdempotencyRow>> {
        self.arriving.bring(self.tenant).await?;
        let mut tx = self.home.db().read().await?;
        let found = idempotency::find(&mut tx, key_hash, self.clock.now()).await?;
        answered(tx, found.is_none()).await.map(|()| found)
    }

    /// Keeps a response, within bounds: of more than `most` the oldest are forgotten, now and then. On return every node finds it.
    pub async fn keep_response(&self, row: &ResponseRow, most: ResponsesMax) -> Result<()> {
        let mut tx = self.home.db().write().await?;
        responses::put(&mut tx, row, most, self.clock.now()).await?;
        tx.commit().await
    }

    /// A response, if it is still kept.
    pub async fn response(&self, response: RequestId) -> Result<Option<ResponseRow>> {
        let mut tx = self.home.db().read().await?;
        let found = responses::find(&mut tx, response, self.clock.now()).await?;
        answered(tx, found.is_none()).await.map(|()| found)
    }

    /// A response and those that it went on from, newest first, as far as they are still kept. With more than `bytes_max` or 1,000 of
    /// them the oldest are missing.
    pub async fn conversation(&self, last: RequestId, bytes_max: u64) -> Result<Vec<ResponseRow>> {
        let mut tx = self.home.db().read().await?;
        let found = responses::conversation(&mut tx, last, bytes_max, self.clock.now()).await?;
        answered(tx, found.is_empty()).await.map(|()| found)
    }

    /// Forgets a response; whether it was there.
    pub async fn forget_response(&self, response: RequestId) -> Result<bool> {
        let mut tx = self.home.db().write().await?;
        let was_there = responses::forget(&mut tx, response).await?;
        tx.commit().await?;
        Ok(was_there)
    }

    /// Stores a credential of the tenant's own beside those that there are.
    pub async fn keep_provider_credential(&self, row: &ProviderCredentialRow) -> Result<()> {
        let mut tx = self.home.db().write().await?;
        provider_credentials::put(&mut tx, row).await?;
        tx.commit().await
    }

    /// A credential of the tenant's own.
    pub async fn provider_credential(&self, credential: CredentialId) -> Result<Option<ProviderCredentialRow>> {
        let mut tx = self.home.db().read().await?;
        let found = provider_credentials::find(&mut tx, credential).await?;
        answered(tx, found.is_none()).await.map(|()| found)
    }

    /// Forgets a credential of the tenant's own. With it go those for `provider` that were stored before `left_before` and are not
    /// `kept`: nobody names them any more.
    pub async fn forget_provider_credential(
        &self,
        forgotten: Option<CredentialId>,
        provider: &str,
        kept: Option<CredentialId>,
        left_before: Timestamp,
    ) -> Result<()> {
        let mut tx = self.home.db().write().await?;
        provider_credentials::forget(&mut tx, forgotten, provider, kept, left_before).await?;
        tx.commit().await
    }
}

/// Nothing was found: because there is nothing, or because the tenant was erased while this was held? A file is refused when it is
/// opened; of shared tables a tenant that was erased simply sees no rows.
async fn answered(tx: Tx, is_empty: bool) -> Result<()> {
    match tx {
        Tx::Postgres(tx) if is_empty && tx.rows("SELECT 1 FROM homes", &[]).await?.is_empty() => Err(Error::not_found()),
        _ => Ok(()),
    }
}

/// What is still on its way to a tenant's home, and who brings it.
#[derive(Clone)]
pub(crate) enum Arriving {
    /// Through this node's journal.
    Fold(Fold),
    /// From this node's memory.
    Register(Register),
}

impl Arriving {
    /// Returns once everything that this node has written for `tenant` so far is in its home.
    async fn bring(&self, tenant: TenantId) -> Result<()> {
        match self {
            Arriving::Fold(fold) => fold.fold_tenant(tenant).await,
            Arriving::Register(register) => register.flush_tenant(tenant).await,
        }
    }
}
