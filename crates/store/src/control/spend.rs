//! Accounts: what every subject spent, hour by hour.

use insula_model::{Money, Result, Subject, TenantScope, Timestamp};

use super::{Control, usage::TwoPartSum};
use crate::query::{args, rec};

/// What one subject spent in one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HourSpend {
    /// When the hour began.
    pub hour: Timestamp,
    /// Settled cost of the attempts reserved in it.
    pub money: Money,
    /// Their tokens, all classes.
    pub tokens: u64,
}

rec!(HourSpend { hour, money, tokens });

impl Control {
    /// What a subject spent in each hour from `since` (an hour's start) on, as far as it is folded. Hours without spend are
    /// left out.
    pub async fn spend_since(&self, subject: &Subject, since: Timestamp) -> Result<Vec<HourSpend>> {
        let spend = "SELECT hour, money, tokens FROM spend_hour WHERE subject = $1 AND hour >= $2 ORDER BY hour";
        self.db.read().await?.all(spend, args![*subject, since]).await
    }

    /// All that a tenant spent before `until` (an hour's start), as far as it is folded.
    pub async fn spent_before(&self, scope: &TenantScope, until: Timestamp) -> Result<Money> {
        let spent = "SELECT CAST(COALESCE(SUM(money / 1000000), 0) AS BIGINT) AS high, \
                     CAST(COALESCE(SUM(money % 1000000), 0) AS BIGINT) AS low FROM spend_hour WHERE subject = $1 AND hour < $2";
        let subject = Subject::Tenant(scope.tenant());
        let spent: TwoPartSum = self.db.on_behalf(scope).read().await?.one(spent, args![subject, until]).await?;
        Ok(spent.0)
    }

    /// How much of that was made by accounts of the tenant's own at providers, corrections included.
    pub async fn own_spent_before(&self, scope: &TenantScope, until: Timestamp) -> Result<Money> {
        let spent: TwoPartSum = self.db.on_behalf(scope).read().await?.one(OWN_SPENT, args![scope.tenant(), until]).await?;
        Ok(spent.0)
    }
}

/// By an index of these rows alone: most tenants have none.
const OWN_SPENT: &str = "SELECT CAST(COALESCE(SUM(cost / 1000000), 0) AS BIGINT) AS high, \
     CAST(COALESCE(SUM(cost % 1000000), 0) AS BIGINT) AS low FROM ledger \
     WHERE tenant = $1 AND reserved_at < $2 AND credential = 'tenant'";

#[cfg(test)]
mod tests {
    use insula_model::TenantId;

    use super::*;
    use crate::control::explained::plan;

    #[tokio::test]
    async fn what_a_tenant_paid_itself_has_an_index() {
        let dir = tempfile::tempdir().unwrap();
        let control = Control::open(dir.path().join("control.db")).await.unwrap();
        let own = plan(&control, OWN_SPENT, args![TenantId::from_bytes([1; 16]), Timestamp::from_micros(1)]).await;
        assert!(own.contains("USING INDEX ledger_by_own_credential (tenant=? AND reserved_at<?)"), "{own}");
    }
}
