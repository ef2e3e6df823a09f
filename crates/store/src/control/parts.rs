//! What sums are made of: attempts that one price can be put on.

use insula_model::{Money, Overhead, RequestId, Result, TenantScope, Timestamp, TokenCounts, WindowSpan};

use super::{
    Control,
    usage::{Sums, sums_sql},
};
use crate::query::{Rec, Row, args, aside};

/// Attempts of one model under one plan, made while no price of the plan changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedPart {
    /// Under which plan.
    pub plan: Option<String>,
    /// The model as the price book names it.
    pub model: String,
    /// No price changed between this and the last of them.
    pub at: Timestamp,
    /// Tokens by class.
    pub tokens: TokenCounts,
    /// What they cost.
    pub cost: Money,
    /// What of these tokens and of this cost kept the tenant apart.
    pub isolation: Overhead,
}

impl PricedPart {
    /// From the columns `plan`, `model` and those of [`Sums`].
    pub(super) fn read(row: &Row<'_>, at: Timestamp) -> Result<Self> {
        let Sums { tokens, cost, isolation, .. } = Sums::read(row)?;
        Ok(Self { plan: row.get("plan")?, model: row.get("model")?, at, tokens, cost, isolation })
    }
}

struct RequestPart {
    request: RequestId,
    part: PricedPart,
}

impl Rec for RequestPart {
    fn read(row: &Row<'_>) -> Result<Self> {
        Ok(Self { request: row.get("request")?, part: PricedPart::read(row, row.get("reserved_at")?)? })
    }
}

/// The bounds stand in the order of the index `ledger_by_tenant`.
const OF_REQUESTS: &str = concat!(
    "SELECT request, plan, model, reserved_at, ",
    sums_sql!(),
    " FROM ledger WHERE tenant = $1 AND reserved_at >= $2 AND reserved_at < $3 AND request >= $4 AND request <= $5 \
     GROUP BY request, plan, model, reserved_at"
);

impl Control {
    /// What the attempts of a tenant's requests are made of, from the request `first` to `last` in the order of their ids, as far as
    /// they were reserved in `span`. What is not folded yet is not in it: flush the store first.
    pub async fn request_parts(
        &self,
        scope: &TenantScope,
        span: WindowSpan,
        (first, last): (RequestId, RequestId),
    ) -> Result<Vec<(RequestId, PricedPart)>> {
        let (tenant, db) = (scope.tenant(), self.db.on_behalf(scope));
        aside(async move {
            let sought = args![tenant, span.start, span.end, first, last];
            let parts: Vec<RequestPart> = db.read().await?.all(OF_REQUESTS, sought).await?;
            Ok(parts.into_iter().map(|RequestPart { request, part }| (request, part)).collect())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use insula_model::{ScopeSource, TenantId};

    use super::*;
    use crate::control::explained::plan;

    #[tokio::test]
    async fn parts_of_requests_use_the_tenants_index() {
        let dir = tempfile::tempdir().unwrap();
        let control = Control::open(dir.path().join("control.db")).await.unwrap();
        let (at, request) = (Timestamp::from_micros(1), RequestId::from_bytes([1; 16]));
        let tenant = TenantScope::mint(TenantId::from_bytes([1; 16]), ScopeSource::Job("test")).tenant();
        let parts = plan(&control, OF_REQUESTS, args![tenant, at, at, request, request]).await;
        let index = "SEARCH ledger USING INDEX ledger_by_tenant (tenant=? AND reserved_at>? AND reserved_at<?)";
        assert!(parts.contains(index), "{parts}");
    }
}
