//! Accounts: what every subject spent, hour by hour.

use insula_model::{Money, Result, Subject, Timestamp};

use super::Control;
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
}
