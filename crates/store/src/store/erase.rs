//! A tenant is erased: tombstone, deny, drain, destroy key, drop data, receipt.
//!
//! Every step may be repeated, and the tombstone outlives them all, so an erasure that was interrupted goes on where it
//! was. The list of erasures stands in the control database and again in the key store: whichever of them a backup brings
//! back, the other still knows, and the next start erases once more before anything is served.

use std::time::Duration;

use insula_model::{Result, TenantId, Timestamp};

use crate::{Control, tenants::Homes, vault::KeyStore, vectors::Vectors};

/// How long backups of the key store are kept (R): after that no copy of an erased tenant's key remains.
const KEY_BACKUPS_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What an erasure leaves, in words.
const ROWS_KEPT: &str = "Ledger rows and hourly totals remain as the record of money: times, ids, model names, token counts and \
    amounts. They hold no content.";

/// Proof that a tenant was erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureReceipt {
    /// Who was erased.
    pub tenant: TenantId,
    /// When its key was destroyed and its data dropped.
    pub erased_at: Timestamp,
    /// From when on no backup of the key store holds its key either: `erased_at` and 30 days.
    pub keys_gone_after: Timestamp,
    /// What remains, in words.
    pub rows_kept: &'static str,
}

/// Erases a tenant, or goes on with it, or answers the receipt again.
pub(super) async fn erase(
    control: &Control,
    keys: &KeyStore,
    tenants: &Homes,
    vectors: &Vectors,
    tenant: TenantId,
    now: Timestamp,
) -> Result<ErasureReceipt> {
    let erasure = control.begin_erasure(tenant, now).await?;
    let erased_at = match erasure.erased_at {
        Some(erased_at) if !is_back(control, keys, tenants, tenant).await? => erased_at,
        _ => finish(control, keys, tenants, vectors, tenant, now).await?,
    };
    let keys_gone_after = erased_at.plus(KEY_BACKUPS_KEPT);
    Ok(ErasureReceipt { tenant, erased_at, keys_gone_after, rows_kept: ROWS_KEPT })
}

/// Goes on with erasures that were interrupted and repeats those that a restored backup undid.
///
/// One that began at `before` or later is most likely under way on another node, which destroys nothing before all nodes know.
pub(super) async fn replay(
    control: &Control,
    keys: &KeyStore,
    tenants: &Homes,
    vectors: &Vectors,
    now: Timestamp,
    before: Timestamp,
) -> Result<()> {
    let noted: Vec<TenantId> = control.erasures().await?.iter().map(|erasure| erasure.tenant).collect();
    for destroyed in keys.destroyed().await? {
        // Sorted by tenant.
        if noted.binary_search(&destroyed.tenant).is_err() {
            control.recall_erasure(destroyed.tenant, destroyed.destroyed_at).await?;
        }
    }
    for erasure in control.erasures().await? {
        let tenant = erasure.tenant;
        tenants.refuse(tenant);
        let is_due = match erasure.erased_at {
            None => erasure.begun_at < before,
            Some(_) => is_back(control, keys, tenants, tenant).await?,
        };
        if is_due {
            tracing::info!(%tenant, begun_at = %erasure.begun_at, "erasing a tenant");
            finish(control, keys, tenants, vectors, tenant, now).await?;
        }
    }
    Ok(())
}

/// Everything after the tombstone; the moment at which the tenant was first erased.
async fn finish(
    control: &Control,
    keys: &KeyStore,
    tenants: &Homes,
    vectors: &Vectors,
    tenant: TenantId,
    now: Timestamp,
) -> Result<Timestamp> {
    tenants.refuse(tenant);
    tenants.drain(tenant).await?;
    // The key before the data: from here on every copy of the data is unreadable.
    keys.destroy(tenant, now).await?;
    vectors.forget(tenant);
    vectors.engine.forget(tenant).await?;
    tenants.remove(tenant).await?;
    control.finish_erasure(tenant, now).await
}

/// The first `steps` of an erasure, as a process that is killed leaves them.
#[cfg(test)]
pub(super) async fn halfway(
    control: &Control,
    keys: &KeyStore,
    tenants: &Homes,
    tenant: TenantId,
    now: Timestamp,
    steps: usize,
) -> Result<()> {
    control.begin_erasure(tenant, now).await?;
    if steps > 0 {
        tenants.refuse(tenant);
        tenants.drain(tenant).await?;
    }
    if steps > 1 {
        keys.destroy(tenant, now).await?;
    }
    if steps > 2 {
        tenants.remove(tenant).await?;
    }
    Ok(())
}

/// Whether anything that an erasure removes is there.
async fn is_back(control: &Control, keys: &KeyStore, tenants: &Homes, tenant: TenantId) -> Result<bool> {
    Ok(control.remembers(tenant).await? || keys.holds(tenant).await? || tenants.holds(tenant).await?)
}
