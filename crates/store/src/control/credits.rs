//! Credits: what a tenant was given back, for what reason. Only ever inserted.

use insula_model::{CreditId, Error, KeyId, Money, Name, Result, TenantId, TenantScope, Timestamp, WindowSpan};

use super::{Control, tenants::refuse_gone, usage::TwoPartSum};
use crate::query::{args, rec};

/// Credits of one tenant in one month, so that a statement stays readable.
const MONTH_MAX: u64 = 1_000;

/// One credit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit {
    /// Its id.
    pub id: CreditId,
    /// Whose bill it stands on.
    pub tenant: TenantId,
    /// The first moment of the month on whose statement it stands.
    pub month_at: Timestamp,
    /// How much.
    pub amount: Money,
    /// Why, for people.
    pub reason: Name,
    /// When it was given.
    pub created_at: Timestamp,
    /// The operator's key that gave it.
    pub by_key: KeyId,
}

rec!(Credit { id, tenant, month_at, amount, reason, created_at, by_key });

impl Control {
    /// Adds a credit. `Invalid` where its month has a thousand already.
    pub async fn insert_credit(&self, credit: &Credit) -> Result<()> {
        struct Count {
            credits: u64,
        }
        rec!(Count { credits });

        let mut tx = self.db.write().await?;
        refuse_gone(&mut tx, Some(credit.tenant)).await?;
        let count = "SELECT COUNT(*) AS credits FROM credits WHERE tenant = $1 AND month_at = $2";
        if tx.one::<Count>(count, args![credit.tenant, credit.month_at]).await?.credits >= MONTH_MAX {
            return Err(Error::invalid(format!("a month has at most {MONTH_MAX} credits; give one for several reasons")));
        }
        tx.exec(
            "INSERT INTO credits (id, tenant, month_at, amount, reason, created_at, by_key) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            args![credit.id, credit.tenant, credit.month_at, credit.amount, credit.reason, credit.created_at, credit.by_key],
        )
        .await?;
        tx.commit().await
    }

    /// A tenant's credits of the months that begin in `span`, oldest first.
    pub async fn credits_in(&self, scope: &TenantScope, span: WindowSpan) -> Result<Vec<Credit>> {
        let credits = "SELECT id, tenant, month_at, amount, reason, created_at, by_key FROM credits \
                       WHERE tenant = $1 AND month_at >= $2 AND month_at < $3 ORDER BY id";
        self.db.on_behalf(scope).read().await?.all(credits, args![scope.tenant(), span.start, span.end]).await
    }

    /// At most `limit` of a tenant's credits given before `before`, the newest first.
    pub async fn credits(&self, scope: &TenantScope, before: Option<CreditId>, limit: u32) -> Result<Vec<Credit>> {
        let credits = "SELECT id, tenant, month_at, amount, reason, created_at, by_key FROM credits \
                       WHERE tenant = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
        // Ids begin with their time, and no id is as large as this.
        let before = before.unwrap_or(CreditId::from_bytes([0xff; 16]));
        self.db.on_behalf(scope).read().await?.all(credits, args![scope.tenant(), before, limit]).await
    }

    /// The sum of a tenant's credits of the months that began before `until`.
    pub async fn credited_before(&self, scope: &TenantScope, until: Timestamp) -> Result<Money> {
        let credited = "SELECT CAST(COALESCE(SUM(amount / 1000000), 0) AS BIGINT) AS high, \
                        CAST(COALESCE(SUM(amount % 1000000), 0) AS BIGINT) AS low FROM credits WHERE tenant = $1 AND month_at < $2";
        let credited: TwoPartSum = self.db.on_behalf(scope).read().await?.one(credited, args![scope.tenant(), until]).await?;
        Ok(credited.0)
    }
}
