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
}
