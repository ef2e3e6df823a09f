//! A tenant comes to be: intent, key, file, done.
//!
//! The control database is told first, so that what is interrupted is known; key and file are made in steps that may be
//! repeated. Only a tenant whose making was never finished gets a key at a later start: a key that vanished is an error.

use insula_model::{Budget, Random, ReferenceCorpus, Result, Tenant, TenantId, Timestamp};

use crate::{Control, tenants::Homes, vault::KeyStore};

/// Makes a tenant; the budgets that it inherits.
pub(super) async fn create(
    control: &Control,
    keys: &KeyStore,
    tenants: &Homes,
    random: &dyn Random,
    tenant: &Tenant,
) -> Result<Vec<Budget>> {
    let budgets = control.begin_tenant(tenant).await?;
    make(control, keys, tenants, random, tenant.id).await.map(|()| budgets)
}

/// Makes a reference corpus, of which there may be `most`: the same, with a record of another kind.
pub(super) async fn create_corpus(
    control: &Control,
    keys: &KeyStore,
    homes: &Homes,
    random: &dyn Random,
    corpus: &ReferenceCorpus,
    most: u64,
) -> Result<()> {
    control.begin_corpus(corpus, most).await?;
    make(control, keys, homes, random, corpus.id.home()).await
}

/// Makes key and home of what is noted; what cannot be made is taken back.
async fn make(control: &Control, keys: &KeyStore, homes: &Homes, random: &dyn Random, home: TenantId) -> Result<()> {
    let made = finish(control, keys, homes, random, home).await;
    if made.is_err()
        && let Err(undo) = take_back(control, keys, homes, home).await
    {
        tracing::warn!(tenant = %home, error = %undo, "a home that could not be made is finished at the next start");
    }
    made
}

/// Finishes what another process began before `before` and did not end.
pub(super) async fn finish_all(
    control: &Control,
    keys: &KeyStore,
    tenants: &Homes,
    random: &dyn Random,
    before: Timestamp,
) -> Result<()> {
    for tenant in control.unfinished_homes(before).await? {
        tracing::info!(%tenant, "making a home that was interrupted");
        finish(control, keys, tenants, random, tenant).await?;
    }
    Ok(())
}

async fn finish(control: &Control, keys: &KeyStore, tenants: &Homes, random: &dyn Random, tenant: TenantId) -> Result<()> {
    // Both to their end, whatever becomes of the other: what is taken back must not appear afterwards.
    let (key, file) = tokio::join!(keys.create(tenant, random), tenants.create(tenant));
    key.and(file)?;
    control.finish_home(tenant).await
}

async fn take_back(control: &Control, keys: &KeyStore, tenants: &Homes, tenant: TenantId) -> Result<()> {
    // First of all: a tenant that is ready, whoever made it so, keeps its key and its home.
    if !control.give_up_home(tenant).await? {
        return Ok(());
    }
    tenants.remove(tenant).await?;
    keys.discard(tenant).await?;
    control.abandon_home(tenant).await
}
