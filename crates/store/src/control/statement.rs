//! Bills: a tenant's ledger summed into lines, and the attempts behind a line.

use std::collections::BTreeMap;

use insula_model::{AttemptId, Cause, CredentialOwner, Error, KeyId, Operation, Result, TenantScope, Timestamp, WindowSpan};

use super::{
    Control, PriceDates,
    ledger::attempts_sql,
    usage::{Sums, sums_sql},
};
use crate::{
    LedgerRow,
    query::{Rec, Row, Tx, args, aside, rec},
};

/// Lines of one span. More can only come of labels that differ with nearly every request.
const ROWS_MAX: usize = 50_000;

/// What to sum for a bill.
#[derive(Debug, Clone)]
pub struct ChargeQuery {
    /// Whose.
    pub scope: TenantScope,
    /// Attempts reserved in this span.
    pub span: WindowSpan,
    /// What was reserved before and after a price of its plan changed is summed apart.
    pub dates: PriceDates,
    /// Whether attempts with different labels are summed apart.
    pub by_tags: bool,
}

/// Attempts that differ in nothing that a bill tells apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeRow {
    /// The model as the price book names it.
    pub model: String,
    /// What kind of call.
    pub operation: Operation,
    /// The price book row that priced them.
    pub price_row: String,
    /// Why they were made.
    pub cause: Cause,
    /// Under which plan.
    pub plan: Option<String>,
    /// The key that asked; absent for tenant tokens.
    pub key: Option<KeyId>,
    /// By whose account at the provider.
    pub credential: CredentialOwner,
    /// Their labels; empty unless asked for.
    pub tags: BTreeMap<String, String>,
    /// What they add up to.
    pub sums: Sums,
}

impl Rec for ChargeRow {
    fn read(row: &Row<'_>) -> Result<Self> {
        Ok(ChargeRow {
            model: row.get("model")?,
            operation: row.get("operation")?,
            price_row: row.get("price_row")?,
            cause: row.get("cause")?,
            plan: row.get("plan")?,
            key: row.get("key_id")?,
            credential: row.get("credential")?,
            tags: row.get("tags")?,
            sums: Sums::read(row)?,
        })
    }
}

/// Which attempts of a bill are wanted; what is absent is not asked about.
#[derive(Debug, Clone)]
pub struct AttemptQuery {
    /// Whose.
    pub scope: TenantScope,
    /// Reserved in this span.
    pub span: WindowSpan,
    /// Of this model.
    pub model: Option<String>,
    /// Of this kind of call.
    pub operation: Option<Operation>,
    /// Made for this reason.
    pub cause: Option<Cause>,
    /// Priced by this row of the price book.
    pub price_row: Option<String>,
    /// Made under this plan, or under none.
    pub plan: Option<Option<String>>,
    /// Made by the account of this one at the provider.
    pub credential: Option<CredentialOwner>,
    /// Asked for with this key, or with a tenant token.
    pub key: Option<Option<KeyId>>,
    /// With this label: its name and its value.
    pub tag: Option<(String, String)>,
    /// Behind the attempt that was reserved at this time.
    pub after: Option<(Timestamp, AttemptId)>,
    /// How many.
    pub limit: u32,
}

/// The bounds stand in the order of the index `ledger_by_tenant`.
macro_rules! charges_sql {
    ($tags:literal, $with:literal, $and:literal) => {
        concat!(
            "SELECT model, operation, price_row, cause, plan, key_id, credential, ",
            $tags,
            " AS tags, ",
            sums_sql!(),
            " FROM ledger",
            $with,
            " WHERE ledger.tenant = $1 AND reserved_at >= $2 AND reserved_at < $3 \
             GROUP BY model, operation, price_row, cause, plan, key_id, credential",
            $and,
            " LIMIT $4"
        )
    };
}

const CHARGES: &str = charges_sql!("'{}'", "", "");
const CHARGES_BY_TAGS: &str = charges_sql!(
    "COALESCE(tag_sets.tags, '{}')",
    " LEFT JOIN tag_sets ON tag_sets.tenant = ledger.tenant AND tag_sets.id = ledger.tag_set",
    ", tag_sets.tags"
);

/// A label is found in the JSON of its set by its own, with the comma before it (the first one's is put there): no quote within a name
/// or a value has a comma before it.
const ATTEMPTS: &str = attempts_sql!(
    "(a.model = $4 OR $4 IS NULL) AND (a.operation = $5 OR $5 IS NULL) AND (a.cause = $6 OR $6 IS NULL) \
     AND (a.price_row = $7 OR $7 IS NULL) AND (COALESCE(a.plan, '') = $8 OR $8 IS NULL) \
     AND (a.key_id = $9 OR $9 IS NULL AND (a.key_id IS NULL OR $10 = 0)) AND (REPLACE(',' || SUBSTR(t.tags, 2), $11, '') <> ',' || SUBSTR(t.tags, 2) OR $11 IS NULL) \
     AND (a.credential = $14 OR $14 IS NULL) \
     AND (a.reserved_at > $2 OR a.attempt > $12) ORDER BY a.reserved_at, a.attempt LIMIT $13"
);

