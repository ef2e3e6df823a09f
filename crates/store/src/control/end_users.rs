//! End users of tenants' products: their names, sealed, so that what they used can be shown with them.

use insula_model::{EndUserId, Result, TenantId, TenantScope, Timestamp};

use super::Control;
use crate::query::{args, rec};

/// An end user as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndUserRow {
    /// A keyed hash of its name.
    pub id: EndUserId,
    /// What the product calls it, sealed for (`end_users`, `sealed_name`, the id).
    pub sealed_name: Vec<u8>,
}

rec!(EndUserRow { id, sealed_name });

impl Control {
    /// Keeps those of a tenant's end users that are not known yet, given in the order of their ids: two nodes with the same ones
    /// wait for each other in one order. A tenant that is gone gets none.
    pub async fn keep_end_users(&self, tenant: TenantId, rows: &[EndUserRow]) -> Result<()> {
        let keep = "INSERT INTO end_users (tenant, id, sealed_name) SELECT id, $2, $3 FROM tenants WHERE id = $1 \
                    ON CONFLICT (tenant, id) DO NOTHING";
        let mut tx = self.db.write().await?;
        for row in rows {
            tx.exec(keep, args![tenant, row.id, row.sealed_name]).await?;
        }
        tx.commit().await
    }

    /// Up to `count` end users of a tenant in the order of their ids, from the one after `after`.
    pub async fn end_users(&self, scope: &TenantScope, after: Option<EndUserId>, count: u32) -> Result<Vec<EndUserRow>> {
        // No keyed hash is as small as this.
        let after = after.unwrap_or(EndUserId::from_bytes([0; 16]));
        let page = "SELECT id, sealed_name FROM end_users WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3";
        self.db.on_behalf(scope).read().await?.all(page, args![scope.tenant(), after, count]).await
    }

    /// One end user of a tenant.
    pub async fn end_user(&self, scope: &TenantScope, id: EndUserId) -> Result<Option<EndUserRow>> {
        let find = "SELECT id, sealed_name FROM end_users WHERE tenant = $1 AND id = $2";
        self.db.on_behalf(scope).read().await?.optional(find, args![scope.tenant(), id]).await
    }

    /// The end users of a tenant for whom attempts were reserved from `from` on and before `to`.
    pub async fn end_users_between(&self, scope: &TenantScope, from: Timestamp, to: Timestamp) -> Result<Vec<EndUserRow>> {
        let find = "SELECT id, sealed_name FROM end_users WHERE tenant = $1 AND id IN \
                    (SELECT end_user FROM ledger WHERE tenant = $1 AND reserved_at >= $2 AND reserved_at < $3)";
        self.db.on_behalf(scope).read().await?.all(find, args![scope.tenant(), from, to]).await
    }
}