impl Control {
    /// The lines of a bill, by the parts of the span within which no price changes and all as of one moment. What is not folded yet is
    /// not in them: flush the store first. `Invalid` where labels differ too much to be summed apart.
    pub async fn charges(&self, query: ChargeQuery) -> Result<Vec<(WindowSpan, Vec<ChargeRow>)>> {
        let _turn = self.sum_turn(Some(&query.scope)).await?;
        let db = self.db.on_behalf(&query.scope);
        // A month of a busy tenant is hundreds of thousands of rows.
        aside(async move {
            let mut tx = db.read().await?;
            let mut charges = Vec::new();
            for part in query.dates.parts(&mut tx, &query.scope, query.span).await? {
                charges.push((part, charges_in(&mut tx, &query, part).await?));
            }
            Ok(charges)
        })
        .await
    }

    /// When the first thing happened that stands on a bill of a tenant, as far as it is folded.
    pub async fn billed_since(&self, scope: &TenantScope) -> Result<Option<Timestamp>> {
        struct First {
            moment: Option<Timestamp>,
        }
        rec!(First { moment });
        let first = "SELECT MIN(moment) AS moment FROM (SELECT MIN(reserved_at) AS moment FROM ledger WHERE tenant = $1 \
                     UNION ALL SELECT MIN(month_at) AS moment FROM credits WHERE tenant = $1) AS moments";
        let first: First = self.db.on_behalf(scope).read().await?.one(first, args![scope.tenant()]).await?;
        Ok(first.moment)
    }

    /// The attempts behind a line, in the order in which they were reserved, each with what was corrected since. The rows carry no
    /// idempotency mark.
    pub async fn charged_attempts(&self, query: AttemptQuery) -> Result<Vec<LedgerRow>> {
        let _turn = self.sum_turn(Some(&query.scope)).await?;
        let db = self.db.on_behalf(&query.scope);
        aside(async move {
            let after = query.after.filter(|(at, _)| *at >= query.span.start);
            // No id is as small as this.
            let (from, after) = after.unwrap_or((query.span.start, AttemptId::from_bytes([0; 16])));
            let tag = query.tag.as_ref().map(in_json).transpose()?;
            let (tenant, plan) = (query.scope.tenant(), query.plan.map(Option::unwrap_or_default));
            let (key, is_key_asked) = (query.key.flatten(), query.key.is_some());
            let sought = args![
                tenant,
                from,
                query.span.end,
                query.model,
                query.operation,
                query.cause,
                query.price_row,
                plan,
                key,
                is_key_asked,
                tag,
                after,
                query.limit,
                query.credential,
            ];
            db.read().await?.all(ATTEMPTS, sought).await
        })
        .await
    }
}

async fn charges_in(tx: &mut Tx, query: &ChargeQuery, span: WindowSpan) -> Result<Vec<ChargeRow>> {
    let sql = if query.by_tags { CHARGES_BY_TAGS } else { CHARGES };
    let rows: Vec<ChargeRow> = tx.all(sql, args![query.scope.tenant(), span.start, span.end, ROWS_MAX as u64 + 1]).await?;
    if rows.len() > ROWS_MAX {
        let what =
            if query.by_tags { "too many different labels to be summed by one of them" } else { "too many keys to be summed" };
        return Err(Error::invalid(format!("this month has {what}; GET .../usage sums a shorter span")));
    }
    Ok(rows)
}

/// A label as it stands in the JSON of its set.
fn in_json((name, value): &(String, String)) -> Result<String> {
    let quoted = |text: &str| serde_json::to_string(text).map_err(Error::internal);
    Ok(format!(",{}:{}", quoted(name)?, quoted(value)?))
}

#[cfg(test)]
mod tests {
    use insula_model::{ScopeSource, TenantId};

    use super::*;
    use crate::control::explained::plan;

    #[tokio::test]
    async fn bills_use_the_tenants_index() {
        let dir = tempfile::tempdir().unwrap();
        let control = Control::open(dir.path().join("control.db")).await.unwrap();
        let (at, tenant) =
            (Timestamp::from_micros(1), TenantScope::mint(TenantId::from_bytes([1; 16]), ScopeSource::Job("test")));
        for sql in [CHARGES, CHARGES_BY_TAGS] {
            let charges = plan(&control, sql, args![tenant.tenant(), at, at, 1_u64]).await;
            let index = "SEARCH ledger USING INDEX ledger_by_tenant (tenant=? AND reserved_at>? AND reserved_at<?)";
            assert!(charges.contains(index), "{charges}");
        }
        let (tenant, text, key, attempt): (_, Option<String>, Option<KeyId>, _) =
            (tenant.tenant(), None, None, AttemptId::from_bytes([0; 16]));
        let sought = args![tenant, at, at, text, text, text, text, text, key, false, text, attempt, 1_u64, text];
        let attempts = plan(&control, ATTEMPTS, sought).await;
        let index = "SEARCH a USING INDEX ledger_by_tenant (tenant=? AND reserved_at>? AND reserved_at<?)";
        assert!(attempts.contains(index), "{attempts}");
        assert!(attempts.contains("SEARCH c USING PRIMARY KEY (attempt=? AND correction=?)"), "{attempts}");
        assert!(!attempts.contains("TEMP B-TREE FOR ORDER BY"), "only what was reserved at one moment is sorted: {attempts}");
    }

    #[test]
    fn a_label_is_found_by_its_json() {
        assert_eq!(in_json(&("team".into(), "a\"b".into())).unwrap(), r#","team":"a\"b""#);
    }
}
